"""What the instructions that run and copy nothing change: the settings in an image's config.

Each gives the comment that Docker puts in the image's history, with its variables put in. Docker
puts variables in ENV, ARG, LABEL, EXPOSE, VOLUME, WORKDIR, USER, STOPSIGNAL, COPY, ADD and FROM,
and nowhere else: in RUN, CMD and ENTRYPOINT they are left to the shell of the container.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from imgkit import golang
from imgkit.build import instruction, variables
from imgkit.build.instruction import Instruction
from imgkit.errors import BuildFailed

PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SHELL: Final = ("/bin/sh", "-c")

PREDEFINED: Final = frozenset(
    name
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (proxy, proxy.lower())
)
"""Build arguments that need no ARG; they are in no history and change no cache."""


@dataclass(slots=True)
class State:
    """Where a stage stands: its image's settings, and the ARGs that have been declared.

    `given` are the values from outside (--build-arg), `outer` the ARGs before the first FROM.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    outer: Mapping[str, str] = field(default_factory=dict)
    declared: dict[str, str | None] = field(default_factory=dict)
    author: str = ""
    cmd_set: bool = False
    escape: str = "\\"

    @property
    def env(self) -> dict[str, str]:
        """The variables of ENV, in order."""
        return {n: v for n, _, v in (one.partition("=") for one in self.settings.get("Env", ()))}

    @property
    def arguments(self) -> dict[str, str]:
        """The declared ARGs that have a value and that no ENV hides, in order of name."""
        values = {name: self.given.get(name, default) for name, default in self.declared.items()}
        env = self.env
        return {n: v for n, v in sorted(values.items()) if v is not None and n not in env}

    @property
    def predefined(self) -> dict[str, str]:
        """The predefined arguments that were given: a command sees them, the history does not."""
        return {n: v for n, v in self.given.items() if n in PREDEFINED and n not in self.declared}

    @property
    def shell(self) -> list[str]:
        """What runs a command in shell form."""
        return list(self.settings.get("Shell") or SHELL)

    @property
    def workdir(self) -> str:
        """Where commands run and relative paths begin."""
        return posixpath.normpath(self.settings.get("WorkingDir") or "/")

    def expand(self, word: str) -> str:
        """A word with its variables put in."""
        return variables.expand(word, {**self.arguments, **self.env}, self.escape)

    def expand_words(self, words: Iterable[str]) -> list[str]:
        """Words with their variables put in; a value may be several of them."""
        values = {**self.arguments, **self.env}
        return [w for word in words for w in variables.expand_words(word, values, self.escape)]


def change(state: State, step: Instruction) -> str:
    """Afterwards the settings are as the instruction says; gives the comment for the history.

    Raises `BuildFailed`, or `InvalidDockerfile` where a variable cannot be put in.
    """
    return _CHANGES[step.verb](state, step)


COMMITTED: Final = (
    *("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL"),
    *("USER", "VOLUME", "WORKDIR"),
)
"""What `docker commit --change` takes."""


def changed(settings: Mapping[str, Any], lines: Iterable[str]) -> dict[str, Any]:
    """The settings after those instructions; what they take away is None.

    Raises `BuildFailed` or `InvalidDockerfile`.
    """
    state = State(dict(settings))
    for number, line in enumerate(lines, 1):
        verb = (line.split() or [""])[0]
        if verb.upper() not in COMMITTED:
            reason = f"{verb.lower()} is not a valid change command"
            raise BuildFailed(reason, line=number, text=line)
        change(state, instruction.parse(line, number))
    return {**dict.fromkeys(settings), **state.settings}


def _fail(step: Instruction, reason: str) -> NoReturn:
    raise BuildFailed(f"line {step.line}, {step.text}: {reason}", line=step.line, text=step.text)


def _env(state: State, step: Instruction) -> str:
    pairs = [(state.expand(name), state.expand(value or "")) for name, value in step.pairs]
    kept = [f"{name}={value}" for name, value in (state.env | dict(pairs)).items()]
    state.settings["Env"] = kept
    return " ".join(["ENV", *(f"{name}={value}" for name, value in pairs)])


def _label(state: State, step: Instruction) -> str:
    pairs = [(state.expand(name), state.expand(value or "")) for name, value in step.pairs]
    state.settings["Labels"] = {**(state.settings.get("Labels") or {}), **dict(pairs)}
    return " ".join(["LABEL", *(f"{name}={value}" for name, value in pairs)])


def _arg(state: State, step: Instruction) -> str:
    """All defaults are put in before the first ARG of the line has its value."""
    pairs = [(name, None if text is None else state.expand(text)) for name, text in step.pairs]
    for name, value in pairs:
        state.declared[name] = state.outer.get(name) if value is None else value
    told = (name if value is None else f"{name}={value}" for name, value in pairs)
    return " ".join(["ARG", *told])


def _workdir(state: State, step: Instruction) -> str:
    place = state.expand(step.argument)
    if not place:
        _fail(step, "cannot normalize nothing. Name a directory.")
    if not place.startswith("/"):
        place = posixpath.normpath(posixpath.join(state.workdir, place))
    state.settings["WorkingDir"] = place
    return f"WORKDIR {state.settings['WorkingDir']}"


def _user(state: State, step: Instruction) -> str:
    state.settings["User"] = state.expand(step.argument)
    return f"USER {state.settings['User']}"


def _cmd(state: State, step: Instruction) -> str:
    state.settings["Cmd"] = _words(state, step)
    state.cmd_set = bool(step.words)
    return f"CMD {golang.quote_list(state.settings['Cmd'])}"


def _entrypoint(state: State, step: Instruction) -> str:
    """An ENTRYPOINT takes the CMD of the base image away, but not one of its own stage."""
    state.settings["Entrypoint"] = _words(state, step)
    if not state.cmd_set:
        state.settings.pop("Cmd", None)
    return f"ENTRYPOINT {golang.quote_list(state.settings['Entrypoint'])}"


def _words(state: State, step: Instruction) -> list[str]:
    return list(step.words) if step.exec else [*state.shell, *step.words]


def _expose(state: State, step: Instruction) -> str:
    words = state.expand_words(step.words)
    opened: dict[str, Any] = {port: {} for word in words for port in ports(step, word)}
    opened |= state.settings.get("ExposedPorts") or {}
    state.settings["ExposedPorts"] = dict(sorted(opened.items()))
    return " ".join(["EXPOSE", *sorted(words)])


def ports(step: Instruction, word: str) -> list[str]:
    """`80`, `80/udp` or `8000-8010`, as the config has them: `80/tcp`.

    What is before the last colon (a port of the host, as in `run -p`) says nothing here.
    """
    found = re.fullmatch(
        r"(?:(?:[\d.]+:)?\d*(?:-\d+)?:)?(\d+)(?:-(\d+))?(?:/(tcp|udp|sctp))?", word.lower()
    )
    first = int(found[1]) if found else 0
    last = int(found[2] or found[1]) if found else 0
    if found is None or not 0 <= first <= last < 1 << 16:
        _fail(step, f"Invalid containerPort: {word}. Write a number up to 65535, or 53/udp.")
    return [f"{port}/{found[3] or 'tcp'}" for port in range(first, last + 1)]


def _volume(state: State, step: Instruction) -> str:
    places = [state.expand(word) for word in step.words]
    if not all(place.strip() for place in places):
        _fail(step, "VOLUME specified can not be an empty string. Name a directory.")
    volumes = {**(state.settings.get("Volumes") or {}), **{place: {} for place in places}}
    state.settings["Volumes"] = dict(sorted(volumes.items()))
    return f"VOLUME [{' '.join(places)}]"


def _shell(state: State, step: Instruction) -> str:
    state.settings["Shell"] = list(step.words)
    return f"SHELL [{' '.join(step.words)}]"


def _stopsignal(state: State, step: Instruction) -> str:
    name = state.expand(step.argument)
    plain = name.upper().removeprefix("SIG")
    if not _SIGNALS.fullmatch(plain) and not (name.isdecimal() and int(name)):
        _fail(step, f"Invalid signal: {name}. Write a name such as SIGTERM, or a number.")
    state.settings["StopSignal"] = name
    return f"STOPSIGNAL {name}"


def _healthcheck(state: State, step: Instruction) -> str:
    """What a later HEALTHCHECK does not say stays as an earlier one said it."""
    check: dict[str, Any] = {"Test": ["NONE"]}
    if step.inner:
        kind = "CMD" if step.inner.exec else "CMD-SHELL"
        check["Test"] = [kind, *step.inner.words]
    for flag, key in (("interval", "Interval"), ("timeout", "Timeout")):
        check[key] = _duration(step, flag)
    check["StartPeriod"] = _duration(step, "start-period")
    retries = step.flags.get("retries", "0")
    if "retries" in step.flags and not (retries.isdecimal() and int(retries)):
        _fail(step, f"--retries must be a number of tries, at least 1, not {retries}.")
    check["Retries"] = int(retries)
    times = [golang.say_duration(check[key]) for key in ("Interval", "Timeout", "StartPeriod")]
    told = [golang.quote_list(check["Test"]), *map(golang.quote, times)]
    said = {key: value for key, value in check.items() if value}
    state.settings["Healthcheck"] = {**(state.settings.get("Healthcheck") or {}), **said}
    return f"HEALTHCHECK &{{{' '.join([*told, golang.quote_number(check['Retries'])])}}}"


def _duration(step: Instruction, flag: str) -> int:
    text = step.flags.get(flag, "0")
    found = golang.duration(text)
    if found is None or 0 < found < 10**6:
        _fail(step, f"--{flag} must be a time of at least 1ms, such as 30s, not {text!r}.")
    return found


def _onbuild(state: State, step: Instruction) -> str:
    state.settings["OnBuild"] = [*(state.settings.get("OnBuild") or []), step.argument]
    return f"ONBUILD {step.argument}"


def _maintainer(state: State, step: Instruction) -> str:
    state.author = step.argument
    return f"MAINTAINER {step.argument}"


_SIGNALS: Final = re.compile(
    r"ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|PWR|QUIT|SEGV|STKFLT"
    r"|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|RTM(IN|AX)([+-]\d+)?"
)

_CHANGES: Final[Mapping[str, Callable[[State, Instruction], str]]] = {
    "ENV": _env,
    "LABEL": _label,
    "ARG": _arg,
    "WORKDIR": _workdir,
    "USER": _user,
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "EXPOSE": _expose,
    "VOLUME": _volume,
    "SHELL": _shell,
    "STOPSIGNAL": _stopsignal,
    "HEALTHCHECK": _healthcheck,
    "ONBUILD": _onbuild,
    "MAINTAINER": _maintainer,
}

"""One instruction of a Dockerfile: its verb, its flags, and what follows in the verb's own form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from imgkit.build import variables
from imgkit.errors import InvalidDockerfile

Pairs = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its verb in capitals, and what follows in the form that suits the verb.

    `text` is all of it on one line, as Docker prints it. `words` are the arguments; one, when they
    go to a shell (`exec` is false then). ENV, LABEL and ARG have `pairs` instead. HEALTHCHECK and
    ONBUILD have the instruction that they hold in `inner`.
    """

    verb: str
    line: int
    text: str
    flags: Mapping[str, str] = field(default_factory=dict, hash=False)
    words: tuple[str, ...] = ()
    pairs: Pairs = ()
    exec: bool = False
    inner: Instruction | None = None

    @property
    def argument(self) -> str:
        """The only, or first, argument."""
        return self.words[0]


def refuse(reason: str, advice: str, line: int, text: str) -> NoReturn:
    """Raise `InvalidDockerfile` in Docker's words, and say what to write instead."""
    raise InvalidDockerfile(
        f"dockerfile parse error line {line}: {reason}. {advice}.",
        line=line,
        text=text,
        reason=reason,
    )


def parse(text: str, line: int, escape: str = "\\") -> Instruction:
    """The instruction in one (joined) line; raises `InvalidDockerfile`."""
    verb, rest = [*text.split(None, 1), ""][:2]
    verb = verb.upper()
    if verb not in _VERBS:
        known = ", ".join(_VERBS)
        refuse(f"unknown instruction: {verb}", f"Write one of: {known}", line, text)
    draft = _Draft(verb, line, text, escape)
    rest = draft.take_flags(rest.strip())
    if not rest and verb not in ("FROM", "HEALTHCHECK", "CMD", "ENTRYPOINT"):
        count = "exactly" if _VERBS[verb] is _one else "at least"
        draft.refuse(f"{verb} requires {count} one argument", f"Write something after {verb}")
    return _VERBS[verb](draft, rest)


class _Draft:
    """An instruction while it is being read: where it stands, and how it refuses."""

    def __init__(self, verb: str, line: int, text: str, escape: str) -> None:
        self.verb = verb
        self.line = line
        self.text = text
        self.escape = escape
        self.flags: dict[str, str] = {}

    def make(
        self,
        *words: str,
        pairs: Pairs = (),
        exec: bool = False,  # noqa: A002
        inner: Instruction | None = None,
    ) -> Instruction:
        return Instruction(self.verb, self.line, self.text, self.flags, words, pairs, exec, inner)

    def refuse(self, reason: str, advice: str) -> NoReturn:
        refuse(reason, advice, self.line, self.text)

    def take_flags(self, rest: str) -> str:
        """What is left after the `--name=value` words at the beginning."""
        known = _FLAGS.get(self.verb, ())
        while (found := re.match(r"--(\S*)(?:\s+|$)", rest)) and known is not None:
            rest = rest[found.end() :]
            if not found[1]:
                break
            name, equals, value = found[1].partition("=")
            if name in _BUILDKIT.get(self.verb, ()):
                self.refuse(f"the --{name} option requires BuildKit", "Leave it out")
            if name not in known:
                few = ", ".join(f"--{one}" for one in known) or "none"
                self.refuse(f"Unknown flag: {name}", f"{self.verb} takes: {few}")
            if not equals:
                self.refuse(f"Missing a value on flag: {name}", f"Write --{name}=value")
            self.flags[name] = value
        return rest

    def split(self, rest: str) -> list[str]:
        return variables.split(rest, self.escape)

    def json(self, rest: str) -> list[str] | None:
        """The words of a JSON list at the beginning of `rest`; None if there is none."""
        if not rest.startswith("["):
            return None
        try:
            found, _ = json.JSONDecoder().raw_decode(rest)
        except ValueError:
            return None
        if not all(isinstance(word, str) for word in found):
            self.refuse(
                "when using JSON array syntax, arrays must be comprised of strings only",
                'Put every word in double quotes: ["sh", "-c", "true"]',
            )
        return list(found)

    def refuse_here_documents(self, rest: str) -> None:
        if any(re.match(r"""\d*<<-?['"]?[A-Za-z_]""", word) for word in self.split(rest)):
            self.refuse(
                "here-documents (<<) are not carried out here",
                r"Write the command on one line, or join lines with \ and &&",
            )


def _command(draft: _Draft, rest: str) -> Instruction:
    """RUN, CMD, ENTRYPOINT: a JSON list, or one line for a shell; an ENTRYPOINT may be none."""
    words = [] if draft.verb == "ENTRYPOINT" and not rest else draft.json(rest)
    if words is None:
        if draft.verb == "RUN":
            draft.refuse_here_documents(rest)
        return draft.make(*filter(None, [rest]))
    if draft.verb == "RUN" and not words:
        draft.refuse("RUN requires at least one argument", 'Write ["program", "argument"]')
    return draft.make(*words, exec=True)


def _copy(draft: _Draft, rest: str) -> Instruction:
    draft.refuse_here_documents(rest)
    listed = draft.json(rest)
    words = rest.split() if listed is None else listed
    if len(words) < 2:
        draft.refuse(
            f"{draft.verb} requires at least two arguments, but only one was provided. "
            "Destination could not be determined",
            f"Write {draft.verb} source destination",
        )
    return draft.make(*words, exec=listed is not None)


def _pairs(draft: _Draft, rest: str) -> Instruction:
    """ENV, LABEL: `a=b c=d`, or `a b`, where all after the first space is the value."""
    words = draft.split(rest)
    if "=" not in words[0]:
        name, *value = rest.split(None, 1)
        if not value:
            draft.refuse(f"{draft.verb} must have two arguments", f"Write {draft.verb} name=value")
        return draft.make(pairs=((name, value[0]),))
    for word in words:
        if "=" not in word:
            draft.refuse(
                f"Syntax error - can't find = in {json.dumps(word)}. "
                "Must be of the form: name=value",
                "Put quotes around a value with spaces",
            )
        if word.startswith("="):
            draft.refuse(f"{draft.verb} names can not be blank", "Write name=value")
    return draft.make(pairs=tuple((n, v) for n, _, v in (word.partition("=") for word in words)))


def _argument(draft: _Draft, rest: str) -> Instruction:
    """ARG: names, each perhaps with a default."""
    found: list[tuple[str, str | None]] = []
    for word in draft.split(rest):
        name, equals, default = word.partition("=")
        if not name:
            draft.refuse("ARG names can not be blank", "Write ARG name or ARG name=default")
        found.append((name, default if equals else None))
    return draft.make(pairs=tuple(found))


def _from(draft: _Draft, rest: str) -> Instruction:
    words = rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        draft.refuse(
            "FROM requires either one or three arguments", "Write FROM image, or FROM image AS name"
        )
    if len(words) == 3 and not re.fullmatch(r"[a-z][a-z0-9-_.]*", words[2].lower()):
        draft.refuse(
            f"invalid name for build stage: {json.dumps(words[2])}, name can't start with a "
            "number or contain symbols",
            "Write a name of letters and digits",
        )
    return draft.make(*words)


def _one(draft: _Draft, rest: str) -> Instruction:
    """WORKDIR, USER, STOPSIGNAL, MAINTAINER: all that follows is the one argument."""
    return draft.make(rest)


def _several(draft: _Draft, rest: str) -> Instruction:
    """EXPOSE, VOLUME: words; VOLUME may also have a JSON list."""
    words = draft.json(rest) if draft.verb == "VOLUME" else None
    words = rest.split() if words is None else words
    if not words or not all(words):
        draft.refuse(f"{draft.verb} specified can not be an empty string", "Name one")
    return draft.make(*words)


def _shell(draft: _Draft, rest: str) -> Instruction:
    words = draft.json(rest)
    if not words:
        draft.refuse(
            "SHELL requires the arguments to be in JSON form", 'Write SHELL ["/bin/sh", "-c"]'
        )
    return draft.make(*words, exec=True)


def _healthcheck(draft: _Draft, rest: str) -> Instruction:
    kind, _, command = rest.partition(" ")
    if kind.upper() == "NONE" and not command:
        return draft.make("NONE")
    if kind.upper() != "CMD" or not command.strip():
        draft.refuse(
            f"Unknown type {json.dumps(kind.upper())} in HEALTHCHECK (try CMD)",
            "Write HEALTHCHECK CMD command, or HEALTHCHECK NONE",
        )
    inner = _command(_Draft("CMD", draft.line, rest, draft.escape), command.strip())
    return draft.make("CMD", inner=inner)


def _trigger(draft: _Draft, rest: str) -> Instruction:
    """ONBUILD: an instruction for the build that starts from this image."""
    inner = parse(rest, draft.line, draft.escape)
    if inner.verb == "ONBUILD":
        draft.refuse("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", "Write it once")
    if inner.verb in ("FROM", "MAINTAINER"):
        draft.refuse(f"{inner.verb} isn't allowed as an ONBUILD trigger", "Leave it out")
    return draft.make(rest, inner=inner)


_VERBS: Final[Mapping[str, Callable[[_Draft, str], Instruction]]] = {
    "FROM": _from,
    "RUN": _command,
    "COPY": _copy,
    "ADD": _copy,
    "ENV": _pairs,
    "ARG": _argument,
    "WORKDIR": _one,
    "USER": _one,
    "CMD": _command,
    "ENTRYPOINT": _command,
    "EXPOSE": _several,
    "LABEL": _pairs,
    "VOLUME": _several,
    "SHELL": _shell,
    "STOPSIGNAL": _one,
    "HEALTHCHECK": _healthcheck,
    "ONBUILD": _trigger,
    "MAINTAINER": _one,
}

_BUILDKIT: Final[Mapping[str, tuple[str, ...]]] = {
    "RUN": ("mount", "network", "security"),
    "COPY": ("link", "parents", "exclude"),
    "ADD": ("link", "checksum", "keep-git-dir", "exclude"),
}
_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {
    "FROM": ("platform",),
    "COPY": ("from", "chown", "chmod"),
    "ADD": ("chown", "chmod"),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "retries"),
}

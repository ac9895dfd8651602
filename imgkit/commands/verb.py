"""Verbs, their flags, and the words of a command line read as Docker reads them (`spf13/pflag`).

    -q --quiet -aq -f=x -fx -f x --filter x --filter=x --quiet=false --

A flag may stand behind arguments, but not behind the image of `run`, say, where the command to run
begins. A verb may have several names: `images` is also `image ls`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgkit.commands.bench import Bench, Refused
from imgkit.units import counted

UNKNOWN_FLAG: Final = 125
_BOOLEANS: Final = dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), "true") | dict.fromkeys(
    ("0", "f", "F", "false", "FALSE", "False"), ""
)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; `value` is the kind of value that it takes, and empty for yes or no."""

    name: str
    help: str
    short: str = ""
    value: str = ""

    @property
    def written(self) -> str:
        """How it is called in a message."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


@dataclass(frozen=True, slots=True)
class Options:
    """The words behind a verb: its arguments, and each flag with what it was given, in order."""

    called: str
    words: Sequence[str]
    flags: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def on(self, name: str) -> bool:
        """Whether a flag of yes or no is on."""
        return bool(self.value(name))

    def value(self, name: str, default: str = "") -> str:
        """The last value of a flag."""
        return self.flags[name][-1] if name in self.flags else default

    def values(self, name: str) -> Sequence[str]:
        """All values of a flag that may be given several times."""
        return self.flags.get(name, ())


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb of the command line; `does` returns the exit status.

    `usage` is what follows its name, with `least` to `most` arguments (None: any number). Unless
    `mixed`, everything behind the first argument is an argument too.
    """

    help: str
    usage: str
    does: Callable[[Bench, Options], int]
    flags: tuple[Flag, ...] = ()
    least: int = 0
    most: int | None = 0
    aliases: tuple[str, ...] = ()
    mixed: bool = True


COMMON: Final = (
    Flag("home", "The local repository (or IMGKIT_HOME)", value="directory"),
    Flag("live", "Ask real registries (or IMGKIT_LIVE=1)"),
    Flag("mirror", "A cache to ask in Docker Hub's place (or IMGKIT_MIRROR)", value="address"),
    Flag("view", "Which Docker to be: classic or containerd (or IMGKIT_VIEW)", value="string"),
    Flag("help", "Print usage", short="h"),
)
"""What may stand before a verb, or behind it."""


@dataclass
class Reader:
    """Reads the words behind `called`; raises `Refused` in Docker's words."""

    prog: str
    called: str
    verb: Verb

    def read(self, words: Sequence[str]) -> Options:
        """The options, with the right number of arguments unless help is asked for."""
        arguments: list[str] = []
        flags: dict[str, list[str]] = {}
        rest = iter(words)
        for word in rest:
            if arguments and not self.verb.mixed:
                arguments += [word, *rest]
            elif word == "--":
                arguments += rest
            elif word.startswith("--"):
                self._long(word[2:], rest, flags)
            elif word.startswith("-") and word != "-":
                self._short(word[1:], rest, flags)
            else:
                arguments.append(word)
        options = Options(self.called, arguments, flags)
        if not options.on("help"):
            self._count(len(arguments))
        return options

    def _long(self, text: str, rest: Iterator[str], flags: dict[str, list[str]]) -> None:
        name, equals, value = text.partition("=")
        flag = next((flag for flag in self._flags() if flag.name == name), None)
        if flag is None:
            raise self._wrong(f"unknown flag: --{name}")
        if not equals and flag.value:
            value = self._next(rest, f"flag needs an argument: --{name}")
        elif not equals:
            value = "true"
        self._keep(flag, value, flags)

    def _short(self, text: str, rest: Iterator[str], flags: dict[str, list[str]]) -> None:
        for place, letter in enumerate(text):
            flag = next((flag for flag in self._flags() if flag.short == letter), None)
            if flag is None:
                raise self._wrong(f"unknown shorthand flag: {letter!r} in -{text[place:]}")
            behind = text[place + 1 :]
            if behind.startswith("=") or (flag.value and behind):
                return self._keep(flag, behind.removeprefix("="), flags)
            value = "true"
            if flag.value:
                value = self._next(rest, f"flag needs an argument: {letter!r} in -{text[place:]}")
            self._keep(flag, value, flags)

    def _flags(self) -> tuple[Flag, ...]:
        return (*self.verb.flags, *COMMON)

    def _next(self, rest: Iterator[str], complaint: str) -> str:
        value = next(rest, None)
        if value is None:
            raise self._wrong(complaint)
        return value

    def _keep(self, flag: Flag, value: str, flags: dict[str, list[str]]) -> None:
        if not flag.value:
            if value not in _BOOLEANS:
                raise self._wrong(
                    f'invalid argument "{value}" for "{flag.written}" flag: strconv.ParseBool: '
                    f'parsing "{value}": invalid syntax'
                )
            value = _BOOLEANS[value]
        if flag.value == "int" and not value.removeprefix("-").isdecimal():
            raise self._wrong(
                f'invalid argument "{value}" for "{flag.written}" flag: strconv.ParseInt: '
                f'parsing "{value}": invalid syntax'
            )
        flags.setdefault(flag.name, []).append(value)

    def _count(self, found: int) -> None:
        least, most = self.verb.least, self.verb.most
        if found >= least and (most is None or found <= most):
            return
        see = "Run"
        if most == 0:
            wanted = "accepts no arguments"
        elif most is None:
            wanted, see = f"requires at least {counted(least, 'argument')}", "See"
        elif least == most:
            wanted = f"requires {counted(least, 'argument')}"
        elif least == 0:
            wanted = f"requires at most {counted(most, 'argument')}"
        else:
            wanted = f"requires at least {least} and at most {most} arguments"
        name = f"{self.prog} {self.called}"
        raise self._wrong(f"{self.prog}: '{name}' {wanted}", status=1, see=see)

    def _wrong(self, complaint: str, status: int = UNKNOWN_FLAG, see: str = "Run") -> Refused:
        name = f"{self.prog} {self.called}".rstrip()
        return Refused(
            f"{complaint}\n\nUsage:  {name} {self.verb.usage}\n\n"
            f"{see} '{name} --help' for more information",
            status=status,
        )


def explained(prog: str, called: str, names: Sequence[str], verb: Verb) -> str:
    """What `--help` prints of a verb, in the form of Docker's command line."""
    parts = [f"Usage:  {prog} {called} {verb.usage}".rstrip(), verb.help]
    if len(names) > 1:
        parts.append("Aliases:\n  " + ", ".join(f"{prog} {name}" for name in names))
    own = sorted(verb.flags, key=lambda flag: flag.name)
    for title, flags in (("Options", own), ("Everywhere", COMMON)):
        if flags:
            parts.append(f"{title}:\n" + "\n".join(_listed(flags)))
    return "\n\n".join(parts)


def _listed(flags: Sequence[Flag]) -> Iterator[str]:
    """The flags as a table; a long help goes on below itself."""
    import textwrap  # noqa: PLC0415  every start would import it

    left = [
        f"  {f'-{flag.short},' if flag.short else '':3} --{flag.name} {flag.value}".rstrip()
        for flag in flags
    ]
    width = max(map(len, left)) + 3
    for start, flag in zip(left, flags, strict=True):
        lines = textwrap.wrap(flag.help, max(30, 80 - width))
        yield start.ljust(width) + ("\n" + " " * width).join(lines)

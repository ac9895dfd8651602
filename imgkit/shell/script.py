"""A script of the shell as values: what the grammar reads, and the shell carries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from imgkit.errors import CannotRun


class BadSyntax(Exception):
    """The text is no script in any shell; says what shells say."""


class Unfinished(BadSyntax):
    """The text stops where a script cannot: more lines may make it one."""


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they stand; quoted ones are not split, and `*` among them is a star."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, or `${name:-word}` with `:-` as `operator`."""

    name: str
    quoted: bool = False
    operator: str = ""
    word: Word = ()


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(script)`: what it prints."""

    script: Script
    quoted: bool = False


Part = Text | Parameter | Substitution
Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    """`2> word`; of a here-document, the word is its text."""

    fd: int
    operator: str
    word: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """`NAME=value program words`."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class For:
    """A loop over `words`, or over the script's own where there is no `in`."""

    name: str
    words: tuple[Word, ...] | None
    body: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class If:
    """Conditions, each with what to do where it is the first that holds."""

    branches: tuple[tuple[Script, Script], ...]
    otherwise: Script
    redirects: tuple[Redirect, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`{ script; }`, or `( script )`, which leaves directory and variables as they were."""

    body: Script
    alone: bool
    redirects: tuple[Redirect, ...] = ()


Command = Simple | For | If | Group


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each reading what the one before it prints."""

    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """A pipeline, and those after it with the `&&` or `||` before each."""

    first: Pipeline
    rest: tuple[tuple[str, Pipeline], ...] = field(default=())


Script = tuple[AndOr, ...]


def unknown(what: str) -> NoReturn:
    """Raise `CannotRun` for something that a shell knows and this one does not."""
    raise CannotRun(
        f"the small shell of imgkit does not know {what}; a real container's shell does", what=what
    )


def literal(word: Word) -> str:
    """The characters of a word in which nothing is to be replaced."""
    return "".join(part.text for part in word if isinstance(part, Text))

"""What becomes of a word before a program gets it (POSIX 2.6, Word Expansions).

`$name` and `$(script)` are replaced; what came of them is split at blanks, unless it was quoted;
and a word with `*`, `?` or `[` in it that is not quoted becomes the names that match, if any do.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from imgkit.shell.script import Parameter, Part, Script, Text, Word


class NotSet(Exception):
    """A variable must be set, and is not; says so in the words of the shell."""


class Scope(Protocol):
    """What a word is expanded in."""

    @property
    def positional(self) -> Sequence[str]:
        """The arguments of the script: `$1` and on."""
        ...

    def value(self, name: str) -> str | None:
        """The value of a variable or special parameter; None if it is not set."""
        ...

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""
        ...

    def output(self, script: Script) -> str:
        """What a script prints, without the newlines at its end."""
        ...

    def names(self, folder: str) -> list[str]:
        """The names in a directory; none where it cannot be read."""
        ...

    def exists(self, path: str) -> bool:
        """Whether there is something, or a symlink, at a path."""
        ...


Piece = tuple[str, bool]
"""Characters of a field, and whether they were quoted."""


def fields(words: Sequence[Word], scope: Scope) -> list[str]:
    """The arguments that these words become."""
    return [name for word in words for field in _split(word, scope) for name in _glob(field, scope)]


def single(word: Word, scope: Scope) -> str:
    """The word as one string, not split: as in an assignment, or after `>`."""
    return "".join(_piece(part, scope, first=not at)[0] for at, part in enumerate(word))


def _piece(part: Part, scope: Scope, *, first: bool) -> Piece:
    """What one part of a word becomes; a tilde is somebody's home only at the beginning."""
    if isinstance(part, Text):
        home = first and not part.quoted and re.match(r"~(/|$)", part.text)
        return (scope.value("HOME") or "~") + part.text[1:] if home else part.text, part.quoted
    if isinstance(part, Parameter):
        return _parameter(part, scope), part.quoted
    return scope.output(part.script), part.quoted


def _parameter(part: Parameter, scope: Scope) -> str:
    """The value of `$name`, or of `${name:-word}` and its like."""
    value = scope.value(part.name)
    missing = value is None or (not value and part.operator.startswith(":"))
    match part.operator[-1:]:
        case "+":
            return "" if missing else single(part.word, scope)
        case "-" if missing:
            return single(part.word, scope)
        case "=" if missing:
            value = single(part.word, scope)
            scope.assign(part.name, value)
        case "?" if missing:
            raise NotSet(f"{part.name}: {single(part.word, scope) or 'parameter not set'}")
        case "" if value is None and "u" in (scope.value("-") or "") and part.name not in "@*":
            raise NotSet(f"{part.name}: parameter not set")
    return value or ""


def _split(word: Word, scope: Scope) -> list[list[Piece]]:
    """The fields of a word; a word of which nothing is left gives none, unless it was quoted."""
    done: list[list[Piece]] = [[]]
    for at, part in enumerate(word):
        if isinstance(part, Parameter) and part.name == "@" and part.quoted:
            for count, argument in enumerate(scope.positional):
                done += [[]] if count else []
                done[-1].append((argument, True))
            continue
        text, quoted = _piece(part, scope, first=not at)
        if quoted or isinstance(part, Text):
            done[-1].append((text, quoted))
            continue
        for count, piece in enumerate(re.split(r"[ \t\n]+", text)):
            done += [[]] if count else []
            done[-1].append((piece, False))
    return [field for field in done if any(text or quoted for text, quoted in field)]


def _glob(field: Sequence[Piece], scope: Scope) -> list[str]:
    """The names that a field matches; the field itself where there is no star, or no match."""
    plain = "".join(text for text, _ in field)
    if not any(re.search(r"[*?\[]", text) for text, quoted in field if not quoted):
        return [plain]
    pattern = "".join(re.sub(r"([*?\[])", r"[\1]", t) if quoted else t for t, quoted in field)
    found = ["/" if pattern.startswith("/") else ""]
    for part in [part for part in pattern.split("/") if part]:
        found = [match for base in found for match in _matches(base, part, scope)]
    return sorted(found) or [plain]


def _matches(base: str, part: str, scope: Scope) -> Iterator[str]:
    """The paths in a directory whose names match one part of a pattern."""
    join = base if not base or base.endswith("/") else f"{base}/"
    if not re.search(r"[*?\[]", part):
        if scope.exists(join + part):
            yield join + part
        return
    hidden = [".", ".."] if part.startswith(".") else []
    for name in [*hidden, *scope.names(base or ".")]:
        if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith(".")):
            yield join + name

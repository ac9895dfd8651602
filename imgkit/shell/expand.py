"""What becomes of a word before a program gets it (POSIX 2.6, Word Expansions).

`$name` and `$(script)` are replaced; what came of them is split at blanks, unless it was quoted;
and a word with `*`, `?` or `[` in it that is not quoted becomes the names that match, if any do.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence

from imgkit.shell.script import Parameter, Part, Text, Word
from imgkit.shell.session import Session


class NotSet(Exception):
    """A variable must be set, and is not; says so in the words of the shell."""


Piece = tuple[str, bool]
"""Characters of a field, and whether they were quoted."""


def fields(words: Sequence[Word], shell: Session) -> list[str]:
    """The arguments that these words become."""
    return [name for word in words for field in _split(word, shell) for name in _glob(field, shell)]


def single(word: Word, shell: Session) -> str:
    """The word as one string, not split: as in an assignment, or after `>`."""
    pieces = [_pieces(part, shell, first=not at) for at, part in enumerate(word)]
    return "".join(text for found in pieces for text, _ in found)


def _pieces(part: Part, shell: Session, *, first: bool) -> list[Piece]:
    """What one part of a word becomes; a tilde is somebody's home only at the beginning."""
    if isinstance(part, Text):
        home = first and not part.quoted and re.match(r"~(/|$)", part.text)
        text = (shell.value("HOME") or "~") + part.text[1:] if home else part.text
        return [(text, part.quoted)]
    if isinstance(part, Parameter):
        return _parameter(part, shell)
    return [(shell.output(part.script), part.quoted)]


def _parameter(part: Parameter, shell: Session) -> list[Piece]:
    """The value of `$name`, or of `${name:-word}` and its like."""
    value = shell.value(part.name)
    missing = value is None or (not value and part.operator.startswith(":"))
    match part.operator[-1:]:
        case "+" if missing:
            value = ""
        case "+":
            return _instead(part, shell)
        case "-" if missing:
            return _instead(part, shell)
        case "=" if missing:
            value = single(part.word, shell)
            shell.assign(part.name, value)
        case "?" if missing:
            bare = "parameter not set" + " or null" * part.operator.startswith(":")
            raise NotSet(f"{part.name}: {single(part.word, shell) or bare}")
        case "" if value is None and "u" in (shell.value("-") or "") and part.name not in "@*":
            raise NotSet(f"{part.name}: parameter not set")
    return [(value or "", part.quoted)]


def _instead(part: Parameter, shell: Session) -> list[Piece]:
    """The word that stands for the value: each part of it is quoted, or it is not."""
    found = [piece for inner in part.word for piece in _pieces(inner, shell, first=False)]
    return [(text, quoted or part.quoted) for text, quoted in found or [("", False)]]


def _split(word: Word, shell: Session) -> list[list[Piece]]:
    """The fields of a word; a word of which nothing is left gives none, unless it was quoted."""
    done: list[list[Piece]] = [[]]
    for at, part in enumerate(word):
        if isinstance(part, Parameter) and part.name == "@" and part.quoted:
            for count, argument in enumerate(shell.positional):
                done += [[]] if count else []
                done[-1].append((argument, True))
            continue
        for text, quoted in _pieces(part, shell, first=not at):
            whole = quoted or isinstance(part, Text)
            for count, piece in enumerate([text] if whole else re.split(r"[ \t\n]+", text)):
                done += [[]] if count else []
                done[-1].append((piece, quoted))
    return [field for field in done if any(text or quoted for text, quoted in field)]


def _glob(field: Sequence[Piece], shell: Session) -> list[str]:
    """The names that a field matches; the field itself where there is no star, or no match."""
    plain = "".join(text for text, _ in field)
    if not any(re.search(r"[*?\[]", text) for text, quoted in field if not quoted):
        return [plain]
    pattern = "".join(re.sub(r"([*?\[])", r"[\1]", t) if quoted else t for t, quoted in field)
    found = ["/" if pattern.startswith("/") else ""]
    for part in [part for part in pattern.split("/") if part]:
        found = [match for base in found for match in _matches(base, part, shell)]
    if pattern.endswith("/"):
        found = [f"{path}/" for path in found if shell.exists(f"{path}/.")]
    return sorted(found) or [plain]


def _matches(base: str, part: str, shell: Session) -> Iterator[str]:
    """The paths in a directory whose names match one part of a pattern."""
    join = base if not base or base.endswith("/") else f"{base}/"
    if not re.search(r"[*?\[]", part):
        if shell.exists(join + part):
            yield join + part
        return
    hidden = [".", ".."] if part.startswith(".") else []
    for name in [*hidden, *shell.names(base or ".")]:
        if fnmatch.fnmatchcase(name, part) and (part.startswith(".") or not name.startswith(".")):
            yield join + name

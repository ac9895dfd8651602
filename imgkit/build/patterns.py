r"""Patterns of paths, as Go and Docker read them: in COPY and ADD, and in .dockerignore.

    *        any characters of one component
    ?        one character of a component
    [a-z]    one of these; [^a-z] one that is not
    \*       the character itself
    **       in .dockerignore only: any number of components

A .dockerignore has a pattern on each line. A path is left out when a pattern matches it or a
directory that it is in, unless a later line, with `!` before its pattern, takes it in again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from imgkit.errors import BuildFailed


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern matches the whole path (Go: `path.Match`).

    >>> matches("*.txt", "a.txt"), matches("*.txt", "sub/a.txt")
    (True, False)
    """
    return _regex(pattern, deep=False).fullmatch(path) is not None


def is_pattern(text: str) -> bool:
    """Whether there is an unescaped `*`, `?` or `[` in it."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", text)) is not None


@dataclass(frozen=True, slots=True)
class _Rule:
    regex: re.Pattern[str]
    taken_in: bool


class Ignore:
    """What a .dockerignore leaves out.

    >>> rules = Ignore(["*.md", "!README.md", "**/tmp"])
    >>> [path for path in ("a.md", "README.md", "a/b/tmp/c", "a/b") if path in rules]
    ['a.md', 'a/b/tmp/c']
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self.rules = tuple(rule for line in lines if (rule := _rule(line)))

    @classmethod
    def parse(cls, text: str) -> Ignore:
        """The rules of a file; a line that begins with `#` is a comment."""
        lines = text.removeprefix("\ufeff").splitlines()
        return cls(line for line in lines if not line.startswith("#"))

    @property
    def has_exceptions(self) -> bool:
        """Whether something in a directory that is left out may be taken in again."""
        return any(rule.taken_in for rule in self.rules)

    def __contains__(self, path: str) -> bool:
        """Whether that path, relative to the context, is left out."""
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
        left_out = False
        for rule in self.rules:
            if left_out == rule.taken_in and any(map(rule.regex.fullmatch, above)):
                left_out = not rule.taken_in
        return left_out


def _rule(line: str) -> _Rule | None:
    text = line.strip()
    taken_in = text.startswith("!")
    text = text.removeprefix("!").strip()
    if not text:
        if taken_in:
            raise BuildFailed(
                'illegal exclusion pattern: "!". Write a path after the ! in .dockerignore.',
                line=None,
                text=line,
            )
        return None
    text = posixpath.normpath(text).lstrip("/")
    return _Rule(_regex(text, deep=True), taken_in) if text != "." else None


def _regex(pattern: str, *, deep: bool) -> re.Pattern[str]:
    """The regular expression of a pattern; `**` means something only if `deep`."""
    found, rest = "", pattern
    while rest:
        part, rest = _part(rest, deep)
        found += part
    try:
        return re.compile(found, re.DOTALL)
    except re.error as error:
        raise BuildFailed(
            f"syntax error in pattern {pattern!r}: {error}. Close every [ with ].",
            line=None,
            text=pattern,
        ) from None


def _part(rest: str, deep: bool) -> tuple[str, str]:
    """The expression for the beginning of a pattern, and what is left of it."""
    if deep and rest.startswith("**"):
        rest = rest[2:].removeprefix("/")
        return ("(?:.*/)?" if rest else ".*"), rest
    if rest[0] == "\\" and len(rest) > 1:
        return re.escape(rest[1]), rest[2:]
    if rest[0] == "[" and (found := re.match(r"\[\^?(?:\\.|[^\]\\])+\]", rest)):
        inner = found[0][1:-1].replace("[", r"\[")
        return f"(?!/)[{inner}]", rest[found.end() :]
    if rest[0] == "[":
        return "[", rest[1:]
    return {"*": "[^/]*", "?": "[^/]"}.get(rest[0], re.escape(rest[0])), rest[1:]

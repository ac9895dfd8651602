r"""Words of a Dockerfile: quotes, escapes, and the variables that Docker puts in.

$NAME  ${NAME}         the value; nothing if it is not set
${NAME:-word}          `word` if NAME is not set or empty
${NAME:+word}          `word` if NAME is set and not empty
${NAME:?word}          refused, with `word`, if NAME is not set or empty
'text'                 as it is, without the quotes
"text"                 with variables; \ keeps the meaning of ", $ and \ away
\x                     x, whatever x means
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from imgkit.errors import InvalidDockerfile

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#$?!-]", re.ASCII)


def split(text: str, escape: str = "\\") -> list[str]:
    r"""The words of a line, with their quotes and escapes; spaces within those do not divide.

    >>> split(r'a="b c" d\ e')
    ['a="b c"', 'd\\ e']
    """
    slash = re.escape(escape)
    word = rf"""(?:'[^']*(?:'|$)|"(?:{slash}.|[^"])*(?:"|$)|{slash}(?:.|$)|[^\s'"{slash}])+"""
    return re.findall(word, text, re.DOTALL)


def expand(word: str, values: Mapping[str, str], escape: str = "\\") -> str:
    """The word with its variables put in and its quotes gone.

    Raises `InvalidDockerfile`, whose facts have no line yet.

    >>> expand("${user:-nobody}'s $HOME", {"HOME": "/root"})
    Traceback (most recent call last):
        ...
    imgkit.errors.InvalidDockerfile: ... a single quote is not closed
    >>> expand("${user:-nobody} $HOME", {"HOME": "/root"})
    'nobody /root'
    """
    return _Scanner(word, values, escape).until("")


def expand_words(word: str, values: Mapping[str, str], escape: str = "\\") -> list[str]:
    """The same, but a value with spaces in it makes several words, unless it is quoted."""
    scanner = _Scanner(word, values, escape, divide=True)
    return [part for part in scanner.until("").split(_GAP) if part]


_GAP: Final = "\0"
"""Where a value divides a word, while it is being expanded."""


class _Scanner:
    """One word, from left to right."""

    def __init__(
        self, text: str, values: Mapping[str, str], escape: str, *, divide: bool = False
    ) -> None:
        self.text = text
        self.values = values
        self.escape = escape
        self.divide = divide
        self.at = 0

    def until(self, stop: str) -> str:
        """Everything up to the unquoted character `stop`, expanded; or to the end."""
        found: list[str] = []
        while self.at < len(self.text):
            char = self._next()
            if char == stop:
                return "".join(found)
            if char == "'":
                found.append(self._single())
            elif char == '"':
                found.append(self._double())
            elif char == "$":
                value = self._dollar()
                found.append(re.sub(r"\s+", _GAP, value) if self.divide else value)
            elif char == self.escape:
                found.append(self._next() if self.at < len(self.text) else "")
            else:
                found.append(char)
        if stop:
            self._refuse("a ${ is not closed: write } at its end")
        return "".join(found)

    def _next(self) -> str:
        self.at += 1
        return self.text[self.at - 1]

    def _single(self) -> str:
        end = self.text.find("'", self.at)
        if end < 0:
            self._refuse("a single quote is not closed")
        found, self.at = self.text[self.at : end], end + 1
        return found

    def _double(self) -> str:
        found: list[str] = []
        while self.at < len(self.text):
            char = self._next()
            if char == '"':
                return "".join(found)
            if char == "$":
                char = self._dollar()
            elif char == self.escape and self.text[self.at : self.at + 1] in ('"', "$", char):
                char = self._next() if self.at < len(self.text) else char
            found.append(char)
        self._refuse("a double quote is not closed")

    def _dollar(self) -> str:
        """The value of the variable whose `$` has just gone by; a lonely `$` is itself."""
        braced = self.text[self.at : self.at + 1] == "{"
        self.at += braced
        name = _NAME.match(self.text, self.at)
        if name is None:
            if braced:
                self._refuse("after ${ there must be a name, and then }")
            return "$"
        self.at = name.end()
        value = self.values.get(name[0], "")
        return self._modified(name[0], value) if braced else value

    def _modified(self, name: str, value: str) -> str:
        """The value after what stands between the name and `}` has had its say."""
        modifier = self.text[self.at : self.at + 2]
        if modifier.startswith("}"):
            self.at += 1
            return value
        if modifier not in (":-", ":+", ":?"):
            if not modifier:
                self._refuse("a ${ is not closed: write } at its end")
            self._refuse(f"${{{name}{modifier} is not known: after the name write }} :- :+ or :?")
        self.at += 2
        divide, self.divide = self.divide, False
        word = self.until("}")
        self.divide = divide
        if modifier == ":?" and not value:
            self._refuse(f"{name}: {word or 'it is not set, or empty'}")
        if modifier == ":+":
            return word if value else ""
        return value or word

    def _refuse(self, reason: str) -> NoReturn:
        raise InvalidDockerfile(
            f"in {self.text!r}, {reason}", line=None, text=self.text, reason=reason
        )

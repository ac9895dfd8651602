"""The words of a shell's line: quotes, escapes, `$name`, `$(script)` (POSIX 2.2 and 2.3)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Final, NoReturn

from imgkit.shell.script import (
    BadSyntax,
    Parameter,
    Part,
    Script,
    Substitution,
    Text,
    Unfinished,
    Word,
    unknown,
)

_PLAIN: Final = re.compile(r"[^\s;&|<>()'\"\\$`]+(?=[\s;&|<>()]|$)")
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$]")
_OPERATOR: Final = re.compile(r":?[-+=?]")
_BACKQUOTED: Final = re.compile(r"((?:\\.|[^`\\])*)`", re.DOTALL)
_BETWEEN: Final = re.compile(r"(?:[ \t]|\\\n)*(?:#[^\n]*)?")
_ENDS: Final = " \t\n;&|<>()"


class Words(ABC):
    """A position in a text, moved on by each method past what it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Script:
        """The whole text as a script; raises `BadSyntax` or `CannotRun`."""
        script = self.script()
        if self.at < len(self.text):
            self._wrong()
        return script

    @abstractmethod
    def script(self) -> Script:
        """The commands from here on, up to a word that closes them."""

    def _word(self) -> Word:
        parts: list[Part] = []
        while not self._ends():
            if self._take("'"):
                parts.append(self._single())
            elif self._take('"'):
                parts += self._quoted('"') or [Text("", True)]
            elif self._take("\\"):
                parts.append(Text(self._next(), True))
            elif (special := self._special(quoted=False)) is not None:
                parts.append(special)
            else:
                self._append(parts, self._next(), quoted=False)
        return tuple(parts)

    def _single(self) -> Text:
        """The text up to the next single quote, which is read too."""
        text, quote, _ = self.text[self.at :].partition("'")
        if not quote:
            raise Unfinished("unterminated quoted string")
        self.at += len(text) + 1
        return Text(text, True)

    def _quoted(self, end: str, *, quoted: bool = True) -> list[Part]:
        """The parts up to the character that ends them, which is read too; "" is the end."""
        parts: list[Part] = []
        while not (end and self._take(end)):
            if self.at == len(self.text):
                if end:
                    raise Unfinished("unterminated quoted string")
                break
            if self._sees("\\") and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\"):
                self.at += 1
                self._append(parts, self._next(), quoted=True)
            elif self._take("\\\n"):
                continue
            elif end == "}" and self._take('"'):
                parts += self._quoted('"') or [Text("", True)]
            elif not quoted and self._take("'"):
                parts.append(self._single())
            elif (special := self._special(quoted=quoted)) is not None:
                parts.append(special)
            else:
                self._append(parts, self._next(), quoted=quoted)
        return parts

    def _special(self, *, quoted: bool) -> Part | None:
        """What begins with a dollar sign or a backquote here, if something does."""
        if self._take("`"):
            script = _BACKQUOTED.match(self.text, self.at)
            if not script:
                raise Unfinished("EOF in backquote substitution")
            self.at = script.end()
            inner = re.sub(r"\\([$`\\])", r"\1", script[1])
            return Substitution(type(self)(inner).whole(), quoted)
        if not quoted and self._sees("$'"):
            unknown("the quotes `$'...'`")
        if self._take("$(("):
            unknown("arithmetic (`$((...))`)")
        if self._take("$("):
            inside = self.script()
            if not self._take(")"):
                self._wrong(")")
            return Substitution(inside, quoted)
        if self._take("${"):
            return self._braced(quoted)
        found = self._sees("$") and _PARAMETER.match(self.text, self.at + 1)
        if not found:
            return None
        self.at = found.end()
        return Parameter(found[0], quoted)

    def _braced(self, quoted: bool) -> Parameter:
        if self._sees("#") and not self._sees("#}"):
            unknown("lengths of variables (`${#NAME}`)")
        found = _PARAMETER.match(self.text, self.at)
        if not found:
            raise BadSyntax("bad substitution")
        self.at = found.end()
        if self._take("}"):
            return Parameter(found[0], quoted)
        operator = _OPERATOR.match(self.text, self.at)
        if not operator:
            unknown(f"`${{{found[0]}{self._next()}...}}`")
        self.at = operator.end()
        return Parameter(found[0], quoted, operator[0], tuple(self._quoted("}", quoted=quoted)))

    @staticmethod
    def _append(parts: list[Part], text: str, *, quoted: bool) -> None:
        """Add a character, to the text before it if that is of the same sort."""
        last = parts[-1] if parts else None
        if isinstance(last, Text) and last.quoted == quoted:
            parts[-1] = Text(last.text + text, quoted)
        else:
            parts.append(Text(text, quoted))

    def _next(self) -> str:
        self.at += 1
        return self.text[self.at - 1 : self.at]

    def _sees(self, text: str) -> bool:
        return self.text.startswith(text, self.at)

    def _take(self, text: str) -> str:
        """The text if it is next, and then go past it."""
        if not self._sees(text):
            return ""
        self.at += len(text)
        return text

    def _ends(self) -> bool:
        """Whether a word ends here."""
        return self.at >= len(self.text) or self.text[self.at] in _ENDS

    def _blank(self) -> bool:
        """Go past blanks and a comment. Always true, so that it can stand in a condition."""
        found = _BETWEEN.match(self.text, self.at)
        assert found
        self.at = found.end()
        return True

    def _lines(self) -> None:
        """Go past blanks, comments and newlines."""
        while self._blank() and self._take("\n"):
            pass

    def _peek(self) -> str:
        """The next word, if it is without quotes and dollar signs."""
        found = _PLAIN.match(self.text, self.at)
        return found[0] if found else ""

    def _word_is(self, word: str) -> bool:
        """Whether that word is next, and then go past it."""
        self._blank()
        if self._peek() != word:
            return False
        self.at += len(word)
        self._blank()
        return True

    def _need(self, word: str) -> None:
        if not self._word_is(word):
            self._wrong(word)

    def _wrong(self, expected: str = "") -> NoReturn:
        rest = self.text[self.at :].split()
        found = f'unexpected "{rest[0]}"' if rest else "unexpected end of file"
        kind = BadSyntax if rest else Unfinished
        raise kind(found + (f' (expecting "{expected}")' if expected else ""))

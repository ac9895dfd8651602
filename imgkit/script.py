"""The grammar of the shell: lines of text as commands that can be carried out.

    script    and_or { (";" | newline) and_or }
    and_or    pipeline { ("&&" | "||") pipeline }
    pipeline  ["!"] command { "|" command }
    command   simple | for | if | "{" script "}" | "(" script ")"
    simple    { NAME=word | word | redirect }          redirect    [n] (< > >> >& <<) word
    for       "for" NAME ["in" words] "do" script "done"
    if        "if" script "then" script { "elif" ... } ["else" script] "fi"

A part of POSIX (2.10, Shell Grammar); what is outside of it is refused by its name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

from imgkit.errors import CannotRun

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN: Final = re.compile(r"[^\s;&|<>()'\"\\$`]+(?=[\s;&|<>()]|$)")
_REDIRECT: Final = re.compile(r"(\d*)(>>|>&|<<-?|>\||>|<)")
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$]")
_BETWEEN: Final = re.compile(r"(?:[ \t]|\\\n)*(?:#[^\n]*)?")
_ENDS: Final = " \t\n;&|<>()"
_REFUSED: Final = {
    "while": "the loop `while`",
    "until": "the loop `until`",
    "case": "the choice `case`",
    "function": "functions",
    "select": "the loop `select`",
    "[[": "the test `[[`, which is not in every shell: `[` is",
}
_CLOSING: Final = frozenset({"then", "elif", "else", "fi", "do", "done", "}"})


class BadSyntax(Exception):
    """The text is no script in any shell; says what shells say."""


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


def parse(text: str) -> Script:
    """The script in this text; raises `BadSyntax`, or `CannotRun` for what is not known here."""
    parser = _Parser(text)
    script = parser.script()
    if parser.at < len(parser.text):
        raise BadSyntax(f'unexpected "{parser.text[parser.at :].split()[0]}"')
    return script


def unknown(what: str) -> NoReturn:
    """Raise `CannotRun` for something that a shell knows and this one does not."""
    raise CannotRun(
        f"the small shell of imgkit does not know {what}; a real container's shell does", what=what
    )


class _Parser:
    """A position in a text, moved on by each method past what it reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def script(self) -> Script:
        items: list[AndOr] = []
        while True:
            self._lines()
            if self.at == len(self.text) or self._peek() in _CLOSING or self._sees(")"):
                return tuple(items)
            items.append(self._and_or())
            self._blank()
            if self._sees("&"):
                unknown("commands in the background (`&`)")
            if self._sees(";;") or (self._sees(";") and not items):
                self._wrong()
            if not self._take(";") and not self._sees("\n"):
                self._lines()
                return tuple(items)

    def _and_or(self) -> AndOr:
        first = self._pipeline()
        rest: list[tuple[str, Pipeline]] = []
        while self._blank() and (operator := self._take("&&") or self._take("||")):
            self._lines()
            rest.append((operator, self._pipeline()))
        return AndOr(first, tuple(rest))

    def _pipeline(self) -> Pipeline:
        negated = self._word_is("!")
        commands = [self._command()]
        while self._blank() and not self._sees("||") and self._take("|"):
            self._lines()
            commands.append(self._command())
        return Pipeline(tuple(commands), negated)

    def _command(self) -> Command:
        word = self._peek()
        if word in _REFUSED:
            unknown(_REFUSED[word])
        if word == "for":
            return self._for()
        if word == "if":
            return self._if()
        if word == "{" or self._sees("("):
            return self._group()
        return self._simple()

    def _group(self) -> Group:
        alone = bool(self._take("("))
        if not alone:
            self._need("{")
        body = self.script()
        if not alone:
            self._need("}")
        elif not self._take(")"):
            self._wrong()
        return Group(body, alone, self._redirects())

    def _for(self) -> For:
        self._need("for")
        name = NAME.match(self.text, self.at)
        if name is None:
            raise BadSyntax("bad for loop variable")
        self.at = name.end()
        self._lines()
        words: tuple[Word, ...] | None = None
        if self._word_is("in"):
            found: list[Word] = []
            while self._blank() and not self._ends():
                found.append(self._word())
            words = tuple(found)
        self._blank()
        self._take(";")
        self._lines()
        self._need("do")
        body = self.script()
        self._need("done")
        return For(name[0], words, body, self._redirects())

    def _if(self) -> If:
        branches: list[tuple[Script, Script]] = []
        self._need("if")
        while True:
            condition = self.script()
            self._need("then")
            branches.append((condition, self.script()))
            if not self._word_is("elif"):
                break
        otherwise = self.script() if self._word_is("else") else ()
        self._need("fi")
        return If(tuple(branches), otherwise, self._redirects())

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirects: list[Redirect] = []
        while self._blank():
            if found := _REDIRECT.match(self.text, self.at):
                redirects.append(self._redirect(found))
                continue
            if self._ends():
                break
            start = self.at
            word = self._word()
            name = NAME.match(self.text, start)
            if not words and name and self.text[name.end() : name.end() + 1] == "=":
                first = word[0]
                assert isinstance(first, Text)
                value = first.text[len(name[0]) + 1 :]
                assignments.append((name[0], (*([Text(value)] if value else []), *word[1:])))
                continue
            words.append(word)
            if len(words) == 1 and self._sees("("):
                unknown("functions")
        if not (assignments or words or redirects):
            self._wrong()
        return Simple(tuple(assignments), tuple(words), tuple(redirects))

    def _redirects(self) -> tuple[Redirect, ...]:
        found: list[Redirect] = []
        while self._blank() and (match := _REDIRECT.match(self.text, self.at)):
            found.append(self._redirect(match))
        return tuple(found)

    def _redirect(self, found: re.Match[str]) -> Redirect:
        self.at = found.end()
        fd, operator = found.groups()
        self._blank()
        if self._ends():
            self._wrong()
        start = self.at
        word = self._word()
        if operator.startswith("<<"):
            quoted = any(mark in self.text[start : self.at] for mark in "'\"\\")
            word = self._here(literal(word), quoted, tabs=operator == "<<-")
        number = int(fd) if fd else int(operator[0] == ">")
        return Redirect(number, operator[:2].replace(">|", ">"), word)

    def _here(self, end: str, quoted: bool, *, tabs: bool) -> Word:
        """The text of a here-document, which is taken out of the lines that follow this one."""
        head, newline, tail = self.text[self.at :].partition("\n")
        lines = tail.split("\n")
        lines = [line.lstrip("\t") for line in lines] if tabs else lines
        count = lines.index(end) if end in lines else len(lines)
        rest = tail.split("\n")[count + 1 :]
        self.text = self.text[: self.at] + head + newline + "\n".join(rest)
        body = "".join(f"{line}\n" for line in lines[:count])
        return (Text(body, True),) if quoted else tuple(_Parser(body)._quoted(""))

    # -- words --------------------------------------------------------------------------------

    def _word(self) -> Word:
        parts: list[Part] = []
        while not self._ends():
            if self._take("'"):
                end = self.text.find("'", self.at)
                if end < 0:
                    raise BadSyntax("unterminated quoted string")
                parts.append(Text(self.text[self.at : end], True))
                self.at = end + 1
            elif self._take('"'):
                parts += self._quoted('"') or [Text("", True)]
            elif self._take("\\"):
                parts.append(Text(self._next(), True))
            elif (special := self._special(quoted=False)) is not None:
                parts.append(special)
            else:
                self._append(parts, self._next(), quoted=False)
        return tuple(parts)

    def _quoted(self, end: str, *, quoted: bool = True) -> list[Part]:
        """The parts up to the character that ends them, which is read too; "" is the end."""
        parts: list[Part] = []
        while not (end and self._take(end)):
            if self.at == len(self.text):
                if end:
                    raise BadSyntax("unterminated quoted string")
                break
            if self._sees("\\") and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\"):
                self.at += 1
                self._append(parts, self._next(), quoted=True)
            elif self._take("\\\n"):
                continue
            elif not quoted and self._take('"'):
                parts += self._quoted('"') or [Text("", True)]
            elif (special := self._special(quoted=quoted)) is not None:
                parts.append(special)
            else:
                self._append(parts, self._next(), quoted=quoted)
        return parts

    def _special(self, *, quoted: bool) -> Part | None:
        """What begins with a dollar sign or a backquote here, if something does."""
        if self._take("`"):
            end = self.text.find("`", self.at)
            if end < 0:
                raise BadSyntax("EOF in backquote substitution")
            inner, self.at = self.text[self.at : end], end + 1
            return Substitution(parse(inner), quoted)
        if self._take("$(("):
            unknown("arithmetic (`$((...))`)")
        if self._take("$("):
            script = self.script()
            if not self._take(")"):
                raise BadSyntax('unexpected end of file (expecting ")")')
            return Substitution(script, quoted)
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
        operator = re.compile(r":?[-+=?]").match(self.text, self.at)
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

    # -- characters ---------------------------------------------------------------------------

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
        raise BadSyntax(found + (f' (expecting "{expected}")' if expected else ""))


def literal(word: Word) -> str:
    """The characters of a word in which nothing is to be replaced."""
    return "".join(part.text for part in word if isinstance(part, Text))

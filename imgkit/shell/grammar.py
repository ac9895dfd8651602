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
from typing import Final

from imgkit.errors import CannotRun
from imgkit.shell.script import (
    AndOr,
    BadSyntax,
    Command,
    For,
    Group,
    If,
    Pipeline,
    Redirect,
    Script,
    Simple,
    Text,
    Unfinished,
    Word,
    literal,
    unknown,
)
from imgkit.shell.words import Words

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REDIRECT: Final = re.compile(r"(\d*)(>>|>&|<<-?|>\||>|<)")
_REFUSED: Final = {
    "while": "the loop `while`",
    "until": "the loop `until`",
    "case": "the choice `case`",
    "function": "functions",
    "select": "the loop `select`",
    "[[": "the test `[[`, which is not in every shell: `[` is",
    **{
        name: f"the command `{name}`"
        for name in (
            *("alias", "bg", "break", "continue", "eval", "fg", "getopts", "hash", "jobs", "kill"),
            *("let", "local", "read", "readonly", "return", "times", "trap", "ulimit", "umask"),
        )
    },
}
_CLOSING: Final = frozenset({"then", "elif", "else", "fi", "do", "done", "}"})


def parse(text: str) -> Script:
    """The script in this text; raises `BadSyntax`, or `CannotRun` for what is not known here."""
    return _Parser(text).whole()


def is_unfinished(text: str) -> bool:
    """Whether a shell would wait for another line before it does anything."""
    try:
        parse(text)
    except Unfinished:
        return True
    except (BadSyntax, CannotRun):
        return False
    return re.search(r"(?<!\\)(\\\\)*\\\Z", text) is not None


class _Parser(Words):
    """Commands, out of words."""

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
        body = self.script() or self._wrong()
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
        if redirects and [literal(word) for word in words] == ["exec"]:
            unknown("redirections of the shell itself (`exec > file`): write one for each command")
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
        lines = tail.removesuffix("\n").split("\n") if tail else []
        lines = [line.lstrip("\t") for line in lines] if tabs else lines
        count = lines.index(end) if end in lines else len(lines)
        rest = tail.split("\n")[count + 1 :]
        self.text = self.text[: self.at] + head + newline + "\n".join(rest)
        body = "".join(f"{line}\n" for line in lines[:count])
        return (Text(body, True),) if quoted else tuple(_Parser(body)._quoted(""))

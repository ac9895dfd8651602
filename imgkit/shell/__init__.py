"""A small shell over a mounted stack of layers: a part of POSIX sh, and the words of BusyBox.

>>> from imgkit.mount.inode import file, tree
>>> from imgkit.mount import Mount
>>> mount = Mount([tree({"bin/sh": (program := file(bytes([127]) + b"ELF", 0o755)),
...                      "bin/cat": program})])
>>> run(mount, 'echo "hello" > /file1 && cat /file1').out
'hello\\n'
>>> run(mount, "cat /file2").err
"cat: can't open '/file2': No such file or directory\\n"
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from imgkit.errors import CannotRun, ExecFailed
from imgkit.mount import Mount
from imgkit.shell import expand, programs, redirect
from imgkit.shell.builtin import BUILTINS, INSIDE, SPECIAL
from imgkit.shell.finished import Finished, joined
from imgkit.shell.grammar import parse
from imgkit.shell.script import (
    AndOr,
    BadSyntax,
    Command,
    For,
    Group,
    If,
    Pipeline,
    Script,
    Simple,
    Word,
)
from imgkit.shell.session import Exit, Streams
from imgkit.shell.starter import Starter
from imgkit.tar.entry import decode, encode

__all__ = ["Finished", "Shell", "run"]


def run(
    mount: Mount,
    command: str | Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    user: str = "",
    *,
    hostname: str = "localhost",
) -> Finished:
    """Run one command over a `Mount`: a line of text by its shell, a list as it stands.

    `user` is as in a config: "", "name", "1000" or "name:group". The time is that of the mount's
    clock. Raises `ExecFailed` when the program is not there (as Docker does, with the fact `code`:
    126 or 127), and `CannotRun` for what needs a real machine: a foreign program, or syntax that
    this shell does not know; what was printed before is its fact `screen`.
    """
    shell = Shell(mount, env, cwd, user, hostname=hostname)
    return shell.execute(["sh", "-c", command] if isinstance(command, str) else command)


class Shell(Starter):
    """A shell at work: its directory, variables and exit code stay from one line to the next."""

    _careless = 0
    _substituted = 0

    # -- from outside ---------------------------------------------------------------------------

    def run(self, text: str) -> Finished:
        """Carry out a line, or many. Raises `CannotRun`, before or in the middle of it."""
        return self._collected(lambda streams: self.interpret(text, streams))

    def execute(self, words: Sequence[str], stdin: bytes = b"") -> Finished:
        """Run one program with its arguments. Raises `ExecFailed` or `CannotRun`."""
        return self._collected(lambda streams: self.start(list(words), streams), stdin)

    def _collected(self, do: Callable[[Streams], int], stdin: bytes = b"") -> Finished:
        chunks: list[tuple[int, bytes]] = []
        streams = Streams(
            stdin, lambda data: chunks.append((1, data)), lambda data: chunks.append((2, data))
        )
        try:
            self.status = do(streams)
        except Exit as end:
            self.status = self.ended = end.code
        except (CannotRun, ExecFailed) as error:
            error.facts["printed"] = joined(chunks)
            error.facts["screen"] = "".join(text for _, text in error.facts["printed"])
            raise
        return Finished(self.status, joined(chunks))

    # -- scripts --------------------------------------------------------------------------------

    def interpret(self, text: str, streams: Streams) -> int:
        """Carry out the text of a script; its exit code."""
        try:
            return self.script(parse(text), streams)
        except BadSyntax as error:
            self.complain(streams, f"syntax error: {error}")
        except expand.NotSet as error:
            self.complain(streams, str(error))
            raise Exit(2) from None
        self.status = 2
        return 2

    def script(self, script: Script, streams: Streams) -> int:
        """Carry out each command; the exit code is that of the last."""
        for item in script:
            self.status = self._and_or(item, streams)
        return self.status

    def _and_or(self, item: AndOr, streams: Streams) -> int:
        pipelines = [("", item.first), *item.rest]
        for at, (operator, pipeline) in enumerate(pipelines):
            if operator and (operator == "&&") != (self.status == 0):
                continue
            last = at == len(pipelines) - 1
            self._careless += not last or pipeline.negated
            try:
                self.status = self._pipeline(pipeline, streams)
            finally:
                self._careless -= not last or pipeline.negated
            is_asked = self._careless or pipeline.negated
            if last and self.status and "e" in self.flags and not is_asked:
                raise Exit(self.status)
        return self.status

    def _pipeline(self, pipeline: Pipeline, streams: Streams) -> int:
        """One command after another, each with what the one before it printed as its input."""
        *firsts, last = pipeline.commands
        if not firsts:
            code = self._command(last, streams)
            return int(not code) if pipeline.negated else code
        codes, data = [], streams.stdin
        for command in firsts:
            chunks: list[bytes] = []
            codes.append(self._child(command, Streams(data, chunks.append, streams.err)))
            data = b"".join(chunks)
        codes.append(self._child(last, replace(streams, stdin=data)))
        code = next((code for code in reversed(codes) if code and "p" in self.flags), codes[-1])
        return int(not code) if pipeline.negated else code

    def _child(self, command: Command, streams: Streams) -> int:
        return self.apart(lambda: self._command(command, streams))

    def _command(self, command: Command, streams: Streams) -> int:
        try:
            streams = redirect.redirected(self, command.redirects, self._single, streams)
        except redirect.CannotOpen as error:
            self.complain(streams, str(error))
            self.status = 1
            return 1
        outer, self.streams = self.streams, streams
        try:
            match command:
                case Simple():
                    return self._simple(command, streams)
                case For():
                    return self._for(command, streams)
                case If():
                    return self._if(command, streams)
                case Group(alone=True):
                    return self.apart(lambda: self.script(command.body, streams))
                case Group():
                    return self.script(command.body, streams)
        finally:
            self.streams = outer

    def _for(self, command: For, streams: Streams) -> int:
        words = None if command.words is None else expand.fields(command.words, self)
        self.status = 0
        for value in self.positional if words is None else words:
            self.assign(command.name, value)
            self.script(command.body, streams)
        return self.status

    def _if(self, command: If, streams: Streams) -> int:
        for condition, body in command.branches:
            self._careless += 1
            try:
                code = self.script(condition, streams)
            finally:
                self._careless -= 1
            if code == 0:
                return self.script(body, streams)
        self.status = 0
        return self.script(command.otherwise, streams)

    # -- commands -------------------------------------------------------------------------------

    def _simple(self, command: Simple, streams: Streams) -> int:
        self._substituted = 0
        words = expand.fields(command.words, self)
        values = {name: self._single(word) for name, word in command.assignments}
        self.latest = words
        if "x" in self.flags:
            told = (f"{name}={shlex.quote(value)}" for name, value in values.items())
            traced = [*told, *map(shlex.quote, words)]
            streams.err(encode(f"+ {' '.join(traced)}\n"))
        if not words:
            for name, value in values.items():
                self.assign(name, value)
            return self._substituted
        if words[0] == "command" and words[1:] and not words[1].startswith("-"):
            words = words[1:]
        if words[0] in BUILTINS:
            return BUILTINS[words[0]](self, words, streams)
        if words[0] in SPECIAL:
            return (self._exec if words[0] == "exec" else self._source)(words, streams)
        before = dict(self.variables), set(self.exported)
        self.variables |= values
        self.exported |= set(values)
        try:
            if words[0] in INSIDE:
                return programs.run(self.process(words[0], streams), words[1:])
            return self.start(words, streams)
        except ExecFailed as error:
            reason = "Permission denied" if error.code == 126 else "not found"
            self.complain(streams, f"{words[0]}: {reason}")
            return int(error.code)
        finally:
            self.variables, self.exported = before

    def _single(self, word: Word) -> str:
        return expand.single(word, self)

    def output(self, script: Script) -> str:
        """What a script prints; its errors go where the shell's go."""
        chunks: list[bytes] = []
        streams = replace(self.streams, out=chunks.append)
        self._substituted = self.status = self.apart(lambda: self.script(script, streams))
        return decode(b"".join(chunks)).rstrip("\n")

    def _exec(self, words: list[str], streams: Streams) -> int:
        if not words[1:]:
            return 0
        try:
            raise Exit(self.start(words[1:], streams))
        except ExecFailed as error:
            self.complain(streams, f"exec: {words[1]}: not found")
            raise Exit(int(error.code)) from None

    def _source(self, words: list[str], streams: Streams) -> int:
        try:
            text = decode(self.process("sh", streams).read(words[1] if words[1:] else ""))
        except OSError as error:
            self.complain(streams, f".: can't open {words[-1]}: {redirect.reason(error)}")
            raise Exit(2) from None
        return self.interpret(text, streams)

"""Programs that a shell starts: each a child, with a directory and variables of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imgkit.errors import CannotRun, ExecFailed
from imgkit.shell import launch, programs, redirect
from imgkit.shell.process import Accounts
from imgkit.shell.session import Session, Streams, Waits
from imgkit.tar.entry import decode, encode

DEPTH: Final = 40
"""Scripts that start scripts, at most."""


class Starter(Session):
    """A session that can start programs."""

    depth = 0

    def interpret(self, text: str, streams: Streams) -> int:
        """Carry out the text of a script; its exit code."""
        raise NotImplementedError

    def start(self, words: list[str], streams: Streams) -> int:
        """Run a program with its arguments; its exit code. Raises `ExecFailed` or `CannotRun`."""
        process = self.process(words[0], streams)
        found = launch.find(process, words[0])
        if found.kind == "script":
            first = launch.interpreter(self.mount, found.path)
            return self._deeper(lambda: self.start([*first, found.path, *words[1:]], streams))
        if found.kind == "shell":
            return self._deeper(lambda: self._subshell(words, streams))
        if found.name == "busybox":
            if not words[1:]:
                streams.out(b"A stand-in for BusyBox: imgkit's commands are its applets.\n")
                return 0
            return self.start([f"{found.path.rpartition('/')[0]}/{words[1]}", *words[2:]], streams)
        if found.name in launch.SWITCHES:
            if not words[2:]:
                streams.err(encode(f"Usage: {found.name} USER COMMAND...\n"))
                return 1
            return self._as(words[1], words[2:], streams)
        self.latest = words
        process.name = found.name
        return programs.run(process, words[1:])

    def _as(self, user: str, words: list[str], streams: Streams) -> int:
        """Run a program as another user; only root may."""
        if self.user.uid != 0:
            streams.err(b"error: failed switching: operation not permitted\n")
            return 1
        before = self.user
        try:
            self.user = Accounts(self.mount).find(user)
        except ExecFailed as error:
            streams.err(encode(f'error: failed switching to "{user}": {error}\n'))
            return 1
        try:
            return self._deeper(lambda: self.start(words, streams))
        finally:
            self.user = before

    def _deeper(self, do: Callable[[], int]) -> int:
        if self.depth >= DEPTH:
            raise CannotRun(f"{DEPTH} scripts started one another: this has no end", what="script")
        self.depth += 1
        try:
            return self.apart(do)
        finally:
            self.depth -= 1

    def _subshell(self, words: list[str], streams: Streams) -> int:
        """Another shell, as a program: `sh -c TEXT`, `sh FILE` or `sh` alone."""
        args, self.arguments = words[1:], words[:1]
        if self.attended and not streams.stdin and all(word in ("-", "-i", "-l") for word in args):
            raise Waits("a shell waits for lines", what="shell")
        self.flags = ""
        while args and args[0].startswith("-") and args[0] != "-c" and len(args[0]) > 1:
            letters = args.pop(0)[1:]
            self.flags += "".join(letter for letter in letters if letter in "eux")
            if letters.endswith("c"):
                args.insert(0, "-c")
        self.exported |= {"PWD", "SHLVL"}
        self.variables = {name: self.variables[name] for name in self.exported & {*self.variables}}
        self.variables |= {"PWD": self.cwd, "SHLVL": "1"}
        if args[:1] == ["-c"]:
            if not args[1:]:
                self.complain(streams, "-c requires an argument")
                return 2
            self.arguments = args[2:] or words[:1]
            return self.interpret(args[1], streams)
        try:
            text = self.process("sh", streams).read(args[0]) if args else streams.stdin
        except OSError as error:
            self.complain(streams, f"can't open {args[0]}: {redirect.reason(error)}")
            return 2
        self.arguments = args or words[:1]
        return self.interpret(decode(text), replace(streams, stdin=b"") if not args else streams)

    def spawn(self, words: list[str], streams: Streams) -> int:
        """A program that another program starts, such as `env A=1 ls`."""
        count = next((n for n, word in enumerate(words) if "=" not in word), len(words))
        changes = dict(word.split("=", 1) for word in words[:count])

        def start() -> int:
            self.variables |= changes
            self.exported |= set(changes)
            return self.start(words[count:], streams)

        try:
            return self.apart(start)
        except ExecFailed as error:
            streams.err(encode(f"env: can't execute '{words[count]}': No such file or directory\n"))
            return int(error.code)

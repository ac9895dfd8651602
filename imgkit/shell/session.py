"""What a shell keeps from one command to the next: where it is, who it is, its variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from imgkit.errors import CannotRun
from imgkit.mount import Mount
from imgkit.shell import launch
from imgkit.shell.process import Accounts, Process, Sink
from imgkit.shell.script import Script
from imgkit.tar.entry import encode


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a command reads and prints."""

    stdin: bytes
    out: Sink
    err: Sink

    def with_sink(self, fd: int, sink: Sink) -> Streams:
        """The same, but that file descriptor 1 or 2 prints there."""
        return replace(self, err=sink) if fd == 2 else replace(self, out=sink)


class Exit(Exception):
    """The shell ends, with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code & 0xFF


class Waits(CannotRun):
    """A shell without a script, before which a person sits: it waits for their lines."""


class Session:
    """The state of one shell over a mount. Raises `ExecFailed` for a user that is not there."""

    def __init__(
        self,
        mount: Mount,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        user: str = "",
        *,
        hostname: str = "localhost",
    ) -> None:
        self.mount = mount
        self.hostname = hostname
        self.user = Accounts(mount).find(user)
        self.cwd = cwd or "/"
        defaults = {"PATH": launch.PATH, "HOSTNAME": hostname, "HOME": self.user.home}
        self.variables = {**defaults, **(env or {})}
        self.exported = set(self.variables)
        self.arguments: list[str] = ["sh"]
        self.flags = ""
        self.status = 0
        self.ended: int | None = None
        """The exit code, once `exit` was called."""
        self.latest: list[str] = []
        """The words of the command that was begun last."""
        self.streams = Streams(b"", len, len)
        self.attended = False
        """Whether a person sits before it (`-it`)."""

    def spawn(self, words: list[str], streams: Streams) -> int:
        """Run a program that another program starts; its exit code."""
        raise NotImplementedError

    def output(self, script: Script) -> str:
        """What a script prints, without the newlines at its end."""
        raise NotImplementedError

    def complain(self, streams: Streams, text: str) -> None:
        """Print what went wrong, after the name that this shell was called by (`$0`)."""
        streams.err(encode(f"{self.arguments[0]}: {text}\n"))

    def process(self, name: str, streams: Streams | None = None) -> Process:
        """A program of that name, about to run here; it prints where the shell does."""
        streams = streams or self.streams
        env = {key: self.variables[key] for key in self.variables if key in self.exported}
        return Process(
            name,
            self.mount,
            self.user,
            self.cwd,
            env,
            streams.stdin,
            streams.out,
            streams.err,
            self.hostname,
            lambda words, stdin: self.spawn(words, replace(streams, stdin=stdin)),
        )

    def apart(self, do: Callable[[], int]) -> int:
        """Do it as a child would: directory, variables and `exit` are its own."""
        before = self.cwd, dict(self.variables), set(self.exported), self.arguments, self.flags
        try:
            return do()
        except Exit as end:
            return end.code
        finally:
            self.cwd, self.variables, self.exported, self.arguments, self.flags = before

    @property
    def positional(self) -> list[str]:
        """`$1` and on."""
        return self.arguments[1:]

    def value(self, name: str) -> str | None:
        """The value of a variable or special parameter."""
        match name:
            case "?":
                return str(self.status)
            case "#":
                return str(len(self.positional))
            case "@" | "*":
                return " ".join(self.positional)
            case "$":
                return "1"
            case "-":
                return self.flags
        if name.isdecimal():
            return self.arguments[int(name)] if int(name) < len(self.arguments) else None
        return self.variables.get(name)

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""
        self.variables[name] = value

    def names(self, folder: str) -> list[str]:
        """The names in a directory; none where it cannot be read."""
        try:
            return self.process("sh").readdir(folder)
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Whether there is something, or a symlink, at a path."""
        return self.process("sh").kind(path, follow=False) is not None

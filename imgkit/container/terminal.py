r"""A person at the shell of a running container: what `docker run -it IMAGE sh` opens.

    terminal = Terminal(container)
    terminal.type("echo hello > /file1")
    terminal.type("ls /nope")
    print(terminal)

    / # echo hello > /file1
    / # ls /nope
    ls: /nope: No such file or directory
    / #

It has no screen and no keyboard of its own: a prompt (`prompt.attach`) and a widget show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from imgkit.container import Container
from imgkit.container.record import RUNNING
from imgkit.errors import CannotRun, ContainerError, ImgkitError
from imgkit.shell import Shell
from imgkit.shell.grammar import is_unfinished

MORE: Final = "> "
"""The prompt for the rest of a command."""

KILLED: Final = 137
"""The exit code of what was killed (128 and the number of SIGKILL)."""

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\Z)|\x1b[ -/]*[0-~]?", re.DOTALL
)
"""Control sequences, operating system commands, and the short ones (ECMA-48, 5.3 to 5.6)."""


def plain(text: str) -> str:
    r"""The text without what would steer a terminal: escape sequences and control characters.

    >>> plain("\x1b[31mred\x1b[0m\r\n\x1b]0;title\x07\ttab\x00")
    'red\n\ttab'
    """
    text = _ESCAPES.sub("", text)
    return "".join(char for char in text if char.isprintable() or char in "\n\t")


@dataclass(slots=True)
class Said:
    """One line that was typed: after which prompt, and what was printed."""

    prompt: str
    typed: str
    printed: str


@dataclass(eq=False)
class Terminal:
    """A shell in a running container, and everything that was typed and printed there.

    `is_main` is for the shell that is the container's program: with it the container ends. `again`
    gives the container as it is kept now, because others may have changed it since. `program` is
    how the shell was started, where that is not the container's command.
    """

    container: Container
    program: Sequence[str] = ()
    user: str | None = None
    workdir: str | None = None
    env: dict[str, str] | None = None
    is_main: bool = True
    again: Callable[[], Container] | None = None
    lines: list[Said] = field(default_factory=list)
    code: int | None = None
    """The exit code, once the shell has ended."""

    def __post_init__(self) -> None:
        self.shell: Shell = self.container.shell(user=self.user, workdir=self.workdir, env=self.env)
        self._begun = ""

    def __repr__(self) -> str:
        return self.transcript

    @property
    def prompt(self) -> str:
        """What stands before the next line, as BusyBox and bash have it; "" at the end."""
        if self.code is not None:
            return ""
        if self._begun:
            return MORE
        home = self.shell.variables.get("HOME", "/root")
        where = self.shell.cwd
        if home != "/":
            where = re.sub(rf"\A{re.escape(home)}(?=/|\Z)", "~", where)
        sign = "#" if self.shell.user.uid == 0 else "$"
        words = self.program or self.container.record.command
        if any(word.rpartition("/")[2] == "bash" for word in words):
            process = self.shell.process("sh")
            name = process.accounts.user(process.user.uid) or "I have no name!"
            return plain(f"{name}@{self.shell.hostname}:{where}{sign} ")
        return plain(f"{where} {sign} ")

    @property
    def transcript(self) -> str:
        """Everything on the screen, with the prompt that waits."""
        said = [f"{one.prompt}{one.typed}\n{one.printed}" for one in self.lines]
        return "".join([*said, self.prompt]).rstrip()

    @property
    def history(self) -> list[str]:
        """What was typed, the oldest first, each line once in a row."""
        typed = [one.typed for one in self.lines if one.typed.strip()]
        return [line for at, line in enumerate(typed) if at == 0 or typed[at - 1] != line]

    def type(self, text: str) -> str:
        """Type a line, or several; what was printed. Nothing happens once the shell has ended."""
        return "".join([self._line(line) for line in text.split("\n")])

    def end(self) -> None:
        """Press Ctrl-D: the shell ends, with the exit code of the last command."""
        if self.code is None:
            self._ended(self.shell.status)

    def interrupt(self) -> None:
        """Press Ctrl-C: a command that is not whole yet is forgotten."""
        self.lines.append(Said(self.prompt, "^C", ""))
        self._begun = ""

    def _line(self, line: str) -> str:
        if self.code is not None:
            return ""
        said = Said(self.prompt, plain(line), "")
        self.lines.append(said)
        text = self._begun + line
        if is_unfinished(text):
            self._begun = f"{text}\n"
            return ""
        self._begun = ""
        said.printed = plain(self._carried_out(text))
        if said.printed and not said.printed.endswith("\n"):
            said.printed += "\n"
        return said.printed

    def _carried_out(self, text: str) -> str:
        """What the line prints; afterwards the container is kept as it left it."""
        if not self._reopened():
            self.code = KILLED
            return ""
        try:
            printed = self.shell.run(text).screen
        except CannotRun as error:
            printed = f"{error.facts.get('screen', '')}imgkit: {error}.\n"
            self.shell.status = 126
        except ImgkitError as error:
            printed = f"{error.facts.get('screen', '')}{error}\n"
            self.shell.status = int(error.facts.get("code", 1))
        self.container.keep(self.container)
        if self.shell.ended is not None:
            self._ended(self.shell.ended)
        return printed

    def _reopened(self) -> bool:
        """Look at the container as others left it; false if it is no longer running."""
        if self.again is not None:
            try:
                self.container = self.again()
            except ContainerError:
                return False
            self.shell.mount = self.container.mount
        return self.container.state == RUNNING

    def _ended(self, code: int) -> None:
        self.code = code
        if self.is_main and self._reopened():
            self.container.finish(code)

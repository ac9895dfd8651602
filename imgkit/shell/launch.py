"""What the name of a program means in a container: found in its PATH, and what can be made of it.

An image brings programs, or it does not: without a shell in it there is no shell. What is found is
a script, a program whose work imgkit has one of its own for, or one that only a real machine runs.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Final, Literal

from imgkit.errors import CannotRun, ExecFailed
from imgkit.mount import Mount
from imgkit.shell.process import ENTER, Process
from imgkit.shell.programs import MANAGERS, PROGRAMS
from imgkit.tar.entry import Kind, decode

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What Docker sets where the config of an image does not."""

SHELLS: Final = frozenset({"sh", "ash", "bash", "dash"})
SWITCHES: Final = frozenset({"gosu", "su-exec"})
"""Programs that start another one as another user: `gosu redis redis-server`."""
_SUITES: Final = {"busybox": SHELLS - {"bash", "dash"}, "cat": frozenset()}
"""Programs that come with others: the samples name a few of them, and mean them all."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A program that can be started: a shell, one of `PROGRAMS`, or a script of the image."""

    kind: Literal["shell", "program", "script"]
    path: str
    name: str


def find(p: Process, name: str) -> Launch:
    """What a name of a program leads to, for this user, directory and PATH.

    Raises `ExecFailed` in the words of Docker, with `code` 127 or 126, or `CannotRun`.
    """
    path = located(p, name)
    if path is None:
        where = "stat {0}: no such file or directory" if "/" in name else _NOT_IN_PATH
        raise ExecFailed(f'exec: "{name}": {where.format(name)}', program=name, code=127)
    if p.mount.exists(path) and (
        p.stat(path).kind is not Kind.FILE or not p.may(p.stat(path), ENTER)
    ):
        raise ExecFailed(f'exec: "{name}": permission denied', program=name, code=126)
    return _nature(p, path)


_NOT_IN_PATH: Final = "executable file not found in $PATH"


def located(p: Process, name: str) -> str | None:
    """The path of a program; of one that a suite in the image brings, where it would be."""
    if "/" in name:
        return p.path(name) if p.kind(name) else None
    folders = (p.env.get("PATH") or PATH).split(":")
    there = [f"{folder}/{name}" for folder in folders if p.kind(f"{folder}/{name}") is Kind.FILE]
    for path in there:
        if p.may(p.stat(path), ENTER):
            return path
    if there:
        return there[0]
    removed = [path for what, path in p.mount.changes() if what == "D"]
    if any(f"{folder}/{name}" in removed for folder in folders):
        return None
    for suite, shells in _SUITES.items():
        if name in shells or name in PROGRAMS.keys() - MANAGERS:
            for folder in folders:
                if p.kind(f"{folder}/{suite}") is Kind.FILE:
                    return f"{folder}/{name}"
    return None


def _nature(p: Process, path: str) -> Launch:
    """What can be made of the program at a path."""
    name = posixpath.basename(path)
    data = p.mount.read(path) if p.mount.exists(path) else b"\x7fELF"
    if not data.startswith((b"\x7fELF", b"MZ")):
        return Launch("script", path, name)
    if name in SHELLS:
        return Launch("shell", path, name)
    if name in PROGRAMS or name == "busybox" or name in SWITCHES:
        return Launch("program", path, name)
    raise CannotRun(
        f"{path} is a program for a real machine, and imgkit runs none: it has a small shell and "
        "commands of its own (cat, ls, cp, ...)",
        what=path,
        program=path,
    )


def interpreter(mount: Mount, path: str) -> list[str]:
    """The words of the first line of a script, after `#!`; a plain text is for the shell."""
    first = decode(mount.read(path)).partition("\n")[0]
    return first[2:].split(None, 1) if first.startswith("#!") else ["/bin/sh"]

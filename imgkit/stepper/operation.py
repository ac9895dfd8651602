"""What can be done to a path of a mount, as calls of the kernel; and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from imgkit.mount import Mount
from imgkit.mount.union import Trace
from imgkit.mount.upper import Effect
from imgkit.tar.entry import Kind
from imgkit.units import counted, size

Call = tuple[object, ...]
"""The name of a method of `Mount`, and its arguments."""


class Operation(NamedTuple):
    """One thing to do: as a line of a shell, and what it needs besides a path, "" for nothing.

    `follows` is whether a symlink at the end of the path is followed.
    """

    shell: str
    more: str = ""
    follows: bool = False


OPERATIONS: Final = {
    "read": Operation("cat {path}", follows=True),
    "write": Operation("echo {more} > {path}", "text", follows=True),
    "append": Operation("echo {more} >> {path}", "text", follows=True),
    "delete": Operation("rm -r {path}"),
    "mkdir": Operation("mkdir {path}"),
    "rename": Operation("mv {path} {more}", "new path"),
    "chmod": Operation("chmod {more} {path}", "mode", follows=True),
}
"""Every operation by its name."""


def calls(operation: str, mount: Mount, path: str, more: str) -> Iterator[Call]:
    """The calls that do it, each given when the one before it is done.

    Raises `ValueError`, with a sentence, for a `more` that can't be used.
    """
    match operation:
        case "read":
            yield ("readdir" if _is_folder(mount, path, follow=True) else "read"), path
        case "write":
            yield "write", path, f"{more}\n".encode()
        case "append":
            yield "write", path, f"{more}\n".encode(), True
        case "delete":
            yield from _delete(mount, path)
        case "mkdir":
            yield "mkdir", path
        case "rename":
            if not more.strip("/ "):
                raise ValueError("a new path is needed")
            yield "rename", path, absolute(more)
        case "chmod":
            if not re.fullmatch("[0-7]{3,4}", more):
                raise ValueError(f"{more!r} is no mode; 600 is one")
            yield "chmod", path, int(more, 8)


def _delete(mount: Mount, path: str) -> Iterator[Call]:
    """What `rm -r` does: a directory is emptied first."""
    if not _is_folder(mount, path, follow=False):
        yield "unlink", path
        return
    for name in mount.readdir(path):
        yield from _delete(mount, f"{path.rstrip('/')}/{name}")
    yield "rmdir", path


def _is_folder(mount: Mount, path: str, *, follow: bool) -> bool:
    return mount.exists(path, follow=follow) and mount.stat(path, follow).kind is Kind.DIR


BECAUSE: Final = {
    "copied up": "it was only below, where nothing can change",
    "written": "in upper",
    "made": "in upper",
    "made opaque": "it shows what it holds itself, and nothing from below",
    "whiteout": "it hides the name in every layer below",
    "removed": "it was only in upper: there is nothing to hide",
    "renamed": "in upper",
    "mode changed": "in upper",
    "EBUSY": "It is the root of the mount.",
    "EEXIST": "Something has that name already.",
    "EISDIR": "It is a directory.",
    "ENOENT": "Nothing has that name: no layer, or a whiteout hides it.",
    "ENOTDIR": "A file can have nothing in it.",
    "ENOTEMPTY": "It still shows something.",
    "EXDEV": "A part of that directory is below and can't move. mv would copy all of it instead.",
}
"""Why: for each effect on upper, and for each refusal."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken: who was asked for its path beforehand, and what came of it."""

    line: str
    trace: Trace
    answer: str
    effects: tuple[Effect, ...]
    error: str = ""

    @property
    def copied(self) -> int:
        """Bytes of content that were copied up."""
        return sum(effect.copied for effect in self.effects)

    @property
    def said(self) -> str:
        """The outcome in a sentence or two."""
        if self.error:
            return f"Refused: {self.error}. {BECAUSE.get(self.error, '')}".rstrip()
        if not self.effects:
            return "Upper is as it was: reading changes nothing."
        copied = f"{size(self.copied)} of content copied up" if self.copied else "no content copied"
        return f"{counted(len(self.effects), 'change')} in upper, {copied}."

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What it did to upper, in rows: what, to which path, and why."""
        return [
            (
                effect.what,
                effect.path + (f", {size(effect.copied)}" if effect.copied else ""),
                BECAUSE.get(effect.what, ""),
            )
            for effect in self.effects
        ]


def absolute(path: str) -> str:
    """The path from the root, as it was meant."""
    return "/" + path.strip().lstrip("/")

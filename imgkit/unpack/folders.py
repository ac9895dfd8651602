"""The directories below a root, held open while something is written there.

Every name is opened below a directory that is open already, one component at a time, and never
through a symlink (openat(2), O_NOFOLLOW), so that no path leads out, whatever happens meanwhile.
"""

from __future__ import annotations

import os
from typing import Final

FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


class Folders:
    """The directory in which we are, and those above it, held open."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._path = ""
        self._names: list[str] = []
        self._open = [root]

    def enter(self, path: str) -> int:
        """The descriptor of a directory below the root, opened one component at a time."""
        if path == self._path:
            return self._open[-1]
        names = path.split("/") if path else []
        same = 0
        for ours, theirs in zip(self._names, names, strict=False):
            if ours != theirs:
                break
            same += 1
        self._leave(same)
        for name in names[same:]:
            self._open.append(os.open(name, FOLDER, dir_fd=self._open[-1]))
            self._names.append(name)
        self._path = path
        return self._open[-1]

    def _leave(self, depth: int) -> None:
        while len(self._names) > depth:
            self._names.pop()
            os.close(self._open.pop())

    def close(self) -> None:
        self._leave(0)

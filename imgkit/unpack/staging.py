"""The files of layers, written before it is known where they go, if they go anywhere.

A layer is read once: each of its files is written under a name of our own, with its owner, mode
and times, and is moved to its place when the tree is known; those that no path shows are removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Final

from imgkit.digest import CHUNK
from imgkit.layer import Layer
from imgkit.overlay.tree import Node
from imgkit.tar import Content
from imgkit.tar.entry import Entry, Kind
from imgkit.unpack.folders import FOLDER
from imgkit.unpack.marks import record_owner

PRIVATE: Final = 0o700
"""The mode of a directory while it is being filled."""

NAME: Final = ".wh..wh.imgkit"
"""The directory of those files: beside the image's own, none of which has a name like it."""

_NO_SET_ID: Final = 0o1777
NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Options:
    """What is written of owners and devices, and who hears of each path that is done."""

    owners: bool
    devices: bool = False
    on_entry: Callable[[Node], None] = field(default=lambda node: None)

    def mode(self, entry: Entry) -> int:
        """The mode that this entry gets: set-user-ID bits only with its true owner."""
        return entry.mode if self.owners else entry.mode & _NO_SET_ID

    def finish(self, file: int, entry: Entry) -> bool:
        """Owner and mode of an open file or directory; False if the owner is nowhere recorded.

        Marks cannot be set afterwards, where the mode forbids writing.
        """
        recorded = True
        if self.owners:
            os.chown(file, entry.uid, entry.gid)
        else:
            recorded = record_owner(file, entry.uid, entry.gid)
        os.chmod(file, self.mode(entry))
        return recorded


class Staging:
    """A directory, below an open one, with the files of layers by layer and offset."""

    def __init__(self, root: int, options: Options, written: int = 0) -> None:
        os.mkdir(NAME, PRIVATE, dir_fd=root)
        self._root = root
        self._options = options
        self.written = written
        """Bytes of all files, those counted that were written elsewhere before."""
        self._folder = os.open(NAME, FOLDER, dir_fd=root)
        self._born = self._probe()
        self._unrecorded: set[str] = set()

    def _probe(self) -> os.stat_result:
        """What a new file is like here: its owner, and the bits of its mode that may be set."""
        os.close(os.open("new", NEW, 0o777, dir_fd=self._folder))
        born = os.stat("new", dir_fd=self._folder)
        os.unlink("new", dir_fd=self._folder)
        return born

    def take(self, number: int, layer: Layer, only: Container[int] | None = None) -> None:
        """Read that layer once and write its files, or only those at these offsets."""
        for entry, content in layer.walk():
            if entry.kind is Kind.FILE and (only is None or entry.offset in only):
                self.written += entry.size
                layer.limits.check_image(self.written)
                self._write(f"{number}-{entry.offset}", entry, content)

    def _write(self, name: str, entry: Entry, content: Content) -> None:
        as_born = self._is_as_born(entry)
        file = os.open(name, NEW, entry.mode if as_born else 0o600, dir_fd=self._folder)
        try:
            while data := content.read(CHUNK):
                _write_all(file, data)
            if not as_born and not self._options.finish(file, entry):
                self._unrecorded.add(name)
            os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))
        finally:
            os.close(file)

    def _is_as_born(self, entry: Entry) -> bool:
        """Whether a new file has the owner and mode of this entry without more ado."""
        owner = (self._born.st_uid, self._born.st_gid) if self._options.owners else (0, 0)
        return (entry.uid, entry.gid) == owner and not entry.mode & ~self._born.st_mode

    def place(self, node: Node, name: str, folder: int) -> bool:
        """Move a file to its name in an open directory; False if its owner is nowhere recorded."""
        staged = f"{node.inode.layer}-{node.inode.entry.offset}"
        os.rename(staged, name, src_dir_fd=self._folder, dst_dir_fd=folder)
        return staged not in self._unrecorded

    def remove(self) -> None:
        """Afterwards the directory is gone, with the files that were not placed."""
        for name in os.listdir(self._folder):
            os.unlink(name, dir_fd=self._folder)
        os.rmdir(NAME, dir_fd=self._root)

    def close(self) -> None:
        """Let go of the directory; after an error, whoever removes the root removes it, too."""
        os.close(self._folder)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]

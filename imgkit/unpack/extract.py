"""A tree written below one directory, and nowhere else.

No path and no link can lead out (see `folders`). Modes, owners and times are set on what is open,
or without following.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from imgkit.overlay.lowers import Lower
from imgkit.overlay.tree import Node
from imgkit.tar.entry import Kind
from imgkit.unpack.folders import Folders
from imgkit.unpack.marks import make_whiteout, mark_opaque
from imgkit.unpack.staging import NEW, PRIVATE, Options, Staging

_NODES: Final = {Kind.CHAR: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}


@dataclass(frozen=True, slots=True)
class Report:
    """What was written: how many of each kind, the bytes of all files, and what was left out."""

    files: int
    directories: int
    symlinks: int
    hard_links: int
    devices: int
    size: int
    skipped: tuple[str, ...] = ()
    """Paths of device nodes that were not made; if they were asked for, they are empty files."""
    unrecorded: tuple[str, ...] = ()
    """Paths whose owner is neither set nor recorded."""
    whiteouts: int = 0
    opaque: int = 0
    unmarked: tuple[str, ...] = ()
    """Paths whose whiteout, or whose mark of being opaque, could not be made."""

    def __str__(self) -> str:
        text = (
            f"{self.files} files ({self.size} bytes), {self.directories} directories, "
            f"{self.symlinks} symlinks, {self.hard_links} hard links"
        )
        for count, what in (
            (self.devices, ", {} device nodes"),
            (self.whiteouts, ", {} whiteouts"),
            (self.opaque, ", {} opaque directories"),
            (len(self.unmarked), "; {} whiteouts or opaque directories could not be marked"),
            (len(self.unrecorded), "; the owners of {} could not be recorded"),
            (len(self.skipped), "; {} device nodes not made"),
        ):
            text += what.format(count) if count else ""
        return text


class Extraction:
    """Writes a tree, merged or of one layer, below an open directory; its files are staged."""

    def __init__(self, tree: Lower, staging: Staging, options: Options) -> None:
        self._tree = tree
        self._staging = staging
        self._options = options
        self._counts: Counter[Kind] = Counter()
        self._size = 0
        self._skipped: list[str] = []
        self._unrecorded: list[str] = []
        self._unmarked: list[str] = []
        self._whiteouts = 0

    def run(self, root: int) -> Report:
        """Write everything; the directory itself becomes the root, and is not counted."""
        with closing(Folders(root)) as self._folders, closing(Folders(root)) as self._sources:
            self._write()
        return self._report()

    def _report(self) -> Report:
        counts = self._counts
        return Report(
            counts[Kind.FILE],
            counts[Kind.DIR] - 1,
            counts[Kind.SYMLINK],
            counts[Kind.HARDLINK],
            counts[Kind.CHAR] + counts[Kind.BLOCK] + counts[Kind.FIFO],
            self._size,
            tuple(self._skipped),
            tuple(self._unrecorded),
            self._whiteouts,
            len(self._tree.opaque - set(self._unmarked)),
            tuple(self._unmarked),
        )

    def _write(self) -> None:
        first: dict[int, Node] = {}
        links, folders = [], [self._tree.root]
        for node in self._tree.root.walk():
            if node.kind is Kind.DIR:
                os.mkdir(_name(node), PRIVATE, dir_fd=self._enter(node))
                folders.append(node)
            elif first.setdefault(id(node.inode), node) is not node:
                links.append(node)
            elif node.kind is Kind.FILE:
                self._place(node)
            else:
                self._make(node)
        for node in links:
            self._link(first[id(node.inode)], node)
        for path in sorted(self._tree.whiteouts):
            self._whiteout(path)
        self._staging.remove()
        for node in reversed(folders):
            self._finish_folder(node)

    def _enter(self, node: Node) -> int:
        return self._folders.enter(node.path.rpartition("/")[0])

    def _place(self, node: Node) -> None:
        if not self._staging.place(node, _name(node), self._enter(node)):
            self._unrecorded.append(node.path)
        self._size += node.size
        self._done(node)

    def _make(self, node: Node) -> None:
        """A symlink, a fifo or a device node."""
        entry, name, folder = node.inode.entry, _name(node), self._enter(node)
        if node.kind is Kind.SYMLINK:
            os.symlink(entry.link, name, dir_fd=folder)
        elif not self._make_node(node, name, folder):
            self._stand_in(node)
            return
        if self._options.owners:
            os.chown(name, entry.uid, entry.gid, dir_fd=folder, follow_symlinks=False)
        elif entry.uid or entry.gid:
            self._unrecorded.append(node.path)  # no such thing has attributes of the user
        if node.kind is not Kind.SYMLINK:
            mode = self._options.mode(entry)
            os.chmod(name, mode, dir_fd=folder)  # our own node, so not followed
        times = (entry.mtime_ns, entry.mtime_ns)
        os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)
        self._done(node)

    def _make_node(self, node: Node, name: str, folder: int) -> bool:
        entry = node.inode.entry
        if node.kind is not Kind.FIFO and not self._options.devices:
            return False
        try:
            number = os.makedev(entry.major, entry.minor)
            os.mknod(name, _NODES[node.kind] | 0o600, number, dir_fd=folder)
        except PermissionError:
            return False
        return True

    def _stand_in(self, node: Node) -> None:
        """An empty file where a device node was asked for but may not be made, as umoci does."""
        self._skip(node)
        if self._options.devices:
            file = os.open(_name(node), NEW, 0o600, dir_fd=self._enter(node))
            try:
                self._finish(file, node)
            finally:
                os.close(file)

    def _link(self, source: Node, node: Node) -> None:
        if source.path in self._skipped:
            self._skip(node)
            if not self._options.devices:
                return
        os.link(
            _name(source),
            _name(node),
            src_dir_fd=self._sources.enter(source.path.rpartition("/")[0]),
            dst_dir_fd=self._enter(node),
            follow_symlinks=False,
        )
        self._counts[Kind.HARDLINK] += 1
        self._options.on_entry(node)

    def _skip(self, node: Node) -> None:
        self._skipped.append(node.path)
        if node.path in self._tree.covers and not self._options.devices:
            self._whiteout(node.path)

    def _whiteout(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if make_whiteout(name, self._folders.enter(folder), self._folders.root):
            self._whiteouts += 1
        else:
            self._unmarked.append(path)

    def _finish_folder(self, node: Node) -> None:
        """Marks, owner, mode and times, once nothing more is put in."""
        folder = self._folders.enter(node.path)
        if node.path in self._tree.opaque and not mark_opaque(folder):
            self._unmarked.append(node.path)
        self._finish(folder, node)
        self._done(node)

    def _finish(self, file: int, node: Node) -> None:
        """Owner, mode and times of an open file or directory; marks cannot be set afterwards."""
        entry = node.inode.entry
        if not self._options.finish(file, entry):
            self._unrecorded.append(node.path)
        if not node.implied:
            os.utime(file, ns=(entry.mtime_ns, entry.mtime_ns))

    def _done(self, node: Node) -> None:
        self._counts[node.kind] += 1
        self._options.on_entry(node)


def _name(node: Node) -> str:
    return node.path.rpartition("/")[2]

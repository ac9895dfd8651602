"""From a path to what it names in a merged view, as Linux walks it (fs/namei.c).

Symlinks on the way are followed; neither they nor `..` lead above the root.
"""

from __future__ import annotations

import errno
from typing import Final, NamedTuple

from imgkit.mount.inode import Inode
from imgkit.mount.union import Dentry, Trace, Union, fail
from imgkit.tar.entry import Kind, encode

PATH_MAX: Final = 4096
"""Bytes of a path, with the zero byte that ends it."""

LINKS_MAX: Final = 40
"""Symlinks followed on the way to one file."""

SPECIAL: Final = ("", ".", "..")
"""Last names of a path that nothing can be made, removed or renamed under; "" is the root."""


class Place(NamedTuple):
    """A name, which may be free, in a directory; `slash` if the path goes on with one."""

    parent: Dentry
    name: str
    slash: bool


class Found(NamedTuple):
    """What has a name; without an inode, nothing has."""

    name: str
    slash: bool
    dentry: Dentry
    inode: Inode | None


class Walk:
    """One path on its way; `trace` gets every tree that is asked.

    One that does not begin with a slash begins at a directory, `at`, instead of the root.
    Raises the `OSError` of the way: ENOENT, ENOTDIR, ELOOP or ENAMETOOLONG, EINVAL for a zero byte;
    when a file is to be made at its end (`creating`), EISDIR if it ends in a slash.
    """

    def __init__(
        self,
        union: Union,
        path: str,
        trace: Trace | None = None,
        *,
        at: Dentry | None = None,
        creating: bool = False,
    ) -> None:
        if "\0" in path:  # a call of the kernel can't be given one
            fail(errno.EINVAL, path)
        if len(encode(path)) >= PATH_MAX:
            fail(errno.ENAMETOOLONG, path)
        self.union = union
        self.path = path
        self.trace = trace
        self.at = at or union.root
        self.creating = creating
        self.links = 0

    def place(self) -> Place:
        """The last name of the path, not looked up yet, in its directory."""
        if not self.path:
            fail(errno.ENOENT, self.path)
        return self._place(self.at, self.path)

    def find(self, *, follow: bool = False) -> Found:
        """What the path leads to; a symlink at its end is followed if `follow`."""
        place = self.place()
        found = self.look(place)
        while follow and found.inode and found.inode.kind is Kind.SYMLINK:
            place = self._follow(place.parent, found.inode)
            found = self.look(place._replace(slash=place.slash or found.slash))
        return found

    def look(self, place: Place) -> Found:
        """What has the name of a place."""
        if self.creating and place.slash and place.name not in SPECIAL:
            fail(errno.EISDIR, self.path)
        dentry = self._child(place.parent, place.name)
        return Found(place.name, place.slash, dentry, dentry.inode)

    def _place(self, at: Dentry, path: str) -> Place:
        at = self.union.root if path.startswith("/") else at
        *above, name = [part for part in path.split("/") if part] or [""]
        for part in above:
            at = self._enter(at, part)
        return Place(at, name, path.endswith("/"))

    def _enter(self, at: Dentry, name: str) -> Dentry:
        """The directory of that name, symlinks followed."""
        dentry = self._child(at, name)
        if dentry.inode and dentry.inode.kind is Kind.SYMLINK:
            place = self._follow(at, dentry.inode)
            dentry = self._enter(place.parent, place.name)
        if not dentry.is_dir:
            fail(errno.ENOTDIR if dentry.inode else errno.ENOENT, self.path)
        return dentry

    def _follow(self, at: Dentry, link: Inode) -> Place:
        self.links += 1
        if self.links > LINKS_MAX:
            fail(errno.ELOOP, self.path)
        return self._place(at, link.link)

    def _child(self, at: Dentry, name: str) -> Dentry:
        if name in SPECIAL:
            return at.parent or at if name == ".." else at
        return self.union.child(at, name, self.trace)

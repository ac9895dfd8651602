"""The calls of a mount that change what is said of a file: mode, owner, time, attributes."""

from __future__ import annotations

import errno
import stat
from typing import Final

from imgkit.mount.inode import Inode
from imgkit.mount.union import fail
from imgkit.mount.view import View, call
from imgkit.tar.entry import Kind

XATTR_CREATE: Final = 1
"""Of setxattr(2): the attribute must be new."""
XATTR_REPLACE: Final = 2
"""Of setxattr(2): the attribute must be there."""


class Attributes(View):
    """What a mount shows, with attributes that can be changed."""

    @call
    def chmod(self, path: str, mode: int) -> None:
        """Change the mode; symlinks are followed."""
        self._change(path, "mode").mode = mode & 0o7777

    @call
    def chown(self, path: str, uid: int, gid: int, follow: bool = True) -> None:
        """Change owner and group, -1 for neither; what ran as its owner no longer does."""
        inode = self._change(path, "owner", follow)
        inode.uid = inode.uid if uid == -1 else uid
        inode.gid = inode.gid if gid == -1 else gid
        drop_set_id(inode)

    @call
    def utime(self, path: str, mtime_ns: int, follow: bool = True) -> None:
        """Change the time of the last change, in nanoseconds since 1970."""
        self._change(path, "mtime", follow).mtime_ns = mtime_ns

    @call
    def setxattr(self, path: str, name: str, value: bytes, flags: int = 0) -> None:
        """Set an extended attribute of a file or directory.

        The flags are those of setxattr(2). What they refuse is refused after the copy-up.
        """
        if flags & ~(XATTR_CREATE | XATTR_REPLACE):
            fail(errno.EINVAL, path)
        self._check_xattr(path, name)
        there = name in self._change_xattr(path, "").xattrs
        if flags & XATTR_CREATE and there:
            fail(errno.EEXIST, path)
        if flags & XATTR_REPLACE and not there:
            fail(errno.ENODATA, path)
        self._change_xattr(path, name).xattrs[name] = value

    @call
    def removexattr(self, path: str, name: str) -> None:
        """Take an extended attribute away."""
        if name not in self._check_xattr(path, name).xattrs:
            fail(errno.ENODATA, path)
        del self._change_xattr(path, name).xattrs[name]

    def _change_xattr(self, path: str, name: str) -> Inode:
        """The inode in upper; unlike other changes, under any name that it has there."""
        dentry, _ = self._get(path, True)
        inode = dentry.index or self.overlay.up(dentry)
        if name:
            self.overlay.note(f"{name} changed", dentry)
        return inode

    def _check_xattr(self, path: str, name: str) -> Inode:
        """What is at a path, if it can have an extended attribute of that name."""
        _, inode = self._get(path, True)
        if not name.startswith("user."):
            fail(errno.EOPNOTSUPP, path)
        if inode.kind not in (Kind.FILE, Kind.DIR):
            fail(errno.EPERM, path)
        return inode

    def _change(self, path: str, what: str, follow: bool = True) -> Inode:
        """The inode in upper whose attributes are to be changed."""
        dentry, _ = self._get(path, follow)
        inode = self.overlay.up(dentry)
        self.overlay.note(f"{what} changed", dentry)
        return inode


def drop_set_id(inode: Inode) -> None:
    """No longer does a file run as its owner, nor as its group."""
    if not inode.is_dir:
        group = stat.S_ISGID if inode.mode & stat.S_IXGRP else 0
        inode.mode &= ~(stat.S_ISUID | group)

"""The merged view of a mount, as calls that only ask."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from imgkit.mount.inode import Inode
from imgkit.mount.paths import Found, Walk
from imgkit.mount.union import Dentry, Trace, fail
from imgkit.mount.upper import Upper
from imgkit.tar.entry import Kind

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V", bound="View")


@dataclass(frozen=True, slots=True)
class Stat:
    """What `stat` says; the size is in bytes."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    nlink: int
    device: tuple[int, int]


def call(function: Callable[Concatenate[V, P], T]) -> Callable[Concatenate[V, P], T]:
    """A call of a mount: `overlay.effects` are those of the last, `copied` counts those of all."""

    @functools.wraps(function)
    def called(self: V, /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.overlay.effects = []
        try:
            return function(self, *args, **kwargs)
        finally:
            self.copied += sum(effect.copied for effect in self.overlay.effects)

    return called


class View:
    """What a mount shows."""

    def __init__(self, overlay: Upper) -> None:
        self.overlay = overlay
        self.copied = 0
        """Bytes of content that were copied up, by all calls."""

    @call
    def lookup(self, path: str, *, follow: bool = False) -> Trace:
        """Each tree that is asked on the way to a path, what it has there, and why it goes on."""
        trace: Trace = []
        Walk(self.overlay, path, trace).find(follow=follow)
        return trace

    def exists(self, path: str, *, follow: bool = True) -> bool:
        """Whether something is there."""
        try:
            self._get(path, follow)
        except OSError:
            return False
        return True

    @call
    def stat(self, path: str, follow: bool = True) -> Stat:
        """What is there; of a symlink itself only if not `follow`."""
        dentry, inode = self._get(path, follow)
        size = len(inode.link.encode("utf-8", "surrogateescape")) or inode.size
        return Stat(
            inode.kind,
            inode.mode,
            inode.uid,
            inode.gid,
            size,
            inode.mtime_ns,
            dentry.nlink,
            inode.device,
        )

    @call
    def readdir(self, path: str) -> list[str]:
        """The names in a directory, in order.

        Where nothing merges nothing is left out: whiteouts then show, though nothing is there.
        """
        dentry, inode = self._get(path, True)
        if not inode.is_dir:
            fail(errno.ENOTDIR, path)
        return sorted(
            name for name, gone in dentry.names().items() if not (gone and dentry.is_merged)
        )

    @call
    def readlink(self, path: str) -> str:
        """The text of a symlink."""
        _, inode = self._get(path, False)
        if inode.kind is not Kind.SYMLINK:
            fail(errno.EINVAL, path)
        return inode.link

    @call
    def read(self, path: str) -> bytes:
        """The content of a file."""
        _, inode = self._get(path, True)
        if inode.is_dir:
            fail(errno.EISDIR, path)
        if inode.kind in (Kind.CHAR, Kind.BLOCK):
            fail(errno.ENXIO, path)
        return inode.read()

    @call
    def getxattr(self, path: str, name: str, *, follow: bool = True) -> bytes:
        """The value of an extended attribute."""
        _, inode = self._get(path, follow)
        if name not in inode.xattrs:
            fail(errno.ENODATA, path)
        return inode.xattrs[name]

    def _get(self, path: str, follow: bool) -> tuple[Dentry, Inode]:
        """What is at a path; after a slash at its end, only a directory."""
        found = self._find(path, follow or path.endswith("/"))
        inode = self._there(found, path)
        if found.slash and not inode.is_dir:
            fail(errno.ENOTDIR, path)
        return found.dentry, inode

    def _find(self, path: str, follow: bool = False) -> Found:
        return Walk(self.overlay, path).find(follow=follow)

    @staticmethod
    def _there(found: Found, path: str) -> Inode:
        if found.inode is None:
            fail(errno.ENOENT, path)
        return found.inode

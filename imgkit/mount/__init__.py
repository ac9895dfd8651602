"""A writable overlay mount, in Python: lower trees, an upper tree, and the calls of a kernel.

Every call does what Linux does on an overlay mount for root, and raises the `OSError` that Linux
gives; `tests/test_kernel.py` holds it against the kernel itself. Paths are taken from the root of
the mount; symlinks and `..` never lead out of it.

>>> from imgkit.mount.inode import tree
>>> mount = Mount([tree({"etc/motd": b"hello"})])
>>> mount.write("/etc/motd", b", world", append=True)
>>> mount.read("/etc/motd")
b'hello, world'
>>> mount.changes()
[('C', '/etc'), ('C', '/etc/motd')]
"""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Callable, Sequence

from imgkit.layer import Layer
from imgkit.mount import changeset
from imgkit.mount.attributes import Attributes, drop_set_id
from imgkit.mount.inode import Inode, folder
from imgkit.mount.paths import PATH_MAX, SPECIAL, Found, Walk
from imgkit.mount.stack import stack
from imgkit.mount.union import Dentry, fail
from imgkit.mount.upper import NO_OPTIONS, Options, Upper
from imgkit.mount.view import Stat, call
from imgkit.tar.entry import Entry, Kind

__all__ = ["Mount", "Options", "Stat"]


class Mount(Attributes):
    """The merged view of lower trees, base first, under an upper tree that takes the changes.

    A lower is a `Layer`, or a tree of inodes. `rootless`: this root is a user who was given that
    number in a namespace, and writing takes the set-user-ID bit from a file.
    """

    def __init__(
        self,
        lowers: Sequence[Layer | Inode],
        upper: Inode | None = None,
        *,
        options: Options = NO_OPTIONS,
        rootless: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        trees = stack(lowers)
        above = upper or (trees[-1].copy() if trees else folder())
        super().__init__(Upper(trees, above, options=options, clock=clock))
        self.rootless = rootless

    @property
    def upper(self) -> Inode:
        """The tree with all that was changed."""
        return self.overlay.upper

    @property
    def lowers(self) -> tuple[Inode, ...]:
        """The trees below, base first."""
        return self.overlay.lowers

    def upper_entries(self) -> list[tuple[Entry, bytes]]:
        """What was changed, as the entries of a layer."""
        return changeset.entries(self.overlay)

    def changes(self) -> list[tuple[str, str]]:
        """What was changed, as `docker diff` lists it: "A" added, "C" changed, "D" deleted."""
        return changeset.changes(self.overlay)

    # Writing files

    @call
    def open(
        self,
        path: str,
        *,
        create: bool = False,
        exclusive: bool = False,
        truncate: bool = False,
        mode: int = 0o644,
    ) -> None:
        """Open for writing, and close: enough for a copy-up. The flags are those of open(2)."""
        self._open(path, create, exclusive, truncate, mode)

    @call
    def write(self, path: str, data: bytes, append: bool = False, mode: int = 0o644) -> None:
        """Write all of a file, or to its end; one that is not there is made with that mode."""
        dentry = self._open(path, True, False, not append, mode)
        if data:
            self._refill(dentry, self.overlay.up_with_content(dentry).read() + data)

    @call
    def truncate(self, path: str, size: int = 0) -> None:
        """Cut or extend a file to that many bytes."""
        if size < 0:
            fail(errno.EINVAL, path)
        dentry, inode = self._get(path, True)
        if inode.kind is not Kind.FILE:
            fail(errno.EISDIR if inode.is_dir else errno.EINVAL, path)
        inode = self.overlay.up_with_content(dentry)
        before = inode.mtime_ns
        unchanged = size == inode.size == 0
        self._refill(dentry, inode.read()[:size].ljust(size, b"\0"))
        if unchanged:  # tmpfs, unlike ext4, leaves an empty file its time
            inode.mtime_ns = before

    def _open(self, path: str, create: bool, exclusive: bool, truncate: bool, mode: int) -> Dentry:
        """A file that is opened for writing, now in upper."""
        walk = Walk(self.overlay, path, creating=create)
        found = walk.find(follow=not (create and exclusive))
        inode = found.inode
        if inode is None:
            if not create:
                fail(errno.ENOENT, path)
            self.make(found.dentry, Inode(Kind.FILE, mode & 0o7777))
            return found.dentry
        if create and exclusive:
            fail(errno.EEXIST, path)
        if inode.is_dir:
            fail(errno.EISDIR, path)
        if found.slash:
            fail(errno.ENOTDIR, path)
        if inode.kind is not Kind.FILE:
            fail(errno.ENXIO, path)
        self.overlay.up_with_content(found.dentry, empty=truncate)
        if truncate:
            self._refill(found.dentry, b"")
        return found.dentry

    def _refill(self, dentry: Dentry, content: bytes) -> None:
        inode = self.overlay.up_with_content(dentry)
        inode.fill(content)
        self.overlay.note("written", dentry)
        inode.mtime_ns = self.overlay.clock()
        if self.rootless:
            drop_set_id(inode)

    # Names

    @call
    def mkdir(self, path: str, mode: int = 0o755) -> None:
        """Make a directory."""
        self.make(self._free(path, folder=True), Inode(Kind.DIR, mode & 0o1777))

    @call
    def symlink(self, text: str, path: str) -> None:
        """Make a symlink with that text."""
        if not text or len(text.encode("utf-8", "surrogateescape")) >= PATH_MAX:
            fail(errno.ENAMETOOLONG if text else errno.ENOENT, path)
        self.make(self._free(path), Inode(Kind.SYMLINK, 0o777, link=text))

    @call
    def mknod(
        self, path: str, kind: Kind = Kind.FIFO, device: tuple[int, int] = (0, 0), mode: int = 0o644
    ) -> None:
        """Make a fifo or a device; never a whiteout, the character device 0:0."""
        dentry = self._free(path)
        inode = Inode(kind, mode & 0o7777, device=device)
        if inode.is_whiteout:
            fail(errno.EPERM, path)
        self.make(dentry, inode)

    @call
    def link(self, old: str, new: str) -> None:
        """Give a file a second name; a symlink itself, not what it leads to."""
        dentry, inode = self._get(old, False)
        free = self._free(new)
        if inode.is_dir:
            fail(errno.EPERM, new)
        self.overlay.link(dentry, free)

    @call
    def unlink(self, path: str) -> None:
        """Take away a name of anything but a directory."""
        found = self._find(path)
        if found.name in SPECIAL:
            fail(errno.EISDIR, path)
        inode = self._there(found, path)
        if inode.is_dir or found.slash:
            fail(errno.EISDIR if inode.is_dir else errno.ENOTDIR, path)
        self.overlay.remove(found.dentry)

    @call
    def rmdir(self, path: str) -> None:
        """Take away an empty directory."""
        found = self._find(path)
        special = {"": errno.EBUSY, ".": errno.EINVAL, "..": errno.ENOTEMPTY}
        if found.name in special:
            fail(special[found.name], path)
        if not self._there(found, path).is_dir:
            fail(errno.ENOTDIR, path)
        self.overlay.remove(found.dentry)

    @call
    def rename(self, old: str, new: str) -> None:
        """Give what is at `old` the name `new`, in place of what is there."""
        walks = Walk(self.overlay, old), Walk(self.overlay, new)
        places = [walk.place() for walk in walks]
        if any(place.name in SPECIAL for place in places):
            fail(errno.EBUSY, old)
        source = walks[0].look(places[0])
        inode = self._there(source, old)
        target = walks[1].look(places[1])
        self._check_rename(source, target, old, new)
        broken = not (source.dentry.upper or self.overlay.options.index)  # names of a link below
        if inode is not target.inode or (broken and not _same(source, target)):
            self.overlay.rename(source.dentry, target.dentry)

    @staticmethod
    def _check_rename(source: Found, target: Found, old: str, new: str) -> None:
        """Refuse what makes no sense whatever the filesystem, in the order of Linux."""
        is_dir = source.dentry.is_dir
        if not is_dir and (source.slash or target.slash):
            fail(errno.ENOTDIR, old)
        if target.dentry.is_within(source.dentry) and not _same(source, target):
            fail(errno.EINVAL, old)
        if source.dentry.is_within(target.dentry) and not _same(source, target):
            fail(errno.ENOTEMPTY, new)
        if target.inode and is_dir != target.dentry.is_dir:
            fail(errno.EISDIR if target.dentry.is_dir else errno.ENOTDIR, new)

    def _free(self, path: str, *, folder: bool = False) -> Dentry:
        """The name to be made at a path, where nothing is yet."""
        found = self._find(path)
        if found.name in SPECIAL or found.inode:
            fail(errno.EEXIST, path)
        if found.slash and not folder:
            fail(errno.ENOENT, path)
        return found.dentry

    def make(self, dentry: Dentry, inode: Inode) -> None:
        """Make a new inode, now; in a set-group-ID directory it gets that group."""
        assert dentry.parent
        above = dentry.parent.inode
        assert above
        if above.mode & stat.S_ISGID:
            inode.gid = above.gid
            inode.mode |= stat.S_ISGID if inode.is_dir else 0
        inode.mtime_ns = self.overlay.clock()
        self.overlay.make(dentry, inode)


def _same(one: Found, other: Found) -> bool:
    return one.dentry.path == other.dentry.path

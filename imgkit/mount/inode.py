"""Inodes: what a filesystem keeps for each file, and the trees of names that they make.

A tree is an inode of a directory, whose `children` are inodes by name; one with two names is a
hard link. Overlayfs keeps its own marks in the same trees, as the kernel writes them to disk::

    a character device 0:0              a whiteout: the name is gone
    trusted.overlay.opaque=y            a directory that hides all below it
    trusted.overlay.redirect=/old/name  a directory that was renamed: look below under that name
    trusted.overlay.metacopy            a file with attributes alone: its content is below
    trusted.overlay.opaque=x            a directory in which a whiteout may also be an empty file
                                        with the attribute trusted.overlay.whiteout
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from imgkit.tar.entry import Entry, Kind

MARKS: Final = "trusted.overlay."
OPAQUE: Final = MARKS + "opaque"
REDIRECT: Final = MARKS + "redirect"
METACOPY: Final = MARKS + "metacopy"
WHITEOUT: Final = MARKS + "whiteout"


@dataclass(slots=True, eq=False, repr=False)
class Inode:
    """One file, directory, symlink or device, without its names.

    `size` is in bytes, of a file's content; `read` gives that content. `names` counts the names of
    all but directories, in this tree; `indexed`, of an upper file that overlayfs has in its index,
    those that only a lower tree has.
    """

    kind: Kind = Kind.FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    link: str = ""
    device: tuple[int, int] = (0, 0)
    size: int = 0
    read: Callable[[], bytes] = bytes
    xattrs: dict[str, bytes] = field(default_factory=dict)
    children: dict[str, Inode] = field(default_factory=dict)
    names: int = 0
    indexed: int | None = None

    def __repr__(self) -> str:
        """What it is; of a directory all that is below, a line each."""
        if not self.is_dir:
            return "whiteout" if self.is_whiteout else f"{self.kind} {self.mode:04o} {self.size}B"
        names = dict(self.walk())
        width = max(map(len, names), default=0)
        told = (
            f"/{path.ljust(width)}  "
            + (f"directory{', opaque' * child.is_opaque}" if child.is_dir else repr(child))
            for path, child in names.items()
        )
        return "\n".join(told) or "(an empty directory)"

    @property
    def is_dir(self) -> bool:
        return self.kind is Kind.DIR

    @property
    def is_whiteout(self) -> bool:
        """A character device 0:0."""
        return self.kind is Kind.CHAR and self.device == (0, 0)

    @property
    def is_opaque(self) -> bool:
        return self.xattrs.get(OPAQUE) == b"y"

    @property
    def is_metacopy(self) -> bool:
        """Whether it has attributes alone; `read` gives the content from below all the same."""
        return METACOPY in self.xattrs

    @property
    def redirect(self) -> str:
        """The name below under which a renamed directory goes on; "" if it was not renamed."""
        return self.xattrs.get(REDIRECT, b"").decode("utf-8", "surrogateescape")

    @property
    def nlink(self) -> int:
        """How many names lead here, one in an index too; of a directory, `.` and each `..`."""
        if not self.is_dir:
            return self.names + (self.indexed is not None)
        return 2 + sum(child.is_dir for child in self.children.values())

    def hides(self, name: str) -> bool:
        """Whether that name in this directory is a whiteout, in either form.

        Linux is less even with the second form, which it never writes itself: a directory with
        such whiteouts counts as full, and those of the upper tree and of the base are listed.
        """
        child = self.children.get(name)
        if child is None:
            return False
        by_mark = self.xattrs.get(OPAQUE) == b"x" and WHITEOUT in child.xattrs
        return child.is_whiteout or (by_mark and child.kind is Kind.FILE and not child.size)

    def put(self, name: str, child: Inode) -> Inode:
        """Give `child` this name in this directory, in place of what has it."""
        self.drop(name)
        self.children[name] = child
        child.names += 1
        return child

    def drop(self, name: str) -> Inode | None:
        """Take the name away, and give what had it."""
        child = self.children.pop(name, None)
        if child:
            child.names -= 1
        return child

    def fill(self, content: bytes) -> None:
        """Make this the content."""
        self.read = lambda: content
        self.size = len(content)

    def copy(self) -> Inode:
        """The same attributes and content, with no name, no children, and no mark of overlayfs."""
        xattrs = {key: val for key, val in self.xattrs.items() if not key.startswith(MARKS)}
        return replace(self, xattrs=xattrs, children={}, names=0, indexed=None)

    def entry(self, path: str) -> Entry:
        """The entry of a tar for it under this path; marks of overlayfs are left out."""
        seconds, nanoseconds = divmod(self.mtime_ns, 10**9)
        return Entry(
            path,
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            self.size,
            seconds,
            self.link,
            nanoseconds,
            *self.device,
            xattrs=self.copy().xattrs,
        )

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """All below this directory with their paths, parents first, names in order."""
        ahead = [("", self)]
        while ahead:
            path, inode = ahead.pop()
            if path:
                yield path, inode
            prefix = f"{path}/" if path else ""
            names = sorted(inode.children, reverse=True)
            ahead += [(prefix + name, inode.children[name]) for name in names]


def folder(mode: int = 0o755, **children: Inode) -> Inode:
    """A directory with these in it."""
    made = Inode(Kind.DIR, mode)
    for name, child in children.items():
        made.put(name, child)
    return made


def of_entry(entry: Entry, read: Callable[[], bytes]) -> Inode:
    """The inode that an entry of a layer makes; `read` gives its content.

    Marks of overlayfs are left out: a layer says what is gone by whiteouts, and by nothing else.
    """
    xattrs = {key: val for key, val in entry.xattrs.items() if not key.startswith(MARKS)}
    return Inode(
        entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime_ns,
        entry.link,
        (entry.major, entry.minor),
        entry.size,
        read,
        xattrs,
    )


def file(content: bytes = b"", mode: int = 0o644) -> Inode:
    """A file with that content."""
    made = Inode(Kind.FILE, mode)
    made.fill(content)
    return made


def symlink(text: str) -> Inode:
    """A symlink with that text."""
    return Inode(Kind.SYMLINK, 0o777, link=text)


def whiteout() -> Inode:
    """What overlayfs puts at a name that is gone."""
    return Inode(Kind.CHAR, 0)


def tree(paths: Mapping[str, Inode | bytes | None]) -> Inode:
    """A tree of these paths: bytes are a file, None is a whiteout, the same inode twice a link.

    Directories on the way are made; a path that ends in a slash is a directory too.

    >>> [path for path, _ in tree({"etc/motd": b"hello", "tmp/": b""}).walk()]
    ['etc', 'etc/motd', 'tmp']
    """
    root = folder()
    for path, what in paths.items():
        parent, (*above, name) = root, path.rstrip("/").split("/")
        for part in above:
            parent = parent.children.get(part) or parent.put(part, folder())
        if path.endswith("/") and not isinstance(what, Inode):
            what = folder()
        parent.put(name, file(what) if isinstance(what, bytes) else what or whiteout())
    return root

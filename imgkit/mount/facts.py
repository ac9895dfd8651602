"""Trees as facts that can be compared, shown and sent: for each path, what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from imgkit.mount.inode import MARKS, Inode, tree
from imgkit.mount.union import Dentry, Union
from imgkit.tar.entry import Kind

GHOST: Final = "ghost"
"""The kind of a name that is listed, though nothing is there: a whiteout where nothing merges."""


class Fact(NamedTuple):
    """What is at one path; `same` is the first path of this inode, in order.

    Of a directory, `size` is 0. Of extended attributes only `user.*` and the marks of overlayfs.
    """

    kind: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime_ns: int = 0
    nlink: int = 1
    link: str = ""
    device: tuple[int, int] = (0, 0)
    content: bytes = b""
    xattrs: tuple[tuple[str, bytes], ...] = ()
    same: str = ""

    def __str__(self) -> str:
        if self.kind in (GHOST, "whiteout"):
            return self.kind
        more = {"file": repr(self.content)[1:], "symlink": f"-> {self.link}"}.get(self.kind, "")
        links = f"{self.nlink} names" if self.nlink > 1 and self.kind != Kind.DIR else ""
        marks = (f"{name}={value.decode(errors='backslashreplace')}" for name, value in self.xattrs)
        mode = "" if self.kind == Kind.SYMLINK else f"{self.mode:04o}"
        return " ".join(part for part in (self.kind, mode, more, links, *marks) if part)


Facts = dict[str, Fact]
WHITEOUT: Final = Fact("whiteout")
"""A whiteout in an upper or lower tree; its mode, times and links mean nothing."""


def of_tree(root: Inode) -> Facts:
    """The facts of a lower or upper tree, as it is on disk; the root is the path ""."""
    first: dict[int, str] = {}
    found = {"": _fact(root, "", root.nlink, first)}
    for path, inode in root.walk():
        plain = not inode.is_whiteout
        found[path] = _fact(inode, path, inode.nlink, first) if plain else WHITEOUT
        if inode.is_metacopy:  # on disk, a hole of that size
            found[path] = found[path]._replace(content=bytes(inode.size))
    return found


def of_union(union: Union) -> Facts:
    """The facts of the merged view."""
    found: Facts = {}
    _collect(union, union.root, found, {})
    return found


def _collect(union: Union, at: Dentry, found: Facts, first: dict[int, str]) -> None:
    assert at.inode
    found[at.path] = _fact(at.inode.copy(), at.path, at.nlink, first, at.inode)
    if not at.is_dir:
        return
    for name, gone in sorted(at.names().items()):
        child = union.child(at, name)
        if child.inode:
            _collect(union, child, found, first)
        elif gone and not at.is_merged:
            found[child.path] = Fact(GHOST)


def _fact(
    inode: Inode, path: str, nlink: int, first: dict[int, str], real: Inode | None = None
) -> Fact:
    link = inode.link
    return Fact(
        inode.kind.value,
        inode.mode,
        inode.uid,
        inode.gid,
        len(link.encode("utf-8", "surrogateescape")) if link else inode.size,
        inode.mtime_ns,
        nlink,
        link,
        inode.device,
        inode.read() if inode.kind is Kind.FILE else b"",
        tuple(sorted(item for item in inode.xattrs.items() if _counts(item[0]))),
        path if inode.is_dir else first.setdefault(id(real or inode), path),
    )


def _counts(name: str) -> bool:
    return name.startswith(("user.", MARKS))


def to_tree(facts: Mapping[str, Fact]) -> Inode:
    """The tree that has these facts."""
    inodes: dict[str, Inode] = {}
    for path, fact in facts.items():
        first = inodes.get(fact.same)
        inodes[path] = first if first and not first.is_dir else _inode(fact)
    root = inodes.pop("", None) or tree({})
    for path, inode in inodes.items():
        folder, _, name = path.rpartition("/")
        (inodes[folder] if folder else root).put(name, inode)
    return root


def _inode(fact: Fact) -> Inode:
    if fact.kind == WHITEOUT.kind:
        return Inode(Kind.CHAR, 0)
    made = Inode(
        Kind(fact.kind), fact.mode, fact.uid, fact.gid, fact.mtime_ns, fact.link, fact.device
    )
    made.fill(fact.content)
    made.xattrs = dict(fact.xattrs)
    return made

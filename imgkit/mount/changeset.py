"""What an upper tree changes: as the entries of a layer, and as `docker diff` lists it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from imgkit.layer import OPAQUE, WHITEOUT_PREFIX
from imgkit.mount.inode import Inode
from imgkit.mount.union import Dentry, Union
from imgkit.mount.upper import Upper
from imgkit.tar.entry import Entry, Kind

Changed = tuple[str, str]


def entries(union: Upper) -> list[tuple[Entry, bytes]]:
    """The entries of the layer that makes these changes, directories before what is in them.

    Whiteouts come before what their directory holds. A directory that was renamed with
    `redirect_dir` is there with all that it holds, because no layer can say where it was; and so
    are, last, the hard links that `index` lets follow a changed file without a name in upper.
    """
    first: dict[int, str] = {}
    found = list(_entries(union, union.root, first))
    following = _following(union, union.root) if union.has_followers else ()
    return found + [_entry(inode, path, first) for path, inode in following]


def _following(union: Union, at: Dentry) -> Iterator[tuple[str, Inode]]:
    """The names that only a lower tree has, of files that are in upper."""
    for name in sorted(at.names()):
        child = union.child(at, name)
        if child.index:
            yield child.path, child.index
        elif child.is_dir and not (child.upper and child.upper.redirect):
            yield from _following(union, child)


def _entries(union: Union, at: Dentry, first: dict[int, str]) -> Iterator[tuple[Entry, bytes]]:
    """The entries of what is in a directory of the upper tree."""
    inode = at.inode
    assert inode
    whole = at.upper is None or _is_moved(at)
    prefix = f"{at.path}/" if at.path else ""
    if inode.is_opaque or whole:
        yield Entry(prefix + OPAQUE, mtime=inode.mtime_ns // 10**9), b""
    names = sorted(at.names() if whole else inode.children)
    for name in [name for name in names if inode.hides(name) and not whole]:
        yield Entry(f"{prefix}{WHITEOUT_PREFIX}{name}"), b""
    for name in names:
        child = union.child(at, name)
        if child.inode:
            yield _entry(child.inode, child.path, first)
            if child.is_dir:
                yield from _entries(union, child, first)


def _is_moved(at: Dentry) -> bool:
    """Whether the directory, or one that it is in, was renamed with what is below."""
    while at.parent:
        if at.upper and at.upper.redirect:
            return True
        at = at.parent
    return False


def _entry(inode: Inode, path: str, first: dict[int, str]) -> tuple[Entry, bytes]:
    entry = inode.entry(path)
    if inode.kind is not Kind.FILE:
        return entry, b""
    before = first.setdefault(id(inode), path)
    if before != path:
        return replace(entry, kind=Kind.HARDLINK, size=0, link=before), b""
    return entry, inode.read()


def changes(union: Upper) -> list[Changed]:
    """The paths that were added ("A"), changed ("C") and deleted ("D"), in order.

    As in Docker (archive/changes.go of moby), a directory above a change is changed too, and what
    was copied up and is as it was below is not. Times count for all but directories.
    """
    return sorted(_changes(union, union.root), key=lambda change: change[1])


def _changes(union: Upper, at: Dentry) -> Iterator[Changed]:
    below = {name: _below(union, at.path, name) for name in _names_below(union, at.path)}
    assert at.inode
    for name in sorted(below.keys() | at.names()):
        child = union.child(at, name)
        path, old, new = "/" + child.path, below.get(name), child.inode
        if new is None:
            if old:
                yield "D", path
        elif old is None:
            yield "A", path
        within = child.is_dir and (child.upper or union.has_followers)
        inner = list(_changes(union, child)) if within else []
        if old and new and (inner or not _same(old, new)):
            yield "C", path
        yield from inner


def _same(old: Inode, new: Inode) -> bool:
    """Whether Docker takes them for the same, by what `stat` says of them."""
    if [old.kind, old.mode, old.uid, old.gid] != [new.kind, new.mode, new.uid, new.gid]:
        return False
    return new.is_dir or [old.mtime_ns, old.size, old.device, old.link] == [
        new.mtime_ns,
        new.size,
        new.device,
        new.link,
    ]


def _names_below(union: Union, path: str) -> list[str]:
    """The names that the lower trees alone show in a directory."""
    at = _dentry_below(union, path)
    if not (at and at.is_dir):
        return []
    return [name for name, gone in at.names().items() if not gone]


def _below(union: Union, path: str, name: str) -> Inode | None:
    at = _dentry_below(union, path)
    return Union.child(union, at, name).inode if at else None


def _dentry_below(union: Union, path: str) -> Dentry | None:
    """What the lower trees alone have at just this path, no symlink followed."""
    at = Dentry(None, "", None, union.root.lowers)
    for name in path.split("/") if path else ():
        at = Union.child(union, at, name)
        if not at.inode:
            return None
    return at

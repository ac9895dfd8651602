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
    found = list(_entries(union, first))
    following = _following(union) if union.has_followers else ()
    return found + [_entry(inode, path, first) for path, inode in following]


def _following(union: Union) -> Iterator[tuple[str, Inode]]:
    """The names that only a lower tree has, of files that are in upper."""
    ahead = [union.root]
    while ahead:
        at = ahead.pop()
        if at.index:
            yield at.path, at.index
        elif at.is_dir and not (at.upper and at.upper.redirect):
            ahead += [union.child(at, name) for name in sorted(at.names(), reverse=True)]


def _entries(union: Union, first: dict[int, str]) -> Iterator[tuple[Entry, bytes]]:
    """The entries of the upper tree; all of a directory that was renamed with what is below."""
    ahead = [(union.root, False)]
    while ahead:
        at, whole = ahead.pop()
        inode = at.inode
        assert inode
        if at.parent:
            yield _entry(inode, at.path, first)
        if not inode.is_dir:
            continue
        whole = whole or inode.redirect != ""
        prefix = f"{at.path}/" if at.path else ""
        if inode.is_opaque or whole:
            yield Entry(prefix + OPAQUE, mtime=inode.mtime_ns // 10**9), b""
        names = sorted(at.names() if whole else inode.children)
        for name in [name for name in names if inode.hides(name) and not whole]:
            yield Entry(f"{prefix}{WHITEOUT_PREFIX}{name}"), b""
        inside = [union.child(at, name) for name in reversed(names)]
        ahead += [(child, whole) for child in inside if child.inode]


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
    found: dict[str, str] = {}
    ahead = [(union.root, Dentry(None, "", None, union.root.lowers))]
    while ahead:
        at, below = ahead.pop()
        for name in at.names() | below.names():
            child, old = union.child(at, name), Union.child(union, below, name)
            if what := _change(old.inode, child.inode):
                found[f"/{child.path}"] = what
            if child.is_dir and (child.upper or union.has_followers):
                ahead.append((child, old))
    for path in list(found):
        while (path := path.rpartition("/")[0]) and path not in found:
            found[path] = "C"
    return [(found[path], path) for path in sorted(found)]


def _change(old: Inode | None, new: Inode | None) -> str:
    """What became of a name that was `old` in the lower trees alone; "" for nothing."""
    if old and new:
        return "" if _same(old, new) else "C"
    return "D" if old else "A" if new else ""


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

"""What overlayfs writes to the upper tree: copies, whiteouts and marks (fs/overlayfs/dir.c).

Lower trees never change. Before anything in them would, it is copied to the upper tree, with the
directories on the way; what is removed leaves a whiteout, if a lower tree has something to hide.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from imgkit.mount.inode import METACOPY, OPAQUE, REDIRECT, Inode, whiteout
from imgkit.mount.union import Dentry, Trace, Union, fail
from imgkit.tar.entry import Kind


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a mount, by the kernel's names; off, as most kernels and Docker have them."""

    redirect_dir: bool = False
    """Directories that are below can be renamed: what is renamed remembers its name below."""
    index: bool = False
    """Hard links of a lower tree stay hard links when one of them is changed."""
    metacopy: bool = False
    """A change of attributes copies no content; as for the kernel, with `redirect_dir` only."""


NO_OPTIONS: Final = Options()


class Effect(NamedTuple):
    """One change of the upper tree; `copied` counts the bytes of content that it cost."""

    what: str
    path: str
    copied: int = 0


class Upper(Union):
    """A union whose upper tree can be written."""

    def __init__(
        self,
        lowers: Sequence[Inode],
        upper: Inode,
        *,
        options: Options = NO_OPTIONS,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(lowers, upper)
        if options.metacopy and not options.redirect_dir:
            fail(errno.EINVAL, "metacopy=on,redirect_dir=off")
        self.options = options
        self.clock = clock
        self.effects: list[Effect] = []
        self._index: dict[int, Inode] = {}

    @property
    def has_followers(self) -> bool:
        """Whether a hard link of a lower tree may show a file that has other names in upper."""
        return any(inode.indexed for inode in self._index.values())

    def note(self, what: str, dentry: Dentry, copied: int = 0) -> None:
        """Remember a change of the upper tree."""
        self.effects.append(Effect(what, "/" + dentry.path, copied))

    def child(self, parent: Dentry, name: str, trace: Trace | None = None) -> Dentry:
        """What has this name in a directory; a hard link below may be in upper by another name."""
        dentry = super().child(parent, name, trace)
        if self._index and dentry.lowers and not dentry.upper:
            dentry.index = self._index.get(id(dentry.lowers[0][1]))
        return dentry

    def up(self, dentry: Dentry) -> Inode:
        """Its inode in the upper tree: copied there if it was below, as are its directories.

        A hard link of a lower tree becomes a file of its own, without the option `index`. With
        `metacopy` the content stays below.
        """
        return dentry.upper or self._copy_up(dentry, attributes=self.options.metacopy)

    def up_with_content(self, dentry: Dentry, *, empty: bool = False) -> Inode:
        """The same, with its content; no byte of that is copied if it is to be emptied."""
        inode = dentry.upper or self._copy_up(dentry, empty=empty)
        if inode.xattrs.pop(METACOPY, None) is not None:
            copied = 0 if empty else inode.size
            self.note("content copied up", dentry, copied)
            if copied:  # Linux keeps the time when it copies all at once, not here
                inode.mtime_ns = self.clock()
        return inode

    def _copy_up(self, dentry: Dentry, *, attributes: bool = False, empty: bool = False) -> Inode:
        assert dentry.parent
        source = dentry.inode
        assert source
        folders = [dentry.parent]
        while (folder := folders[-1]).parent and not folder.upper:
            folders.append(folder.parent)
        for folder in reversed(folders):
            above = self.up(folder)
        # The same name may have been looked up twice, for both paths of a rename.
        if twin := above.children.get(dentry.name):
            dentry.upper = twin
            return twin
        if dentry.index:
            dentry.upper = above.put(dentry.name, dentry.index)
            self._count_indexed(dentry.upper, -1)
            self.note("linked", dentry)
            return dentry.upper
        inode = dentry.upper = above.put(dentry.name, source.copy())
        if self._has_twins(dentry):
            self._index[id(source)] = inode
            self._count_indexed(inode, source.names - 1)
        if attributes and inode.kind is Kind.FILE:
            inode.xattrs[METACOPY] = b""
        if empty:
            inode.fill(b"")
        self.note("copied up", dentry, 0 if inode.is_metacopy else inode.size)
        if not (inode.is_dir or inode.is_metacopy):
            dentry.lowers = []
        return inode

    @staticmethod
    def _count_indexed(inode: Inode, more: int) -> None:
        inode.indexed = (inode.indexed or 0) + more

    def _has_twins(self, dentry: Dentry) -> bool:
        """Whether it is one of some hard links of a lower tree, and they are to stay so."""
        below = dentry.lowers[0][1] if dentry.lowers else None
        return self.options.index and below is not None and not below.is_dir and below.names > 1

    def make(self, dentry: Dentry, inode: Inode) -> None:
        """Give a free name to a new inode, or one more name to an old one."""
        assert dentry.parent
        above = self.up(dentry.parent)
        strict = self.options != NO_OPTIONS  # then nobody may change lower trees between mounts
        if inode.is_dir and (dentry.hidden or (strict and dentry.parent.is_merged)):
            inode.xattrs[OPAQUE] = b"y"
        what = "made opaque" if inode.is_opaque else "made" if not inode.names else "linked"
        dentry.upper = above.put(dentry.name, inode)
        above.mtime_ns = self.clock()
        self.note(what, dentry)

    def remove(self, dentry: Dentry) -> None:
        """Take a name away; a directory that is not empty raises ENOTEMPTY."""
        assert dentry.parent
        below = self._is_below(dentry)
        _check_empty(dentry, bare=dentry.is_upper_only and not below)
        if self._has_twins(dentry):  # to count the names that are left
            self.up(dentry)
        above = self.up(dentry.parent)
        above.drop(dentry.name)
        if below:
            above.put(dentry.name, whiteout())
        above.mtime_ns = self.clock()
        self.note("whiteout" if below else "removed", dentry)

    def rename(self, old: Dentry, new: Dentry) -> None:
        """Give `old` the name of `new`, in place of what has it.

        A directory that a lower tree has raises EXDEV, without `redirect_dir`.
        """
        assert old.parent
        assert new.parent
        if old.is_dir and not self.options.redirect_dir and (old.is_merged or not old.upper):
            fail(errno.EXDEV, "/" + old.path)
        if not new.is_upper_only:
            _check_empty(new, bare=False)
        below = self._is_below(old)
        inode = self.up(old)
        source, target = self.up(old.parent), self.up(new.parent)
        self._mark_moved(old, new)
        if self._has_twins(new):
            self.up(new)
        _check_empty(new, bare=new.is_upper_only)
        source.drop(old.name)
        target.put(new.name, inode)
        if below:
            source.put(old.name, whiteout())
        source.mtime_ns = target.mtime_ns = self.clock()
        self.note("whiteout" if below else "removed", old)
        self.note("renamed", new)

    def _mark_moved(self, old: Dentry, new: Dentry) -> None:
        """A directory's new place must not make it merge with what is below there."""
        assert old.upper
        assert old.parent
        assert new.parent
        same = old.parent.path == new.parent.path
        if old.is_merged or old.upper.is_metacopy:
            self._mark_redirect(old, old.upper, same=same)
        elif old.is_dir and not old.upper.is_opaque and new.parent.is_merged:
            old.upper.xattrs[OPAQUE] = b"y"
            self.note("made opaque", old)

    def link(self, old: Dentry, new: Dentry) -> None:
        """Give what `old` is one more name."""
        inode = self.up(old)
        if inode.is_metacopy:
            self._mark_redirect(old, inode, same=False)
        self.make(new, inode)

    def _mark_redirect(self, dentry: Dentry, inode: Inode, *, same: bool) -> None:
        """Let it remember its name below: all the path, unless it stays in the same directory."""
        done = inode.redirect
        if not done or not (same or done.startswith("/")):
            twins = not inode.is_dir and dentry.lowers and dentry.lowers[0][1].names > 1
            redirect = dentry.name if same and not twins else self._redirect(dentry)
            inode.xattrs[REDIRECT] = redirect.encode("utf-8", "surrogateescape")
            self.note(f"redirect to {redirect}", dentry)

    def _redirect(self, dentry: Dentry) -> str:
        """The path under which the layers below know a directory."""
        path = ""
        at: Dentry | None = dentry
        while at and at.parent and not path.startswith("//"):
            name = (at.upper.redirect if at.upper else "") or at.name
            path = f"/{name}{path}"
            at = at.parent
        return "/" + path.lstrip("/")

    def _is_below(self, dentry: Dentry) -> bool:
        """Whether a lower tree has this name, so that a whiteout must take its place."""
        assert dentry.parent
        if dentry.inode is None:
            return dentry.hidden
        if dentry.upper is None:
            return True
        for _, folder in dentry.parent.lowers:
            if dentry.name in folder.children:
                return not folder.hides(dentry.name)
        return False


def _check_empty(dentry: Dentry, *, bare: bool) -> None:
    """Raise ENOTEMPTY for a directory with something in it.

    Whiteouts are nothing, but `bare` leaves it to the filesystem of upper, which sees files there.
    """
    names = dentry.names() if dentry.is_dir else {}
    if names and (bare or not all(names.values())):
        fail(errno.ENOTEMPTY, "/" + dentry.path)

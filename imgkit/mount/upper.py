"""What overlayfs writes to the upper tree: copies, whiteouts and marks (fs/overlayfs/dir.c).

Lower trees never change. Before anything in them would, it is copied to the upper tree, with the
directories on the way; what is removed leaves a whiteout, if a lower tree has something to hide.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from imgkit.mount.inode import OPAQUE, REDIRECT, Inode, whiteout
from imgkit.mount.union import Dentry, Union, fail


class Effect(NamedTuple):
    """One change of the upper tree; `copied` counts the bytes of content that it cost."""

    what: str
    path: str
    copied: int = 0


class Upper(Union):
    """A union whose upper tree can be written.

    `redirect_dir` is the option of that name: with it, directories that are below can be renamed.
    """

    def __init__(
        self,
        lowers: Sequence[Inode],
        upper: Inode,
        *,
        redirect_dir: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        super().__init__(lowers, upper)
        self.redirect_dir = redirect_dir
        self.clock = clock
        self.effects: list[Effect] = []

    def note(self, what: str, dentry: Dentry, copied: int = 0) -> None:
        """Remember a change of the upper tree."""
        self.effects.append(Effect(what, "/" + dentry.path, copied))

    def up(self, dentry: Dentry, *, content: bool = True) -> Inode:
        """Its inode in the upper tree: copied there if it was below, as are its directories.

        A hard link of a lower tree becomes a file of its own. Without `content` it is empty then.
        """
        if dentry.upper is None:
            assert dentry.parent
            assert dentry.inode
            above = self.up(dentry.parent)
            # The same name may have been looked up twice, for both paths of a rename.
            if twin := above.children.get(dentry.name):
                dentry.upper = twin
                return twin
            dentry.upper = above.put(dentry.name, dentry.inode.copy())
            if not content:
                dentry.upper.fill(b"")
            if not dentry.is_dir:
                dentry.lowers = []
            self.note("copied up", dentry, dentry.upper.size)
        return dentry.upper

    def make(self, dentry: Dentry, inode: Inode) -> None:
        """Give a free name to a new inode, or one more name to an old one."""
        assert dentry.parent
        above = self.up(dentry.parent)
        if inode.is_dir and (dentry.hidden or (self.redirect_dir and dentry.parent.is_merged)):
            inode.xattrs[OPAQUE] = b"y"
        what = "made opaque" if inode.is_opaque else "made" if not inode.names else "linked"
        dentry.upper = above.put(dentry.name, inode)
        above.mtime_ns = self.clock()
        self.note(what, dentry)

    def remove(self, dentry: Dentry) -> None:
        """Take a name away; a directory that is not empty raises ENOTEMPTY."""
        assert dentry.parent
        below = self._is_below(dentry)
        self._check_empty(dentry)
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
        if old.is_dir and not self.redirect_dir and (old.is_merged or not old.upper):
            fail(errno.EXDEV, "/" + old.path)
        if not new.is_upper_only:
            self._check_empty(new)
        below = self._is_below(old)
        inode = self.up(old)
        source, target = self.up(old.parent), self.up(new.parent)
        self._mark_moved(old, new)
        self._check_empty(new)
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
        if old.is_merged:
            done = old.upper.redirect
            if not done or not (same or done.startswith("/")):
                redirect = old.name if same else self._redirect(old)
                old.upper.xattrs[REDIRECT] = redirect.encode("utf-8", "surrogateescape")
                self.note(f"redirect to {redirect}", old)
        elif old.is_dir and not old.upper.is_opaque and new.parent.is_merged:
            old.upper.xattrs[OPAQUE] = b"y"
            self.note("made opaque", old)

    def _redirect(self, dentry: Dentry) -> str:
        """The path under which the layers below know a directory."""
        path = ""
        at: Dentry | None = dentry
        while at and at.parent and not path.startswith("//"):
            name = (at.upper.redirect if at.upper else "") or at.name
            path = f"/{name}{path}"
            at = at.parent
        return "/" + path.lstrip("/")

    def _check_empty(self, dentry: Dentry) -> None:
        """Raise ENOTEMPTY for a directory with something in it; whiteouts count only in upper."""
        if not dentry.is_dir:
            return
        names = dentry.names()
        if dentry.is_upper_only and not self._is_below(dentry):
            full = bool(names)
        else:
            full = not all(names.values())
        if full:
            fail(errno.ENOTEMPTY, "/" + dentry.path)

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

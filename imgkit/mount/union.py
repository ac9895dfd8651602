"""Looking names up in a stack of trees, as overlayfs does (fs/overlayfs/namei.c).

The trees are asked from the top. A whiteout, anything but a directory, and an opaque directory end
the search; a directory goes on, to be merged with the directories of that name below. Symlinks are
never followed for merging: that is done afterwards, in the merged view (see `paths`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, NoReturn

from imgkit.mount.inode import Inode
from imgkit.tar.entry import encode

NAME_MAX: Final = 255
"""Bytes of a name."""


class Ask(NamedTuple):
    """A tree that was asked for a path: what it had there, and whether the search went on.

    `layer` counts from the base, which is 0; the upper tree has the number after the last.
    """

    layer: int
    path: str
    found: str
    goes_on: bool
    why: str


Trace = list[Ask]


@dataclass(slots=True, eq=False)
class Dentry:
    """A name in the merged view, and what the trees have under it.

    `lowers` are the directories that are merged, topmost first with their layers' numbers, or the
    one other thing that shows. With neither `upper` nor `lowers` nothing has this name; `hidden` is
    then whether a whiteout in the upper tree says so. `index` is the upper inode, under another
    name, of the hard link that `lowers` has (see `Options`).
    """

    parent: Dentry | None
    name: str
    upper: Inode | None = None
    lowers: list[tuple[int, Inode]] = field(default_factory=list)
    hidden: bool = False
    index: Inode | None = None
    path: str = field(init=False)

    def __post_init__(self) -> None:
        above = self.parent.path if self.parent else ""
        self.path = f"{above}/{self.name}" if above else self.name

    @property
    def inode(self) -> Inode | None:
        """What shows: the topmost."""
        return self.upper or self.index or (self.lowers[0][1] if self.lowers else None)

    @property
    def is_dir(self) -> bool:
        return self.inode is not None and self.inode.is_dir

    @property
    def is_merged(self) -> bool:
        """A directory in more than one tree."""
        return self.is_dir and len(self.lowers) + (self.upper is not None) > 1

    @property
    def is_upper_only(self) -> bool:
        return self.upper is not None and not self.lowers

    @property
    def nlink(self) -> int:
        """How many names lead to what shows; overlayfs does not count those of a merged one."""
        inode = self.inode
        if inode is None or self.is_merged:
            return 1
        return inode.nlink if inode.indexed is None else inode.names + inode.indexed

    def is_within(self, other: Dentry) -> bool:
        """Whether it is that directory, or below it."""
        at: Dentry | None = self
        while at and at.path != other.path:
            at = at.parent
        return at is not None

    def trees(self, top: int) -> list[tuple[int, Inode]]:
        """What is here in each tree, topmost first; `top` is the number of the upper one."""
        return [(top, self.upper), *self.lowers] if self.upper else list(self.lowers)

    def names(self) -> dict[str, bool]:
        """All names in the trees of this directory; True for those that are whiteouts."""
        found: dict[str, bool] = {}
        for _, inode in self.trees(len(self.lowers)):
            for name in inode.children:
                found.setdefault(name, inode.hides(name))
        return found


def fail(number: int, path: str) -> NoReturn:
    """Raise the `OSError` of that errno."""
    raise OSError(number, os.strerror(number), path)


def _other(inode: Inode, dentry: Dentry) -> tuple[Inode | None, str]:
    """What shows of anything but a directory, below what was found for `dentry`; and why."""
    if inode.is_metacopy:
        return inode, "it has attributes alone: the content is below"
    if dentry.upper and dentry.upper.is_metacopy:
        return inode, "the content is here"
    if dentry.inode:
        return None, "only directories merge"
    return inode, "it hides all that is below"


class Union:
    """Lower trees, base first, under one upper tree: the names that they show together."""

    def __init__(self, lowers: Sequence[Inode], upper: Inode) -> None:
        self.lowers = tuple(lowers)
        self.upper = upper

    @property
    def root(self) -> Dentry:
        return Dentry(None, "", self.upper, self._roots(len(self.lowers)))

    def _roots(self, below: int) -> list[tuple[int, Inode]]:
        return [(number, self.lowers[number]) for number in reversed(range(below))]

    def child(self, parent: Dentry, name: str, trace: Trace | None = None) -> Dentry:
        """What has this name in a directory; maybe nothing."""
        if len(encode(name)) > NAME_MAX:
            fail(errno.ENAMETOOLONG, name)
        dentry = Dentry(parent, name)
        top = len(self.lowers)
        ahead = parent.trees(top)
        wanted, where = name, parent.path
        while ahead:
            number, folder = ahead.pop(0)
            inode, found, goes_on, why = self._ask(folder, wanted, dentry)
            if trace is not None:
                path = "/" + f"{where}/{wanted}".strip("/")
                trace.append(Ask(number, path, found, goes_on, why))
            if inode and number == top:
                dentry.upper = inode
            elif inode:
                dentry.lowers.append((number, inode))
            dentry.hidden |= number == top and inode is None and not goes_on
            if not goes_on:
                break
            if inode and inode.redirect:
                wanted = inode.redirect
                if wanted.startswith("/"):
                    ahead, where = self._roots(number), ""
        return dentry

    @staticmethod
    def _ask(folder: Inode, wanted: str, dentry: Dentry) -> tuple[Inode | None, str, bool, str]:
        """Ask one tree, below `folder`, for a name, or for a path from a redirect.

        Gives what it has, and the last three of an `Ask`.
        """
        *above, name = wanted.lstrip("/").split("/")
        opaque = False
        for part in above:
            inner = folder.children.get(part)
            if inner is None:
                return None, "nothing", True, "the layer below may have it"
            if folder.hides(part) or not inner.is_dir:
                return None, "nothing", False, f"{part} is no directory here"
            folder, opaque = inner, opaque or inner.is_opaque
        inode = folder.children.get(name)
        if inode is None:
            return None, "nothing", not opaque, "the layer below may have it"
        if folder.hides(name):
            return None, "whiteout", False, "a whiteout says that the name is gone"
        if not inode.is_dir:
            shown, why = _other(inode, dentry)
            return shown, str(inode.kind), inode.is_metacopy, why
        if inode.is_opaque or opaque:
            return inode, "opaque directory", False, "it is opaque: nothing below shows"
        return inode, "directory", True, "directories of the same name merge"

"""COPY: from a build context, or another image, into the filesystem of a stage.

Both sides are mounts, so that symlinks are followed inside of each and never lead out.
"""

from __future__ import annotations

import errno
import os
import posixpath
from dataclasses import dataclass

from imgkit.build.instruction import Instruction
from imgkit.build.sources import Source, look
from imgkit.errors import BuildFailed
from imgkit.mount import Mount
from imgkit.mount.inode import Inode
from imgkit.mount.paths import Walk
from imgkit.shell.process import Accounts
from imgkit.tar.entry import Kind


@dataclass(frozen=True, slots=True)
class Copy:
    """The owner and the mode that were asked for, if any were."""

    owner: tuple[int, int] | None = None
    mode: int | None = None


def copy(source: Source, target: Mount, place: str, how: Copy) -> None:
    """Afterwards `place` (absolute; a slash at its end makes it a directory) has the source.

    A directory is copied without its own name. Raises `OSError`.
    """
    if source.inode.is_dir:
        _Copier(source, target, how).directory(place)
        return
    if place.endswith("/") or _is_directory(target, place):
        place = posixpath.join(place, source.name)
    _Copier(source, target, how).file(place)


def _is_directory(mount: Mount, place: str) -> bool:
    return mount.exists(place) and mount.stat(place).kind is Kind.DIR


class _Copier:
    """One source on its way into a mount."""

    def __init__(self, source: Source, target: Mount, how: Copy) -> None:
        self.source = source
        self.target = target
        self.how = how
        keeps = source.origin.is_image and how.owner is None
        self.owner = None if keeps else how.owner or (0, 0)
        self.linked: dict[int, str] = {}

    def file(self, place: str) -> None:
        make_folders(self.target, posixpath.dirname(place), self.owner or (0, 0))
        real, _ = look(self.target, place)  # through a symlink, to what it leads to
        self._put(f"/{real}", self.source.inode)

    def directory(self, place: str) -> None:
        place = place.rstrip("/") or "/"
        if not make_folders(self.target, place, self.owner or (0, 0)):
            self.target.utime(place, self.target.overlay.clock())
        folders = []
        for path, _, inode in self.source.walk():
            there = posixpath.join(place, path)
            self._put(there, inode)
            if inode.is_dir:
                folders.append((there, inode.mtime_ns))
        for there, mtime in folders:
            self.target.utime(there, mtime)

    def _put(self, place: str, inode: Inode) -> None:
        """Afterwards the inode is at `place`, in place of anything but another directory."""
        is_there = self.target.exists(place, follow=False)
        kind = self.target.stat(place, follow=False).kind if is_there else None
        if kind and not (kind is Kind.DIR and inode.is_dir):
            remove(self.target, place)
        first = self.linked.setdefault(id(inode), place)
        if first != place and not inode.is_dir:
            self.target.link(first, place)
            return
        if inode.is_dir and kind is not Kind.DIR:
            self.target.mkdir(place)
        make(self.target, place, inode)
        if not inode.is_dir and inode.kind is not Kind.SYMLINK and self.how.mode is not None:
            self.target.chmod(place, self.how.mode)
        uid, gid = self.owner or (inode.uid, inode.gid)
        self.target.chown(place, uid, gid, follow=False)
        self.target.utime(place, inode.mtime_ns, follow=False)


def make(target: Mount, place: str, inode: Inode) -> None:
    """Afterwards `place` has the content and mode of the inode; a directory must be there."""
    if inode.kind is Kind.SYMLINK:
        target.symlink(inode.link, place)
        return
    if inode.kind is Kind.FILE:
        target.write(place, inode.read())
    elif not inode.is_dir:
        target.mknod(place, inode.kind, inode.device)
    target.chmod(place, inode.mode)


def make_folders(target: Mount, place: str, owner: tuple[int, int], mode: int = 0o755) -> bool:
    """Afterwards the directory is there, with all above it; whether it had to be made."""
    at, made = Walk(target.overlay, place).at, False
    for name in filter(None, place.split("/")):
        at = Walk(target.overlay, name, at=at).find(follow=True).dentry
        if made := at.inode is None:
            folder = Inode(Kind.DIR, mode)
            target.make(at, folder)
            folder.uid, folder.gid = owner
        elif not at.is_dir:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place)
    return made


def remove(target: Mount, place: str) -> None:
    """Afterwards nothing is at `place`, whatever was."""
    ahead = [Walk(target.overlay, place).find().dentry]
    while ahead:
        dentry = ahead[-1]
        inside = [name for name, gone in dentry.names().items() if not gone] * dentry.is_dir
        ahead += [target.overlay.child(dentry, name) for name in inside]
        if not inside:
            target.overlay.remove(ahead.pop())


# -- owners ----------------------------------------------------------------------------------------


def owner(mount: Mount, step: Instruction, text: str) -> tuple[int, int]:
    """The numbers of `user:group`, names looked up in the image; raises `BuildFailed`."""
    accounts = Accounts(mount)
    user, colon, group = text.partition(":")
    group = group if colon else user
    uid, gid = accounts.uid(user), accounts.gid(group)
    if uid is not None and gid is not None:
        return uid, gid
    short, what, name, file = (
        ("uid", "user", user, "/etc/passwd")
        if uid is None
        else ("gid", "group", group, "/etc/group")
    )
    raise BuildFailed(
        "unable to convert uid/gid chown string to host mapping: can't find "
        f"{short} for {what} {name}: no such {what}: {name}. Name one of {file}, or a number.",
        line=step.line,
        text=step.text,
    )


def octal(step: Instruction, text: str) -> int:
    """The mode in a --chmod."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise BuildFailed(
            f"invalid chmod parameter: {text!r}. Write it in octal: 0755.",
            line=step.line,
            text=step.text,
        )
    return mode

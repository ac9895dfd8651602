"""Marks on what is unpacked: what overlayfs looks for, and owners that only root could set.

They are extended attributes. Those of overlayfs are in a namespace that is root's alone, or, for
a mount with the option `userxattr`, in the user's own::

    trusted.overlay.opaque=y     user.overlay.opaque=y     nothing of the directories below is seen

A whiteout is a character device 0:0, which anybody may make. Where that is not so, it is an empty
file with `overlay.whiteout`, in a directory with `overlay.opaque=x`; so must the root be.

An owner is recorded as umoci and others read it (rootlesscontainers/proto), in a Protocol Buffers
message of two numbers::

    user.rootlesscontainers      08 UID 10 GID             where 0 is written as 2^32 - 1
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

OWNER: Final = "user.rootlesscontainers"
_OVERLAY: Final = ("trusted.overlay.", "user.overlay.")
_NOT_ROOT: Final = 0xFFFFFFFF
_REFUSED: Final = (errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG)


def record_owner(file: int, uid: int, gid: int) -> bool:
    """Record the owner of an open file or directory; False where that cannot be kept.

    Nothing is recorded for root, whose files all are if nothing is said.
    """
    return not (uid or gid) or _set(file, [OWNER], owner(uid, gid))


def owner(uid: int, gid: int) -> bytes:
    """The message that says who owns a file.

    >>> owner(1000, 0).hex(" ")
    '08 e8 07 10 ff ff ff ff 0f'
    """
    return b"\x08" + _varint(uid or _NOT_ROOT) + b"\x10" + _varint(gid or _NOT_ROOT)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the high bit set."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def mark_opaque(folder: int) -> bool:
    """An open directory hides what is below it; False where it cannot be marked."""
    return _mark(folder, "opaque", b"y")


def make_whiteout(name: str, folder: int, root: int) -> bool:
    """A whiteout of that name is in an open directory of a layer; False where none can be made."""
    try:
        os.mknod(name, stat.S_IFCHR, 0, dir_fd=folder)
    except PermissionError:
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            made = _mark(file, "whiteout", b"y")
        finally:
            os.close(file)
        if made and _mark(folder, "opaque", b"x") and _mark(root, "opaque", b"x"):
            return True
        os.unlink(name, dir_fd=folder)
        return False
    return True


def _mark(file: int, name: str, value: bytes) -> bool:
    return _set(file, [prefix + name for prefix in _OVERLAY], value)


def _set(file: int, names: Iterable[str], value: bytes) -> bool:
    """The first of these attributes that may be set has the value; False if none may."""
    if not hasattr(os, "setxattr"):
        return False
    for name in names:
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
        else:
            return True
    return False

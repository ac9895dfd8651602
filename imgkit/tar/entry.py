"""An entry of a layer: one name in its tar, what it is, and the rules for that name."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NoReturn

from imgkit.errors import InvalidLayer, UnsafePath
from imgkit.limits import Limits

NO_XATTRS: Final[Mapping[str, bytes]] = MappingProxyType({})


class Kind(enum.StrEnum):
    """What an entry makes."""

    FILE = "file"
    DIR = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"
    CHAR = "character device"
    BLOCK = "block device"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an archive: what it is called, what it is, and where its content begins.

    `path` is plain: relative, with no `.` or empty parts, and "" is the root. `link` is the text
    of a symlink, or the plain path of a hard link's target. Names that are not UTF-8 are kept as
    surrogates (PEP 383). `size` is in bytes, `offset` too: of the content in the uncompressed tar.
    """

    path: str
    kind: Kind = Kind.FILE
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    """Whole seconds since 1970; what is above them is in `nanoseconds`."""
    link: str = ""
    nanoseconds: int = 0
    major: int = 0
    minor: int = 0
    xattrs: Mapping[str, bytes] = field(default_factory=lambda: NO_XATTRS, hash=False)
    offset: int = field(default=0, compare=False)

    @property
    def mtime_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self.mtime * 10**9 + self.nanoseconds

    @property
    def name(self) -> str:
        """The last component of the path."""
        return self.path.rpartition("/")[2]


def refuse(reason: str, offset: int, path: str | None = None) -> NoReturn:
    """Raise `InvalidLayer`: at which byte of the tar, in which entry, and what is wrong."""
    where = f"at byte {offset} of its tar" + (f", in {path!r}" if path is not None else "")
    raise InvalidLayer(
        f"this layer cannot be read: {where}, {reason}.", offset=offset, path=path, reason=reason
    )


def encode(text: str) -> bytes:
    """The bytes of a name, as they were before they were made a `str`."""
    return text.encode("utf-8", "surrogateescape")


def decode(raw: bytes) -> str:
    """The bytes of a name as a `str`; those that are not UTF-8 as surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def normal(path: str) -> str:
    """The path as an `Entry` has it; one that could leave the root raises `UnsafePath`.

    >>> normal("/etc/./motd")
    'etc/motd'
    """
    return "/".join(_parts(path, None))


def plain_path(raw: bytes, offset: int, limits: Limits) -> str:
    """The path in these bytes of a tar, or an error that says why it cannot be one."""
    text = decode(raw)
    parts = _parts(text, offset)
    if not raw or "\0" in text:
        refuse(f"the path {text!r} is empty, or has a zero byte in it", offset, text)
    if len(raw) > limits.component:
        if len(raw) > limits.path:
            limits.exceeded("path", "bytes in one path", len(raw), text)
        longest = max((len(encode(part)) for part in parts), default=0)
        if longest > limits.component:
            limits.exceeded("component", "bytes in one component of a path", longest, text)
    if len(parts) > limits.depth:
        limits.exceeded("depth", "components in one path", len(parts), text)
    return "/".join(parts)


def _parts(path: str, offset: int | None) -> list[str]:
    parts = [part for part in path.split("/") if part and part != "."]
    if ".." in parts:
        where = "" if offset is None else f", at byte {offset} of its layer's tar,"
        raise UnsafePath(
            f"the path {path!r}{where} is refused: by its '..' it could leave the root",
            offset=offset,
            path=path,
        )
    return parts

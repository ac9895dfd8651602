"""ADD of a tar: its entries, put into the filesystem of a stage, through our strict reader."""

from __future__ import annotations

import bz2
import io
import lzma
import posixpath
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from imgkit import tar
from imgkit.build.copying import make, make_folders, remove
from imgkit.digest import Readable
from imgkit.errors import InvalidLayer, UnsafePath
from imgkit.limits import Limits, current
from imgkit.mount import Mount
from imgkit.mount.inode import of_entry
from imgkit.mount.paths import Walk
from imgkit.tar import header
from imgkit.tar.compression import decompress
from imgkit.tar.entry import Entry, Kind

UNPACKED: Final = 4 << 30
"""Bytes of an uncompressed tar that ADD takes: its files are kept in memory."""


def _limits() -> Limits:
    limits = current()
    return replace(limits, unpacked=min(limits.unpacked, UNPACKED))


def is_archive(content: bytes) -> bool:
    """Whether these bytes begin like a tar, compressed (gzip, zstd, bzip2, xz) or not.

    As in Docker the first header decides: what comes after it is refused, not copied as a file.
    """
    try:
        stream, block = _opened(content, _limits()), b""
        while len(block) < header.BLOCK and (more := stream.read(header.BLOCK - len(block))):
            block += more
        return len(block) == header.BLOCK and bool(header.parse(block, 0))
    except InvalidLayer:
        return False


def unpack(content: bytes, target: Mount, place: str) -> None:
    """Afterwards all that is in the tar is below `place`, with its own owners and modes.

    It is read to its end first, so that nothing is kept of one that is refused. Raises
    `InvalidLayer`, `UnsafePath` or `LimitExceeded`, as for a layer, and `OSError`.
    """
    limits = _limits()
    for _ in tar.read(_opened(content, limits), limits):
        pass
    make_folders(target, place, (0, 0))
    base = f"/{Walk(target.overlay, place).find(follow=True).dentry.path}"
    folders: list[Entry] = []
    for entry, data in tar.read(_opened(content, limits), limits):
        if entry.path:
            _put(entry, data.read(), target, base)
        if entry.kind is Kind.DIR:
            folders.append(entry)
    for entry in folders:
        target.utime(posixpath.join(base, entry.path), entry.mtime_ns)


def _put(entry: Entry, data: bytes, target: Mount, base: str) -> None:
    place = posixpath.join(base, entry.path)
    _refuse_symlinks(entry, entry.path, target, base)
    make_folders(target, posixpath.dirname(place), (0, 0))
    there = target.exists(place, follow=False)
    is_folder = there and target.stat(place, follow=False).kind is Kind.DIR
    if there and not (is_folder and entry.kind is Kind.DIR):
        remove(target, place)
    if entry.kind is Kind.HARDLINK:
        _refuse_symlinks(entry, entry.link, target, base)
        target.link(posixpath.join(base, entry.link), place)
        return
    if entry.kind is Kind.DIR and not is_folder:
        target.mkdir(place)
    make(target, place, of_entry(entry, lambda: data))
    target.chown(place, entry.uid, entry.gid, follow=False)
    if entry.kind is not Kind.SYMLINK:
        target.chmod(place, entry.mode)
    target.utime(place, entry.mtime_ns, follow=False)


def _refuse_symlinks(entry: Entry, path: str, target: Mount, base: str) -> None:
    """Raise `UnsafePath` for a path through a symlink: it could lead out of the directory."""
    at = Walk(target.overlay, base).find().dentry
    for part in path.split("/")[:-1]:
        at = Walk(target.overlay, part, at=at).find().dentry
        if at.inode and at.inode.kind is Kind.SYMLINK:
            raise UnsafePath(
                f"the path {entry.path!r} in a tar to be added is refused: it goes through the "
                f"symlink /{at.path}, which could lead anywhere",
                offset=entry.offset,
                path=entry.path,
            )
        if not at.is_dir:
            return


def _opened(content: bytes, limits: Limits) -> Readable:
    """The uncompressed bytes of a tar, compressed in any way that Docker knows."""
    if content.startswith(b"BZh"):
        return _Streams(content, "bzip2", bz2.BZ2Decompressor, limits)
    if content.startswith(b"\xfd7zXZ\0"):
        return _Streams(content, "xz", lzma.LZMADecompressor, limits)
    return decompress(io.BytesIO(content), limits)


class _Streams:
    """What comes out of bzip2 or xz data, of which there may be several streams."""

    def __init__(
        self,
        content: bytes,
        name: str,
        new: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor],
        limits: Limits,
    ) -> None:
        self._rest = content
        self._size = len(content)
        self._name = name
        self._new = new
        self._limits = limits
        self._decoder = new()
        self._given = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; raises `InvalidLayer` where the data is damaged or cut off."""
        while True:
            if self._decoder.eof and not self._rest.strip(b"\0"):
                return b""
            self._decoder = self._new() if self._decoder.eof else self._decoder
            try:
                data = self._decoder.decompress(self._rest, size)
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise self._damaged(str(error)) from None
            self._rest = self._decoder.unused_data
            self._given += len(data)
            self._limits.check(self._given, self._size)
            if data:
                return data
            if not self._decoder.eof:
                raise self._damaged("it is cut off")

    def _damaged(self, reason: str) -> InvalidLayer:
        return InvalidLayer(
            f"this tar cannot be read: after {self._given} uncompressed bytes, its {self._name} "
            f"data is damaged ({reason}).",
            offset=self._given,
            path=None,
        )

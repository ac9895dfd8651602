"""Tar archives, read strictly in one pass and written the same way every time.

    header    512 bytes: name, type, owner, size, ... (see `header`)
    content   as many bytes as the header says, filled up with zeros to a multiple of 512
    ...
    end       1024 zeros

Readers that guess about a damaged archive each see another one, so whatever is irregular is
refused here, with its offset.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol

from imgkit.digest import CHUNK, Readable
from imgkit.errors import InvalidLayer
from imgkit.limits import Limits, current
from imgkit.tar import header
from imgkit.tar.ahead import PIECE
from imgkit.tar.compression import decompress
from imgkit.tar.entry import Entry, Kind, normal, refuse
from imgkit.tar.header import BLOCK, INT63, ZEROS, Header
from imgkit.tar.pax import EXTENSIONS, Extensions

__all__ = [
    "Content",
    "Entry",
    "Kind",
    "decompress",
    "normal",
    "read",
    "write",
    "write_to",
]

END: Final = ZEROS * 2


class Writable(Protocol):
    """Anything with `write(data)`."""

    def write(self, data: bytes, /) -> object: ...


def read(
    stream: Readable, limits: Limits | None = None, *, unended: bool = False
) -> Iterator[tuple[Entry, Content]]:
    """Each entry of an uncompressed tar with its content, in order, in one pass.

    The stream is read to its very end, past the end marker, so that what verifies it can. With
    `unended` a tar may stop without the marker: only where something else vouches for its length.
    Raises `InvalidLayer` with the offset (in bytes of the tar), `UnsafePath` or `LimitExceeded`.
    """
    limits = limits or current()
    source = _Source(stream)
    extensions = Extensions(limits)
    count = 0
    while found := source.header(unended):
        if found.flag in EXTENSIONS:
            size = header.number(found.size, "size", found.start, INT63)
            extensions.expect(size)
            extensions.take(found.flag, source.take(size), found.start)
            source.skip(-size % BLOCK)
            continue
        count += 1
        if count > limits.entries:
            limits.exceeded("entries", "entries", count)
        entry = header.entry(found, extensions.next(), source.offset, limits)
        content = Content(source, entry.size)
        yield entry, content
        source.skip(content.close() + -entry.size % BLOCK)
    extensions.end(source.offset)
    source.drain()


class Content:
    """The bytes of one entry, to be read before the next entry is asked for."""

    __slots__ = ("_closed", "_left", "_source")

    def __init__(self, source: _Source, size: int) -> None:
        self._source = source
        self._left = size
        self._closed = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all that is left if negative); nothing at the end."""
        if self._closed:
            raise ValueError("this content has gone by: read it before asking for the next entry")
        if size < 0:
            data = self._source.take(self._left)
        else:
            data = self._source.some(min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> int:
        """How many bytes were not read; from now on none can be."""
        self._closed = True
        return self._left


class _Source:
    """The stream in large reads, given out in exact pieces; knows its offset."""

    __slots__ = ("_at", "_base", "_buffer", "_stream")

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self._base = 0

    @property
    def offset(self) -> int:
        return self._base + self._at

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes; refuses a stream that ends before."""
        end = self._at + size
        if end <= len(self._buffer):
            piece, self._at = self._buffer[self._at : end], end
            return piece
        pieces = []
        while size > 0:
            pieces.append(self.some(size))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def some(self, size: int) -> bytes:
        """One to `size` bytes, as they come; refuses a stream that ends here."""
        if size and self._at == len(self._buffer) and not self._fill():
            refuse("it ends in the middle of an entry: it was cut off", self.offset)
        piece = self._buffer[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def skip(self, size: int) -> None:
        """Go past `size` bytes; refuses a stream that ends before."""
        self._at += size
        while self._at > len(self._buffer):
            beyond = self._at - len(self._buffer)
            self._at = len(self._buffer)
            if not self._fill():
                refuse(f"it ends {beyond} bytes before the end of an entry", self.offset)
            self._at = beyond

    def header(self, unended: bool) -> Header | None:
        """The next header, or None at the end of the archive."""
        start = self.offset
        block = self._block()
        if block and block != ZEROS:
            return header.parse(block, start)
        again = self._block() if block else b""
        if again and again != ZEROS:
            refuse("a block of zeros stands in the middle of the archive", start)
        if not again and not unended:
            refuse("it stops without its end, two blocks of zeros: it was cut off", start)
        return None

    def _block(self) -> bytes:
        """The next block, or nothing at the end of the stream."""
        if self._at == len(self._buffer) and not self._fill():
            return b""
        return self.take(BLOCK)

    def drain(self) -> None:
        """Read on to the end of the stream."""
        while self._fill():
            pass

    def _fill(self) -> bool:
        self._base += len(self._buffer)
        self._buffer, self._at = self._stream.read(PIECE), 0
        return bool(self._buffer)


def write(entries: Iterable[tuple[Entry, bytes | Readable]]) -> bytes:
    """A whole tar; the same entries always give the same bytes."""
    file = io.BytesIO()
    write_to(file, entries)
    return file.getvalue()


def write_to(file: Writable, entries: Iterable[tuple[Entry, bytes | Readable]]) -> None:
    """Write a whole tar to `file`.

    The size of an entry whose content is `bytes` is theirs; one that is read must give exactly
    `entry.size` bytes, or `InvalidLayer` is raised.
    """
    for entry, content in entries:
        if isinstance(content, bytes):
            entry = replace(entry, size=len(content))
        file.write(header.pack(entry))
        _copy(entry, content, file)
        file.write(bytes(-entry.size % BLOCK))
    file.write(END)


def _copy(entry: Entry, content: bytes | Readable, file: Writable) -> None:
    if isinstance(content, bytes):
        file.write(content)
        return
    left = entry.size
    while left and (data := content.read(min(left, CHUNK))):
        file.write(data)
        left -= len(data)
    if left or (entry.kind is Kind.FILE and content.read(1)):
        raise InvalidLayer(
            f"cannot write {entry.path!r}: its content does not have the {entry.size} bytes stated",
            offset=None,
            path=entry.path,
        )

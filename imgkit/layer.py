"""A layer: a tar of changes, compressed, and how it says that something is gone.

What the names in its tar mean (image-spec layer.md, "Whiteouts"; this is the only place for it)::

    .wh.NAME          a whiteout: NAME of the layers below is gone, with all that it holds
    .wh..wh..opq      an opaque directory: it holds nothing of the layers below
    .wh..wh.ANYTHING  left over from AUFS, and ignored
    ANYTHING          added, or put in place of what the layers below have under that name

Whiteouts are about the layers below, never about their own layer, wherever in the tar they stand.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import BinaryIO, Final, cast

from imgkit import tar
from imgkit.digest import CHUNK, Digest, Readable, VerifyingReader, digest_of_stream
from imgkit.errors import InvalidLayer, LimitExceeded, NotFound
from imgkit.limits import Limits, current
from imgkit.manifest import Descriptor
from imgkit.tar import Content
from imgkit.tar.ahead import ahead
from imgkit.tar.compression import Plain, decompress
from imgkit.tar.entry import Entry, Kind, normal, refuse

WHITEOUT_PREFIX: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
_AUFS: Final = ".wh..wh."

READ_LIMIT: Final = 256 << 20
"""Bytes of one file that are read into memory, unless more are asked for."""

KEPT_IN_MEMORY: Final = 1 << 20
"""Bytes of an uncompressed tar that are kept in memory once a file of it was read."""

KEPT_ON_DISK: Final = 1 << 30
"""Bytes of a layer's files above which nothing is kept, and each read goes through the blob."""


class Layer:
    """A layer of an image: its entries, what it hides, and any of its files.

    `open` gives the blob as it is stored, compressed, from a source that verifies its digest.
    Nothing is read until it is asked for; then the blob is read once, and its entries are kept.
    When a file is asked for, the uncompressed tar is kept, too: in a temporary file if it is large.
    """

    def __init__(
        self,
        open: Callable[[], AbstractContextManager[Readable]],  # noqa: A002
        descriptor: Descriptor,
        diff_id: Digest,
        *,
        limits: Limits | None = None,
        strict: bool = True,
    ) -> None:
        self._open = open
        self.limits = limits or current()
        self._strict = strict
        self._reading = Lock()
        self._indexed: _Index | None = None
        self.descriptor = descriptor
        self.diff_id = diff_id

    def __repr__(self) -> str:
        return f"<Layer {self.digest.short}: {self.size} bytes, DiffID {self.diff_id.short}>"

    @property
    def digest(self) -> Digest:
        """The digest of the blob: of the compressed bytes."""
        return self.descriptor.digest

    @property
    def size(self) -> int:
        """Bytes of the blob: compressed."""
        return self.descriptor.size

    @property
    def unpacked_size(self) -> int:
        """Bytes of all files in it, uncompressed."""
        return sum(entry.size for entry in self.changes)

    @property
    def stored_size(self) -> int:
        """Bytes that Docker counts for it on overlay2: of its files, and of its symlinks' texts."""
        links = (entry.link for entry in self.changes if entry.kind is Kind.SYMLINK)
        return self.unpacked_size + sum(len(os.fsencode(link)) for link in links)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything in the tar, whiteouts too, in its order; the DiffID was checked.

        Raises `DigestMismatch` when the uncompressed tar has another DiffID, and `InvalidLayer` or
        `LimitExceeded` for what no layer may have (see `tar.read`), such as one path twice.
        """
        return self._index.entries

    @property
    def changes(self) -> tuple[Entry, ...]:
        """The entries that add or replace something: all but the whiteouts."""
        return self._index.changes

    @property
    def whiteouts(self) -> frozenset[str]:
        """The paths of the layers below that are gone, each with all that it holds."""
        return self._index.whiteouts

    @property
    def opaques(self) -> frozenset[str]:
        """The directories that hold nothing of the layers below."""
        return self._index.opaques

    def find(self, path: str) -> Entry | None:
        """The entry of that path, or None."""
        return self._index.by_path.get(normal(path))

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The content of a file in this layer; raises `NotFound` if it is not in this one.

        A file of more than `limit` bytes raises `LimitExceeded`.
        """
        entry = self.find(path)
        seen = set()
        while entry and entry.kind is Kind.HARDLINK and entry.path not in seen:
            seen.add(entry.path)
            entry = self._index.by_path.get(entry.link)
        if entry is None or entry.kind is not Kind.FILE:
            what = f"is a {entry.kind} there" if entry else "is not in it"
            raise NotFound(
                f"asked for the file {path!r} of the layer {self.digest.short}: it {what}",
                name=path,
            )
        return self.read_entry(entry, limit)

    def read_entry(self, entry: Entry, limit: int = READ_LIMIT) -> bytes:
        """The content of an entry of this layer."""
        if entry.size > limit:
            raise LimitExceeded(
                f"{entry.path!r} has {entry.size} bytes, and at most {limit} are read into memory",
                limit=limit,
                actual=entry.size,
            )
        if self._unpacked:
            with self._reading:
                self._unpacked.seek(entry.offset)
                return self._unpacked.read(entry.size)
        with self._tar() as stream:
            for found, content in tar.read(stream, self.limits, unended=True):
                if found.offset == entry.offset:
                    return content.read()
        raise NotFound(f"{entry.path!r} is not in the layer {self.digest.short}", name=entry.path)

    @cached_property
    def _unpacked(self) -> BinaryIO | None:
        """The uncompressed tar, whose DiffID was checked; None if it cannot be kept."""
        if self.unpacked_size > KEPT_ON_DISK:
            return None
        file = SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115  closed with this layer
        weakref.finalize(self, file.close)
        try:
            with self._tar() as stream:
                while chunk := stream.read(CHUNK):
                    file.write(chunk)
        except OSError:  # the disk is full: each file is read from the blob then
            return None
        return cast("BinaryIO", file)

    def walk(self) -> Iterator[tuple[Entry, Content]]:
        """Every entry with its content, in one pass; the DiffID is checked at the end."""
        seen: list[Entry] | None = None if self._indexed else []
        with self._tar() as stream:
            # A tar that stops without its end marker is whole when its DiffID is right.
            for entry, content in tar.read(stream, self.limits, unended=True):
                if seen is not None:
                    seen.append(entry)
                yield entry, content
        if seen is not None:
            self._indexed = _Index(seen, self._strict)

    def recompute_diff_id(self) -> Digest:
        """The digest of the uncompressed tar as it is, whatever the config says of it."""
        with self._tar(checked=False) as stream:
            return digest_of_stream(stream, self.diff_id.algorithm)

    @contextmanager
    def _tar(self, *, checked: bool = True) -> Iterator[Readable]:
        with self._open() as blob:
            try:
                unpacked = decompress(blob, self.limits)
                # The blob's own digest, checked with each reading, says that the DiffID is right
                # once it was found to be, and where nothing is compressed.
                is_plain = isinstance(unpacked, Plain) and self.digest == self.diff_id
                with ahead(unpacked) as stream:
                    if not checked or self._indexed or is_plain:
                        yield stream
                    else:
                        what = f"the uncompressed tar of layer {self.digest.short} (its DiffID)"
                        with ahead(VerifyingReader(stream, self.diff_id, what=what)) as verified:
                            yield verified
            except InvalidLayer:
                # A blob that was damaged in the store gives nonsense; its digest says why.
                while blob.read(CHUNK):
                    pass
                raise

    @property
    def _index(self) -> _Index:
        if self._indexed is None:
            for _ in self.walk():
                pass
        assert self._indexed
        return self._indexed


class _Index:
    """The entries of a layer, told apart by what their names mean."""

    def __init__(self, entries: Iterable[Entry], strict: bool) -> None:
        self.entries = tuple(entries)
        self.by_path = {entry.path: entry for entry in self.entries}
        if len(self.by_path) < len(self.entries) and strict:
            _refuse_twice(self.entries)
        changes: list[Entry] = []
        whiteouts: set[str] = set()
        opaques: set[str] = set()
        for entry in self.entries if strict else self.by_path.values():
            if WHITEOUT_PREFIX not in entry.path or not (meaning := _meaning(entry)):
                changes.append(entry)
            elif meaning == "whiteout":
                folder, slash, name = entry.path.rpartition("/")
                whiteouts.add(folder + slash + name.removeprefix(WHITEOUT_PREFIX))
            elif meaning == "opaque":
                opaques.add(entry.path.rpartition("/")[0])
        self.changes = tuple(changes)
        self.whiteouts = frozenset(whiteouts)
        self.opaques = frozenset(opaques)


def _meaning(entry: Entry) -> str:
    """What the name of this entry says about the layers below; "" if it says nothing."""
    *folders, name = entry.path.split("/")
    if any(part.startswith(_AUFS) for part in folders):
        return "aufs"
    if any(part.startswith(WHITEOUT_PREFIX) for part in folders):
        refuse("something is in a directory that is named as a whiteout", entry.offset, entry.path)
    if name == OPAQUE:
        return "opaque"
    if name.startswith(_AUFS):
        return "aufs"
    if not name.startswith(WHITEOUT_PREFIX):
        return ""
    if name.removeprefix(WHITEOUT_PREFIX) in ("", ".", ".."):
        refuse("a whiteout does not name what it hides", entry.offset, entry.path)
    return "whiteout"


def _refuse_twice(entries: Iterable[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.path in seen:
            refuse("there is a second entry of the same path", entry.offset, entry.path)
        seen.add(entry.path)


def pack(entries: Iterable[tuple[Entry, bytes | Readable]]) -> bytes:
    """The uncompressed tar of a layer with these entries, in their order; always the same bytes."""
    return tar.write(entries)

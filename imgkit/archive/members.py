"""The files of a tar, to be read in any order: where each begins, and how long it is."""

from __future__ import annotations

import contextlib
import io
import posixpath
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple, NoReturn

from imgkit import tar
from imgkit.digest import CHUNK, Readable
from imgkit.errors import InvalidArchive, InvalidLayer, StoreError
from imgkit.limits import Limits, current
from imgkit.tar.compression import form
from imgkit.tar.entry import Entry, Kind

LINKS: Final = 10
"""Links from one member to another that are followed; an honest archive has one."""


class Span(NamedTuple):
    """The bytes of one member in the uncompressed tar."""

    start: int
    size: int


class Members:
    """Every file of a tar by its path, read once to find them.

    A compressed one, or one that cannot be read in any order (a pipe), is first written, as it
    is without compression, to a temporary file without a name. Raises `InvalidArchive`.
    """

    def __init__(self, stream: BinaryIO, place: str, limits: Limits | None = None) -> None:
        self.place = place
        self._limits = limits or current()
        head = stream.read(4)
        self.form = form(head)
        if _is_seekable(stream):
            stream.seek(0)
            head = b""
        self._spooled = bool(self.form) or not _is_seekable(stream)
        self._file = self._spool(_Begun(head, stream)) if self._spooled else stream
        self._turn = threading.Lock()
        self._entries: dict[str, Entry] = {}
        try:
            self._scan()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the temporary file, if there is one."""
        if self._spooled:
            self._file.close()

    def refuse(self, reason: str) -> NoReturn:
        """Raise `InvalidArchive`."""
        raise InvalidArchive(
            f"{self.place} cannot be read as an archive of images: {reason}",
            path=self.place,
            reason=reason,
        )

    def __contains__(self, path: str) -> bool:
        return path in self._entries

    def find(self, path: str) -> Span:
        """Where that file is; links are followed, inside the archive only."""
        at = posixpath.normpath(path)
        for _ in range(LINKS + 1):
            if at.startswith(("/", "..")):
                self.refuse(f"{path!r} leads out of it, to {at!r}")
            entry = self._entries.get(at)
            if entry is None:
                self.refuse(f"the file {at!r}, which it speaks of, is not in it")
            if entry.kind is Kind.FILE:
                return Span(entry.offset, entry.size)
            folder = "" if entry.kind is Kind.HARDLINK else posixpath.dirname(at)
            at = posixpath.normpath(posixpath.join(folder, entry.link))
        self.refuse(f"{path!r} is a link to a link, over {LINKS} times")

    def open(self, path: str) -> Section:
        """The bytes of that file."""
        return self.section(self.find(path))

    def section(self, span: Span) -> Section:
        """The bytes of that span."""
        return Section(self._file, span, self._turn)

    def read(self, path: str) -> bytes:
        """All of a document."""
        span, most = self.find(path), self._limits.document
        if span.size > most:
            said = f"{path!r} in {self.place} has {span.size} bytes: at most {most} are read"
            self._limits.refuse("document", said, span.size)
        return self.section(span).read()

    @property
    def whole(self) -> Span:
        """The uncompressed tar itself."""
        return Span(0, self._file.seek(0, io.SEEK_END))

    def _spool(self, stream: Readable) -> BinaryIO:
        """A temporary file with the uncompressed tar, without a name."""
        with contextlib.ExitStack() as stack, self._reading():
            file = stack.enter_context(tempfile.TemporaryFile())
            plain = tar.decompress(stream, self._limits)
            while data := plain.read(CHUNK):
                file.write(data)
            stack.pop_all()
        return file

    def _scan(self) -> None:
        """Find the members; damage, and names that lead out, are refused."""
        self._file.seek(0)
        with self._reading():
            for entry, _ in tar.read(self._file, self._limits):
                if entry.kind is Kind.DIR:
                    continue
                if entry.path in self._entries:
                    self.refuse(f"the file {entry.path!r} is in it twice")
                self._entries[entry.path] = entry

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what is said of a layer, or by the system, into a sentence about the archive."""
        try:
            yield
        except InvalidLayer as error:
            at = error.facts.get("offset")
            where = f"at byte {at}, " if at is not None else ""
            self.refuse(where + (error.facts.get("reason") or str(error)))
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"cannot read {self.place}, or keep it in {tempfile.gettempdir()} meanwhile: "
                f"{reason}. Where there is no room, name another directory in TMPDIR.",
                path=self.place,
            ) from error


class Section:
    """A span of a file, read by several at a time."""

    def __init__(self, file: BinaryIO, span: Span, turn: threading.Lock) -> None:
        self._file = file
        self._at, self._left = span
        self._turn = turn

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all that is left if negative); nothing at the end."""
        with self._turn:
            self._file.seek(self._at)
            data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._at += len(data)
        self._left -= len(data)
        return data


class _Begun:
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        data, self._head = self._head, b""
        return data or self._stream.read(size)


def _is_seekable(stream: BinaryIO) -> bool:
    return bool(getattr(stream, "seekable", lambda: False)())

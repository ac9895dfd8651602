"""Files that are on their way into the local repository, each locked by its one writer.

    ingest/tmp4f0z...           what is being written; nothing can be made of it afterwards
    ingest/sha256-2cf24d...     a blob; what has come of it is gone on with, when its writer died

The lock (flock) ends with the process, however that ends: what nobody has locked, nobody writes.
Where there are no such locks (Windows), nothing is gone on with, and nothing is swept.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self

from imgkit.digest import Digest, Digester, digest_of_stream
from imgkit.errors import DigestMismatch, StoreError, VerificationError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

LOCKS: Final = fcntl is not None
"""Whether this system can lock a file that it renames."""


class Ingest:
    """A file on its way in: kept aside until it is whole, then moved to its true name.

    Leaving the `with` block without `commit` removes it; a crash leaves it in `ingest/`, where
    nobody takes it for a blob. One that is to be the blob `goal` begins with what is there of it
    (`size` bytes), and is kept when it is broken off, unless its bytes or the disk were bad.
    """

    def __init__(self, home: Path, algorithm: str | None, goal: Digest | None = None) -> None:
        self._home = home
        self._digester = Digester(algorithm) if algorithm else None
        folder = home / "ingest"
        with disk(home):
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / (goal or "").replace(":", "-")
            file = begun(self.path) if goal else None
            self._keeps = file is not None
            if file is None:
                self.path, file = new(folder)
            self._file = file
            self.size = file.seek(0, os.SEEK_END)

    def begun(self) -> BinaryIO:
        """The file, at its start; to be read to its end before more is written."""
        self._file.seek(0)
        return self._file

    def clear(self) -> None:
        """Afterwards the file is empty."""
        with disk(self.path):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Raise `StoreError` when the disk does not take it."""
        with disk(self._home):
            self._file.write(data)
        self.size += len(data)
        if self._digester:
            self._digester.update(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Afterwards the blob has its true name: the digest of what was written.

        Raises `DigestMismatch` when that is not the one expected. Made without an algorithm, it
        takes the caller's word, who has verified the bytes already.
        """
        actual = self._digester.digest() if self._digester else expected
        if actual and expected and actual.algorithm != expected.algorithm:
            actual = self._digest_again(expected.algorithm)
        if actual is None or (expected is not None and actual != expected):
            raise DigestMismatch(
                f"expected {expected}, but the bytes have the digest {actual}; they were not kept",
                expected=expected,
                actual=actual,
                what="blob",
            )
        self.move(blob_path(self._home, actual))
        return actual

    def _digest_again(self, algorithm: str) -> Digest:
        """The digest by another algorithm than was announced; the file is read once more."""
        with disk(self.path):
            self._file.flush()
            with self.path.open("rb") as file:
                return digest_of_stream(file, algorithm)

    def move(self, target: Path) -> None:
        """Afterwards the file is at `target`, on the disk, in one step."""
        with disk(target):
            self._file.flush()
            os.fsync(self._file.fileno())
            if not LOCKS:  # Windows moves no open file
                self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path, target)
            self._file.close()

    def discard(self) -> None:
        """Afterwards nothing is left of it, unless it was committed."""
        if self._file.closed:
            return
        if not LOCKS:
            self._close()
        with contextlib.suppress(OSError):
            self.path.unlink()  # before it is closed: while it is locked, its name is ours
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        bad = kind is not None and issubclass(kind, (VerificationError, StoreError))
        if self._keeps and self.size and not bad:
            self._close()
        else:
            self.discard()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def blob_path(home: Path, digest: Digest) -> Path:
    """Where the bytes of that digest are, or would be, in the layout at `home`."""
    return home / "blobs" / digest.algorithm / digest.hex


def new(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file, and its name."""
    import tempfile  # noqa: PLC0415  who only reads does without

    while True:
        handle, name = tempfile.mkstemp(dir=folder)
        file = os.fdopen(handle, "w+b")
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a filesystem without locks, which is not swept
                fcntl.flock(file, fcntl.LOCK_EX)
        if Path(name).exists():  # or it was swept before it was locked
            return Path(name), file
        file.close()


def begun(path: Path) -> BinaryIO | None:
    """The file of that name, with what a writer that is gone has left in it.

    None while another writes it (two that pull one blob do not share a file), or if it is no file.
    """
    if not LOCKS:
        return None
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    file = os.fdopen(handle, "r+b")
    if _lock(file, path):
        return file
    file.close()
    return None


def sweep(folder: Path, *, beginnings: bool) -> int:
    """Afterwards no file is left there whose writer is gone; returns how many bytes they had.

    Beginnings of blobs are left to be gone on with, unless `beginnings` says otherwise.
    """
    freed = 0
    for path in folder.iterdir() if LOCKS and folder.is_dir() else ():
        if not beginnings and path.name.startswith(("sha256-", "sha512-")):
            continue
        with contextlib.suppress(OSError), path.open("r+b") as file:
            if _lock(file, path):
                freed += path.stat().st_size
                path.unlink()
    return freed


def _lock(file: BinaryIO, path: Path) -> bool:
    """Whether the file is locked for us now, and still the one of that name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turns what the operating system says into one sentence with the path and a way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = {
            errno.ENOSPC: "Free some space, then try again: what was whole has been kept.",
            errno.EACCES: "Name a directory of your own (--home, or IMGKIT_HOME).",
            errno.EROFS: "Name a directory that can be written (--home, or IMGKIT_HOME).",
            errno.ENOTDIR: "Name a directory, not a file (--home, or IMGKIT_HOME).",
        }.get(error.errno or 0, "")
        raise StoreError(f"cannot use {path}: {reason}. {advice}".rstrip(), path=path) from error

"""Files that are on their way into the local repository, each locked by its one writer.

    ingest/tmp4f0z...           what is being written; nothing can be made of it afterwards
    ingest/sha256-2cf24d...     a blob; what has come of it is gone on with, when its writer died

The lock (flock) ends with the process, however that ends: what nobody has locked, nobody writes.
Where there are no such locks (Windows), nothing is gone on with, and nothing is swept.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, Final

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

LOCKS: Final = fcntl is not None
"""Whether this system can lock a file that it renames."""


def new(folder: Path) -> tuple[Path, BinaryIO]:
    """A new file, and its name."""
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

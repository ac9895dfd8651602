"""A directory tree as facts to be compared; layers in memory; a victim beside, to be watched."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from imgkit.digest import Digest, VerifyingReader
from imgkit.layer import Layer, pack
from imgkit.limits import Limits
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.tar.entry import Entry, Kind

TYPES: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
}


class Facts(NamedTuple):
    """What can be said of one path; `mtime` in nanoseconds, None for a directory.

    `content` is the SHA-256 of a file, the text of a symlink or the number of a device; `same` is
    the first of all names that are hard links to each other.
    """

    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    content: str
    same: str
    mtime: int | None


def listing(root: Path, *, folder_times: bool = False) -> dict[str, Facts]:
    """Every path below `root`, and `.` itself, with its facts; in order."""
    first: dict[tuple[int, int], str] = {}
    return {
        path: _facts(os.path.join(root, path), path, first, folder_times) for path in _paths(root)
    }


def _paths(root: Path) -> Iterator[str]:
    paths = ["."]
    for folder, folders, files in os.walk(root):
        paths += [os.path.relpath(os.path.join(folder, name), root) for name in folders + files]
    yield from sorted(paths)


def _facts(full: str, path: str, first: dict[tuple[int, int], str], folder_times: bool) -> Facts:
    found = os.lstat(full)
    kind = TYPES[stat.S_IFMT(found.st_mode)]
    folder = kind == "directory"
    content = ""
    if kind == "file" and not os.access(full, os.R_OK):
        content = "not to be read by this user"
    elif kind == "file":
        with open(full, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    elif kind == "symlink":
        content = os.readlink(full)
    elif kind.endswith("device"):
        content = f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"
    return Facts(
        kind,
        stat.S_IMODE(found.st_mode),
        (found.st_uid, found.st_gid),
        0 if folder else found.st_size,
        content,
        path if folder else first.setdefault((found.st_dev, found.st_ino), path),
        None if folder and not folder_times else found.st_mtime_ns,
    )


def file(path: str, content: bytes = b"", **facts: int) -> tuple[Entry, bytes]:
    """A file, as `layer_of` takes it."""
    return Entry(path, **facts), content


def folder(path: str, mode: int = 0o755) -> tuple[Entry, bytes]:
    """A directory."""
    return Entry(path, Kind.DIR, mode), b""


def symlink(path: str, link: str) -> tuple[Entry, bytes]:
    """A symlink with that text."""
    return Entry(path, Kind.SYMLINK, 0o777, link=link), b""


def hardlink(path: str, link: str) -> tuple[Entry, bytes]:
    """A hard link to that path."""
    return Entry(path, Kind.HARDLINK, link=link), b""


def layer_of(*entries: tuple[Entry, bytes], strict: bool = True) -> Layer:
    """A layer with these entries."""
    return layer_from(pack(entries), strict=strict)


def layer_from(
    blob: bytes, diff_id: Digest | None = None, limits: Limits | None = None, *, strict: bool = True
) -> Layer:
    """The layer in these bytes; its DiffID is theirs if none is said."""
    descriptor = Descriptor.of(blob, OCI_LAYER)
    return Layer(
        lambda: VerifyingReader(io.BytesIO(blob), descriptor.digest, descriptor.size),
        descriptor,
        diff_id or Digest.of(blob),
        limits=limits,
        strict=strict,
    )


class Victim:
    """A directory beside the one unpacked to, that no archive may ever touch."""

    def __init__(self, parent: Path) -> None:
        self.path = parent / "victim"
        self.path.mkdir()
        (self.path / "hello").write_bytes(b"hello")
        os.utime(self.path / "hello", ns=(1, 1))
        self._before = self._look()

    def _look(self) -> tuple[dict[str, Facts], list[str], int]:
        links = os.stat(self.path / "hello").st_nlink
        return listing(self.path, folder_times=True), sorted(os.listdir(self.path)), links

    def assert_untouched(self) -> None:
        """Nothing in it was changed, added, removed or linked to from elsewhere."""
        assert self._look() == self._before

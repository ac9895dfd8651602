"""The root filesystem of an image, written to a directory: whole, or not at all.

Merged, or a directory a layer, as overlay2 keeps them for the kernel to merge. Each layer is read
once, and its files are staged (see `staging`); the tree is made in memory (see `overlay` and
`lowers`), so that whiteouts never delete anything on disk; then the files that still show are moved
to their places. All of it happens in a private directory beside, which takes the true name at the
end. Meanwhile it takes the room of all files of all layers, also of those that do not show.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from imgkit.errors import StoreError
from imgkit.layer import Layer
from imgkit.overlay import Overlay
from imgkit.overlay.lowers import Lower, lowers
from imgkit.overlay.tree import Node
from imgkit.tar.entry import Kind
from imgkit.unpack.extract import Extraction, Report
from imgkit.unpack.folders import FOLDER, Folders
from imgkit.unpack.staging import PRIVATE, Options, Staging

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

__all__ = ["Report", "unpack", "unpack_layers"]

Written = TypeVar("Written")


def unpack(
    layers: Iterable[Layer],
    dest: str | os.PathLike[str],
    *,
    owners: bool | None = None,
    devices: bool = False,
    on_entry: Callable[[Node], None] | None = None,
) -> Report:
    """Write the merged root filesystem of `layers` to `dest`, a new or an empty directory.

    With `owners` (default: for root) every owner is as recorded, and set-user-ID bits are kept.
    Without, all is the user's, those bits are dropped, and owners are recorded in the extended
    attribute `user.rootlesscontainers`, as umoci does. With `devices`, device nodes are made where
    the system lets us; for others there is an empty file, and they are in the report. No other
    extended attributes are set.
    Raises `StoreError` if `dest` cannot be used, or on a write error; nothing of it is then left.
    """
    stack = tuple(layers)
    options = _options(owners, devices, on_entry)

    def write(directory: str) -> Report:
        with _staging(directory, options) as (root, staging):
            for number, layer in enumerate(stack):
                staging.take(number, layer)
            return Extraction(Lower(Overlay(stack).root), staging, options).run(root)

    return _write(dest, write)


def unpack_layers(
    layers: Iterable[Layer],
    dest: str | os.PathLike[str],
    *,
    owners: bool | None = None,
    devices: bool = False,
    on_entry: Callable[[Node], None] | None = None,
) -> dict[str, Report]:
    """Write each layer to a directory in `dest`; of each such directory, base first, its report.

    The directories are `00-DIFFID/diff` and so on. Mounted one upon another by overlayfs they show
    what `unpack` writes: what a layer takes away is a whiteout or an opaque directory on disk (see
    `lowers` and `marks`), in a form that root may mount, or for another user with `userxattr`.
    But a device 0:0 in a layer is a whiteout to overlayfs. All else is as `unpack` has it.
    """
    stack = tuple(layers)
    options = _options(owners, devices, on_entry)

    def write(directory: str) -> dict[str, Report]:
        reports, trees, written = {}, lowers(stack), 0
        for number, layer in enumerate(stack):
            name = f"{number:02}-{layer.diff_id.short}/diff"
            place = os.path.join(directory, name)
            os.makedirs(place, PRIVATE)
            with _staging(place, options, written) as (root, staging):
                staging.take(number, layer)
                tree = next(trees)
                for below, offsets in _brought(tree, number).items():
                    staging.take(below, stack[below], offsets)
                reports[name] = Extraction(tree, staging, options).run(root)
                written = staging.written
        return reports

    return _write(dest, write)


def _brought(tree: Lower, number: int) -> dict[int, set[int]]:
    """The files of layers below that a layer links to, which it has to bring: their offsets."""
    found: dict[int, set[int]] = {}
    for inode in (node.inode for node in tree.root.walk() if node.kind is Kind.FILE):
        if inode.layer != number:
            found.setdefault(inode.layer, set()).add(inode.entry.offset)
    return found


@contextmanager
def _staging(directory: str, options: Options, written: int = 0) -> Iterator[tuple[int, Staging]]:
    """That directory, open and private, and the files that wait there for their places."""
    root = os.open(directory, FOLDER)
    try:
        os.chmod(root, PRIVATE)
        with closing(Staging(root, options, written)) as staging:
            yield root, staging
    finally:
        os.close(root)


def _options(
    owners: bool | None, devices: bool, on_entry: Callable[[Node], None] | None
) -> Options:
    owners = _is_root() if owners is None else owners
    return Options(owners, devices, on_entry or (lambda node: None))


def _write(dest: str | os.PathLike[str], write: Callable[[str], Written]) -> Written:
    """Let `write` fill a directory, which is at `dest` when it is whole; else nothing is."""
    place = Path(os.path.realpath(dest))
    _check_system(place)
    try:
        new = _is_new(place)
        if new or not (os.path.ismount(place) or not os.access(place.parent, os.W_OK)):
            return _beside(place, write)
        return _inside(place, write)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"cannot unpack to {place}: {reason}. Nothing was left there.", path=place
        ) from error


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _check_system(place: Path) -> None:
    if os.open not in os.supports_dir_fd:
        raise StoreError(
            f"cannot unpack to {place}: this system cannot open a file below an open directory, "
            "without which unpacking is not safe. Use Linux, macOS or WSL.",
            path=place,
        )


def _is_new(place: Path) -> bool:
    """True if nothing is there, False for an empty directory; anything else is refused."""
    try:
        names = os.listdir(place)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        raise StoreError(f"cannot unpack to {place}: it is not a directory", path=place) from None
    if names:
        raise StoreError(
            f"cannot unpack to {place}: it is not empty. Name a new or an empty directory.",
            path=place,
        )
    return False


def _beside(place: Path, write: Callable[[str], Written]) -> Written:
    """Write to a private directory beside `place`, which then takes its name.

    The directories of those who were killed while they wrote there are removed first.
    """
    private, lock = _private(place)
    try:
        written = write(private)
        os.rename(private, place)
    except BaseException as error:
        _remove(private)
        # A mount of the same filesystem elsewhere has the device number of its parent.
        if not (isinstance(error, OSError) and error.errno in (errno.EBUSY, errno.EXDEV)):
            raise
        return _inside(place, write)
    finally:
        os.close(lock)
    return written


def _private(place: Path) -> tuple[str, int]:
    """A new directory, and its lock, which ends with the process; unlocked ones are removed."""
    prefix = f".{place.name[:64]}.imgkit-"
    for name in os.listdir(place.parent) if fcntl else ():
        if name.startswith(prefix):
            _sweep(place.parent / name)
    while True:
        private = tempfile.mkdtemp(prefix=prefix, dir=place.parent)
        with suppress(FileNotFoundError):  # somebody beside us removed it before it was locked
            lock = os.open(private, os.O_RDONLY)
            if fcntl:
                with suppress(OSError):  # a filesystem without locks, where nothing is removed
                    fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.isdir(private):
                return private, lock
            os.close(lock)


def _sweep(private: Path) -> None:
    """Afterwards the directory is gone, unless somebody works there."""
    with suppress(OSError):
        lock = os.open(private, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(os.fspath(private))
        finally:
            os.close(lock)


def _inside(place: Path, write: Callable[[str], Written]) -> Written:
    """Write to `place` itself, which is empty; a failure empties it again."""
    before = stat.S_IMODE(place.stat().st_mode)
    try:
        return write(os.fspath(place))
    except BaseException:
        for name in os.listdir(place):
            _remove(os.path.join(place, name))
        place.chmod(before)
        raise


def _remove(path: str) -> None:
    """Remove a file or directory of ours, whatever its mode, and however deep it is.

    What cannot be removed stays: no error may hide the one that led here.
    """
    with suppress(OSError):
        if os.path.islink(path) or not os.path.isdir(path):
            os.remove(path)
            return
        os.chmod(path, PRIVATE)
        root = os.open(path, FOLDER)
        try:
            _empty(root)
        finally:
            os.close(root)
        os.rmdir(path)


def _empty(root: int) -> None:
    """Remove all that is in an open directory."""
    with closing(Folders(root)) as folders:
        ahead = [""]
        while ahead:
            path = ahead[-1]
            if inside := _clear(folders.enter(path)):
                ahead += [f"{path}/{name}".lstrip("/") for name in inside]
            elif ahead.pop():
                folder, _, name = path.rpartition("/")
                os.rmdir(name, dir_fd=folders.enter(folder))


def _clear(folder: int) -> list[str]:
    """Remove the files in an open directory; its directories, which may now be emptied."""
    with os.scandir(folder) as found:
        entries = list(found)
    inside = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for name in inside:
        os.chmod(name, PRIVATE, dir_fd=folder)
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=folder)
    return inside

"""The root filesystem of an image, written to a directory: whole, or not at all.

The tree is made in memory first (see `overlay`), so that whiteouts never delete anything on disk;
then each layer's tar is read once more, and only the files that still show are written. All of it
happens in a private directory beside, which takes the true name at the end.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from imgkit.errors import StoreError
from imgkit.extract import PRIVATE, Extraction, Report
from imgkit.layer import Layer
from imgkit.overlay import Overlay
from imgkit.tree import Node

__all__ = ["Report", "unpack"]


def unpack(
    layers: Iterable[Layer],
    dest: str | os.PathLike[str],
    *,
    owners: bool | None = None,
    devices: bool = False,
    on_entry: Callable[[Node], None] | None = None,
) -> Report:
    """Write the merged root filesystem of `layers` to `dest`, a new or an empty directory.

    With `owners` (default: for root) every owner is as recorded, and set-user-ID bits are kept;
    without, all is the user's, and they are dropped. With `devices`, device nodes are made where
    the system lets us; those that are not made are in the report. Extended attributes are not set.
    Raises `StoreError` if `dest` cannot be used, or on a write error; nothing of it is then left.
    """
    place = Path(os.path.realpath(dest))
    overlay = Overlay(layers)
    _check_system(place)
    try:
        new = _is_new(place)
        extraction = Extraction(
            overlay, _is_root() if owners is None else owners, devices, on_entry
        )
        if new or not (os.path.ismount(place) or not os.access(place.parent, os.W_OK)):
            return _unpack_beside(place, extraction)
        return _unpack_inside(place, extraction)
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


def _unpack_beside(place: Path, extraction: Extraction) -> Report:
    """Unpack to a private directory beside `place`, which then takes its name."""
    private = tempfile.mkdtemp(prefix=f".{place.name[:64]}.", dir=place.parent)
    try:
        report = extraction.run(private)
        os.rename(private, place)
    except BaseException as error:
        _remove(private)
        # A mount of the same filesystem elsewhere has the device number of its parent.
        if not (isinstance(error, OSError) and error.errno in (errno.EBUSY, errno.EXDEV)):
            raise
        return _unpack_inside(place, extraction)
    return report


def _unpack_inside(place: Path, extraction: Extraction) -> Report:
    """Unpack to `place` itself, which is empty; a failure empties it again."""
    before = stat.S_IMODE(place.stat().st_mode)
    try:
        return extraction.run(os.fspath(place))
    except BaseException:
        for name in os.listdir(place):
            _remove(os.path.join(place, name))
        place.chmod(before)
        raise


def _remove(path: str) -> None:
    """Remove a file or directory of ours, whatever its mode."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.remove(path)
        return
    with suppress(OSError):  # only a user needs this, and no error may hide the one that led here
        os.chmod(path, PRIVATE)
        for folder, names, _ in os.walk(path):
            for inner in (os.path.join(folder, name) for name in names):
                if not os.path.islink(inner):
                    os.chmod(inner, PRIVATE)
    shutil.rmtree(path, ignore_errors=True)

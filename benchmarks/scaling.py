"""How time and memory grow with the size of a layer, its entries, and the number of layers.

    python -m benchmarks.scaling

draws docs/scaling.svg. Each point is one process that reads all entries and checks every digest
(`list`), or writes the merged root filesystem as well (`unpack`). Layers are not compressed, so
that a sparse file stands for a large one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from benchmarks import images
from benchmarks.plot import Panel, picture
from benchmarks.race import Figures, measure
from imgkit import tar
from imgkit.tar import header
from imgkit.tar.entry import Entry
from imgkit.tar.header import BLOCK

PICTURE: Final = Path("docs/scaling.svg")
SIZES: Final = (1, 10, 100, 1000, 4000)
"""Megabytes of one file in one layer."""
ENTRIES: Final = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
LAYERS: Final = (1, 5, 25, 125)
"""Of 100 entries each."""
UNPACKED: Final = {"size": 1000, "entries": 100_000, "layers": 125}
"""The largest that is unpacked, too."""


def main() -> None:
    """Measure every point, and draw them."""
    memory = Path("/dev/shm")  # noqa: S108  not for secrets: for its speed
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        there = Path(folder)
        columns = [
            _column(there, "size", "megabytes in one layer", SIZES, _sized),
            _column(there, "entries", "entries in one layer", ENTRIES, _many),
            _column(there, "layers", "layers of 100 entries", LAYERS, _stacked),
        ]
    PICTURE.write_text(picture(list(zip(*columns, strict=True))))


def _column(
    folder: Path,
    title: str,
    x: str,
    points: Iterable[int],
    make: Callable[[Path, int], list[Path]],
) -> tuple[Panel, Panel]:
    found: dict[str, list[tuple[int, Figures]]] = {"list": [], "unpack": []}
    for point in points:
        print(f"  scaling, {title}: {point}", file=sys.stderr, flush=True)
        place = folder / f"{title}-{point}"
        place.mkdir()
        home = images.write(place / "home", "x", make(place, point), packed=False)
        for verb, figures in found.items():
            if verb == "list" or point <= UNPACKED[title]:
                words = ["verify", "x"] if verb == "list" else ["unpack", "x", place / "root"]
                command = [sys.executable, "-m", "imgkit", "--home", home, *words]
                figures.append((point, measure(command)))
        shutil.rmtree(place)
    seconds = {verb: [(x, found.seconds) for x, found in line] for verb, line in found.items()}
    peaks = {verb: [(x, found.peak) for x, found in line] for verb, line in found.items()}
    return Panel(f"time, by {title}", x, "seconds", seconds), Panel(
        f"memory, by {title}", x, "megabytes at the peak", peaks
    )


def _sized(folder: Path, size: int) -> list[Path]:
    """One file of zeros, which take no room."""
    path, entry = folder / "layer.tar", Entry("zeros", size=size * 10**6)
    with path.open("wb") as file:
        file.write(header.pack(entry))
        file.truncate(BLOCK + -(-entry.size // BLOCK) * BLOCK)
        file.seek(0, os.SEEK_END)
        file.write(tar.END)
    return [path]


def _many(folder: Path, count: int) -> list[Path]:
    path = folder / "layer.tar"
    with path.open("wb") as file:
        tar.write_to(file, ((Entry(f"d{n // 100}/f{n}"), b"") for n in range(count)))
    return [path]


def _stacked(folder: Path, count: int) -> list[Path]:
    paths = []
    for number in range(count):
        paths.append(folder / f"{number}.tar")
        entries = [(Entry(f"d{number}/f{n}"), str(n).encode()) for n in range(100)]
        paths[-1].write_bytes(tar.write(entries))
    return paths


if __name__ == "__main__":
    main()

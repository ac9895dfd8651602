"""How fast a large stack of layers is merged and asked, and what its index takes in memory."""

from __future__ import annotations

import io
import random
import time
import tracemalloc
from typing import Final

from imgkit import tar
from imgkit.digest import Digest, VerifyingReader
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.mount import Mount
from imgkit.mount.stack import stack
from imgkit.overlay import Overlay
from imgkit.tar.entry import Entry, Kind

LAYERS: Final = 5
ENTRIES: Final = 100_000
LOOKUPS: Final = 100_000


def measure_overlay() -> None:
    """100,000 entries in five layers: merged, asked, and mounted."""
    layers, reading = _read([_blob(number) for number in range(LAYERS)])
    start = time.perf_counter()
    overlay = Overlay(layers)
    merging = time.perf_counter() - start
    print(
        f"overlay of {ENTRIES} entries: merged in {merging:.2f} s, after {reading:.2f} s of reading"
    )

    paths = random.Random(1).choices(overlay.paths, k=LOOKUPS)
    start = time.perf_counter()
    for path in paths:
        overlay.get(path)
    print(f"overlay: a lookup {(time.perf_counter() - start) / LOOKUPS * 1e6:.1f} microseconds")

    start = time.perf_counter()
    trees = stack(layers)
    print(f"mount: a tree a layer in {time.perf_counter() - start:.2f} s")
    mount = Mount(trees)
    start = time.perf_counter()
    for path in paths:
        mount.exists(path, follow=False)
    print(f"mount: a lookup {(time.perf_counter() - start) / LOOKUPS * 1e6:.1f} microseconds")
    measure_memory(layers)


def measure_memory(layers: list[Layer]) -> None:
    """Bytes of the merged index for each entry of the layers, beside those that the layers take."""
    tracemalloc.start()
    overlay = Overlay(layers)
    merged = tracemalloc.get_traced_memory()[0]
    again = [_layer(_blob(number)) for number in range(LAYERS)]
    before = tracemalloc.get_traced_memory()[0]
    kept = sum(len(layer.entries) for layer in again)
    entries = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    print(
        f"overlay: {merged / ENTRIES:.0f} bytes an entry merged ({len(overlay.paths)} paths show), "
        f"{entries / kept:.0f} bytes an entry read"
    )


def _blob(number: int) -> bytes:
    """A layer with its share of the entries; a few replace those of the layer below."""
    chance = random.Random(number)
    entries: list[tuple[Entry, bytes]] = []
    folders = ENTRIES // LAYERS // 40
    for folder in range(folders):
        layer = number - (folder % 10 == 0 and number > 0)
        path = f"usr/lib/package-{layer}-{folder}"
        entries.append((Entry(path, Kind.DIR, 0o755, mtime=chance.randrange(1 << 30)), b""))
        entries += [
            (Entry(f"{path}/file-{name}.py", mtime=chance.randrange(1 << 30)), b"")
            for name in range(39)
        ]
    return tar.write(entries)


def _layer(blob: bytes) -> Layer:
    descriptor = Descriptor.of(blob, OCI_LAYER)
    return Layer(
        lambda: VerifyingReader(io.BytesIO(blob), descriptor.digest, descriptor.size),
        descriptor,
        Digest.of(blob),
    )


def _read(blobs: list[bytes]) -> tuple[list[Layer], float]:
    """The layers, their tars read, and the seconds that this took."""
    layers = [_layer(blob) for blob in blobs]
    start = time.perf_counter()
    for layer in layers:
        assert len(layer.entries) == ENTRIES // LAYERS
        assert layer.whiteouts == frozenset()
    return layers, time.perf_counter() - start

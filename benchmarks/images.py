"""The images that are measured with: a real one of a gigabyte, and ones with a layer changed.

The large one is Debian in two layers: what `mmdebstrap --variant=minbase` makes, and what numpy,
scipy, git and node.js add. It is made once, and kept in `build/benchmarks`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from imgkit import tar
from imgkit.config import Config
from imgkit.digest import Digest, digest_of_stream
from imgkit.manifest import OCI_LAYER, Descriptor, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry, Kind

KEPT: Final = Path("build/benchmarks/image")
MORE: Final = "python3-numpy,python3-scipy,python3-pip,git,nodejs"


def large() -> Path:
    """An OCI layout with the image `big`; made now, from Debian's mirror, if it was not before."""
    if not (KEPT / "index.json").exists():
        if shutil.which("mmdebstrap") is None:
            sys.exit("mmdebstrap, which makes the large image, is not installed")
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT.parent) as name:
            folder = Path(name)
            base, full, second = (folder / f"{part}.tar" for part in ("base", "full", "second"))
            command = ["mmdebstrap", "--quiet", "--variant=minbase"]
            subprocess.run([*command, "bookworm", base], check=True)
            subprocess.run([*command, f"--include={MORE}", "bookworm", full], check=True)
            _subtract(full, base, second)
            write(folder / "image", "big", [base, second])
            (folder / "image").rename(KEPT)
    return KEPT


def small(folder: Path) -> Path:
    """An OCI layout with the image `small`: 3 MB in one gzip layer, 85 files of this Python."""
    path = folder / "small.tar"
    sources = sorted(Path(subprocess.__file__).parent.glob("*.py"))[:85]
    with path.open("wb") as file:
        tar.write_to(file, ((Entry(f"lib/{one.name}"), one.read_bytes()) for one in sources))
    return write(folder / "small", "small", [path])


def write(home: Path, name: str, tars: list[Path], *, packed: bool = True) -> Path:
    """An OCI layout with one image, of a layer for each tar: gzip, or (not packed) as it is."""
    store = Store(home)
    layers, diff_ids = [], []
    for path in tars:
        with path.open("rb") as file:
            diff_ids.append(digest_of_stream(file))
        if packed:
            subprocess.run(["gzip", "-kf6n", path], check=True)
            path = Path(f"{path}.gz")
        layers.append(_put(store, path, OCI_LAYER + "+gzip" * packed))
    _name(store, name, layers, diff_ids)
    return home


def with_layer(layout: Path, name: str, add: bytes) -> None:
    """Another image in the layout: the first one, and a layer with one file upon it."""
    store = Store(layout)
    image = store.open_image(store.records()[0])
    layer = tar.write([(Entry("opt/added"), add)])
    layers = [*image.manifest.layers, store.put_bytes(layer, OCI_LAYER)]
    _name(store, name, layers, [*image.config.diff_ids, Digest.of(layer)])


def _put(store: Store, path: Path, media_type: str) -> Descriptor:
    with path.open("rb") as file:
        digest = digest_of_stream(file)
    descriptor = Descriptor(media_type, digest, path.stat().st_size)
    path.replace(store.path(digest))  # a sparse one stays sparse
    return descriptor


def _name(store: Store, name: str, layers: list[Descriptor], diff_ids: list[Digest]) -> None:
    config = Config.make(Platform.here(), diff_ids)
    manifest = Manifest.make(config.descriptor, layers)
    store.put_bytes(config.raw, config.descriptor.media_type)
    store.put_bytes(manifest.raw, manifest.media_type)
    store.name(Reference.parse(f"{name}:latest"), manifest.descriptor, None)


def _subtract(full: Path, base: Path, to: Path) -> None:
    """What the one tar has that the other has not, by path, kind, size, mode and link."""
    with base.open("rb") as file:
        known = {_look(entry) for entry, _ in tar.read(file)}
    with full.open("rb") as file, to.open("wb") as output:
        tar.write_to(output, (pair for pair in tar.read(file) if _look(pair[0]) not in known))


def _look(entry: Entry) -> tuple[str, Kind, int, int, str]:
    return entry.path, entry.kind, entry.size, entry.mode, entry.link

"""What imgkit does in a row of the table for which it has no verb: one process, one job.

python -m benchmarks.ours extract TAR DIFFID DIRECTORY
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from imgkit import tar
from imgkit.config import Config
from imgkit.digest import Digest, VerifyingReader
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, Descriptor, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry
from imgkit.unpack import unpack

HUNDRED: Final = 100


def hundred_names() -> list[str]:
    """The names of the hundred images."""
    return [f"bench/image-{number}:v1" for number in range(HUNDRED)]


def extract(path: str, diff_id: str, directory: str) -> None:
    """One uncompressed layer on disk, written to a directory; its DiffID is checked."""
    file, digest = Path(path), Digest(diff_id)
    descriptor = Descriptor(OCI_LAYER, digest, file.stat().st_size)
    layer = Layer(
        lambda: VerifyingReader(file.open("rb", buffering=0), digest, descriptor.size),
        descriptor,
        digest,
    )
    unpack([layer], directory)


def merge(home: str, name: str) -> None:
    """Every entry of every layer of an image, each layer checked, and the merged view."""
    assert Store(home).image(name).overlay.paths


def hundred(home: str) -> None:
    """A local repository with a hundred images, each with a layer of its own."""
    store = Store(home)
    for name in hundred_names():
        layer = tar.write([(Entry("name"), name.encode())])
        config = Config.make(Platform.here(), [Digest.of(layer)])
        manifest = Manifest.make(config.descriptor, [store.put_bytes(layer, OCI_LAYER)])
        for raw, descriptor in (
            (config.raw, config.descriptor),
            (manifest.raw, manifest.descriptor),
        ):
            store.put(descriptor, io.BytesIO(raw))
        store.name(Reference.parse(name), manifest.descriptor, None)


JOBS: Final[dict[str, Callable[..., None]]] = {
    "extract": extract,
    "merge": merge,
    "hundred": hundred,
}

if __name__ == "__main__":
    JOBS[sys.argv[1]](*sys.argv[2:])

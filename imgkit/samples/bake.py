"""Bakes the sample images: `python -m imgkit.samples.bake [DIRECTORY]` makes the layout anew.

Compressed bytes depend on the version of zlib, so a second baking may give other digests of
layers, and so of manifests. The tests hold a baking to its recipes by what does not depend on it:
DiffIDs and configs. Notebooks print the digests: after baking, run `make notebooks`.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from imgkit import document
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.manifest import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from imgkit.platforms import Platform
from imgkit.samples import LAYOUT
from imgkit.samples.compose import Composed, compose
from imgkit.samples.recipe import Recipe, recipes
from imgkit.store import REF_NAME

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EMPTY_LAYER: Final = bytes.fromhex(
    "1f8b08000000000000ff621805a360148c5800080000ffff2eafb5ef00040000"
)
"""A layer without files as Docker compresses it: sha256:4f4fb700ef54..., known everywhere."""

_EMPTY_TAR: Final = bytes(1024)
_IN_TOTO: Final = "application/vnd.in-toto+json"


@dataclass(slots=True)
class Oven:
    """Blobs and names on their way to an OCI image layout."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    names: dict[str, Descriptor] = field(default_factory=dict)

    def put(self, data: bytes, media_type: str) -> Descriptor:
        """Keep these bytes; the descriptor of them."""
        descriptor = Descriptor.of(data, media_type)
        self.blobs[descriptor.digest] = data
        return descriptor

    def write(self, home: Path) -> None:
        """Afterwards `home` is an OCI image layout of exactly these blobs and names."""
        shutil.rmtree(home, ignore_errors=True)
        folder = home / "blobs" / "sha256"
        folder.mkdir(parents=True)
        for digest, data in self.blobs.items():
            (folder / digest.hex).write_bytes(data)
        entries = [
            replace(descriptor, platform=None, annotations={REF_NAME: name})
            for name, descriptor in sorted(self.names.items())
        ]
        (home / "index.json").write_bytes(Index.make(entries).raw)
        (home / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')


def bake(every: Sequence[Recipe]) -> Oven:
    """All images of these recipes: a manifest for each platform, an index over several."""
    oven = Oven()
    for names, group in groupby(sorted(every, key=lambda r: r.names), lambda r: r.names):
        images = list(group)
        manifests = [_image(oven, compose(recipe)) for recipe in images]
        facts = images[0].facts
        target = manifests[0]
        if len(manifests) > 1 or "index" in facts:
            if "attested" in facts:
                manifests += [_attestation(oven, names[0], one) for one in manifests]
            kind = DOCKER_LIST if "docker" in facts else OCI_INDEX
            target = oven.put(Index.make(manifests, media_type=kind).raw, kind)
        oven.names |= dict.fromkeys(names, target)
    return oven


def _image(oven: Oven, made: Composed) -> Descriptor:
    docker = "docker" in made.recipe.facts
    config = oven.put(made.config.raw, DOCKER_CONFIG if docker else OCI_CONFIG)
    layers = [
        oven.put(*_pack(data, packed, docker=docker))
        for data, packed in zip(made.tars, made.packed, strict=True)
    ]
    kind = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = oven.put(Manifest.make(config, layers, media_type=kind).raw, kind)
    return replace(manifest, platform=made.recipe.platform)


def _pack(data: bytes, packed: str, *, docker: bool) -> tuple[bytes, str]:
    """The blob of a layer, and its media type."""
    if packed == "plain":
        return data, OCI_LAYER
    if packed == "zstd":
        return zstd.compress(data, 19), f"{OCI_LAYER}+zstd"
    blob = EMPTY_LAYER if data == _EMPTY_TAR else gzip.compress(data, 9, mtime=0)
    return blob, DOCKER_LAYER if docker else f"{OCI_LAYER}+gzip"


# -- attestations --------------------------------------------------------------------------------


def _attestation(oven: Oven, name: str, image: Descriptor) -> Descriptor:
    """An attestation of an image, stored like an image, as BuildKit does."""
    layers = [
        replace(
            oven.put(document.dump(statement), _IN_TOTO),
            annotations={"in-toto.io/predicate-type": statement["predicateType"]},
        )
        for statement in _statements(name, image)
    ]
    unknown = Platform("unknown", "unknown")
    config = oven.put(Config.make(unknown, [layer.digest for layer in layers]).raw, OCI_CONFIG)
    notes = {
        "vnd.docker.reference.digest": str(image.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    manifest = oven.put(Manifest.make(config, layers).raw, OCI_MANIFEST)
    return replace(manifest, platform=unknown, annotations=notes)


def _statements(name: str, image: Descriptor) -> Iterator[dict[str, Any]]:
    """What is inside (SPDX) and how it was made (SLSA provenance), each about one manifest."""
    predicates: dict[str, dict[str, Any]] = {
        "https://spdx.dev/Document": {
            "spdxVersion": "SPDX-2.3",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": name,
            "comment": "stand-in made by imgkit: packages are listed in the image's own database",
        },
        "https://slsa.dev/provenance/v0.2": {
            "builder": {"id": "imgkit.samples.bake"},
            "buildType": "a recipe of imgkit, not a build",
        },
    }
    subject = {"name": f"{name} ({image.platform})", "digest": {"sha256": image.digest.hex}}
    for kind, predicate in predicates.items():
        yield {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": kind,
            "subject": [subject],
            "predicate": predicate,
        }


def main(arguments: Sequence[str]) -> None:
    """Bake every recipe into the directory named, or into the package itself."""
    home = Path(arguments[0]) if arguments else LAYOUT
    oven = bake(recipes())
    oven.write(home)
    total = sum(map(len, oven.blobs.values()))
    sys.stdout.write(f"{len(oven.names)} names, {len(oven.blobs)} blobs, {total} bytes: {home}\n")


if __name__ == "__main__":
    main(sys.argv[1:])

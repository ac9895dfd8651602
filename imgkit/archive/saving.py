"""What `save` writes: an OCI image layout and Docker's `manifest.json` in one tar."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from imgkit import tar
from imgkit.digest import Digest, Readable
from imgkit.image import Image
from imgkit.manifest import Descriptor, Index
from imgkit.reference import Reference
from imgkit.store import REF_NAME
from imgkit.tar import Writable
from imgkit.tar.entry import Entry, Kind

CONTAINERD_NAME: Final = "io.containerd.image.name"
"""The annotation in which containerd, and with it Docker, looks for a name in full."""

Named = Sequence[tuple[Image, Sequence[Reference]]]


def blob_path(digest: Digest) -> str:
    """Where a layout keeps the bytes of that digest."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def save(images: Named, file: Writable) -> None:
    """Write these images, each with its names, to `file` as one tar, in one pass.

    Every blob is written as it is stored, once, and checked on the way; nothing is compressed, so
    that the same images always give the same bytes. Raises what their sources raise.
    """
    tar.write_to(file, _members(images))


def _members(images: Named) -> Iterator[tuple[Entry, bytes | Readable]]:
    yield _file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    yield _file("index.json", Index.make(list(_rows(images))).raw)
    yield _file("manifest.json", _json([_docker(image, names) for image, names in images]))
    if repositories := _repositories(images):
        yield _file("repositories", _json(repositories))
    blobs = _blobs(images)
    folders = {f"blobs/{blob.digest.algorithm}" for blob, _ in blobs}
    for path in sorted({"blobs", *folders}):
        yield Entry(path, Kind.DIR, 0o755), b""
    for blob, image in blobs:
        with image.source.open(blob) as stream:
            yield Entry(blob_path(blob.digest), size=blob.size), stream


def _blobs(images: Named) -> list[tuple[Descriptor, Image]]:
    """Every blob once, with an image that has it: manifests and configs, then layers."""
    documents: dict[Digest, tuple[Descriptor, Image]] = {}
    layers: dict[Digest, tuple[Descriptor, Image]] = {}
    for image, _ in images:
        for blob in (image.descriptor, image.manifest.config):
            documents.setdefault(blob.digest, (blob, image))
        for blob in image.manifest.layers:
            layers.setdefault(blob.digest, (blob, image))
    return list((documents | layers).values())


def _rows(images: Named) -> Iterator[Descriptor]:
    """The rows of index.json: a manifest, once for each of its names."""
    for image, names in images:
        plain = image.descriptor
        for name in names:
            notes = {CONTAINERD_NAME: name.canonical, REF_NAME: name.canonical}
            yield Descriptor(plain.media_type, plain.digest, plain.size, annotations=notes)
        if not names:
            yield Descriptor(plain.media_type, plain.digest, plain.size)


def _docker(image: Image, names: Iterable[Reference]) -> dict[str, Any]:
    """The entry of manifest.json."""
    return {
        "Config": blob_path(image.id),
        "RepoTags": [name.familiar for name in names] or None,
        "Layers": [blob_path(layer.digest) for layer in image.manifest.layers],
    }


def _repositories(images: Named) -> dict[str, dict[str, str]]:
    """The top layer of each name, which readers before 2015 look for."""
    found: dict[str, dict[str, str]] = {}
    for image, names in images:
        for name in names:
            repository, _, tag = name.familiar.rpartition(":")
            if image.manifest.layers:
                found.setdefault(repository, {})[tag] = image.manifest.layers[-1].digest.hex
    return found


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def _file(path: str, data: bytes) -> tuple[Entry, bytes]:
    return Entry(path), data

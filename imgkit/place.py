"""A place that images are read from or written to: a store, a registry, an archive.

One that can be read answers two questions, and everything else is derived from the answers: which
descriptor has this name, and give me the bytes of this descriptor (`Source`). One that can be
written takes bytes and names (`Target`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final, Protocol

from imgkit import document
from imgkit.config import Config
from imgkit.digest import Digest, Readable, VerifyingReader
from imgkit.errors import LimitExceeded, NotFound
from imgkit.limits import current
from imgkit.manifest import INDEX_TYPES, Descriptor, Index, Manifest, parse
from imgkit.reference import Reference

EMBEDDED: Final = "http://imgkit.localhost"
"""Where a notebook's registry is mounted; no such host is ever asked on the network."""
INDEXES: Final = 100
"""How many indexes are read to find one image."""


class Gone(NotFound):
    """What was there when it was counted on has been removed since. Facts: `name`."""


class Source(Protocol):
    """A place that an image can be read from."""

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest or index of that name; raises `NotFound`."""
        ...

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The bytes of this descriptor, checked against it while they are read."""
        ...


class Target(Protocol):
    """A place that an image can be written to."""

    def has(self, descriptor: Descriptor) -> bool:
        """Whether these bytes are there already."""
        ...

    def put(self, descriptor: Descriptor, stream: Readable, name: Reference | None = None) -> None:
        """Afterwards the bytes are there, whole, or an error was raised and nothing is.

        `name` is what `name()` will call them next: a registry takes both in one request.
        """
        ...

    def name(self, reference: Reference, manifest: Descriptor, index: Descriptor | None) -> None:
        """Afterwards the name points at this manifest, which was chosen from `index`, if any."""
        ...


def way(
    source: Source, top: Descriptor, pick: Callable[[Index], Descriptor | None]
) -> tuple[Descriptor, ...] | None:
    """The way from an index to the manifest that `pick` finds: indexes between, then that one.

    An index may list others (image-index.md). Each is read once, in order, to a limited depth;
    what is not there is passed over, unless it was picked. Raises `LimitExceeded`.
    """
    seen: set[Digest] = set()

    def search(at: Descriptor, depth: int) -> tuple[Descriptor, ...] | None:
        seen.add(at.digest)
        said = f"the index {top.digest} lists indexes that list others,"
        if depth > (most := current().index_depth):
            current().refuse("index_depth", f"{said} over {most} deep; no honest one does", depth)
        if len(seen) > INDEXES:
            raise LimitExceeded(
                f"{said} over {INDEXES} in all; no honest image does",
                limit=INDEXES,
                actual=len(seen),
            )
        index = read_document(source, at)
        assert isinstance(index, Index)
        found = pick(index)
        if found and found.media_type not in INDEX_TYPES:
            return (found,)
        unnamed = [d for d in index.manifests if d.media_type in INDEX_TYPES and not d.platform]
        for inner in [found] if found else unnamed:
            with contextlib.suppress(*([] if found else [NotFound])):
                if inner.digest not in seen and (rest := search(inner, depth + 1)):
                    return (inner, *rest)
        return None

    return search(top, 1)


def read_document(source: Source, descriptor: Descriptor) -> Manifest | Index:
    """The manifest or index that a descriptor points at, checked against it."""
    return parse(_read(source, descriptor), descriptor.media_type)


def read_config(source: Source, manifest: Manifest) -> Config:
    """The config of a manifest; raises `InvalidManifest` unless it has a DiffID for each layer."""
    config = Config.parse(_read(source, manifest.config))
    if len(config.diff_ids) != len(manifest.layers):
        raise document.refused(
            f"the manifest has {len(manifest.layers)} layers, but its config has "
            f"{len(config.diff_ids)} DiffIDs; there must be one for each layer"
        )
    return config


def _read(source: Source, descriptor: Descriptor) -> bytes:
    if descriptor.size > (most := current().document):
        said = f"{descriptor.digest} is said to have {descriptor.size} bytes: a manifest or config "
        current().refuse("document", f"{said}of more than {most} is not read", descriptor.size)
    with source.open(descriptor) as stream:
        return stream.read()

"""The images of a local repository as Docker counts them: by their ID.

One image may have many names. Some are tags (`redis:latest`); some are digests, which a pull or a
push leaves beside the tag (`redis@sha256:...`), and which stay when the tag moves on.

A `Holding` is an image of the classic image store, where its ID is the digest of the config. In
containerd's (new installs from Docker 29) the ID is the digest of what a name points at in the
registry, the index if there is one, and the size is that of the content, compressed, with that of
the files, unpacked.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imgkit import units
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, NotFound
from imgkit.image import Image
from imgkit.reference import Reference
from imgkit.store import Record, Store

UNKNOWN: Final = "0001-01-01T00:00:00Z"
"""When an image was made that does not say it."""


@dataclass(frozen=True, slots=True)
class Holding:
    """One image with all its names, in their order; `image` is None if it cannot be read."""

    id: Digest
    image: Image | None
    records: tuple[Record, ...]

    @property
    def names(self) -> list[Reference]:
        """All names, sorted as Docker sorts them."""
        return [Reference.parse(name) for name in sorted(r.name for r in self.records if r.name)]

    @property
    def tags(self) -> list[Reference]:
        """The names that are tags."""
        return [name for name in self.names if not name.digest]

    @property
    def digests(self) -> list[Reference]:
        """The names that are digests."""
        return [name for name in self.names if name.digest]

    @property
    def created(self) -> str:
        """When it was made (RFC 3339)."""
        return (self.image and self.image.config.created) or UNKNOWN


def holdings(store: Store) -> list[Holding]:
    """Every image, in the order in which the first name of each came."""
    found: dict[Digest, list[Record]] = {}
    images: dict[Digest, Image] = {}
    for record in store.records():
        try:
            image = store.open_image(record)
            identity, images[image.id] = image.id, image
            assert image.config
        except ImgkitError:
            identity = record.descriptor.digest
            images.pop(identity, None)
        found.setdefault(identity, []).append(record)
    return [Holding(one, images.get(one), tuple(records)) for one, records in found.items()]


def find(store: Store, text: str) -> tuple[Holding, Reference | None]:
    """The image of that name, ID or beginning of an ID; and the name, if it was named by one.

    Raises `NotFound` where there is none, or more than one.
    """
    every = holdings(store)
    wanted = text.removeprefix("sha256:")
    if len(wanted) == 64:
        for holding in every:
            if holding.id.hex == wanted:
                return holding, None
    try:
        name = Reference.parse(text).with_default_tag()
        for holding in every:
            if any(record.name == name.canonical for record in holding.records):
                return holding, name
    except ImgkitError:
        name = None
    matches = [holding for holding in every if wanted and holding.id.hex.startswith(wanted)]
    if len(matches) == 1:
        return matches[0], None
    raise NotFound(
        f"No such image: {name.familiar if name else text}",
        name=text,
        available=[holding.id for holding in matches],
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of a list, in either view. `size` and `content` (compressed only) are in bytes."""

    id: Digest
    tags: Sequence[Reference]
    digests: Sequence[Reference]
    created: str
    size: int | None
    content: int = 0
    used: bool = False

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return units.moment(self.created)


def classic(store: Store) -> list[Entry]:
    """Every image of the classic view; the size is None where a layer cannot be read."""
    return [
        Entry(one.id, one.tags, one.digests, one.created, _size(store, one.image))
        for one in holdings(store)
    ]


def containerd(store: Store, in_use: Collection[str]) -> list[Entry]:
    """Every ID of containerd's view; `in_use` are the manifests of containers, by digest."""
    grouped: dict[Digest, list[tuple[Holding, Record]]] = {}
    for holding in holdings(store):
        for record in holding.records:
            target = record.index or record.descriptor.digest
            grouped.setdefault(target, []).append((holding, record))
    return [_target(store, digest, found, in_use) for digest, found in grouped.items()]


def _target(
    store: Store, digest: Digest, found: Sequence[tuple[Holding, Record]], in_use: Collection[str]
) -> Entry:
    """What has this digest in the registry, with a digest for each repository of its names."""
    holding = found[0][0]
    names = [Reference.parse(name) for name in sorted(row.name for _, row in found if row.name)]
    digests = {Reference(name.domain, name.path).with_digest(digest) for name in names}
    packed = content(store, digest, holding.image)
    return Entry(
        digest,
        [name for name in names if not name.digest],
        sorted(digests, key=str),
        holding.created,
        _size(store, holding.image, packed),
        packed,
        any(str(row.descriptor.digest) in in_use for _, row in found),
    )


def content(store: Store, target: Digest, image: Image | None) -> int:
    """Bytes on disk of everything that a name leads to: documents, config, layers, compressed."""
    blobs = {target}
    if image:
        blobs |= {image.digest, *(child.digest for child in image.manifest.children)}
    return sum(store.size_of(blob) or 0 for blob in blobs)


def _size(store: Store, image: Image | None, more: int = 0) -> int | None:
    """Bytes of all its files, and more; None if a layer cannot be read."""
    try:
        return more + store.unpacked_size(image) if image else None
    except ImgkitError:
        return None

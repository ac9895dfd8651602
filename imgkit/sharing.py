"""Which layers the images of a local repository share, and what a removal would leave of them.

Two things are kept once. A blob, packed, has a digest: any two images that list it share it. A
layer's files, unpacked, lie in a directory that stands on those below it, and is named by the
ChainID (image-spec, config.md): images share it only while everything below is the same too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from imgkit.container.containers import Containers
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.inventory import holdings
from imgkit.manifest import Descriptor
from imgkit.removal import Removal, Removed
from imgkit.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """One layer as one image has it: its blob, its directory, and the bytes of the files in it."""

    blob: Descriptor
    chain: Digest
    unpacked: int


@dataclass(frozen=True, slots=True)
class Holder:
    """What needs layers: an image with its names and containers.

    An image that is gone, though containers still stand on its layers, has no ID.
    """

    id: Digest | None
    names: tuple[str, ...]
    containers: tuple[str, ...]
    parts: tuple[Part, ...]

    @property
    def label(self) -> str:
        """What to call it: its first name, or its short ID, or its containers."""
        if self.names:
            return self.names[0]
        return self.id.short if self.id else f"container {', '.join(self.containers)}"


@dataclass(frozen=True, slots=True)
class Shared:
    """One layer of the local repository. `unpacked` are the bytes in all its directories."""

    blob: Descriptor
    unpacked: int
    directories: int
    holders: tuple[str, ...]

    @property
    def saved(self) -> int:
        """Compressed bytes that it would need more, with a copy for each."""
        return self.blob.size * (len(self.holders) - 1)


@dataclass(frozen=True, slots=True)
class Sharing:
    """Everything that needs layers, as it is now. `disk` are the bytes of all blobs."""

    holders: tuple[Holder, ...]
    disk: int

    @classmethod
    def of(cls, store: Store) -> Self:
        """The local repository as it is now."""
        return cls(tuple(_holders(store)), sum(_sizes(store)))

    @property
    def layers(self) -> list[Shared]:
        """Every layer once, in the order of the images, base first."""
        parts: dict[Digest, list[tuple[str, Part]]] = {}
        for holder in self.holders:
            for part in holder.parts:
                parts.setdefault(part.blob.digest, []).append((holder.label, part))
        return [_shared(found) for found in parts.values()]

    @property
    def packed(self) -> int:
        """Compressed bytes of all layers, each kept once."""
        return sum(layer.blob.size for layer in self.layers)

    @property
    def unpacked(self) -> int:
        """Bytes of the files of all layers, each directory kept once."""
        return sum(layer.unpacked for layer in self.layers)

    @property
    def apart(self) -> tuple[int, int]:
        """Bytes packed and unpacked that it would be, with a copy for each image."""
        parts = [part for holder in self.holders for part in holder.parts]
        return sum(part.blob.size for part in parts), sum(part.unpacked for part in parts)

    @property
    def names(self) -> list[str]:
        """What can be removed: every tag, and the short ID of an image that has none."""
        images = [holder for holder in self.holders if holder.id]
        return [name for holder in images for name in holder.names or (holder.label,)]

    def __repr__(self) -> str:
        lines = [f"layers: {len(self.layers)}, images: {len(self.holders)}"]
        for layer in self.layers:
            sizes = f"{layer.blob.size:>8} packed {layer.unpacked:>8} unpacked"
            lines.append(f"{layer.blob.digest.short} {sizes}  {', '.join(layer.holders)}")
        packed, unpacked = self.apart
        lines.append(f"together     {self.packed:>8} packed {self.unpacked:>8} unpacked")
        lines.append(f"with copies  {packed:>8} packed {unpacked:>8} unpacked")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one word of `rmi`: what went, or why nothing did."""

    asked: str
    gone: tuple[Removed, ...] = ()
    refused: str = ""

    def __str__(self) -> str:
        return self.refused or "\n".join(map(str, self.gone))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a removal does, or did: each step, and the local repository before and after."""

    steps: tuple[Step, ...]
    before: Sharing
    after: Sharing

    @property
    def gone(self) -> set[Digest]:
        """The layers, by the digest of the blob, that go."""
        left = {layer.blob.digest for layer in self.after.layers}
        return {layer.blob.digest for layer in self.before.layers} - left

    @property
    def untagged(self) -> list[str]:
        """The names that go."""
        return [name for name in self.before.names if name not in self.after.names]

    @property
    def freed(self) -> tuple[int, int]:
        """Bytes that become free: of blobs (documents too), and of files, unpacked."""
        disk = self.before.disk - self.after.disk
        return disk, self.before.unpacked - self.after.unpacked

    def kept_by(self, blob: Digest) -> tuple[str, ...]:
        """What still needs a layer afterwards."""
        return next((one.holders for one in self.after.layers if one.blob.digest == blob), ())

    def __repr__(self) -> str:
        disk, unpacked = self.freed
        lines = [f"{step.asked}\n{step}" for step in self.steps]
        lines.append(f"{len(self.gone)} layers go; {disk} bytes of blobs, {unpacked} of files")
        return "\n".join(lines)


def remove(store: Store, words: Sequence[str], *, force: bool = False) -> Outcome:
    """Afterwards the images of these names or IDs are gone, but for those that are refused."""
    before = Sharing.of(store)
    steps = tuple(_removed(store, word, force) for word in words)
    return Outcome(steps, before, Sharing.of(store))


def rehearse(store: Store, words: Sequence[str], *, force: bool = False) -> Outcome:
    """What `remove` would do. It is really done, on a copy that shares the files' bytes."""
    with _copied(store) as copy:
        return remove(copy, words, force=force)


def _removed(store: Store, word: str, force: bool) -> Step:
    try:
        return Step(word, tuple(Removal(store, Containers(store)).remove(word, force=force)))
    except ImgkitError as error:
        return Step(word, refused=str(error))


@contextlib.contextmanager
def _copied(store: Store) -> Iterator[Store]:
    """The same repository in another place, for a while: hard links, where there are such."""
    with tempfile.TemporaryDirectory(dir=store.home.parent, prefix="imgkit-copy-") as folder:
        home = Path(folder, "copy")
        aside = shutil.ignore_patterns("ingest", "*.lock")
        shutil.copytree(store.home, home, ignore=aside, copy_function=_linked)
        yield Store(home)


def _linked(source: str, target: str) -> None:
    """A file that somebody removes meanwhile is left out."""
    try:
        os.link(source, target)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source, target)


def _sizes(store: Store) -> Iterator[int]:
    """Of every blob, but for one that somebody removes meanwhile."""
    for path in (store.home / "blobs").glob("*/*"):
        with contextlib.suppress(FileNotFoundError):
            yield path.stat().st_size


def _holders(store: Store) -> Iterator[Holder]:
    containers = Containers(store)
    seen: set[str] = set()
    for holding in holdings(store):
        using = containers.using(holding.id)[::-1]
        seen |= {record.id for record in using}
        names = tuple(name.familiar for name in holding.tags)
        parts = _parts(store, holding.image) if holding.image else ()
        yield Holder(holding.id, names, tuple(record.name for record in using), parts)
    for record in containers.records()[::-1]:
        if record.id not in seen:
            image = Image(store, Descriptor.from_json(record.manifest))
            yield Holder(None, (), (record.name,), _parts(store, image))


def _parts(store: Store, image: Image) -> tuple[Part, ...]:
    """The layers of an image; none if one of them cannot be read."""
    try:
        return tuple(
            Part(blob, chain, store.layer_size(layer))
            for blob, chain, layer in zip(
                image.manifest.layers, image.config.chain_ids, image.layers, strict=True
            )
        )
    except (ImgkitError, ValueError):
        return ()


def _shared(found: Sequence[tuple[str, Part]]) -> Shared:
    directories = {part.chain: part.unpacked for _, part in found}
    holders = tuple(label for label, _ in found)
    return Shared(found[0][1].blob, sum(directories.values()), len(directories), holders)

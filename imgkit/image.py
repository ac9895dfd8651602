"""An image over any place that has one, and the one verb that moves it between two places.

`copy(registry, store, name)` is a pull, and `copy(store, registry, name)` is a push.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from imgkit import document
from imgkit.config import Config
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import (
    ImgkitError,
    InvalidManifest,
    NoMatchingPlatform,
    UnsupportedMediaType,
)
from imgkit.limits import current
from imgkit.manifest import (
    CONFIG_TYPES,
    LAYER_TYPES,
    Descriptor,
    Index,
    Manifest,
)
from imgkit.place import Gone, Source, Target, read_config, read_document, way
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.transfer import (
    COMPLETE,
    DOWNLOADING,
    EXISTS,
    JOBS,
    WAITING,
    Listener,
    Progress,
    Transfer,
)

if TYPE_CHECKING:  # a pull opens no layer, and would start later with what reads them
    from imgkit.layer import Layer
    from imgkit.overlay import Overlay

RACES: Final = 10
"""How often a copy is completed whose blobs somebody else removes meanwhile."""

__all__ = [
    "COMPLETE",
    "DOWNLOADING",
    "EXISTS",
    "JOBS",
    "WAITING",
    "Copied",
    "Image",
    "Listener",
    "Progress",
    "Source",
    "Target",
    "copy",
    "read_config",
    "read_document",
    "verify",
]


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did: the manifest it chose, the index it came from, and what had to travel."""

    manifest: Descriptor
    index: Descriptor | None
    fetched: tuple[Descriptor, ...]
    existing: tuple[Descriptor, ...]

    @property
    def target(self) -> Descriptor:
        """What the name points at in the registry: the index if there is one."""
        return self.index or self.manifest

    @property
    def bytes_fetched(self) -> int:
        """Compressed bytes of the blobs that were not there yet."""
        return sum(descriptor.size for descriptor in self.fetched)


class Image:
    """One image for one platform, read from its source when first asked."""

    def __init__(
        self,
        source: Source,
        descriptor: Descriptor,
        name: Reference | None = None,
        index: Descriptor | None = None,
        between: tuple[Descriptor, ...] = (),
    ) -> None:
        self.source = source
        self.descriptor = descriptor
        self.name = name
        self.index = index
        self.between = between
        """Indexes that lead from `index` to the manifest, where one lists another."""
        self.limits = current()
        """What its layers may not pass; others can be set before the layers are asked for."""

    @classmethod
    def of(cls, source: Source, name: Reference, platform: Platform | None = None) -> Image:
        """The image of that name for that platform (default: this machine's)."""
        target = source.resolve(name)
        found = read_document(source, target)
        if isinstance(found, Manifest):
            return cls(source, target, name)
        wanted = platform or Platform.here()
        path = way(source, target, lambda index: _choice(index, wanted))
        if path is None:
            inner = found.choose(wanted)  # or the error that says what there is instead
            raise NoMatchingPlatform(
                f"there is no image for {wanted} under this name: the index {inner.digest}, which "
                "should hold it, does not.",
                name=None,
                platform=wanted,
                available=(),
            )
        return cls(source, path[-1], name, target, path[:-1])

    def __repr__(self) -> str:
        name = f"{self.name.familiar} " if self.name else ""
        return f"<Image {name}{self.descriptor.digest.short}: {len(self.manifest.layers)} layers>"

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Every platform that its name stands for: those of the index, or its own alone."""
        if self.index is None:
            return (self.config.platform,)
        found = read_document(self.source, self.index)
        assert isinstance(found, Index)
        entries = [entry for entry in found.manifests if not entry.is_attestation]
        return tuple(entry.platform for entry in entries if entry.platform)

    @cached_property
    def manifest(self) -> Manifest:
        found = read_document(self.source, self.descriptor)
        if isinstance(found, Index):
            raise InvalidManifest("an index stands where one image is needed", reason="index")
        return found

    @cached_property
    def config(self) -> Config:
        return read_config(self.source, self.manifest)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, base first, each checked against its DiffID when it is read."""
        from imgkit.layer import Layer  # noqa: PLC0415  see above

        pairs = zip(self.manifest.layers, self.config.diff_ids, strict=True)
        return tuple(
            Layer(self._opener(layer), layer, diff_id, limits=self.limits)
            for layer, diff_id in pairs
        )

    @cached_property
    def overlay(self) -> Overlay:
        """All layers as one filesystem."""
        from imgkit.overlay import Overlay  # noqa: PLC0415  see above

        return Overlay(self.layers)

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return self.descriptor.digest

    @property
    def id(self) -> Digest:
        """The digest of the config: the IMAGE ID of Docker's classic image store."""
        return self.manifest.config.digest

    @property
    def packed_size(self) -> int:
        """Bytes of all layers as they travel: compressed."""
        return sum(layer.size for layer in self.manifest.layers)

    @property
    def unpacked_size(self) -> int:
        """Bytes of all files in all layers: SIZE in Docker's classic image store."""
        return sum(layer.unpacked_size for layer in self.layers)

    def _opener(self, layer: Descriptor) -> Callable[[], VerifyingReader]:
        return lambda: self.source.open(layer)


def copy(
    source: Source,
    target: Target,
    name: Reference,
    *,
    platform: Platform | None = None,
    jobs: int = JOBS,
    on_progress: Listener | None = None,
) -> Copied:
    """Afterwards `target` has the image of that name, whole, under that name.

    Children come before parents and the name comes last, so that whatever is found under a name
    is complete. Blobs that `target` has are not read. `on_progress` is called from several
    threads, but never by two at a time. Raises what the source or target raises;
    blobs that arrived whole before that are kept for the next try.
    """
    report = _in_turn(on_progress)
    image = Image.of(source, name, platform)
    _refuse_artifacts(image.manifest)
    blobs = list({blob.digest: blob for blob in image.manifest.children}.values())
    fetched: dict[Digest, Descriptor] = {}
    for again in range(RACES):
        fetched |= {d.digest: d for d in _copy_blobs(image, blobs, target, jobs, report)}
        _copy_documents(image, target, name)
        try:
            target.name(name, image.descriptor, image.index)
            break
        except Gone:  # somebody removed beside us what was there already
            if again == RACES - 1:
                raise
    existing = tuple(blob for blob in blobs if blob.digest not in fetched)
    return Copied(image.descriptor, image.index, tuple(fetched.values()), existing)


def _copy_blobs(
    image: Image, blobs: Sequence[Descriptor], target: Target, jobs: int, report: Listener
) -> list[Descriptor]:
    """Afterwards `target` has config and layers; returns those that it did not have."""
    missing = [blob for blob in blobs if not target.has(blob)]
    for blob in blobs:
        there = blob not in missing
        report(Progress(EXISTS if there else WAITING, blob, blob.size if there else 0))
    if image.manifest.config in missing:
        config = image.config  # read before the layers: what is wrong with it comes out here
        target.put(image.manifest.config, io.BytesIO(config.raw))
        report(Progress(COMPLETE, image.manifest.config, len(config.raw)))
    layers = [blob for blob in missing if blob != image.manifest.config]
    Transfer(image.source, target, report).run(layers, jobs)
    return missing


def _copy_documents(image: Image, target: Target, name: Reference) -> None:
    """Afterwards `target` has the manifest, and the indexes that led to it."""
    target.put(image.descriptor, io.BytesIO(image.manifest.raw), None if image.index else name)
    for index in reversed((image.index, *image.between) if image.index else ()):
        with image.source.open(index) as stream:
            target.put(index, stream, name if index is image.index else None)


def _in_turn(on_progress: Listener | None) -> Listener:
    """Tells of progress in one thread at a time."""
    turn = threading.Lock()

    def report(progress: Progress) -> None:
        if on_progress is not None:
            with turn:
                on_progress(progress)

    return report


def verify(image: Image) -> list[str]:
    """Every broken invariant of an image, in words; an empty list for a sound one.

    Reads everything: digest and size of each blob, the DiffID of each layer, each entry of each
    tar, and whether manifest, config and index tell the same story.
    """
    broken: list[str] = []

    def check(step: Callable[[], object]) -> bool:
        try:
            step()
        except ImgkitError as error:
            broken.append(str(error))
            return False
        return True

    if not check(lambda: image.manifest) or not check(lambda: image.config):
        return broken
    check(lambda: _refuse_artifacts(image.manifest))
    if image.index:
        check(lambda: _refuse_strangers(image))
    sound = [check(lambda layer=layer: layer.entries) for layer in image.layers]  # type: ignore[misc]
    if all(sound):
        check(lambda: image.overlay.paths)
    return broken


def _refuse_artifacts(manifest: Manifest) -> None:
    """Raise `UnsupportedMediaType` for what is stored like an image but is none."""
    wrong = [d for d in manifest.layers if d.media_type not in LAYER_TYPES]
    if manifest.config.media_type not in CONFIG_TYPES:
        wrong.insert(0, manifest.config)
    if wrong:
        raise UnsupportedMediaType(
            f"this is not an image that can be unpacked: it holds {wrong[0].media_type!r} "
            "(registries also keep charts, signatures and attestations in the same way)",
            media_type=wrong[0].media_type,
        )


def _refuse_strangers(image: Image) -> None:
    """Raise `InvalidManifest` unless the index that an image came from lists its manifest."""
    assert image.index is not None

    def listed(index: Index) -> Descriptor | None:
        return next((d for d in index.manifests if d.digest == image.digest), None)

    if way(image.source, image.index, listed) is None:
        raise document.refused(
            f"the index {image.index.digest} does not list the manifest {image.digest}"
        )


def _choice(index: Index, platform: Platform) -> Descriptor | None:
    try:
        return index.choose(platform)
    except NoMatchingPlatform:
        return None

"""Which of the images under one name a machine gets, and why that one.

An index lists a manifest for each platform (image-index.md). The client knows which processors it
can run, best first, and takes the first of them that the index has. Nobody asks the registry to
choose: it sends the same index to everyone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from imgkit.digest import Digest
from imgkit.errors import ImgkitError, NoMatchingPlatform
from imgkit.image import Image, read_document
from imgkit.manifest import Descriptor, Index, Manifest
from imgkit.place import Source
from imgkit.platforms import Platform
from imgkit.reference import Reference

CHOSEN: Final = "chosen"
RUNS: Final = "would run too"
FOREIGN: Final = "does not run"
NO_IMAGE: Final = "no image"

_ABOUT: Final = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry of an index, and what comes of it on one machine."""

    descriptor: Descriptor
    state: str
    why: str
    layers: tuple[Descriptor, ...]

    @property
    def platform(self) -> str:
        """As it is written with `--platform`; `unknown/unknown` of an attestation."""
        found = self.descriptor.platform
        return harmless(found.full) if found else "(none is named)"

    @property
    def size(self) -> int:
        """Bytes of its layers, compressed."""
        return sum(layer.size for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Share:
    """One layer that would be pulled, and the other platforms of the index that have it too."""

    descriptor: Descriptor
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What one platform gets under one name. Nothing but documents was read for it."""

    name: Reference
    wanted: Platform
    index: Descriptor | None
    candidates: tuple[Candidate, ...]
    image: Image | None
    problem: str = ""

    @classmethod
    def of(cls, source: Source, name: Reference, wanted: Platform) -> Self:
        """The choice that a client on that platform makes; raises `NotFound` for the name."""
        try:
            image = Image.of(source, name, wanted)
        except NoMatchingPlatform as error:
            target = source.resolve(name)
            return cls(
                name, wanted, target, _judged(source, target, wanted), None, harmless(str(error))
            )
        index = image.index
        found = _judged(source, index, wanted, image.digest) if index else ()
        return cls(name, wanted, index, found, image)

    @property
    def looked_for(self) -> list[str]:
        """The processors that run on this platform, best first."""
        return ["/".join(filter(None, pair)) for pair in self.wanted.candidates()]

    @property
    def shares(self) -> list[Share]:
        """The layers that would be pulled, base first."""
        if self.image is None:
            return []
        rest = [c for c in self.candidates if c.descriptor.digest != self.image.digest]
        return [
            Share(layer, tuple(c.platform for c in rest if layer.digest in _digests(c.layers)))
            for layer in self.image.manifest.layers
        ]

    @property
    def size(self) -> int:
        """Bytes that travel to where nothing is yet: documents and layers, compressed."""
        if self.image is None:
            return 0
        parts = [self.index, self.image.descriptor, self.image.manifest.config]
        return sum(part.size for part in parts if part) + self.image.packed_size

    @property
    def said(self) -> str:
        """The choice in a sentence or two."""
        if self.image is None:
            return self.problem
        if self.index is None:
            made = harmless(self.image.config.platform.full)
            return f"There is nothing to choose: the name has one image, for {made}."
        chosen = next(c for c in self.candidates if c.state == CHOSEN)
        order = ", ".join(self.looked_for)
        return (
            f"{self.wanted.full} takes the image for {chosen.platform}. "
            f"Looked for on {self.wanted.os}, best first: {order}."
        )

    def __repr__(self) -> str:
        lines = [f"{self.name.familiar} on {self.wanted.full}", self.said]
        for c in self.candidates:
            size = f"{c.size:>8} bytes" if c.layers else " " * 14
            lines.append(f"  {c.platform:32} {c.descriptor.digest.short} {size}  {c.why}")
        for number, share in enumerate(self.shares, 1):
            others = f", also for {', '.join(share.others)}" if share.others else ""
            layer = share.descriptor
            lines.append(f"layer {number}: {layer.digest.short} {layer.size} bytes{others}")
        return "\n".join(lines)


def harmless(text: str) -> str:
    """Text from outside with everything written out that is not a letter, digit or sign."""
    return text.encode("unicode_escape").decode("ascii")


def _judged(
    source: Source, top: Descriptor, wanted: Platform, chosen: Digest | None = None
) -> tuple[Candidate, ...]:
    index = read_document(source, top)
    assert isinstance(index, Index)
    return tuple(
        Candidate(entry, state, harmless(why), tuple(_layers(source, entry)))
        for entry in index.manifests
        for state, why in [_verdict(entry, wanted, chosen)]
    )


def _verdict(entry: Descriptor, wanted: Platform, chosen: Digest | None) -> tuple[str, str]:
    """What comes of one entry, and why."""
    found = entry.platform
    if entry.is_attestation:
        about = entry.annotations.get(_ABOUT, "").partition(":")[2][:12]
        return NO_IMAGE, f"an attestation about {about or 'an image'}: never chosen"
    if found is None:
        return NO_IMAGE, "no platform is named: never chosen"
    if entry.digest == chosen:
        return CHOSEN, "chosen"
    if found.os != wanted.os:
        return FOREIGN, f"another system: {found.os}"
    if wanted.runs(found):
        return RUNS, "would run here too, but another suits better"
    if wanted.admits(found):
        return FOREIGN, f"another processor: {str(found).removeprefix(f'{found.os}/')}"
    if found.os_features and not set(found.os_features) <= set(wanted.os_features):
        return FOREIGN, f"wants {', '.join(found.os_features)}"
    return FOREIGN, f"made for Windows {found.os_version}, this host is {wanted.os_version}"


def _layers(source: Source, entry: Descriptor) -> Iterator[Descriptor]:
    """The layers of an entry; none where it is no image, or is not there."""
    if entry.is_attestation or entry.platform is None:
        return
    try:
        found = read_document(source, entry)
    except ImgkitError:
        return
    if isinstance(found, Manifest):
        yield from found.layers


def _digests(descriptors: Sequence[Descriptor]) -> set[Digest]:
    return {descriptor.digest for descriptor in descriptors}

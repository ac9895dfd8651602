"""Images in a tar, as `docker save`, `podman save` and `skopeo copy` write them, and `docker load`
reads them.

    oci-layout                  it is an OCI image layout (image-spec, image-layout.md)
    index.json                  its images, each with the descriptor of a manifest
    blobs/sha256/2cf24d...      every manifest, config and layer, under its digest
    manifest.json               the same images for engines that know no OCI layout: of each, where
                                its config and its layers are in the tar, and what it is called

Docker before version 25 wrote `manifest.json` only, and layers as `ID/layer.tar`, uncompressed.
Where both are, the OCI layout counts, as in new engines; where neither is, the tar is taken for
the root filesystem of an image with one layer, if the caller wants that.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Final, Self

from imgkit import document
from imgkit.archive.members import Members
from imgkit.archive.plain import Plain
from imgkit.archive.saving import CONTAINERD_NAME, blob_path, save
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import InvalidManifest, InvalidReference, NotFound, StoreError
from imgkit.image import Image, copy, read_document
from imgkit.limits import Limits
from imgkit.manifest import INDEX_TYPES, OCI_INDEX, Descriptor, Index, parse
from imgkit.overlay import Overlay
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import CHOSEN_FROM, REF_NAME, Store

__all__ = ["Archive", "Stored", "load", "save"]

IMAGES: Final = 1000
"""Images that one archive may hold."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One image of an archive: its manifest or index, and what it is called there."""

    descriptor: Descriptor
    names: tuple[Reference, ...]


class Archive:
    """A tar of images, as a `Source` of them; compressed or not, from a file or a pipe.

    With `rootfs`, a tar that holds no images is one itself: its files are the only layer.
    Raises `InvalidArchive` for what lies, lacks something or breaks a rule; `StoreError` for a
    file that cannot be read. Nothing of it is kept anywhere until it is copied.
    """

    def __init__(
        self, stream: BinaryIO, place: str, *, rootfs: bool = False, limits: Limits | None = None
    ) -> None:
        self.place = place
        self.members = Members(stream, place, limits)
        self._plain = Plain(self.members)
        self._rootfs = rootfs
        self._files = contextlib.ExitStack()

    @classmethod
    def of(cls, path: Path, *, rootfs: bool = False) -> Self:
        """The archive in that file, which is closed with it."""
        try:
            file = path.open("rb")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StoreError(f"open {path}: {reason}", path=path) from error
        with contextlib.ExitStack() as stack:
            stack.enter_context(file)
            archive = cls(file, str(path), rootfs=rootfs)
            archive._files = stack.pop_all()
        return archive

    def __repr__(self) -> str:
        return f"<Archive of {len(self.images)} images in {self.place}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.members.close()
        self._files.close()

    @cached_property
    def images(self) -> tuple[Stored, ...]:
        """The images in it, in its order."""
        try:
            found = self._find()
        except InvalidManifest as error:
            self.members.refuse(error.facts.get("reason") or str(error))
        if not found or len(found) > IMAGES:
            self.members.refuse(f"it holds {len(found)} images; 1 to {IMAGES} are read")
        return tuple(found)

    def _find(self) -> list[Stored]:
        if "oci-layout" in self.members and "index.json" in self.members:
            return self._of_layout()
        if "manifest.json" in self.members:
            return [Stored(*image) for image in self._plain.images()]
        if self._rootfs:
            return [Stored(self._plain.rootfs(), ())]
        self.members.refuse(
            "it has neither an index.json with an oci-layout nor a manifest.json. A tar of files "
            "alone is no image"
        )

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest or index of that name; raises `NotFound`."""
        wanted = reference.with_default_tag()
        for stored in self.images:
            if wanted in stored.names or wanted.digest == stored.descriptor.digest:
                return stored.descriptor
        names = ", ".join(name.familiar for stored in self.images for name in stored.names)
        raise NotFound(
            f"{reference.familiar} is not in {self.place}, which has: {names or 'no names'}",
            name=str(reference),
        )

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The bytes of this descriptor, checked against it while they are read."""
        path = blob_path(descriptor.digest)
        stream = self._plain.open(descriptor.digest) or self.members.open(path)
        advice = "The archive is damaged, or it lies; nothing of it was kept."
        return VerifyingReader(stream, descriptor.digest, descriptor.size, self.place, advice)

    def image(self, stored: Stored, platform: Platform | None = None) -> Image:
        """That image; where it is an index, the one for that platform, or the only one there is."""
        image = Image.of(self, _pinned(stored), self._platform(stored, platform))
        image.name = stored.names[0] if stored.names else None
        return image

    def load(self, stored: Stored, store: Store, platform: Platform | None = None) -> None:
        """Afterwards the store has that image, under all names that it has here."""
        target = _Shelf(store, stored.names)
        copy(self, target, _pinned(stored), platform=self._platform(stored, platform))

    def _platform(self, stored: Stored, platform: Platform | None) -> Platform | None:
        """The only platform of an index that is in the archive; else the one wanted."""
        if stored.descriptor.media_type not in INDEX_TYPES:
            return None
        index = read_document(self, stored.descriptor)
        assert isinstance(index, Index)
        there = [
            entry.platform
            for entry in index.manifests
            if not entry.is_attestation and blob_path(entry.digest) in self.members
        ]
        return there[0] if len(there) == 1 else platform

    # -- an OCI layout ----------------------------------------------------------------------

    def _of_layout(self) -> list[Stored]:
        layout = document.load(self.members.read("oci-layout"), "oci-layout")
        if layout.get("imageLayoutVersion") != "1.0.0":
            version = layout.get("imageLayoutVersion")
            self.members.refuse(f"its layout is of version {version!r}, not 1.0.0")
        index = parse(self.members.read("index.json"), OCI_INDEX)
        assert isinstance(index, Index)
        found: dict[Digest, Stored] = {}
        for entry in index.manifests:
            if not entry.is_attestation:
                bare = Descriptor(entry.media_type, entry.digest, entry.size)
                names = found[entry.digest].names if entry.digest in found else ()
                found[entry.digest] = Stored(bare, (*names, *_names(entry)))
        return list(found.values())


class _Shelf:
    """The local repository as a `Target` that gives an image all of its names, or none."""

    def __init__(self, store: Store, names: tuple[Reference, ...]) -> None:
        self.has = store.has
        self.put = store.put
        self._store = store
        self._names = names

    def name(self, reference: Reference, manifest: Descriptor, index: Descriptor | None) -> None:  # noqa: ARG002
        for name in self._names:
            self._store.name(name, manifest, index)
        if not self._names:
            notes = {CHOSEN_FROM: str(index.digest)} if index else {}
            self._store.keep(replace(manifest, annotations=notes))


def _pinned(stored: Stored) -> Reference:
    """A name for an image that may have none."""
    return Reference("archive", "image", None, stored.descriptor.digest)


def load(archive: Archive, store: Store, platform: Platform | None = None) -> list[Image]:
    """Afterwards the store has every image of the archive, under the names that it has there.

    All are checked before the first is copied: digests, DiffIDs, every entry of every layer, and
    that the layers make a tree. So of an archive that is refused nothing is kept. Docker refuses
    here, too, because it unpacks at once.
    """
    images = [archive.image(stored, platform) for stored in archive.images]
    for image in images:
        Overlay(image.layers)
    for stored in archive.images:
        archive.load(stored, store, platform)
    return images


def _names(entry: Descriptor) -> list[Reference]:
    """What an index calls an image; a tag without a repository is no name."""
    text = entry.annotations.get(CONTAINERD_NAME) or entry.annotations.get(REF_NAME, "")
    try:
        return [Reference.parse(text).with_default_tag()] if ":" in text or "/" in text else []
    except InvalidReference:
        return []

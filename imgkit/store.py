"""The local repository: a standard OCI image layout on disk (image-spec, image-layout.md).

    HOME/oci-layout                the version of the layout
    HOME/index.json                the names, each with the descriptor of a manifest
    HOME/blobs/sha256/2cf24d...    every manifest, config and layer, under its digest
    HOME/ingest/                   what is being written; moved to its name when it is whole
    HOME/damaged/sha256-2cf24d...  a blob whose bytes were found to be others; not there any more
    HOME/stored-sizes/             how large each layer is unpacked, once somebody has asked

`skopeo`, `umoci`, `crane` and `oras` open it as it is. Names are the matter of `imgkit.layout`.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from imgkit import document
from imgkit.digest import Digest, Readable, VerifyingReader, digest_of_stream
from imgkit.errors import ImgkitError, NotFound, VerificationError
from imgkit.image import Image
from imgkit.ingest import blob_path, disk
from imgkit.layout import CHOSEN_FROM, DAMAGED, REF_NAME, Layout, Record
from imgkit.limits import current
from imgkit.manifest import OCI_INDEX, Descriptor, Index, Manifest, parse
from imgkit.place import Gone
from imgkit.reference import Reference

if TYPE_CHECKING:  # a pull opens no layer
    from imgkit.layer import Layer

__all__ = ["CHOSEN_FROM", "DAMAGED", "REF_NAME", "Record", "Store"]


class Store(Layout):
    """Blobs by digest and names, in one directory. Opening a new or empty one makes it."""

    def __repr__(self) -> str:
        images = {record.descriptor.digest for record in self.records()}
        return f"<Store of {len(images)} images in {self.home}>"

    # -- names ------------------------------------------------------------------------------

    def name(self, reference: Reference, manifest: Descriptor, index: Descriptor | None) -> None:
        """As `Layout.name`; raises `Gone` where something of the image is not there (any more).

        Somebody else may have removed it since it was put; from now on the name holds it.
        """
        with self.locked():
            self._refuse_incomplete(reference.familiar, manifest, index)
            super().name(reference, manifest, index)

    def keep(self, manifest: Descriptor) -> None:
        """As `Layout.keep`; raises `Gone` as `name` does."""
        with self.locked():
            self._refuse_incomplete(f"the image {manifest.digest}", manifest, None)
            super().keep(manifest)

    def _refuse_incomplete(self, what: str, manifest: Descriptor, index: Descriptor | None) -> None:
        for blob in self._parts(manifest, index):
            if not self.has(blob):
                raise Gone(
                    f"{what} would be incomplete: {blob.digest} is missing from {self.home}. "
                    "Make or pull the image again.",
                    name=blob.digest,
                )

    def _parts(self, manifest: Descriptor, index: Descriptor | None) -> Iterator[Descriptor]:
        """What must be there under a name: documents, config and layers."""
        yield from (index, manifest) if index else (manifest,)
        with contextlib.suppress(VerificationError):
            found = self.document(manifest.digest)
            yield from found.children if isinstance(found, Manifest) else ()
        yield manifest  # once more: if it was damaged, it is aside now

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest (or, where no platform was chosen, index) of that name or digest."""
        record = self.find(reference)
        if record is not None:
            return record.descriptor
        if reference.digest and self.size_of(reference.digest) is not None:
            return self.document(reference.digest).descriptor
        raise NotFound(
            f"{reference.familiar} is not in the local repository. Pull it first, or list what "
            "is there (imgkit images).",
            name=str(reference),
        )

    def lookup(self, name: str) -> Descriptor | None:
        """What a registry would answer for a name in full: the index if there is one."""
        record = self._named(name)
        if record is None:
            return None
        return self.document(record.index).descriptor if record.index else record.descriptor

    def image(self, text: str) -> Image:
        """The image of that name, digest, ID or beginning of an ID; raises `NotFound`."""
        with contextlib.suppress(ImgkitError):
            record = self.find(Reference.parse(text).with_default_tag())
            if record:
                return self.open_image(record)
        matches = {r.descriptor.digest: r for r in self.records() if self._has_id(r, text)}
        if len(matches) == 1:
            return self.open_image(*matches.values())
        if matches:
            ids = ", ".join(digest.short for digest in matches)
            raise NotFound(
                f"{text!r} is the beginning of several IDs: {ids}. Give more digits.", name=text
            )
        reference = Reference.parse(text).with_default_tag()
        return Image(self, self.resolve(reference), reference)

    def open_image(self, record: Record) -> Image:
        """The image of one row."""
        name = Reference.parse(record.name) if record.name else None
        index = self.document(record.index).descriptor if record.index else None
        return Image(self, replace(record.descriptor, annotations={}), name, index)

    # -- blobs ------------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Where the bytes of that digest are, or would be."""
        return blob_path(self.home, digest)

    def size_of(self, digest: Digest) -> int | None:
        """Bytes on disk under that digest; None if there is no such blob."""
        path = self.path(digest)
        with disk(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found = path.lstat()
            return found.st_size if S_ISREG(found.st_mode) else None
        return None

    def has(self, descriptor: Descriptor) -> bool:
        """Whether there is a blob of that digest and size (a cut-off one does not count)."""
        return self.size_of(descriptor.digest) == descriptor.size

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The blob, checked while it is read; raises `NotFound`.

        A file that turns out to be damaged is put aside: from then on the blob is missing, and the
        next pull fetches it.
        """
        path, stream = self.path(descriptor.digest), None
        if self.size_of(descriptor.digest) is not None:
            # Somebody else may remove it at any moment.
            with disk(path), contextlib.suppress(FileNotFoundError):
                stream = path.open("rb", buffering=0)
        if stream is None:
            raise NotFound(
                f"the blob {descriptor.digest} is missing from {self.home}. Pull its image again.",
                name=descriptor.digest,
            )
        return VerifyingReader(
            stream,
            descriptor.digest,
            descriptor.size,
            "blob on disk",
            lambda: self._put_aside(descriptor.digest),
        )

    def _put_aside(self, digest: Digest) -> str:
        """Afterwards the file of that digest is sound, or aside; says which. Its size may be wrong.

        It is read once more: a lie about its size must not take a sound blob from other images.
        """
        path = self.path(digest)
        aside = self.home / DAMAGED / digest.replace(":", "-")
        with contextlib.suppress(OSError):
            with path.open("rb") as file:
                if digest_of_stream(file, digest.algorithm) == digest:
                    return f"The file {path} is sound: what was said of it is false."
            if not self.read_only:
                aside.parent.mkdir(exist_ok=True)
                os.replace(path, aside)
                return f"The file {path} is damaged, and lies in {aside} now. Pull the image again."
        return f"The file {path} is damaged: delete it, then pull the image again."

    def unpacked_size(self, image: Image) -> int:
        """Bytes that Docker counts for all layers; each is read once, then remembered."""
        sizes = [self._remembered_size(layer.digest) for layer in image.manifest.layers]
        known = [size for size in sizes if size is not None]
        # Only what is not known needs the code that reads layers, which takes long to import.
        return sum(known) if known == sizes else sum(map(self.layer_size, image.layers))

    def layer_size(self, layer: Layer) -> int:
        """Bytes that Docker counts for one layer."""
        size = self._remembered_size(layer.digest)
        if size is None:
            size = layer.stored_size
            if not self.read_only:
                self.write(self._size_path(layer.digest), document.seal({"size": size}))
        return size

    def _remembered_size(self, layer: Digest) -> int | None:
        with contextlib.suppress(OSError, ImgkitError):
            return int(document.unseal(self._size_path(layer).read_bytes(), "size")["size"])
        return None

    def _size_path(self, layer: Digest) -> Path:
        return self.home / "stored-sizes" / layer.hex

    def document(self, digest: Digest) -> Manifest | Index:
        """The manifest or index of that digest, whatever its size; raises `NotFound`."""
        size = self.size_of(digest) or 0
        if size > current().document:
            raise document.refused(f"{digest} has {size} bytes, which no manifest has")
        with self.open(Descriptor(OCI_INDEX, digest, size)) as stream:
            return parse(stream.read())

    def put(
        self,
        descriptor: Descriptor,
        stream: Readable,
        name: Reference | None = None,  # noqa: ARG002  given by `name()`, when all is there
    ) -> None:
        """Afterwards the blob is there, whole and checked; or an error was raised and it is not.

        What had come of it when it was broken off is kept aside, and gone on with the next time.
        """
        if self.has(descriptor):
            return
        reader = VerifyingReader.of(stream, descriptor.digest, descriptor.size)
        with self.ingest(None, descriptor.digest) as blob:
            if blob.size and not (blob.size <= descriptor.size and reader.go_on(blob.begun())):
                blob.clear()
            for chunk in reader:
                blob.write(chunk)
            blob.commit(descriptor.digest)

    def put_bytes(self, data: bytes, media_type: str) -> Descriptor:
        """Afterwards there is a blob of these bytes, and this is its descriptor."""
        descriptor = Descriptor.of(data, media_type)
        self.put(descriptor, io.BytesIO(data))
        return descriptor

    def remove(self, digest: Digest) -> None:
        """Afterwards there is no blob of that digest."""
        self._refuse_read_only()
        with disk(self.path(digest)):
            self.path(digest).unlink(missing_ok=True)

    def _has_id(self, record: Record, text: str) -> bool:
        """Whether `text` is, or begins, the digest of the manifest, its index or its config."""
        wanted = text.removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{4,64}", wanted):
            return False
        ids = [record.descriptor.digest, record.index]
        with contextlib.suppress(ImgkitError):
            ids.append(Image(self, record.descriptor).id)
        return any(digest is not None and digest.hex.startswith(wanted) for digest in ids)

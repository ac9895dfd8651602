"""The local repository: a standard OCI image layout on disk (image-spec, image-layout.md).

    HOME/oci-layout                the version of the layout
    HOME/index.json                the names, each with the descriptor of a manifest
    HOME/blobs/sha256/2cf24d...    every manifest, config and layer, under its digest
    HOME/ingest/                   what is being written; moved to its name when it is whole
    HOME/sizes/                    how large each layer is unpacked, once somebody has asked

`skopeo`, `umoci`, `crane` and `oras` open it as it is. A name stands in the annotation
`org.opencontainers.image.ref.name`, in full: `docker.io/library/redis:latest`. When the name is of
an index in the registry, that index is kept too, and an annotation of ours remembers its digest.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final, Self

from filelock import FileLock

from imgkit import document, ingest
from imgkit.digest import Digest, Digester, Readable, VerifyingReader, digest_of_stream
from imgkit.errors import (
    DigestMismatch,
    ImgkitError,
    InvalidDigest,
    InvalidReference,
    NotFound,
    StoreError,
    VerificationError,
)
from imgkit.image import Image
from imgkit.layer import Layer
from imgkit.manifest import OCI_INDEX, Descriptor, Index, Manifest, parse
from imgkit.reference import Reference

REF_NAME: Final = "org.opencontainers.image.ref.name"
CHOSEN_FROM: Final = "dev.imgkit.index"
"""Annotation on a manifest's descriptor: the digest of the index that it was chosen from."""

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_EMPTY: Final = Index.make([]).raw


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the local repository: a name (or none: dangling) and what it points at."""

    name: str | None
    descriptor: Descriptor
    index: Digest | None = None


class Store:
    """Blobs by digest and names, in one directory. Opening a new or empty one makes it.

    Raises `StoreError` for a directory that holds something else, or cannot be used.
    """

    def __init__(self, home: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.home = Path(home)
        self.read_only = read_only
        with _disk(self.home):
            if not (self.home / "oci-layout").exists():
                self._create()
        self._index()
        if not read_only:
            self.sweep()

    def __repr__(self) -> str:
        images = {record.descriptor.digest for record in self.records()}
        return f"<Store of {len(images)} images in {self.home}>"

    # -- names ------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """Every row, in the order in which the names came."""
        return [_record(entry) for entry in self._index().manifests]

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

    def find(self, reference: Reference) -> Record | None:
        """The row of that name, if there is one."""
        return self._named(reference.canonical)

    def lookup(self, name: str) -> Descriptor | None:
        """What a registry would answer for a name in full: the index if there is one."""
        record = self._named(name)
        if record is None:
            return None
        return self.document(record.index).descriptor if record.index else record.descriptor

    def _named(self, name: str) -> Record | None:
        return next((record for record in self.records() if record.name == name), None)

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

    def name(self, reference: Reference, manifest: Descriptor, index: Descriptor | None) -> None:
        """Afterwards the name points here; an image that loses its last name stays, dangling.

        One that was dangling is not any more. Raises `InvalidReference` for `sha256`, the name.
        """
        _refuse_ambiguous(reference)
        name = reference.canonical
        notes = {REF_NAME: name} | ({CHOSEN_FROM: str(index.digest)} if index else {})
        with self._changing() as entries:
            old = [entry for entry in entries if entry.annotations.get(REF_NAME) == name]
            kept = [
                entry
                for entry in entries
                if entry not in old
                and (entry.digest != manifest.digest or REF_NAME in entry.annotations)
            ]
            entries[:] = [*kept, replace(manifest, annotations=notes)]
            known = {entry.digest for entry in entries}
            entries += [_nameless(entry) for entry in old if entry.digest not in known]

    def keep(self, manifest: Descriptor) -> None:
        """Afterwards the image has a row: one without a name, where it has none yet."""
        with self._changing() as entries:
            if manifest.digest not in {entry.digest for entry in entries}:
                entries.append(_nameless(manifest))

    def unname(self, reference: Reference) -> None:
        """Afterwards nothing has that name; the blobs stay. Raises `NotFound`."""
        with self._changing() as entries:
            kept = [e for e in entries if e.annotations.get(REF_NAME) != reference.canonical]
            if len(kept) == len(entries):
                raise NotFound(f"{reference.familiar} is not in {self.home}", name=str(reference))
            entries[:] = kept

    def keep_nameless(self, manifest: Descriptor) -> None:
        """Afterwards the image is there without a name, unless it has one: dangling."""
        with self._changing() as entries:
            if manifest.digest not in {entry.digest for entry in entries}:
                entries.append(replace(manifest, annotations={}))

    def forget(self, manifests: Collection[Digest]) -> None:
        """Afterwards no row is of these manifests; the blobs stay."""
        with self._changing() as entries:
            entries[:] = [entry for entry in entries if entry.digest not in manifests]

    # -- blobs ------------------------------------------------------------------------------

    def path(self, digest: Digest) -> Path:
        """Where the bytes of that digest are, or would be."""
        return self.home / "blobs" / digest.algorithm / digest.hex

    def size_of(self, digest: Digest) -> int | None:
        """Bytes on disk under that digest; None if there is no such blob."""
        path = self.path(digest)
        with _disk(path):
            return path.stat().st_size if path.is_file() and not path.is_symlink() else None

    def has(self, descriptor: Descriptor) -> bool:
        """Whether there is a blob of that digest and size (a cut-off one does not count)."""
        return self.size_of(descriptor.digest) == descriptor.size

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The blob, checked while it is read; raises `NotFound`."""
        path = self.path(descriptor.digest)
        if self.size_of(descriptor.digest) is None:
            raise NotFound(
                f"the blob {descriptor.digest} is missing from {self.home}. Pull its image again.",
                name=descriptor.digest,
            )
        with _disk(path):
            stream = path.open("rb", buffering=0)
        advice = f"The file in {self.home} is damaged: delete {path}, then pull the image again."
        return VerifyingReader(stream, descriptor.digest, descriptor.size, "blob on disk", advice)

    def unpacked_size(self, image: Image) -> int:
        """Bytes that Docker counts for all layers; each is read once, then remembered."""
        return sum(self.layer_size(layer) for layer in image.layers)

    def layer_size(self, layer: Layer) -> int:
        """Bytes that Docker counts for one layer."""
        path = self.home / "stored-sizes" / layer.digest.hex
        with contextlib.suppress(OSError, ValueError):
            return int(path.read_text("ascii"))
        size = layer.stored_size
        if not self.read_only:
            with Ingest(self, None) as file:
                file.write(str(size).encode())
                file.move(path)
        return size

    def document(self, digest: Digest) -> Manifest | Index:
        """The manifest or index of that digest, whatever its size; raises `NotFound`."""
        size = self.size_of(digest) or 0
        if size > document.LIMIT:
            raise document.refused(f"{digest} has {size} bytes, which no manifest has")
        with self.open(Descriptor(OCI_INDEX, digest, size)) as stream:
            return parse(stream.read())

    def put(self, descriptor: Descriptor, stream: Readable) -> None:
        """Afterwards the blob is there, whole and checked; or an error was raised and it is not.

        What had come of it when it was broken off is kept aside, and gone on with the next time.
        """
        if self.has(descriptor):
            return
        reader = VerifyingReader.of(stream, descriptor.digest, descriptor.size)
        with Ingest(self, None, descriptor.digest) as blob:
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
        with _disk(self.path(digest)):
            self.path(digest).unlink(missing_ok=True)

    def ingest(self, algorithm: str = "sha256") -> Ingest:
        """A blob on its way in, whose digest is known only at its end."""
        return Ingest(self, algorithm)

    def sweep(self, *, beginnings: bool = False) -> int:
        """Afterwards nothing lies in `ingest/` that a dead process left; returns the bytes freed.

        What is there of a blob that was broken off stays, without `beginnings`.
        """
        with contextlib.suppress(OSError):  # not ours to sweep
            return ingest.sweep(self.home / "ingest", beginnings=beginnings)
        return 0

    # -- the files of the layout ------------------------------------------------------------

    def _create(self) -> None:
        """Afterwards there is an empty layout; or the one that another process made meanwhile."""
        if self.read_only or not self._is_new():
            raise StoreError(
                f"{self.home} is no local repository: it has no oci-layout file, and it is not "
                "empty. Name another directory (--home, or IMGKIT_HOME).",
                path=self.home,
            )
        (self.home / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        with FileLock(self.home / "index.lock"):
            if not (self.home / "oci-layout").exists():
                self._write("index.json", _EMPTY)
                self._write("oci-layout", _LAYOUT)

    def _is_new(self) -> bool:
        """Whether nothing is there but what a creation makes, or one beside us has just made."""
        names = {path.name for path in self.home.iterdir()} if self.home.exists() else set()
        foreign = names - {"blobs", "index.lock", "ingest"}
        if foreign == {"index.json"} and (self.home / "index.json").read_bytes() == _EMPTY:
            return True
        return not foreign or (self.home / "oci-layout").exists()

    def _index(self) -> Index:
        path = self.home / "index.json"
        with _disk(path):
            layout, raw = (self.home / "oci-layout").read_bytes(), path.read_bytes()
        try:
            version = document.load(layout, "oci-layout").get("imageLayoutVersion")
            if version != "1.0.0":
                raise document.refused(f"its layout is of version {version!r}, not 1.0.0")
            index = parse(raw, OCI_INDEX)
        except ImgkitError as error:
            raise StoreError(
                f"{self.home} is no local repository that can be read: {error}", path=path
            ) from None
        assert isinstance(index, Index)
        return index

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Descriptor]]:
        """The rows, to be changed in place; written when the block ends well, one at a time."""
        self._refuse_read_only()
        with _disk(self.home / "index.lock"), FileLock(self.home / "index.lock"):
            index = self._index()
            entries = list(index.manifests)
            yield entries
            self._write("index.json", Index.make(entries, index.annotations).raw)

    def _write(self, name: str, data: bytes) -> None:
        with Ingest(self, None) as file:
            file.write(data)
            file.move(self.home / name)

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise StoreError(f"{self.home} can only be read", path=self.home)

    def _has_id(self, record: Record, text: str) -> bool:
        """Whether `text` is, or begins, the digest of the manifest, its index or its config."""
        wanted = text.removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{4,64}", wanted):
            return False
        ids = [record.descriptor.digest, record.index]
        with contextlib.suppress(ImgkitError):
            ids.append(Image(self, record.descriptor).id)
        return any(digest is not None and digest.hex.startswith(wanted) for digest in ids)


class Ingest:
    """A file on its way in: kept aside until it is whole, then moved to its true name.

    Leaving the `with` block without `commit` removes it; a crash leaves it in `ingest/`, where
    nobody takes it for a blob. One that is to be the blob `goal` begins with what is there of it
    (`size` bytes), and is kept when it is broken off, unless its bytes or the disk were bad.
    """

    def __init__(self, store: Store, algorithm: str | None, goal: Digest | None = None) -> None:
        store._refuse_read_only()
        self._store = store
        self._digester = Digester(algorithm) if algorithm else None
        folder = store.home / "ingest"
        with _disk(store.home):
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / (goal or "").replace(":", "-")
            file = ingest.begun(self.path) if goal else None
            self._keeps = file is not None
            if file is None:
                self.path, file = ingest.new(folder)
            self._file = file
            self.size = file.seek(0, os.SEEK_END)

    def begun(self) -> BinaryIO:
        """The file, at its start; to be read to its end before more is written."""
        self._file.seek(0)
        return self._file

    def clear(self) -> None:
        """Afterwards the file is empty."""
        with _disk(self.path):
            self._file.seek(0)
            self._file.truncate()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Raise `StoreError` when the disk does not take it."""
        with _disk(self._store.home):
            self._file.write(data)
        self.size += len(data)
        if self._digester:
            self._digester.update(data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Afterwards the blob has its true name: the digest of what was written.

        Raises `DigestMismatch` when that is not the one expected. Made without an algorithm, it
        takes the caller's word, who has verified the bytes already.
        """
        actual = self._digester.digest() if self._digester else expected
        if actual and expected and actual.algorithm != expected.algorithm:
            actual = self._digest_again(expected.algorithm)
        if actual is None or (expected is not None and actual != expected):
            raise DigestMismatch(
                f"expected {expected}, but the bytes have the digest {actual}; they were not kept",
                expected=expected,
                actual=actual,
                what="blob",
            )
        self.move(self._store.path(actual))
        return actual

    def _digest_again(self, algorithm: str) -> Digest:
        """The digest by another algorithm than was announced; the file is read once more."""
        with _disk(self.path):
            self._file.flush()
            with self.path.open("rb") as file:
                return digest_of_stream(file, algorithm)

    def move(self, target: Path) -> None:
        """Afterwards the file is at `target`, on the disk, in one step."""
        with _disk(target):
            self._file.flush()
            os.fsync(self._file.fileno())
            if not ingest.LOCKS:  # Windows moves no open file
                self._file.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.path, target)
            self._file.close()

    def discard(self) -> None:
        """Afterwards nothing is left of it, unless it was committed."""
        if self._file.closed:
            return
        if not ingest.LOCKS:
            self._close()
        with contextlib.suppress(OSError):
            self.path.unlink()  # before it is closed: while it is locked, its name is ours
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        bad = kind is not None and issubclass(kind, (VerificationError, StoreError))
        if self._keeps and self.size and not bad:
            self._close()
        else:
            self.discard()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()


def _record(entry: Descriptor) -> Record:
    index = entry.annotations.get(CHOSEN_FROM)
    with contextlib.suppress(InvalidDigest):
        return Record(entry.annotations.get(REF_NAME), entry, Digest(index) if index else None)
    return Record(entry.annotations.get(REF_NAME), entry)


def _refuse_ambiguous(reference: Reference) -> None:
    """Raise for a name that reads like a digest or ID, as Docker does (moby, "addReference")."""
    if reference.familiar.partition(":")[0].partition("@")[0] in ("sha256", "sha512"):
        raise InvalidReference(
            f"refusing to create an ambiguous tag: {reference.familiar!r} reads like a digest. "
            "Choose another name.",
            text=reference.familiar,
            reason="ambiguous",
        )


def _nameless(entry: Descriptor) -> Descriptor:
    notes = {key: value for key, value in entry.annotations.items() if key != REF_NAME}
    return replace(entry, annotations=notes)


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turns what the operating system says into one sentence with the path and a way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        advice = {
            errno.ENOSPC: "Free some space, then try again: what was whole has been kept.",
            errno.EACCES: "Name a directory of your own (--home, or IMGKIT_HOME).",
            errno.EROFS: "Name a directory that can be written (--home, or IMGKIT_HOME).",
            errno.ENOTDIR: "Name a directory, not a file (--home, or IMGKIT_HOME).",
        }.get(error.errno or 0, "")
        raise StoreError(f"cannot use {path}: {reason}. {advice}".rstrip(), path=path) from error

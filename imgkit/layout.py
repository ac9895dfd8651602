"""Names on disk: the index of an OCI image layout (image-spec, image-layout.md).

    HOME/oci-layout     the version of the layout
    HOME/index.json     the names, each with the descriptor of a manifest

A name stands in the annotation `org.opencontainers.image.ref.name`, in full:
`docker.io/library/redis:latest`. When the name is of an index in the registry, that index is kept
too, and an annotation of ours remembers its digest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgkit import document, ingest
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, InvalidDigest, InvalidReference, NotFound, StoreError
from imgkit.ingest import Ingest, disk
from imgkit.manifest import OCI_INDEX, Descriptor, Index, parse
from imgkit.reference import Reference

if TYPE_CHECKING:
    from filelock import FileLock

REF_NAME: Final = "org.opencontainers.image.ref.name"
CHOSEN_FROM: Final = "dev.imgkit.index"
"""Annotation on a manifest's descriptor: the digest of the index that it was chosen from."""

SEAL: Final = "dev.imgkit.seal"
"""Annotation on `index.json`: the digest that it has without this one."""
DAMAGED: Final = "damaged"
"""The folder for files that were put aside."""

_LAYOUT: Final = b'{"imageLayoutVersion":"1.0.0"}'
_EMPTY: Final = Index.make([]).raw


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the local repository: a name (or none: dangling) and what it points at."""

    name: str | None
    descriptor: Descriptor
    index: Digest | None = None


class Layout:
    """The names in one directory, each written while nobody else writes.

    Opening a new or empty directory makes a layout of it; `StoreError` is raised for one that
    holds something else, or cannot be used.
    """

    def __init__(self, home: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.home = Path(home)
        self.read_only = read_only
        with disk(self.home):
            if not all((self.home / name).exists() for name in ("oci-layout", "index.json")):
                self._create()
        self._index()
        if not read_only:
            self.sweep()

    def records(self) -> list[Record]:
        """Every row, in the order in which the names came."""
        return [_record(entry) for entry in self._index().manifests]

    def find(self, reference: Reference) -> Record | None:
        """The row of that name, if there is one."""
        return self._named(reference.canonical)

    def _named(self, name: str) -> Record | None:
        return next((record for record in self.records() if record.name == name), None)

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

    def forget(self, manifests: Collection[Digest]) -> None:
        """Afterwards no row is of these manifests; the blobs stay."""
        with self._changing() as entries:
            entries[:] = [entry for entry in entries if entry.digest not in manifests]

    @property
    def sealed(self) -> bool:
        """Whether `index.json` is, byte for byte, as it was written here; or never was."""
        index = self._index()
        for key, text in index.annotations.items():
            rest = {name: note for name, note in index.annotations.items() if name != key}
            if Index.make(index.manifests, rest).digest == text:
                same = Index.make(index.manifests, index.annotations).raw == index.raw
                return same and key == SEAL
        return SEAL.encode() not in index.raw  # not even where "annotations" is another word now

    # -- files ------------------------------------------------------------------------------

    def ingest(self, algorithm: str | None = "sha256", goal: Digest | None = None) -> Ingest:
        """A file on its way in: a blob whose digest is known only at its end, or another file."""
        self._refuse_read_only()
        return Ingest(self.home, algorithm, goal)

    def write(self, path: Path, data: bytes) -> None:
        """Afterwards the file has these bytes, on the disk, and never had half of them."""
        with self.ingest(None) as file:
            file.write(data)
            file.move(path)

    def sweep(self, *, beginnings: bool = False) -> int:
        """Afterwards nothing lies in `ingest/` that a dead process left; returns the bytes freed.

        Without `beginnings`, what is there of a blob that was broken off stays, and so do damaged
        blobs that were put aside.
        """
        with contextlib.suppress(OSError):  # not ours to sweep
            freed = ingest.sweep(self.home / DAMAGED, beginnings=True) if beginnings else 0
            return freed + ingest.sweep(self.home / "ingest", beginnings=beginnings)
        return 0

    def _create(self) -> None:
        """Afterwards there is an empty layout; or the one that another process made meanwhile.

        A directory that has to be made is its owner's alone, as Docker's is root's.
        """
        if self.read_only or not self._is_new():
            raise StoreError(
                f"{self.home} is no local repository: it has no oci-layout file and is not "
                "empty. Name another directory (--home, or IMGKIT_HOME).",
                path=self.home,
            )
        self.home.mkdir(0o700, parents=True, exist_ok=True)
        (self.home / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        with self.locked():
            if not (self.home / "index.json").exists():
                self.write(self.home / "index.json", _EMPTY)
            if not (self.home / "oci-layout").exists():
                self.write(self.home / "oci-layout", _LAYOUT)

    def _is_new(self) -> bool:
        """Whether nothing is there but what a creation makes, or a layout that lacks one file."""
        names = {path.name for path in self.home.iterdir()} if self.home.exists() else set()
        foreign = names - {"blobs", "index.lock", "ingest"}
        if "index.json" in foreign and "blobs" in names:
            with contextlib.suppress(ImgkitError):
                return bool(parse((self.home / "index.json").read_bytes(), OCI_INDEX))
        return not foreign or (self.home / "oci-layout").exists()

    def _index(self) -> Index:
        path = self.home / "index.json"
        with disk(path):
            layout, raw = (self.home / "oci-layout").read_bytes(), path.read_bytes()
        try:
            index = parse(raw, OCI_INDEX)
            path = self.home / "oci-layout"
            version = document.load(layout, "oci-layout").get("imageLayoutVersion")
            if version != "1.0.0":
                raise document.refused(f"its layout is of version {version!r}, not 1.0.0")
        except ImgkitError as error:
            raise StoreError(
                f"{self.home} is no local repository that can be read: {error}. If {path} is "
                "damaged, put it aside, and pull again: no blob that is there is fetched.",
                path=path,
            ) from None
        assert isinstance(index, Index)
        return index

    @cached_property
    def _lock(self) -> FileLock:
        from filelock import FileLock  # noqa: PLC0415  who only reads does without

        return FileLock(self.home / "index.lock")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes names or removes blobs while the block lasts."""
        self._refuse_read_only()
        with disk(self.home / "index.lock"), self._lock:
            yield

    @contextlib.contextmanager
    def _changing(self) -> Iterator[list[Descriptor]]:
        """The rows, to be changed in place; written when the block ends well, one at a time."""
        with self.locked():
            index = self._index()
            entries = list(index.manifests)
            yield entries
            notes = {key: text for key, text in index.annotations.items() if key != SEAL}
            notes[SEAL] = str(Index.make(entries, notes).digest)
            self.write(self.home / "index.json", Index.make(entries, notes).raw)

    def _refuse_read_only(self) -> None:
        if self.read_only:
            raise StoreError(f"{self.home} can only be read", path=self.home)


def _record(entry: Descriptor) -> Record:
    """The row of an entry; what another program wrote into it that is no name is none."""
    name, index = entry.annotations.get(REF_NAME), entry.annotations.get(CHOSEN_FROM)
    try:
        chosen = Digest(index) if index else None
    except InvalidDigest:
        chosen = None
    return Record(name if name and _is_name(name) else None, entry, chosen)


@lru_cache(maxsize=1024)
def _is_name(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidReference:
        return False
    return True


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

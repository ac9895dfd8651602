"""What each repository of a registry holds: its tags, its content, and who refers to whom.

Bytes are kept once, however many repositories have them; but a repository gives out only what was
pushed or mounted to it, or what its tags lead to. So a digest alone opens no door, and what is
deleted from one repository stays in the others. (The specification leaves this open; Docker's
registry does the same, by files that it calls links.) Beside the blobs, in the first store::

    repositories/docker.io/library/redis/_content/sha256/2cf24d...    "+" was added, "-" was deleted
    repositories/docker.io/library/redis/_referrers/SUBJECT/sha256/2cf24d...    refers to SUBJECT
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from imgkit import document
from imgkit.digest import Digest
from imgkit.errors import InvalidManifest, NotFound, VerificationError
from imgkit.layout import Layout
from imgkit.manifest import Descriptor, Index, Manifest
from imgkit.reference import Reference
from imgkit.store import Store

ADDED: Final = b"+"
DELETED: Final = b"-"


class Repositories:
    """The repositories in these stores: all are searched, the first takes what is new."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = tuple(stores)
        self._led_to: dict[Digest, frozenset[Digest]] = {}

    def all(self, domain: str) -> list[Reference]:
        """Every repository of this domain that has, or had, anything."""
        root = self.stores[0].home / "repositories" / domain.replace(":", "+")
        found = {path.parent.relative_to(root).as_posix() for path in root.glob("**/_content")}
        for store in self.stores:
            for record in store.records():
                name = record.name or ""
                if name.startswith(f"{domain}/"):
                    found.add(Reference.parse(name).path)
        return [Reference(domain, path, None, None) for path in sorted(found)]

    # -- tags ---------------------------------------------------------------------------------

    def tags(self, repository: Reference) -> dict[str, Digest]:
        """Each tag, and the digest of what it points at; the first store that knows it decides."""
        found = dict[str, Digest]()
        for tag, digest in self._tagged(repository):
            found.setdefault(tag, digest)
        return found

    def _tagged(self, repository: Reference) -> Iterator[tuple[str, Digest]]:
        """Each tag in each store, those too that have moved on in a store before it."""
        prefix = f"{repository.repository}:"
        for store in self.stores:
            for record in store.records():
                name = record.name or ""
                if name.startswith(prefix) and "@" not in name:
                    digest = record.index or record.descriptor.digest
                    yield name.removeprefix(prefix), digest

    def tag(self, name: Reference, descriptor: Descriptor) -> None:
        """Afterwards the tag points here."""
        Layout.name(self.stores[0], name, descriptor, None)  # any store may have its blobs

    def untag(self, name: Reference) -> None:
        """Afterwards the tag points nowhere; raises `NotFound` for one of another store."""
        self.stores[0].unname(name)

    # -- content ------------------------------------------------------------------------------

    def holds(self, repository: Reference, digest: Digest) -> bool:
        """Whether this repository gives out what has this digest."""
        with contextlib.suppress(OSError):
            return self._mark(repository, digest).read_bytes() == ADDED
        return any(digest in self._lead_to(tagged) for _, tagged in self._tagged(repository))

    def add(self, repository: Reference, digest: Digest) -> None:
        """Afterwards the repository gives it out."""
        self._write(self._mark(repository, digest), ADDED)

    def delete(self, repository: Reference, digest: Digest) -> None:
        """Afterwards the repository no longer gives it out; its bytes stay on the disk."""
        self._write(self._mark(repository, digest), DELETED)

    def place(self, digest: Digest) -> tuple[Store, int] | None:
        """The store that has these bytes, and how many they are, whatever repository has them."""
        for store in self.stores:
            if (size := store.size_of(digest)) is not None:
                return store, size
        return None

    def document(self, repository: Reference, digest: Digest) -> Manifest | Index | None:
        """The manifest or index of that digest; None if there is none, or it is damaged."""
        return self._parsed(digest) if self.holds(repository, digest) else None

    def _parsed(self, digest: Digest) -> Manifest | Index | None:
        found = self.place(digest)
        with contextlib.suppress(NotFound, InvalidManifest, VerificationError):
            return found[0].document(digest) if found else None
        return None

    def _lead_to(self, top: Digest) -> frozenset[Digest]:
        """The digests that a manifest or index leads to, its own among them."""
        if top in self._led_to:
            return self._led_to[top]
        found = self._walk(top)
        if all(self.place(digest) for digest in found):  # else more may come, and lead further
            self._led_to[top] = found
        return found

    def _walk(self, top: Digest) -> frozenset[Digest]:
        seen, waiting = {top}, [top]
        while waiting:
            found = self._parsed(waiting.pop())
            if isinstance(found, Index):
                children = {child.digest for child in found.manifests} - seen
                waiting += children
                seen |= children
            elif found is not None:
                seen |= {child.digest for child in found.children}
        return frozenset(seen)

    # -- referrers ----------------------------------------------------------------------------

    def refer(self, repository: Reference, subject: Digest, referrer: Digest) -> None:
        """Afterwards it is known that one refers to the other, which may be missing."""
        folder = self._folder(repository) / "_referrers" / subject.replace(":", "-")
        self._write(folder / referrer.algorithm / referrer.hex, ADDED)

    def referrers(self, repository: Reference, subject: Digest) -> list[dict[str, Any]]:
        """A descriptor of each manifest of the repository whose subject this is, sorted."""
        folder = self._folder(repository) / "_referrers" / subject.replace(":", "-")
        pushed = {Digest(f"{path.parent.name}:{path.name}") for path in folder.glob("*/*")}
        tagged = (self._lead_to(digest) for digest in self.tags(repository).values())
        described = []
        for digest in sorted(pushed.union(*tagged)):
            found = self.document(repository, digest)
            if found is not None and subject_of(found) == subject:
                described.append(_described(found, digest))
        return described

    # -- files --------------------------------------------------------------------------------

    def _folder(self, repository: Reference) -> Path:
        # No name of a repository has a "+", and no path of Windows a ":".
        domain = repository.domain.replace(":", "+")
        return self.stores[0].home / "repositories" / domain / repository.path

    def _mark(self, repository: Reference, digest: Digest) -> Path:
        return self._folder(repository) / "_content" / digest.algorithm / digest.hex

    def _write(self, path: Path, data: bytes) -> None:
        with contextlib.suppress(OSError):
            if path.read_bytes() == data:
                return
        self.stores[0].write(path, data)


def subject_of(found: Manifest | Index) -> Digest | None:
    """The digest of what a manifest is about (image-spec, manifest.md, "subject")."""
    subject = document.mapping(document.load(found.raw, "manifest"), "subject", optional=True)
    return Descriptor.from_json(subject).digest if subject else None


def _described(found: Manifest | Index, digest: Digest) -> dict[str, Any]:
    """A referrer's descriptor: also its annotations, and its type or else its config's."""
    described = Descriptor(found.media_type, digest, len(found.raw), None, found.annotations)
    kind = document.load(found.raw, "manifest").get("artifactType")
    if not kind and isinstance(found, Manifest):
        kind = found.config.media_type
    return described.to_json() | ({"artifactType": kind} if kind else {})

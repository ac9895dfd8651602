"""What hangs on what: each digest of an image, and where it is written down.

The index has the digest of the manifest; the manifest has those of the config and of each layer's
blob; the config has the DiffID of each layer's tar. A ChainID is computed from DiffIDs, and the
digest of the index nobody has written down, except who asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from imgkit.digest import Digest
from imgkit.manifest import Descriptor
from imgkit.tampering.parts import Parts, unpacked

YOU: Final = "you"
NOBODY: Final = "nobody"


@dataclass(frozen=True, slots=True)
class Link:
    """One digest: of which part, what it is called, what it is now, and what is written where.

    `now` is None where there is nothing to hash (a blob that cannot be unpacked); `recorded` where
    nothing is written down, or the document in which it stands cannot be read.
    """

    part: str
    called: str
    now: Digest | None
    recorded: Digest | None
    where: str

    @property
    def fails(self) -> bool:
        """Whether a check refuses it: another digest is written down, or there is nothing."""
        if self.where in (YOU, NOBODY):
            return False
        return self.now is None or (self.recorded is not None and self.now != self.recorded)

    @property
    def check(self) -> str:
        """What comes of comparing the digest with what is written down."""
        if self.where == YOU:
            return "by whoever pulls by digest"
        if self.where == NOBODY:
            return "none: it is computed"
        if self.now is None:
            return "fails: cannot be unpacked"
        if self.recorded is None:
            return f"none: {self.where} cannot be read"
        return f"fails: there it is {self.recorded.short}" if self.fails else "holds"


def links(parts: Parts) -> Iterator[Link]:
    """Every digest of an image, in the order in which a pull checks them."""
    index, manifest, config = parts.documents()
    top = _digest(index.manifests, parts.entry) if index else None
    where = YOU
    if parts.index is not None:
        yield Link("index", "digest", Digest.of(parts.index), None, YOU)
        where = "the index"
    yield Link("manifest", "digest", Digest.of(parts.manifest), top, where)
    said = manifest.config.digest if manifest else None
    yield Link("config", "digest", Digest.of(parts.config), said, "the manifest")
    for n, blob in enumerate(parts.blobs):
        said = _digest(manifest.layers, n) if manifest else None
        yield Link(f"layer {n + 1} blob", "digest", Digest.of(blob), said, "the manifest")
    ids = [_hash(unpacked(blob)) for blob in parts.blobs]
    for n, diff_id in enumerate(ids):
        said = config.diff_ids[n] if config and n < len(config.diff_ids) else None
        yield Link(f"layer {n + 1} tar", "DiffID", diff_id, said, "the config")
    for n, chain_id in enumerate(_chain(ids), 1):
        part = "layer 1" if n == 1 else f"layers 1 to {n}"
        yield Link(part, "ChainID", chain_id, None, NOBODY)


def _digest(descriptors: Sequence[Descriptor], place: int) -> Digest | None:
    return descriptors[place].digest if place < len(descriptors) else None


def _hash(data: bytes | None) -> Digest | None:
    return None if data is None else Digest.of(data)


def _chain(diff_ids: Sequence[Digest | None]) -> Iterator[Digest | None]:
    """The ChainIDs (config.md, "Layer ChainID"), up to the first DiffID that there is not."""
    below: Digest | None = None
    for n, diff_id in enumerate(diff_ids):
        known = diff_id and (not n or below)
        below = Digest.of(f"{below} {diff_id}".encode()) if n else diff_id
        below = below if known else None
        yield below

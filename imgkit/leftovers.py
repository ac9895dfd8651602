"""Blobs that nothing leads to: let go by a removal, or left by what was broken off.

    HOME/letting-go     the digests that a removal lets go; there until it is done

A removal that is killed is gone on with by the next one. Docker does so for layers: it marks the
directory first (`-removing`), and removes what is marked when it starts. A blob that came whole
for a pull, build or commit that never ended is kept for a day, so that the next try finds it, as
containerd keeps what a lease holds; then `image prune` takes it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Final

from imgkit import document
from imgkit.container.containers import Containers
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.ingest import disk
from imgkit.manifest import Descriptor, Manifest
from imgkit.store import Store

LETTING_GO: Final = "letting-go"
KEPT: Final = 24 * 60 * 60.0
"""Seconds for which a blob that nothing leads to may still be wanted."""


def reached(store: Store, top: Descriptor, index: Digest | None = None) -> Iterator[Digest]:
    """The digests of all blobs that one row leads to; of an index, those of every platform."""
    seen: set[Digest] = {index} if index else set()
    ahead = [top.digest]
    while ahead:
        digest = ahead.pop()
        if digest in seen:
            continue
        seen.add(digest)
        with contextlib.suppress(ImgkitError):  # missing or damaged
            found = store.document(digest)
            if isinstance(found, Manifest):
                seen |= {child.digest for child in found.children}
            else:
                ahead += [child.digest for child in found.manifests]
    yield from seen


def held(store: Store) -> set[Digest]:
    """The digest of every blob that a row or a container needs."""
    found: set[Digest] = set()
    for row in store.records():
        found |= set(reached(store, row.descriptor, row.index))
    for record in Containers(store).records():
        found |= set(reached(store, Descriptor.from_json(record.manifest)))
    return found


@contextlib.contextmanager
def letting_go(store: Store, blobs: set[Digest]) -> Iterator[None]:
    """After the block, those of the blobs are gone that nothing holds; if it is killed, later."""
    store.write(store.home / LETTING_GO, document.seal({"blobs": sorted(blobs)}))
    try:
        yield
    finally:
        finish(store)


def finish(store: Store) -> None:
    """Afterwards no blob is left that a removal let go, which may have been killed since."""
    path = store.home / LETTING_GO
    with disk(path):
        if not path.exists():
            return
        noted: list[str] = []
        with contextlib.suppress(ImgkitError):  # damaged: then `unheld` finds them, in a day
            noted = document.strings(document.unseal(path.read_bytes(), LETTING_GO), "blobs")
        for text in set(noted) - held(store):
            store.remove(Digest(text))
        path.unlink()


def unheld(store: Store) -> Iterator[Digest]:
    """Blobs that came more than a day ago and that nothing holds."""
    wanted, latest = held(store), time.time() - KEPT
    for path in (store.home / "blobs").glob("*/*"):
        with contextlib.suppress(OSError, ImgkitError):  # removed meanwhile; or no blob
            digest = Digest(f"{path.parent.name}:{path.name}")
            if digest not in wanted and path.stat().st_mtime < latest:
                yield digest

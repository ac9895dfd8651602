"""Small images for tests, made from dicts: `{"etc/motd": b"hi"}` is a layer."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from typing import Final

from imgkit.config import Config, History
from imgkit.digest import Digest
from imgkit.manifest import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor, Index, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

AMD64: Final = Platform("linux", "amd64")


def tar_of(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar of these files, written by Python's own tarfile."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def add_image(
    store: Store,
    name: str | None,
    layers: Sequence[Mapping[str, bytes]] = ({"etc/motd": b"hello"},),
    platform: Platform = AMD64,
) -> Descriptor:
    """Afterwards the store has an image of these layers; under that name, if there is one."""
    tars = [tar_of(files) for files in layers]
    config = Config.make(
        platform,
        [Digest.of(tar) for tar in tars],
        [History("COPY files /", "2024-05-01T00:00:00Z") for _ in tars],
        {"Cmd": ["sh"]},
        "2024-05-01T00:00:00Z",
    )
    blobs = [store.put_bytes(gzip.compress(tar, mtime=0), OCI_LAYER + "+gzip") for tar in tars]
    made = Manifest.make(store.put_bytes(config.raw, config.descriptor.media_type), blobs)
    manifest = store.put_bytes(made.raw, OCI_MANIFEST)
    if name:
        store.name(Reference.parse(name), manifest, None)
    return manifest


def add_index(store: Store, name: str, platforms: Sequence[Platform]) -> Descriptor:
    """Afterwards the store has, under that name, an index of one small image a platform."""
    entries = []
    for platform in platforms:
        made = add_image(store, None, [{"etc/platform": str(platform).encode()}], platform)
        entries.append(Descriptor(made.media_type, made.digest, made.size, platform))
    index = store.put_bytes(Index.make(entries).raw, OCI_INDEX)
    store.name(Reference.parse(name), index, None)
    return index

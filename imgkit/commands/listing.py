"""What is in the local repository: images, inspect."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgkit import units
from imgkit.commands.bench import Bench
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.manifest import MANIFEST_TYPES
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Record, Store


def _images(bench: Bench, options: Options) -> int:
    rows = [_Row.of(bench, record) for record in bench.store.records()]
    if options.words:
        wanted = Reference.parse(options.words[0])
        rows = [r for r in rows if r.name and r.name.repository == wanted.repository]
        if wanted.tag:
            rows = [r for r in rows if r.name and r.name.tag == wanted.tag]
    rows.sort(key=lambda row: row.created, reverse=True)
    ids = [row.id if options.on("no-trunc") else row.short_id for row in rows]
    if options.on("quiet"):
        for identifier in ids:
            bench.say(identifier)
        return 0
    table = [("REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE")]
    for row, identifier in zip(rows, ids, strict=True):
        table.append((row.repository, row.tag, row.digest, identifier, row.age, row.size))
    columns = (0, 1, 2, 3, 4, 5) if options.on("digests") else (0, 1, 3, 4, 5)
    for line in _aligned([[cells[column] for column in columns] for cells in table]):
        bench.say(line)
    return 0


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, in columns of at least ten characters with gaps of three, as Docker's."""
    widths = [max(10, 3 + max(map(len, column))) for column in zip(*table, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of `images`; an image that cannot be read is shown, not hidden."""

    name: Reference | None
    digest: str
    id: str
    created: str
    age: str
    size: str

    @classmethod
    def of(cls, bench: Bench, record: Record) -> _Row:
        name = Reference.parse(record.name) if record.name else None
        digest = record.index or record.descriptor.digest
        try:
            image = _chosen(bench.store, record, bench.platform)
            created = image.config.created or ""
            age = units.ago(created, bench.now()) if created else "N/A"
            size = units.size(bench.store.unpacked_size(image))
            return cls(name, digest, image.id, created, age, size)
        except ImgkitError:
            return cls(name, digest, record.descriptor.digest, "", "N/A", "damaged: see verify")

    @property
    def short_id(self) -> str:
        return self.id.removeprefix("sha256:")[:12]

    @property
    def repository(self) -> str:
        if self.name is None:
            return "<none>"
        return self.name.with_tag("x").familiar.removesuffix(":x")

    @property
    def tag(self) -> str:
        return (self.name and self.name.tag) or "<none>"


def _chosen(store: Store, record: Record, platform: Platform | None) -> Image:
    """The image of a row; where the row is of an index, the one for that platform."""
    if record.descriptor.media_type in MANIFEST_TYPES:
        return store.open_image(record)
    return Image.of(store, Reference.parse(record.name or ""), platform)


def _inspect(bench: Bench, options: Options) -> int:
    image = bench.store.image(options.words[0])
    bench.say(json.dumps([_facts(bench.store, image)], indent=4))
    return 0


def _facts(store: Store, image: Image) -> dict[str, Any]:
    """What `docker inspect` says of an image, computed from its bytes."""
    config = image.config
    rows = [row for row in store.records() if row.name and row.descriptor.digest == image.digest]
    names = [Reference.parse(row.name or "") for row in rows]
    digests = [
        Reference(name.domain, name.path).with_digest(row.index or row.descriptor.digest)
        for name, row in zip(names, rows, strict=True)
    ]
    facts: dict[str, Any] = {
        "Id": image.id,
        "RepoTags": [name.familiar for name in names if name.tag],
        "RepoDigests": sorted({digest.familiar for digest in digests}),
        "Created": config.created,
        "Config": dict(config.settings),
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant,
        "Os": config.platform.os,
        "OsVersion": config.platform.os_version,
        "Size": store.unpacked_size(image),
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Descriptor": (image.index or image.descriptor).to_json(),
    }
    return {key: value for key, value in facts.items() if value is not None}


VERBS: Final = {
    "images": Verb(
        "List images",
        "[OPTIONS] [REPOSITORY[:TAG]]",
        _images,
        (
            Flag("digests", "Show digests"),
            Flag("no-trunc", "Don't truncate output"),
            Flag("quiet", "Only show image IDs", "q"),
        ),
        most=1,
        aliases=("image ls", "image list"),
    ),
    "inspect": Verb(
        "Return low-level information on Docker objects",
        "[OPTIONS] NAME|ID [NAME|ID...]",
        _inspect,
        least=1,
        most=1,
        aliases=("image inspect",),
    ),
}

"""The verbs: words in, lines out. The `imgkit` command and the notebooks are thin over this table.

Each verb parses its own words, calls the library, and says what happened, a line at a time, the
way Docker says it where Docker has the verb.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from imgkit import units
from imgkit.client import Client
from imgkit.errors import ImgkitError
from imgkit.image import COMPLETE, EXISTS, JOBS, Copied, Image, Progress, copy, verify
from imgkit.manifest import CONFIG_TYPES, MANIFEST_TYPES
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Record, Store
from imgkit.unpack import unpack, unpack_layers

FAILED: Final = 1
USAGE: Final = 2


@dataclass
class Bench:
    """What the verbs work on: a local repository, a way to registries, a clock, and a voice."""

    home: Path
    client: Callable[[], Client]
    say: Callable[[str], None]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    platform: Platform | None = None
    jobs: int = JOBS
    on_progress: Callable[[Progress], None] = field(default=lambda progress: None)

    @cached_property
    def store(self) -> Store:
        """The local repository; made when it is first needed."""
        return Store(self.home)


@dataclass(frozen=True, slots=True)
class Verb:
    """One word of the command line: what it takes, and what it does; returns an exit status."""

    help: str
    takes: Callable[[argparse.ArgumentParser], object]
    does: Callable[[Bench, argparse.Namespace], int]


# -- pull -----------------------------------------------------------------------------------


def _takes_pull(words: argparse.ArgumentParser) -> None:
    words.add_argument("ref", metavar="REF", help="an image name, such as redis or alpine:3.20")
    words.add_argument("--platform", metavar="OS/ARCH", help="not this machine's, but that one")
    words.add_argument("-q", "--quiet", action="store_true", help="say only the full name")


def _pull(bench: Bench, options: argparse.Namespace) -> int:
    platform = Platform.parse(options.platform) if options.platform else None
    pull(bench, options.ref, platform, quiet=options.quiet)
    return 0


def pull(
    bench: Bench, text: str, platform: Platform | None = None, *, quiet: bool = False
) -> Copied:
    """Pull the image that `text` names, and say of it what `docker pull` says."""
    written = Reference.parse(text)
    name = written.with_default_tag()
    say = (lambda line: None) if quiet else bench.say

    def on_progress(progress: Progress) -> None:
        bench.on_progress(progress)
        said = {EXISTS: "Already exists", COMPLETE: "Pull complete"}.get(progress.kind)
        if said and progress.descriptor.media_type not in CONFIG_TYPES:
            say(f"{progress.descriptor.digest.short}: {said}")

    if name != written:
        say(f"Using default tag: {name.tag}")
    before = bench.store.find(name)
    source = bench.client().repository(name)
    say(f"{name.tag or name.canonical}: Pulling from {name.path}")
    done = copy(
        source,
        bench.store,
        name,
        platform=platform or bench.platform,
        jobs=bench.jobs,
        on_progress=on_progress,
    )
    say(f"Digest: {done.target.digest}")
    same = before is not None and before.descriptor.digest == done.manifest.digest
    news = "Image is up to date" if same else "Downloaded newer image"
    say(f"Status: {news} for {name.familiar}")
    bench.say(name.canonical)
    return done


# -- images and inspect ---------------------------------------------------------------------


def _takes_images(words: argparse.ArgumentParser) -> None:
    words.add_argument("repository", nargs="?", help="only the images of this repository")
    words.add_argument("-q", "--quiet", action="store_true", help="only the IDs")
    words.add_argument("--digests", action="store_true", help="the digest of each name, too")
    words.add_argument("--no-trunc", action="store_true", help="whole IDs")


def _images(bench: Bench, options: argparse.Namespace) -> int:
    rows = [_Row.of(bench, record) for record in bench.store.records()]
    if options.repository:
        wanted = Reference.parse(options.repository)
        rows = [r for r in rows if r.name and r.name.repository == wanted.repository]
        if wanted.tag:
            rows = [r for r in rows if r.name and r.name.tag == wanted.tag]
    rows.sort(key=lambda row: row.created, reverse=True)
    ids = [row.id if options.no_trunc else row.short_id for row in rows]
    if options.quiet:
        for identifier in ids:
            bench.say(identifier)
        return 0
    table = [("REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE")]
    for row, identifier in zip(rows, ids, strict=True):
        table.append((row.repository, row.tag, row.digest, identifier, row.age, row.size))
    columns = (0, 1, 2, 3, 4, 5) if options.digests else (0, 1, 3, 4, 5)
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


def _takes_ref(words: argparse.ArgumentParser) -> None:
    words.add_argument("ref", metavar="REF", help="a name, a digest or (the beginning of) an ID")


def _inspect(bench: Bench, options: argparse.Namespace) -> int:
    image = bench.store.image(options.ref)
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


# -- verbs of our own -----------------------------------------------------------------------


def _reference(bench: Bench, options: argparse.Namespace) -> int:
    bench.say(json.dumps(Reference.parse(options.ref).facts()))
    return 0


def _takes_unpack(words: argparse.ArgumentParser) -> None:
    _takes_ref(words)
    words.add_argument("dest", metavar="DEST", type=Path, help="a new or empty directory")
    words.add_argument("--no-devices", action="store_true", help="make no device nodes, as root")
    words.add_argument(
        "--layers", action="store_true", help="a directory a layer, as overlay2 keeps them"
    )


def _unpack(bench: Bench, options: argparse.Namespace) -> int:
    image = bench.store.image(options.ref)
    devices = not options.no_devices
    if options.layers:
        for name, report in unpack_layers(image.layers, options.dest, devices=devices).items():
            bench.say(f"{name}: {report}")
        return 0
    bench.say(str(unpack(image.layers, options.dest, devices=devices)))
    return 0


def _verify(bench: Bench, options: argparse.Namespace) -> int:
    image = bench.store.image(options.ref)
    broken = verify(image)
    for line in broken:
        bench.say(line)
    if broken:
        return FAILED
    for note in image.overlay.notes:
        bench.say(f"Note: {note}")
    layers = len(image.layers)
    bench.say(f"{options.ref} is sound: manifest, config and {layers} layers checked, byte by byte")
    return 0


def _takes_serve(words: argparse.ArgumentParser) -> None:
    words.add_argument("--port", type=int, default=0, help="default: any that is free")
    words.add_argument("--root", type=Path, help="keep what is pushed in this directory")
    words.add_argument("--empty", action="store_true", help="without the sample images")


def _serve(bench: Bench, options: argparse.Namespace) -> int:
    from imgkit import samples, server  # noqa: PLC0415  other verbs start faster without
    from imgkit.server import transport  # noqa: PLC0415  other verbs start faster without

    with tempfile.TemporaryDirectory(prefix="imgkit-") as scratch:
        stores = [Store(options.root or scratch)]
        if not options.empty:
            stores.append(samples.store())
        with transport.serve(server.Registry(stores), port=options.port) as served:
            kept = f"in {options.root}" if options.root else "until it stops"
            bench.say(f"A registry is served at {served.url}")
            bench.say(f"Try: imgkit pull {served.host}/library/redis")
            bench.say(f"What is pushed to it is kept {kept}. Ctrl-C stops it.")
            served.wait()
    return 0


VERBS: Final = {
    "pull": Verb("pull an image into the local repository", _takes_pull, _pull),
    "images": Verb("list the images of the local repository", _takes_images, _images),
    "inspect": Verb("say everything about an image, as JSON", _takes_ref, _inspect),
    "serve": Verb("serve the embedded registry on this machine", _takes_serve, _serve),
    "reference": Verb("take an image name apart, as JSON", _takes_ref, _reference),
    "unpack": Verb("write an image's root filesystem to a directory", _takes_unpack, _unpack),
    "verify": Verb("check every byte of an image", _takes_ref, _verify),
}


def parser(prog: str = "imgkit") -> argparse.ArgumentParser:
    """The words that `prog` understands. `--home` and `--live` may stand before or after a verb."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--home", type=Path, help="the local repository (or IMGKIT_HOME)")
    common.add_argument("--live", action="store_true", help="ask real registries (IMGKIT_LIVE=1)")
    top = argparse.ArgumentParser(
        prog, description="Container images, taken apart with nothing pretended.", parents=[common]
    )
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in VERBS.items():
        verb.takes(verbs.add_parser(name, help=verb.help, description=verb.help, parents=[common]))
    return top


def run(bench: Bench, words: Sequence[str]) -> int:
    """Do what the words say on that bench; raises `ImgkitError`."""
    options = parser().parse_args(words)
    return VERBS[options.verb].does(bench, options)

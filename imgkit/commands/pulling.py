"""Images between here and the registries: pull, push and tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from imgkit.client import Client, Exchange, asks_itself
from imgkit.commands.bench import Bench, Refused, daemon
from imgkit.commands.names import found, named, wrong
from imgkit.commands.screen import Screen
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.digest import VerifyingReader
from imgkit.errors import (
    InvalidManifest,
    InvalidReference,
    NoMatchingPlatform,
    NotFound,
    Unauthorized,
)
from imgkit.image import Copied, Image, Source, copy
from imgkit.manifest import Descriptor
from imgkit.platforms import Platform
from imgkit.reference import Reference

_LIVE: Final = "The embedded registry was asked, which has samples only; --live asks the real one."

_MACHINES: Final = (
    "amd64",
    "arm64",
    "arm",
    "386",
    "ppc64le",
    "s390x",
    "riscv64",
    "aarch64",
    "x86_64",
)
"""What may stand alone as a platform, besides an operating system."""


def _pull(bench: Bench, options: Options) -> int:
    written = named(options.words[0])
    platform = _platform(bench, written, options.value("platform"))
    quiet = options.on("quiet")
    if options.on("all-tags"):
        if written.tag or written.digest:
            raise Refused("tag can't be used with --all-tags/-a")
        return _pull_all(bench, written, platform, quiet=quiet)
    try:
        pull(bench, options.words[0], platform, quiet=quiet)
    except (NotFound, Unauthorized) as error:
        raise _not_pulled(bench, written.with_default_tag(), error) from None
    return 0


def _platform(bench: Bench, name: Reference, text: str) -> Platform | None:
    if not text:
        return None
    try:
        platform = Platform.parse(text)
    except InvalidManifest:
        platform = None
    if platform is None or ("/" not in text and text not in (platform.os, *_MACHINES)):
        if not name.tag and not name.digest:
            bench.say("Using default tag: latest")
        raise daemon(f'"{text}": unknown operating system or architecture: invalid argument')
    return platform


def _not_pulled(bench: Bench, name: Reference, error: NotFound | Unauthorized) -> Refused:
    """What Docker says of an image that is not to be had."""
    if isinstance(error, NoMatchingPlatform):
        wanted = error.facts.get("platform")
        return Refused(f"no matching manifest for {wanted} in the manifest list entries")
    if isinstance(error, Unauthorized):
        repository = name.with_tag("x").familiar.removesuffix(":x")
        return daemon(
            f"pull access denied for {repository}, repository does not exist or may require "
            f"'docker login': {error.facts.get('says') or 'denied'}"
        )
    if "says" not in error.facts:  # it is a part of the image that is missing
        return Refused(f"imgkit: {error}")
    if not bench.live and not asks_itself(name.registry):
        bench.hint(_LIVE)
    says = error.facts["says"] or "manifest unknown"
    return daemon(f"manifest for {name.familiar} not found: manifest unknown: {says}")


def pull(
    bench: Bench, text: str, platform: Platform | None = None, *, quiet: bool = False
) -> Copied:
    """Pull the image that `text` names, and say of it what `docker pull` says."""
    written = Reference.parse(text)
    name = written.with_default_tag()
    say = _silent if quiet else bench.say
    if name != written:
        say(f"Using default tag: {name.tag}")
    before = bench.store.find(name)
    done = _copied(bench, name, platform, say)
    same = before is not None and before.descriptor.digest == done.manifest.digest
    news = "Image is up to date" if same else "Downloaded newer image"
    say(f"Status: {news} for {name.familiar}")
    bench.say(name.canonical)
    return done


def fetch(
    bench: Bench, name: Reference, platform: Platform | None, say: Callable[[str], None]
) -> None:
    """Pull what another verb needs, which says all but the full name; raises `Refused`."""

    def tell(line: str) -> None:
        if line != name.canonical:
            say(line)

    try:
        pull(replace(bench, say=tell), name.familiar, platform)
    except (NotFound, Unauthorized) as error:
        raise _not_pulled(bench, name, error) from None


def _silent(_: str) -> None:
    """Say nothing."""


def _copied(
    bench: Bench, name: Reference, platform: Platform | None, say: Callable[[str], None]
) -> Copied:
    """Afterwards the image is here, under its name and under its digest."""
    screen = Screen(bench, say)
    with bench.source(name) as source:
        try:
            done = copy(
                _Said(
                    source, lambda: say(f"{name.tag or name.canonical}: Pulling from {name.path}")
                ),
                bench.store,
                name,
                platform=platform or bench.platform,
                jobs=bench.jobs,
                on_progress=screen.progress,
            )
        finally:
            screen.end()
    digest = Reference(name.domain, name.path).with_digest(done.target.digest)
    if bench.store.find(digest) is None:  # a digest stays with the platform that came first
        bench.store.name(digest, done.manifest, done.index)
    say(f"Digest: {done.target.digest}")
    return done


@dataclass
class _Said:
    """A source that says when a name is found: of one that is not there, Docker says nothing."""

    source: Source
    say: Callable[[], None]

    def resolve(self, reference: Reference) -> Descriptor:
        target = self.source.resolve(reference)
        self.say()
        return target

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        return self.source.open(descriptor)


def _pull_all(bench: Bench, written: Reference, platform: Platform | None, *, quiet: bool) -> int:
    say = _silent if quiet else bench.say
    repository = bench.client().repository(written)
    new = False
    for tag in sorted(repository.tags()):
        name = written.with_tag(tag)
        before = bench.store.find(name)
        try:
            done = _copied(bench, name, platform, say)
        except NoMatchingPlatform as error:
            raise _not_pulled(bench, name, error) from None
        new |= before is None or before.descriptor.digest != done.manifest.digest
    short = written.with_tag("x").familiar.removesuffix(":x")
    say(f"Status: {'Downloaded newer image' if new else 'Image is up to date'} for {short}")
    bench.say(written.repository)
    return 0


# -- tag ------------------------------------------------------------------------------------


def _tag(bench: Bench, options: Options) -> int:
    source, target = options.words
    try:
        name = Reference.parse(target)
    except InvalidReference as error:
        raise Refused(
            f'Error parsing reference: "{target}" is not a valid repository/tag: '
            f"{wrong(error, target)}"
        ) from None
    if name.digest:
        raise Refused("refusing to create a tag with a digest reference")
    if name.familiar.partition(":")[0] in ("sha256", "sha384", "sha512"):
        raise daemon("refusing to create an ambiguous tag using digest algorithm as name")
    holding, asked = found(bench, source)
    record = next(
        (r for r in holding.records if asked and r.name == asked.canonical), holding.records[0]
    )
    image = bench.store.open_image(record)
    bench.store.name(name.with_default_tag(), image.descriptor, image.index)
    return 0


# -- push -----------------------------------------------------------------------------------


def _push(bench: Bench, options: Options) -> int:
    written = named(options.words[0])
    quiet = options.on("quiet")
    say = _silent if quiet else bench.say
    short = written.with_tag("x").familiar.removesuffix(":x")
    if options.on("all-tags"):
        if written.tag or written.digest:
            raise Refused("tag can't be used with --all-tags/-a")
        known = [Reference.parse(row.name) for row in bench.store.records() if row.name]
        names = sorted(
            (one for one in known if one.repository == written.repository and one.tag), key=str
        )
    else:
        names = [written.with_default_tag()]
        if names[0] != written:
            say(f"Using default tag: {names[0].tag}")
    say(f"The push refers to repository [{written.repository}]")
    if not [one for one in holding_names(bench) if one.repository == written.repository]:
        raise Refused(f"An image does not exist locally with the tag: {short}")
    for name in names:
        if bench.store.find(name) is None:
            raise Refused(f"tag does not exist: {name.familiar}")
        _pushed(bench, name, say)
    if quiet:
        bench.say(names[0].canonical if len(names) == 1 else written.repository)
    return 0


def holding_names(bench: Bench) -> list[Reference]:
    """Every tag of the local repository."""
    names = (Reference.parse(row.name) for row in bench.store.records() if row.name)
    return [name for name in names if name.tag]


def _pushed(bench: Bench, name: Reference, say: Callable[[str], None]) -> None:
    """Afterwards the registry has the image; a line a layer, the newest first, then its digest."""
    record = bench.store.find(name)
    assert record
    image = bench.store.open_image(record)
    target = bench.client().repository(name)
    target.siblings = tuple(_siblings(bench, name, image))
    layers = list({layer.diff_id: layer for layer in image.layers}.values())[::-1]
    if not bench.terminal:
        for layer in layers:
            say(f"{layer.diff_id.short}: Preparing")
    with _mounts(target.client) as mounted:
        done = copy(bench.store, target, name, jobs=bench.jobs, on_progress=bench.on_progress)
    there = {blob.digest for blob in done.existing}
    for layer in layers:
        source = mounted.get(str(layer.digest))
        sent = f"Mounted from {source}" if source else "Pushed"
        said = "Layer already exists" if layer.digest in there else sent
        say(f"{layer.diff_id.short}: {said}")
    digest = Reference(name.domain, name.path).with_digest(done.manifest.digest)
    bench.store.name(digest, done.manifest, None)
    say(f"{name.tag}: digest: {done.manifest.digest} size: {done.manifest.size}")


@contextmanager
def _mounts(client: Client) -> Iterator[dict[str, str]]:
    """The blobs that the registry took from another of its repositories, and from which."""
    before, mounted = client.on_exchange, dict[str, str]()

    def listen(exchange: Exchange) -> None:
        before(exchange)
        query = parse_qs(urlsplit(exchange.url).query)
        if exchange.status == 201 and "mount" in query:
            mounted[query["mount"][0]] = query["from"][0]

    client.on_exchange = listen
    try:
        yield mounted
    finally:
        client.on_exchange = before


def _siblings(bench: Bench, name: Reference, image: Image) -> list[str]:
    """Other repositories of that registry with a layer of the image, the last used first."""
    mine = {layer.digest for layer in image.manifest.layers}
    found = []
    for row in reversed(bench.store.records()):
        other = Reference.parse(row.name) if row.name else None
        if not (other and other.digest and other.registry == name.registry):
            continue
        theirs = bench.store.open_image(row).manifest.layers
        if other.path != name.path and mine & {layer.digest for layer in theirs}:
            found.append(other.path)
    return list(dict.fromkeys(found))


VERBS: Final = {
    "pull": Verb(
        "Download an image from a registry",
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        _pull,
        (
            Flag("all-tags", "Download all tagged images in the repository", "a"),
            Flag("platform", "Set platform if server is multi-platform capable", value="string"),
            Flag("quiet", "Suppress verbose output", "q"),
        ),
        least=1,
        most=1,
        aliases=("image pull",),
    ),
    "push": Verb(
        "Upload an image to a registry",
        "[OPTIONS] NAME[:TAG]",
        _push,
        (
            Flag("all-tags", "Push all tags of an image to the repository", "a"),
            Flag("quiet", "Suppress verbose output", "q"),
        ),
        least=1,
        most=1,
        aliases=("image push",),
    ),
    "tag": Verb(
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        _tag,
        least=2,
        most=2,
        aliases=("image tag",),
    ),
}

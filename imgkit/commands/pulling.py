"""Images from registries: pull."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from imgkit.commands.bench import Bench, Refused, daemon, silent
from imgkit.commands.names import named, repository_of
from imgkit.commands.screen import Screen
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.digest import VerifyingReader
from imgkit.errors import (
    InvalidManifest,
    NoMatchingPlatform,
    NotFound,
    Unauthorized,
)
from imgkit.image import Copied, Source, copy
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
        repository = repository_of(name)
        return daemon(
            f"pull access denied for {repository}, repository does not exist or may require "
            f"'docker login': {error.facts.get('says') or 'denied'}"
        )
    if "says" not in error.facts:  # it is a part of the image that is missing
        return Refused(f"imgkit: {error}")
    from imgkit.client import asks_itself  # noqa: PLC0415  `run` mostly asks no registry

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
    say = silent if quiet else bench.say
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


def _copied(
    bench: Bench, name: Reference, platform: Platform | None, say: Callable[[str], None]
) -> Copied:
    """Afterwards the image is here, under its name and under its digest."""
    screen, called = Screen(bench, say), name.tag or name.canonical
    with bench.source(name, screen.pause) as source:
        try:
            done = copy(
                _Said(source, lambda: screen.above(f"{called}: Pulling from {name.path}")),
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
    say = silent if quiet else bench.say
    new = False
    with bench.remote(written) as repository:
        tags = sorted(repository.tags())
    for tag in tags:
        name = written.with_tag(tag)
        before = bench.store.find(name)
        try:
            done = _copied(bench, name, platform, say)
        except NoMatchingPlatform as error:
            raise _not_pulled(bench, name, error) from None
        new |= before is None or before.descriptor.digest != done.manifest.digest
    news = "Downloaded newer image" if new else "Image is up to date"
    say(f"Status: {news} for {repository_of(written)}")
    bench.say(written.repository)
    return 0


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
}

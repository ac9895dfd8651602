"""Images of the local repository, named and sent to registries: tag and push."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from imgkit.commands.bench import Bench, Refused, daemon, silent
from imgkit.commands.names import found, named, repository_of, wrong
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import InvalidReference
from imgkit.image import Image, copy
from imgkit.reference import Reference

if TYPE_CHECKING:  # `tag` asks no registry, and would start later
    from imgkit.client import Exchange


def _tag(bench: Bench, options: Options) -> int:
    source, target = options.words
    try:
        name = Reference.parse(target)
    except InvalidReference as error:
        raise Refused(
            f'Error parsing reference: "{target}" is not a valid repository/tag: {wrong(error)}'
        ) from None
    if name.digest:
        raise Refused("refusing to create a tag with a digest reference")
    if name.familiar.partition(":")[0] in ("sha256", "sha384", "sha512"):
        raise daemon("refusing to create an ambiguous tag using digest algorithm as name")
    with bench.store.locked():  # or it may be removed between being found and being named
        holding, asked = found(bench, source)
        record = next(
            (r for r in holding.records if asked and r.name == asked.canonical), holding.records[0]
        )
        image = bench.store.open_image(record)
        bench.store.name(name.with_default_tag(), image.descriptor, image.index)
    return 0


def _push(bench: Bench, options: Options) -> int:
    written = named(options.words[0])
    quiet = options.on("quiet")
    here = [one for one in _tags(bench) if one.repository == written.repository]
    say = silent if quiet else bench.say
    if options.on("all-tags"):
        if written.tag or written.digest:
            raise Refused("tag can't be used with --all-tags/-a")
        names = sorted(here, key=str)
    else:
        names = [written.with_default_tag()]
        if names[0] != written:
            say(f"Using default tag: {names[0].tag}")
    say(f"The push refers to repository [{written.repository}]")
    if bench.mirror:  # a cache takes nothing: Docker Hub itself is asked, and its login sent
        bench.mirror = ""
        bench.go_live()
    if not here:
        raise Refused(f"An image does not exist locally with the tag: {repository_of(written)}")
    for name in names:
        if bench.store.find(name) is None:
            raise Refused(f"tag does not exist: {name.familiar}")
        _pushed(bench, name, say)
    if quiet:
        bench.say(names[0].canonical if len(names) == 1 else written.repository)
    return 0


def _tags(bench: Bench) -> list[Reference]:
    """Every tag of the local repository."""
    names = (Reference.parse(row.name) for row in bench.store.records() if row.name)
    return [name for name in names if name.tag]


def _pushed(bench: Bench, name: Reference, say: Callable[[str], None]) -> None:
    """Afterwards the registry has the image; a line a layer, the newest first, then its digest."""
    record = bench.store.find(name)
    assert record
    image = bench.store.open_image(record)
    siblings = tuple(_siblings(bench, name, image))
    layers = list({layer.diff_id: layer for layer in image.layers}.values())[::-1]
    if not bench.terminal:
        for layer in layers:
            say(f"{layer.diff_id.short}: Preparing")
    mounted: dict[str, str] = {}

    def listen(exchange: Exchange) -> None:
        query = parse_qs(urlsplit(exchange.url).query)
        if exchange.status == 201 and "mount" in query:
            mounted[query["mount"][0]] = query["from"][0]

    with bench.remote(name) as target, target.client.listening(listen):
        target.siblings = siblings
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


def _siblings(bench: Bench, name: Reference, image: Image) -> list[str]:
    """For each layer the repository of that registry that had it last, the last used first.

    No more of them: a token is asked for with all their names, and each is tried for each layer.
    """
    left = {layer.digest for layer in image.manifest.layers}
    found: dict[str, None] = {}
    for row in reversed(bench.store.records()):
        other = Reference.parse(row.name) if row.name else None
        if not (other and other.digest and other.registry == name.registry):
            continue
        theirs = {layer.digest for layer in bench.store.open_image(row).manifest.layers}
        if other.path != name.path and left & theirs:
            found[other.path] = None
            left -= theirs
    return list(found)


VERBS: Final = {
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

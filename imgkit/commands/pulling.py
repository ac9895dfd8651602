"""Images between here and the registries: pull."""

from __future__ import annotations

from typing import Final

from imgkit.client import asks_itself
from imgkit.commands.bench import Bench
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import NotFound
from imgkit.image import COMPLETE, EXISTS, Copied, Progress, copy
from imgkit.manifest import CONFIG_TYPES
from imgkit.platforms import Platform
from imgkit.reference import Reference

_LIVE: Final = (
    "(The embedded registry was asked, which has samples only; --live asks the real one.)"
)


def _pull(bench: Bench, options: Options) -> int:
    platform = options.value("platform")
    try:
        pull(
            bench,
            options.words[0],
            Platform.parse(platform) if platform else None,
            quiet=options.on("quiet"),
        )
    except NotFound as error:
        if bench.live or asks_itself(Reference.parse(options.words[0]).registry):
            raise
        raise NotFound(f"{error} {_LIVE}", name=options.words[0]) from None
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
    say(f"{name.tag or name.canonical}: Pulling from {name.path}")
    with bench.source(name) as source:
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


VERBS: Final = {
    "pull": Verb(
        "Download an image from a registry",
        "[OPTIONS] NAME[:TAG|@DIGEST]",
        _pull,
        (
            Flag("platform", "Set platform if server is multi-platform capable", value="string"),
            Flag("quiet", "Suppress verbose output", "q"),
        ),
        least=1,
        most=1,
        aliases=("image pull",),
    ),
}

"""A container becomes an image: commit."""

from __future__ import annotations

from typing import Final

from imgkit.build.effects import changed
from imgkit.commands.bench import Bench, Refused
from imgkit.commands.containers import by_engine
from imgkit.commands.names import wrong
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import BuildFailed, ContainerError, InvalidDockerfile, InvalidReference
from imgkit.reference import Reference


def _commit(bench: Bench, options: Options) -> int:
    try:
        name = Reference.parse(options.words[1]).with_default_tag() if options.words[1:] else None
    except InvalidReference as error:
        raise Refused(wrong(error)) from error
    container = bench.containers.get(options.words[0])
    settings = {**container.image.config.settings, **container.settings}
    try:
        changes = changed(settings, options.values("change"))
    except (BuildFailed, InvalidDockerfile) as error:
        raise ContainerError(str(error.facts.get("reason") or error)) from error
    image = container.commit(
        bench.store,
        name,
        author=options.value("author"),
        message=options.value("message"),
        changes=changes,
    )
    bench.say(image.id)
    return 0


VERBS: Final = {
    "commit": Verb(
        "Create a new image from a container's changes",
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        by_engine(_commit),
        (
            Flag(
                "author",
                'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")',
                "a",
                "string",
            ),
            Flag("change", "Apply Dockerfile instruction to the created image", "c", "list"),
            Flag("message", "Commit message", "m", "string"),
            Flag("pause", "Pause container during commit", "p"),
        ),
        least=1,
        most=2,
        aliases=("container commit",),
    ),
}

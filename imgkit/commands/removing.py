"""Images that go: `rmi` and `image prune`. The rules are in `imgkit.removal`."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from imgkit import golang, units
from imgkit.commands.bench import DAEMON, FAILED, Bench, daemon
from imgkit.commands.filters import boolean, labelled, pairs
from imgkit.commands.names import wrong
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import InvalidReference, NotFound
from imgkit.inventory import Holding, holdings
from imgkit.reference import Reference
from imgkit.removal import Conflict, Removal


def _rmi(bench: Bench, options: Options) -> int:
    removal = Removal(bench.store, bench.containers)
    failed = False
    for text in options.words:
        try:
            for gone in removal.remove(text, force=options.on("force")):
                bench.say(str(gone))
        except (NotFound, Conflict) as error:
            sentence = _not_a_name(text) or str(error)
            failed |= isinstance(error, Conflict) or not options.on("force")
            bench.warn(f"{DAEMON}{sentence}")
    return FAILED if failed else 0


def _not_a_name(text: str) -> str:
    try:
        Reference.parse(text)
    except InvalidReference as error:
        return wrong(error, engine=True)
    return ""


def _prune(bench: Bench, options: Options) -> int:
    given = pairs(bench, options)
    for name in given:
        if name not in ("dangling", "label", "label!", "until"):
            raise daemon(f"Invalid filter '{name}'")
    every = options.on("all") or boolean("dangling", given) is False
    if not options.on("force") and not _confirmed(bench, every):
        return 0
    unwanted = [one for one in holdings(bench.store) if every or not one.tags]
    unwanted = [one for one in unwanted if _meets(bench, one, given)]
    gone, reclaimed = Removal(bench.store, bench.containers).prune(unwanted)
    if gone:
        bench.say("Deleted Images:")
        for one in gone:
            bench.say(f"{one.kind.lower()}: {one.what}")
        bench.say("")
    bench.say(f"Total reclaimed space: {units.size(reclaimed, 4)}")
    return 0


def _confirmed(bench: Bench, every: bool) -> bool:
    what = (
        "images without at least one container associated to them" if every else "dangling images"
    )
    bench.say(f"WARNING! This will remove all {what}.")
    return bench.confirmed()


def _meets(bench: Bench, holding: Holding, given: dict[str, list[str]]) -> bool:
    """Whether the filters let an image go."""
    labels = holding.image.config.settings.get("Labels") or {} if holding.image else {}
    if not labelled(labels, given.get("label", ())):
        return False
    if any(labelled(labels, [text]) for text in given.get("label!", ())):
        return False
    for text in given.get("until", ()):
        age = golang.duration(text)
        if age is None:
            raise daemon(f'invalid filter "until={text}"')
        limit = bench.now() - timedelta(microseconds=age / 1000)
        if units.moment(holding.created) >= limit:
            return False
    return True


VERBS: Final = {
    "rmi": Verb(
        "Remove one or more images",
        "[OPTIONS] IMAGE [IMAGE...]",
        _rmi,
        (
            Flag("force", "Force removal of the image", "f"),
            Flag("no-prune", "Do not delete untagged parents"),
        ),
        least=1,
        most=None,
        aliases=("image rm", "image remove"),
    ),
    "image prune": Verb(
        "Remove unused images",
        "[OPTIONS]",
        _prune,
        (
            Flag("all", "Remove all unused images, not just dangling ones", "a"),
            Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', value="filter"),
            Flag("force", "Do not prompt for confirmation", "f"),
        ),
    ),
}

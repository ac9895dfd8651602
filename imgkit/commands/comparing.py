"""The verb `diff`: of a container, as Docker has it; or of two images, wherever they are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from imgkit import units
from imgkit.commands import containers
from imgkit.commands.bench import Bench
from imgkit.commands.exploring import JSON, PLATFORM, platform
from imgkit.commands.verb import Options, Verb
from imgkit.comparison import ADDED, CHANGED, DELETED, Comparison, Difference
from imgkit.location import located
from imgkit.tar.entry import Kind

LETTERS: Final = {ADDED: "A", CHANGED: "C", DELETED: "D"}


def _diff(bench: Bench, options: Options) -> int:
    """With one word, Docker's `diff` of a container; with two, what makes two images differ."""
    if len(options.words) == 1:
        return containers.VERBS["container diff"].does(bench, options)
    wanted = platform(bench, options)
    first, second = options.words
    with (
        located(first, bench.store, bench.client, wanted) as before,
        located(second, bench.store, bench.client, wanted) as after,
    ):
        comparison = Comparison(before, after)
        if options.on("json"):
            bench.say(json.dumps(_comparison_facts(comparison)))
        else:
            _say_comparison(bench, comparison)
    return 0


def _comparison_facts(found: Comparison) -> dict[str, Any]:
    return {
        "before": found.before.digest,
        "after": found.after.digest,
        "shared_layers": found.layers,
        "bytes": found.bytes,
        "files": [asdict(each) for each in found.files],
        "settings": [asdict(each) for each in found.settings],
    }


def _say_comparison(bench: Bench, found: Comparison) -> None:
    for each in found.files:
        bench.say(_told(each))
    for setting in found.settings:
        before, after = (
            "(not set)" if value is None else value if isinstance(value, str) else json.dumps(value)
            for value in (setting.before, setting.after)
        )
        bench.say(f"S {setting.name}: {before} -> {after}")
    counts = [each.what for each in found.files]
    told = ", ".join(f"{counts.count(what)} {what}" for what in LETTERS)
    sign = "-" if found.bytes < 0 else "+"
    bench.say(
        f"{told} ({sign}{units.size(abs(found.bytes))}); {len(found.settings)} settings differ; "
        f"{found.layers} layers in common"
    )


def _told(each: Difference) -> str:
    """One path, with Docker's letter for what happened to it."""
    mark = "/" if each.kind is Kind.DIR else ""
    sizes = {
        ADDED: f"+{units.size(each.after)}",
        DELETED: f"-{units.size(each.before)}",
        CHANGED: f"{units.size(each.before)} -> {units.size(each.after)}, {', '.join(each.of)}",
    }
    size = f"  ({sizes[each.what]})" if each.kind is not Kind.DIR or each.of else ""
    return f"{LETTERS[each.what]} /{each.path}{mark}{size}"


VERBS: Final = {
    "diff": Verb(
        "Inspect changes to files or directories on a container's filesystem; "
        "or, of two images, the files and settings that differ",
        "CONTAINER | [OPTIONS] IMAGE IMAGE",
        _diff,
        (JSON, PLATFORM),
        least=1,
        most=2,
    ),
}

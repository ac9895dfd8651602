"""The verbs: words in, lines out. The `imgkit` command and the notebooks are thin over this table.

Each verb reads its own words, calls the library, and says what happened, a line at a time, the
way Docker says it where Docker has the verb. `docker image ls` is `images`, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from imgkit.commands import (
    archives,
    building,
    comparing,
    completion,
    containers,
    creating,
    describing,
    doctor,
    exploring,
    inspecting,
    listing,
    looking,
    manifests,
    processes,
    pulling,
    pushing,
    removing,
    running,
)
from imgkit.commands.bench import CLASSIC, CONTAINERD, FAILED, USAGE, VIEWS, Bench, Refused
from imgkit.commands.pulling import pull
from imgkit.commands.verb import UNKNOWN_FLAG, Options, Reader, Verb, explained
from imgkit.errors import ImgkitError, InvalidReference

__all__ = [
    "CLASSIC",
    "CONTAINERD",
    "FAILED",
    "VERBS",
    "Bench",
    "Refused",
    "Verb",
    "do",
    "parse",
    "pull",
    "run",
]

VERBS: Final[dict[str, Verb]] = {
    **pulling.VERBS,
    **pushing.VERBS,
    **listing.VERBS,
    **inspecting.VERBS,
    **describing.VERBS,
    **removing.VERBS,
    **manifests.VERBS,
    **running.VERBS,
    **creating.VERBS,
    **processes.VERBS,
    **containers.VERBS,
    **building.VERBS,
    **archives.VERBS,
    **exploring.VERBS,
    **comparing.VERBS,
    **doctor.VERBS,
    **looking.VERBS,
    **completion.VERBS,
}

_TOP: Final = "[OPTIONS] COMMAND [ARG...]"

CALLED: Final = {word: name for name in VERBS for word in (name, *VERBS[name].aliases)}
"""Every way to call a verb, with the name that it has in the table."""


def run(bench: Bench, words: Sequence[str]) -> int:
    """Do what the words say on that bench; what goes wrong is said; returns the exit status."""
    try:
        return do(bench, words)
    except Refused as refused:
        bench.warn(str(refused))
        if "why" in refused.facts:
            bench.hint(refused.facts["why"])
        return refused.status
    except ImgkitError as error:
        bench.warn(f"imgkit: {error}")
        return USAGE if isinstance(error, InvalidReference) else FAILED


def do(bench: Bench, words: Sequence[str]) -> int:
    """Do what the words say on that bench; raises `ImgkitError`."""
    called, options = parse(bench.prog, words)
    if called not in CALLED or options.on("help"):
        bench.say(_help(bench.prog, called))
        return 0
    return VERBS[CALLED[called]].does(_settled(bench, options), options)


def _settled(bench: Bench, options: Options) -> Bench:
    """The bench as the words want it that may stand before any verb."""
    bench = replace(bench)
    if options.value("home"):
        bench.home = Path(options.value("home"))
    bench.mirror = options.value("mirror", bench.mirror)
    if options.on("live") or options.on("mirror"):
        bench.go_live()
    bench.view = options.value("view", bench.view)
    if bench.view not in VIEWS:
        raise Refused(f"the view is {' or '.join(VIEWS)}, not {bench.view!r}", status=UNKNOWN_FLAG)
    return bench


def parse(prog: str, words: Sequence[str]) -> tuple[str, Options]:
    """The verb as it was called, which may be no verb yet but a group, and its options."""
    top = Reader(prog, "", Verb("", _TOP, lambda bench, options: 0, most=None, mixed=False))
    before = top.read(words)
    rest = list(before.words)
    called = next(
        (name for n in (3, 2, 1) if (name := " ".join(rest[:n])) in CALLED and len(rest) >= n), ""
    )
    if not called:
        return _group(prog, rest), before
    verb = VERBS[CALLED[called]]
    options = Reader(prog, called, verb).read(rest[len(called.split()) :])
    return called, Options(called, options.words, {**before.flags, **options.flags})


def _group(prog: str, words: Sequence[str]) -> str:
    """The words that verbs begin with, as with `image`, or none; raises `Refused` for others."""
    words = [word for word in words if word not in ("--help", "-h")]
    group = " ".join(words)
    if not group or _members(group):
        return group
    known = words[0] if _members(words[0]) else ""
    name = f"{prog} {known}".rstrip()
    usage = f"Usage:  {name}\n\n" if known else ""
    raise Refused(
        f"{prog}: unknown command: {prog} {' '.join(words[: 2 if known else 1])}\n\n{usage}"
        f"Run '{name} --help' for more information"
    )


def _members(group: str) -> list[str]:
    """Every way to call a verb that begins with these words."""
    return sorted(called for called in CALLED if called.startswith(f"{group} " if group else ""))


def _help(prog: str, called: str) -> str:
    """What `--help` prints of a verb, or of the verbs that begin with these words."""
    if called in CALLED:
        verb = VERBS[CALLED[called]]
        return explained(prog, called, (*verb.aliases, CALLED[called]), verb)
    members = {name: VERBS[CALLED[name]].help for name in _members(called)}
    if not called:
        members = {name: said for name, said in members.items() if name in VERBS}
    width = max(map(len, members)) + 3
    lines = [f"  {name.ljust(width)}{said}" for name, said in members.items()]
    start = f"{prog} {called}".rstrip()
    return "\n".join(
        [
            f"Usage:  {start} COMMAND",
            "",
            "Container images, taken apart with nothing pretended.",
            "",
            "Commands:",
            *lines,
            "",
            *explained(prog, "", (), Verb("", "", lambda bench, options: 0)).splitlines()[4:],
            "",
            f"Run '{start} COMMAND --help' for more information on a command.",
        ]
    )

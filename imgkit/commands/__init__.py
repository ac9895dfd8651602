"""The verbs: words in, lines out. The `imgkit` command and the notebooks are thin over this table.

Each verb reads its own words, calls the library, and says what happened, a line at a time, the
way Docker says it where Docker has the verb. `docker image ls` is `images`, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from imgkit.commands.absent import instead
from imgkit.commands.bench import CLASSIC, CONTAINERD, FAILED, USAGE, VIEWS, Bench, Refused
from imgkit.commands.verb import UNKNOWN_FLAG, Options, Reader, Verb, explained
from imgkit.errors import ImgkitError, InvalidReference
from imgkit.limits import current

__all__ = [
    "CLASSIC",
    "CONTAINERD",
    "FAILED",
    "VERBS",
    "Bench",
    "Refused",
    "Verb",
    "beginning",
    "called_by",
    "do",
    "parse",
    "run",
]

MODULES: Final = {
    "pulling": ("pull",),
    "pushing": ("push", "tag"),
    "listing": ("images",),
    "inspecting": ("inspect", "image inspect", "container inspect"),
    "describing": ("history",),
    "removing": ("rmi", "image prune"),
    "manifests": ("manifest inspect", "buildx imagetools inspect"),
    "running": ("run", "start", "exec"),
    "creating": ("create",),
    "processes": ("ps",),
    "containers": (
        "stop",
        "kill",
        "restart",
        "rm",
        "container prune",
        "rename",
        "wait",
        "logs",
        "container diff",
    ),
    "committing": ("commit",),
    "building": ("build",),
    "archives": ("save", "load"),
    "exploring": ("explore",),
    "comparing": ("diff",),
    "doctor": ("doctor",),
    "looking": ("serve", "reference", "unpack", "verify"),
    "completion": ("completion",),
}
"""Which module of this package has which verbs, in the order in which `--help` lists them."""


class _Verbs(Mapping[str, Verb]):
    """The verbs by name. A module is imported when its verb is asked for: most never are."""

    _modules: Final = {name: module for module, names in MODULES.items() for name in names}

    def __getitem__(self, name: str) -> Verb:
        module = import_module(f"{__name__}.{self._modules[name]}")
        verb: Verb = module.VERBS[name]
        return verb

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


VERBS: Final = _Verbs()


@cache
def called_by() -> dict[str, str]:
    """Every way to call a verb, with the name that it has in the table."""
    return {word: name for name in VERBS for word in (name, *VERBS[name].aliases)}


def verb_of(called: str) -> Verb | None:
    """The verb that is called so, by its name or another; None if there is none."""
    if called in VERBS:
        return VERBS[called]
    name = called_by().get(called)
    return VERBS[name] if name else None


def beginning(words: Sequence[str]) -> str:
    """The words at the beginning that call a verb; nothing if none do."""
    starts = [" ".join(words[:n]) for n in (3, 2, 1)]
    named = (start for start in starts if start in VERBS)
    return next(named, "") or next((start for start in starts if start in called_by()), "")


_TOP: Final = "[OPTIONS] COMMAND [ARG...]"


def run(bench: Bench, words: Sequence[str]) -> int:
    """Do what the words say on that bench; what goes wrong is said; returns the exit status."""
    try:
        current()  # a wrong setting is said at once, not where it is first met
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
    verb = verb_of(called)
    if verb is None or options.on("help"):
        bench.say(_help(bench.prog, called))
        return 0
    return verb.does(_settled(bench, options), options)


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
    called = beginning(rest)
    verb = verb_of(called)
    if verb is None:
        return _group(prog, rest), before
    options = Reader(prog, called, verb).read(rest[len(called.split()) :])
    return called, Options(called, options.words, {**before.flags, **options.flags})


def _group(prog: str, words: Sequence[str]) -> str:
    """The words that verbs begin with, as with `image`, or none; raises `Refused` for others."""
    words = [word for word in words if word not in ("--help", "-h")]
    group = " ".join(words)
    if not group or _members(group):
        return group
    known = words[0] if _members(words[0]) else ""
    if advice := instead(words):
        raise Refused(f"imgkit: there is no `{group}` here: {advice}.")
    name = f"{prog} {known}".rstrip()
    usage = f"Usage:  {name}\n\n" if known else ""
    raise Refused(
        f"{prog}: unknown command: {prog} {' '.join(words[: 2 if known else 1])}\n\n{usage}"
        f"Run '{name} --help' for more information"
    )


def _members(group: str) -> list[str]:
    """Every way to call a verb that begins with these words."""
    return sorted(
        called for called in called_by() if called.startswith(f"{group} " if group else "")
    )


def _help(prog: str, called: str) -> str:
    """What `--help` prints of a verb, or of the verbs that begin with these words."""
    if verb := verb_of(called):
        return explained(prog, called, (*verb.aliases, called_by()[called]), verb)
    members = {name: VERBS[called_by()[name]].help for name in _members(called)}
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

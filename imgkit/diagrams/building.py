"""Which steps of builds came from the cache; and an image from its build to a run elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from imgkit.conversation import short
from imgkit.figure import Figure
from imgkit.image import Image
from imgkit.legend import Drawing, bold, brief, faint, mono, place
from imgkit.rebuild import BASE, LAYER, Row, Run
from imgkit.server import Exchange
from imgkit.units import size

_STEP: Final = 62
_TEXT: Final = 34
"""Characters of an instruction that are shown."""


def build_cache(runs: Sequence[Run]) -> Figure:
    """Builds side by side, a step a row: pale and dashed if it came from the cache.

    There is room for three; the instructions are those of the last.
    """
    drawing = Drawing.grid()
    last = runs[-1].rows if runs else ()
    for number, row in enumerate(last):
        where = place(0, _STEP * number)
        drawing.text(f"text {number}", mono(brief(row.text, _TEXT), 12), text_width=262, **where)
    for column, run in enumerate(runs):
        x = 232.0 + 172 * column
        drawing.text(f"run {column}", bold(f"build {column + 1}"), text_width=60, **place(x, -46))
        for number, row in enumerate(run.rows):
            _step(drawing, f"{column} {number}", row, place(x, _STEP * number, 152, 44))
            if number:
                drawing.arrow(f"{column} {number - 1}", f"{column} {number}")
    told = ". ".join(f"Build {n}: {_told(run)}" for n, run in enumerate(runs, 1))
    rows = [
        (str(n), str(row.number), row.text, row.source, str(row.image or ""), row.why)
        for n, run in enumerate(runs, 1)
        for row in run.rows
    ]
    head = ("build", "step", "instruction", "whence", "image after it", "why")
    caption = "Pale and dashed: from the cache. In colour: carried out, and all below it, too."
    return Figure(drawing.dot, f"{told or 'Nothing has been built yet'}.", caption, head, rows)


def _step(drawing: Drawing, name: str, row: Row, where: dict[str, str]) -> None:
    kind = {BASE: "manifest", LAYER: "layer"}.get(row.kind, "config")
    pale = {"style": "dashed", "fillcolor": "#ffffff"} if row.cached else {}
    source = faint(row.source) if row.cached else bold(row.source)
    image = mono(row.image.short if row.image else "nothing", 12)
    drawing.thing(name, kind, source, image, **where | pale)


def _told(run: Run) -> str:
    """The numbers of the steps that were, and were not, in the cache."""
    cached = [str(row.number) for row in run.rows if row.cached]
    anew = [str(row.number) for row in run.rows if not row.cached and row.kind != BASE]
    parts = [("from the cache", cached), ("carried out", anew)]
    told = (f"{words}: step{'s' * (len(n) > 1)} {', '.join(n)}" for words, n in parts if n)
    return "; ".join(told) or "no steps"


@dataclass(frozen=True, slots=True)
class _Travel:
    """The digests of blobs that one repository of a registry got, had, and gave away."""

    sent: frozenset[str]
    mounted: frozenset[str]
    there: frozenset[str]
    pulled: frozenset[str]

    @classmethod
    def of(cls, path: str, log: Iterable[Exchange]) -> _Travel:
        """Read from the log of the registry."""
        found: dict[str, set[str]] = {"PUT": set(), "POST": set(), "HEAD": set(), "GET": set()}
        within = f"/v2/{path}/blobs/"
        for line in log:
            url = urlsplit(line.path)
            if not url.path.startswith(within) or line.method not in found:
                continue
            query = parse_qs(url.query)
            digest = [*query.get("digest", ()), *query.get("mount", ())]
            if line.method in ("HEAD", "GET"):
                digest = [unquote(url.path).removeprefix(within)]
            if line.status in (200, 201):
                found[line.method].update(digest)
        sent, mounted, seen, pulled = map(frozenset, found.values())
        return cls(sent, mounted, seen - sent - mounted, pulled)


def build_share_run(image: Image, log: Iterable[Exchange]) -> Figure:
    """An image where it was built, the registry it was pushed to, and where it was pulled.

    `log` is the registry's. Layers are shown by their DiffIDs, which depend on no compression.
    """
    assert image.name
    travel = _Travel.of(image.name.path, log)
    push = f"{len(travel.sent)} blobs sent"
    more = ((travel.mounted, "mounted"), (travel.there, "there already"))
    told = [push, *(f"{len(blobs)} {words}" for blobs, words in more if blobs)]
    pull = f"{len(travel.pulled)} blobs fetched"
    drawing = Drawing.grid()
    name = f"{image.name.path}:{image.name.tag}"
    _way(drawing, image.name.registry, name)
    drawing.text("push", bold("push"), *map(faint, told), text_width=110, **place(140, -52))
    drawing.text("pull", bold("pull"), faint(pull), text_width=110, **place(445, -52))
    _stack(drawing, image)
    alt = (
        f"Build, share, run: {name} with config {short(image.id)} and {len(image.layers)} layers "
        f"is built in one local repository, pushed to {image.name.registry} ({', '.join(told)}), "
        f"and pulled on another machine ({pull}), which starts a container from it."
    )
    rows = [("config", str(image.id), size(len(image.config.raw)))]
    for number, layer in enumerate(image.layers, 1):
        rows.append((f"layer {number}", str(layer.diff_id), size(layer.unpacked_size)))
    caption = f"{image.name.familiar}: {', '.join(told)}; {pull}. Layers by DiffID."
    return Figure(drawing.dot, alt, caption, ("part", "digest", "size, not compressed"), rows)


def _way(drawing: Drawing, registry: str, name: str) -> None:
    """The three places where an image is, one after the other, and its name and its container."""
    places = (
        ("here", "repository", "build", "local repository", place(0, 0, 180, 56)),
        ("registry", "registry", "share", brief(registry, 28), place(295, 0, 210, 72)),
        ("there", "repository", "run", "another machine", place(580, 0, 180, 56)),
    )
    for node, kind, does, what, where in places:
        drawing.thing(node, kind, bold(does), faint(what), **where)
    drawing.thing("name", "name", mono(brief(name, 30), 12), **place(295, 90, 240, 34))
    drawing.arrow("name:n", "registry:s", style="dashed")
    drawing.thing("box", "container", bold("container"), **place(580, 90, 150, 40))
    drawing.arrow("there", "box")
    drawing.arrow("here:e", "registry:w")
    drawing.arrow("registry:e", "there:w")


def _stack(drawing: Drawing, image: Image) -> None:
    """The config and the layers below the place where they were built, the base at the bottom."""
    line = f"{bold('config')}  {mono(image.id.short, 12)}"
    drawing.thing("config", "config", line, **place(0, 84, 250, 32))
    drawing.arrow("here", "config", arrowhead="none")
    total = len(image.layers)
    for row, layer in enumerate(reversed(image.layers)):
        facts = f"{bold(f'layer {total - row}')}  {mono(layer.diff_id.short, 12)}  "
        where = place(0, 126 + 36 * row, 250, 32)
        drawing.thing(f"layer {row}", "layer", facts + faint(size(layer.unpacked_size)), **where)

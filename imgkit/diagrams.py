"""Diagrams of the course, as Graphviz DOT, drawn from real images and real logs.

Arrows: solid, "points at by digest"; dashed, "named by". Things that lie on one another cover
what is below, without an arrow. Shapes and colours are those of `legend.LEGEND`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from imgkit.client import Exchange
from imgkit.conversation import Step, short, steps
from imgkit.figure import Figure
from imgkit.image import Copied, Image, read_document
from imgkit.legend import LEGEND, Drawing, bold, faint, mono, place, plain, wrapped
from imgkit.manifest import Descriptor, Index, Manifest
from imgkit.units import size


def legend() -> Figure:
    """What each shape and colour stands for."""
    drawing = Drawing.grid()
    for position, (name, kind) in enumerate(LEGEND.items()):
        x, y = 256 * (position % 3), 66 * (position // 3)
        drawing.thing(name, name, bold(name), **place(x, y, 116, 40))
        meaning = map(faint, wrapped(kind.meaning, 21))
        drawing.text(f"{name}: meaning", *meaning, text_width=138, **place(x + 136, y))
    rows = [(name, kind.drawn, kind.meaning) for name, kind in LEGEND.items()]
    alt = "Legend. " + "; ".join(f"{name}: {kind.meaning}" for name, kind in LEGEND.items()) + "."
    caption = "One shape and one colour for each kind of thing, in every picture of this course."
    return Figure(drawing.dot, alt, caption, ("thing", "drawn as", "meaning"), rows)


class Lesson(Protocol):
    """What the map needs to know of a lesson."""

    @property
    def file(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def ready(self) -> bool: ...


_BOX: Final = {"shape": "box", "color": "#8c959f", "style": "rounded,dashed"}
_READY: Final = _BOX | {"color": "#0072b2", "fillcolor": "#e3f0f9", "style": "filled,rounded"}


def course_map(lessons: Sequence[Lesson]) -> Figure:
    """The lessons in order, in groups; those that can be opened are drawn solid, and linked."""
    drawing = Drawing.grid()
    groups: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        groups.setdefault(lesson.group, []).append(lesson)
    for row, (group, members) in enumerate(groups.items()):
        _group(drawing, 70 * row, group, members)
    ready = [lesson for lesson in lessons if lesson.ready]
    told = [f"{group}: {', '.join(map(_numbered, members))}." for group, members in groups.items()]
    alt = (
        f"Map of the course: {len(lessons)} lessons in {len(groups)} groups. {' '.join(told)} "
        f"Ready now: {', '.join(lesson.file[:2] for lesson in ready)}."
    )
    caption = "The course. Solid: ready to be opened. Dashed: still being written."
    rows = [(_numbered(n), n.group, "ready" if n.ready else "not yet") for n in lessons]
    links = [(_numbered(lesson), f"{lesson.file}.ipynb") for lesson in ready]
    return Figure(drawing.dot, alt, caption, ("lesson", "group", "state"), rows, links)


def _numbered(lesson: Lesson) -> str:
    return f"{lesson.file[:2]} {lesson.title}"


def _group(drawing: Drawing, y: int, group: str, lessons: Sequence[Lesson]) -> None:
    """One row of the map: what the lessons have in common, and the lessons in order."""
    drawing.text(group, *map(bold, wrapped(group, 12)), text_width=96, **place(0, y))
    for column, lesson in enumerate(lessons):
        write = plain if lesson.ready else faint
        lines = [bold(lesson.file[:2]), *map(write, wrapped(lesson.title, 29))]
        look = (_READY if lesson.ready else _BOX) | place(168 + 230 * column, y, 206, 56)
        drawing.box(lesson.file, *lines, text_width=186, **look)
        if column:
            drawing.arrow(lessons[column - 1].file, lesson.file)


def image_parts(image: Image) -> Figure:
    """One image taken apart: its name, its index if any, its manifest, its config and layers."""
    drawing = Drawing.grid()
    name = image.name.familiar if image.name else "(no name)"
    bottom = 76 + 38 * (len(image.manifest.layers) - 1)
    middle = max(bottom / 2, 60)
    _stack(drawing, image.manifest, bottom)
    manifest = place(346, middle, 176, 64)
    drawing.thing("manifest", "manifest", *_facts("manifest", image.descriptor), **manifest)
    if image.index:
        index = _facts("index", image.index)
        drawing.thing("index", "index", *index, **place(105, middle, 216, 78))
        platforms = _platforms(image)
        below = middle + 48 + 8 * len(platforms)
        drawing.text("platforms", *platforms, text_width=110, **place(105, below))
        drawing.arrow("index", "manifest")
    named, x = ("index", 105) if image.index else ("manifest", 346)
    _tag(drawing, name, x, middle - 92)
    drawing.arrow("name", named, style="dashed")
    caption = f"{name}, taken apart. Solid arrow: points at by digest. Dashed: named by."
    headings = ("part", "digest", "size")
    return Figure(drawing.dot, _told(image, name), caption, headings, _part_rows(image))


def _tag(drawing: Drawing, name: str, x: float, y: float) -> None:
    """A name on its tag; a long one in two lines."""
    folder, slash, last = name.rpartition("/") if len(name) > 26 else ("", "", name)
    lines = [folder + slash, last] if folder else [last]
    where = place(x, y, 40 + 7.4 * max(map(len, lines)), 14 + 16 * len(lines))
    drawing.thing("name", "name", *(mono(line, 12) for line in lines), **where)


def _told(image: Image, name: str) -> str:
    """The parts of an image in a few sentences."""
    manifest = f"manifest {short(image.digest)}"
    found = f"the {manifest}"
    if image.index:
        found = f"the index {short(image.index.digest)}. The index points at the {manifest}"
    layers = len(image.manifest.layers)
    return (
        f"The name {name} points at {found}. The manifest points, by digest, at the config "
        f"{short(image.id)} and at {layers} layer{'s' * (layers != 1)}, "
        f"{size(image.packed_size)} together."
    )


def _part_rows(image: Image) -> list[tuple[str, str, str]]:
    parts = [("index", image.index)] if image.index else []
    parts += [("manifest", image.descriptor), ("config", image.manifest.config)]
    parts += [(f"layer {n}", layer) for n, layer in enumerate(image.manifest.layers, 1)]
    return [(name, str(part.digest), size(part.size)) for name, part in parts]


def _facts(kind: str, descriptor: Descriptor) -> list[str]:
    return [bold(kind), mono(short(descriptor.digest)), faint(size(descriptor.size))]


def _platforms(image: Image) -> list[str]:
    """The platforms that the index lists, the chosen one in bold."""
    assert image.index is not None
    found = read_document(image.source, image.index)
    assert isinstance(found, Index)
    attestations = sum(entry.is_attestation for entry in found.manifests)
    lines = [
        bold(f"{entry.platform} (chosen)")
        if entry.digest == image.digest
        else faint(str(entry.platform))
        for entry in found.manifests
        if not entry.is_attestation
    ]
    return lines + [faint(f"+ {attestations} attestations")] * bool(attestations)


def _stack(drawing: Drawing, manifest: Manifest, bottom: float) -> None:
    """The config, and below it the layers as they lie on one another, the base at the bottom."""
    drawing.thing("config", "config", *_facts("config", manifest.config), **place(641, 0, 270, 64))
    drawing.arrow("manifest:e", "config:w")
    for number, layer in enumerate(manifest.layers):
        facts = f"{bold(f'layer {number + 1}')}  {mono(short(layer.digest), 12)}  "
        where = place(641, bottom - 38 * number, 270, 32)
        drawing.thing(f"layer {number}", "layer", facts + faint(size(layer.size)), **where)
        drawing.arrow("manifest:e", f"layer {number}:w")


_PARTIES: Final = {"repository": 0, "client": 212, "registry": 516, "token service": 660}
"""Who takes part in a pull, and how many pixels to the right their line is drawn."""
_NAMES: Final = {"repository": ("local", "repository"), "token service": ("token", "service")}


def conversation(requests: Sequence[Exchange], copied: Copied) -> Figure:
    """Who talks to whom in one pull, in order: requests, answers, and the local repository."""
    drawing = Drawing.grid()
    told = steps(requests, copied)
    bottom = 48 + 56 * len(told)
    for party, x in _PARTIES.items():
        drawing.thing(party, party, *map(bold, _NAMES.get(party, (party,))), **place(x, 0, 110, 48))
        _point(drawing, f"{party} end", x, bottom)
        drawing.arrow(party, f"{party} end", arrowhead="none", style="dashed", color="#c8ccd0")
    for number, step in enumerate(told, 1):
        _exchange(drawing, number, step, 10 + 56 * number)
    caption = f"One pull, {len(requests)} requests. Solid arrow: asks. Dashed arrow: answers."
    alt = "Who talks to whom in one pull. " + " ".join(
        f"{number}. {step}." for number, step in enumerate(told, 1)
    )
    rows = [
        (f"{number}", step.to, asked, step.answer)
        for number, step in enumerate(told, 1)
        for asked in step.requests or (step.asks,)
    ]
    return Figure(drawing.dot, alt, caption, ("step", "asked of", "request", "answer"), rows)


def _exchange(drawing: Drawing, number: int, step: Step, y: int) -> None:
    """One step: a numbered arrow there, and a dashed one back."""
    here, there = _PARTIES["client"], _PARTIES[step.to]
    leftmost = min(here, there) + 16
    asks = mono(step.asks, 12) if step.requests else faint(step.asks)
    width = abs(there - here) - 32
    drawing.text(f"asks {number}", asks, text_width=width, **place(leftmost + width / 2, y - 10))
    drawing.text(
        f"says {number}",
        faint(step.answer),
        text_width=width,
        **place(leftmost + width / 2, y + 12),
    )
    for name, dy, back in (("asks", 0, False), ("says", 22, True)):
        ends = [f"{number} {name} client", f"{number} {name} other"]
        _point(drawing, ends[0], here, y + dy)
        _point(drawing, ends[1], there, y + dy)
        colour = LEGEND[step.to].colour
        drawing.arrow(
            *ends[:: -1 if back else 1], style="dashed" if back else "solid", color=colour
        )
    drawing.graph.node(
        f"{number}",
        shape="circle",
        style="filled",
        fillcolor="#1b1f23",
        color="#1b1f23",
        fontcolor="#ffffff",
        fontsize="12",
        **place(here, y, 20, 20),
    )


def _point(drawing: Drawing, name: str, x: float, y: float) -> None:
    drawing.graph.node(name, label="", shape="point", style="invis", **place(x, y, 0.1, 0.1))

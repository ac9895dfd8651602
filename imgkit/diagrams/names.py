"""A name taken apart, and tags pointing at images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from imgkit.address import ABSENT, ASSUMED, Address
from imgkit.conversation import short
from imgkit.figure import Figure
from imgkit.legend import Drawing, bold, brief, faint, mono, place, wrapped
from imgkit.manifest import INDEX_TYPES, Descriptor
from imgkit.units import counted

_KINDS: Final = {
    "registry": "registry",
    "user or org": "repository",
    "repository": "repository",
    "tag": "name",
    "digest": "manifest",
}
_MOST: Final = 40
"""Characters of a part, or of a tag, for which there is room."""
_STEP: Final = 46
"""Pixels from one tag to the next."""


def name_parts(text: str) -> Figure:
    """A legal name in its parts, from left to right; what was left out is said to be assumed."""
    address = Address.of(text)
    drawing = Drawing.grid()
    parts = [part for part in address.parts if part.state != ABSENT]
    x = 0.0
    for part in parts:
        value = brief(part.value, _MOST)
        width = max(112, 30 + 8 * len(value))
        kind, middle = _KINDS[part.role], x + width / 2
        drawing.thing(part.role, kind, mono(value), **place(middle, 34, width, 46))
        lines = [part.state, *wrapped(part.says, 18), "", ""][:4]  # notes begin at one height
        note = [bold(part.role), *(faint(line or " ") for line in lines)]
        drawing.text(f"{part.role}: note", *note, text_width=int(width), **place(middle, 100))
        x += width + 22
    said = "; ".join(f"{p.role} {p.value} ({p.state}: {p.says})" for p in parts)
    alt = f"The name {text}, in {len(parts)} parts: {said}."
    assumed = [part.role for part in parts if part.state == ASSUMED]
    left_out = f" Left out when it was typed: {', '.join(assumed)}." if assumed else ""
    rows = [(p.role, p.value, p.state, p.says) for p in parts]
    headings = ("part", "value", "how it got here", "what it says")
    return Figure(drawing.dot, alt, f"{text}, taken apart.{left_out}", headings, rows)


def tags(repository: str, targets: Mapping[str, Descriptor]) -> Figure:
    """The tags of one repository, each with a dashed arrow to what it names today."""
    drawing = Drawing.grid()
    images = list({target.digest: target for target in targets.values()}.values())
    ordered = sorted(targets, key=lambda tag: images.index(targets[tag]))
    drawing.thing("repository", "repository", *_lines(repository), **_row(0, len(ordered), 0, 180))
    for row, tag in enumerate(ordered):
        shown = brief(tag, _MOST)
        width = max(90, 34 + 8 * len(shown))
        drawing.thing(f"tag {tag}", "name", mono(shown), **place(220, _STEP * row, width, 32))
        drawing.arrow("repository:e", f"tag {tag}:w", arrowhead="none")
    for number, image in enumerate(images):
        names = [tag for tag in ordered if targets[tag] == image]
        kind = "index" if image.media_type in INDEX_TYPES else "manifest"
        look = _row(ordered.index(names[0]), len(names), 520, 220)
        drawing.thing(f"image {number}", kind, bold(kind), mono(short(image.digest)), **look)
        for tag in names:
            drawing.arrow(f"tag {tag}:e", f"image {number}:w", style="dashed")
    told = "; ".join(
        f"{short(image.digest)} has {', '.join(tag for tag in ordered if targets[tag] == image)}"
        for image in images
    )
    alt = (
        f"The repository {repository} has {counted(len(ordered), 'tag')} and "
        f"{counted(len(images), 'image')} behind them: {told}."
    )
    caption = f"Tags of {repository}, and what they point at today. Dashed: named by."
    rows = [(tag, str(targets[tag].digest)) for tag in ordered]
    return Figure(drawing.dot, alt, caption, ("tag", "digest"), rows)


def _row(first: int, count: int, x: float, width: float) -> dict[str, str]:
    """A place beside that many tags, the first of which has that number."""
    return place(x, _STEP * (first + (count - 1) / 2), width, 48)


def _lines(repository: str) -> list[str]:
    folder, slash, last = repository.rpartition("/")
    lines = [folder + slash, last] if folder else [last]
    return [mono(brief(line, 22), 12 if folder else 13) for line in lines]

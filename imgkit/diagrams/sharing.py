"""Images over the layers that they share; and what each of some removals would take away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgkit.conversation import short
from imgkit.digest import Digest
from imgkit.figure import Figure
from imgkit.legend import LEGEND, Drawing, bold, brief, faint, fitted, mono, place, plain, wrapped
from imgkit.sharing import Holder, Outcome, Shared, Sharing
from imgkit.units import counted, size

_ROW: Final = 58
_LEFT: Final = 190
"""Pixels of a row, and of the words to its left."""


def sharing(now: Sharing) -> Figure:
    """Images side by side; a layer of several is one row, and its copies are not there."""
    drawing = Drawing.grid()
    width = min(140.0, 490 / max(1, len(now.holders)))
    shared = [layer for layer in now.layers if len(layer.holders) > 1]
    for column, holder in enumerate(now.holders):
        points = 12 if width < 110 else 14
        name = wrapped(_brief(holder.label).replace("/", "/ "), 14, 3)
        lines = [bold(fitted(line, width - 12, points)) for line in name]
        where = place(_middle(column, width), 0, width - 6, 48)
        drawing.thing(f"image {column}", "manifest", *lines, **where, fontsize=str(points))
    for row, layer in enumerate(shared, 1):
        _row(drawing, row * _ROW, layer, now.holders, width)
    bottom = (len(shared) + 1) * _ROW
    _label(drawing, "rest", bottom, "layers of one image", "")
    for column, holder in enumerate(now.holders):
        own = [part for part in holder.parts if not any(part.blob == s.blob for s in shared)]
        lines = [bold(counted(len(own), "layer")), faint(size(sum(p.blob.size for p in own)))]
        where = place(_middle(column, width), bottom, width - 12, 46)
        drawing.thing(f"rest {column}", "layer", *lines, **where)
    packed, _ = now.apart
    alt = (
        f"{counted(len(now.holders), 'image')} and {counted(len(now.layers), 'layer')}, of which "
        f"{len(shared)} belong to several images and are kept once. Together the layers have "
        f"{size(now.packed)}, packed; with a copy for each image they would have {size(packed)}."
    )
    caption = f"Each layer is kept once: {size(packed - now.packed)} saved."
    heads = ("layer", "packed", "unpacked", "of", "saved, packed")
    return Figure(drawing.dot, alt, caption, heads, [_facts(layer) for layer in now.layers])


def removals(plans: Sequence[Outcome]) -> Figure:
    """A row for each removal: the layers of the image, the base at the left, going or staying."""
    drawing = Drawing.grid()
    most = max((len(_layers(plan)) for plan in plans), default=1)
    width = min(72.0, 464 / max(1, most))
    rows = []
    for row, plan in enumerate(plans):
        asked, found = " ".join(step.asked for step in plan.steps), _layers(plan)
        says = _said(plan)
        lines = [mono(brief(line, 24)) for line in wrapped(f"rmi {asked}", 24, 3)]
        drawing.text(f"line {row}", *lines, text_width=_LEFT, **place(0, row * _ROW))
        for number, layer in enumerate(found):
            goes = layer in plan.gone
            look = {"style": "dashed"} if goes else {}
            text = [bold(str(number + 1)), faint("goes" if goes else "stays")]
            where = place(_LEFT / 2 + width * (number + 0.5), row * _ROW, width - 6, 46)
            drawing.thing(f"layer {row} {number}", "layer", *text, **where, **look)
        end = _LEFT / 2 + width * most + 70
        drawing.text(f"says {row}", *map(plain, wrapped(says, 16)), text_width=116,
                     **place(end, row * _ROW))  # fmt: skip
        gone = [layer.short for layer in found if layer in plan.gone]
        kept = [layer.short for layer in found if layer not in plan.gone]
        rows.append((f"rmi {asked}", " ".join(gone) or "none", " ".join(kept) or "none", says))
    alt = "What each removal would take away, by itself. " + " ".join(
        f"{line}: {says}." for line, _, _, says in rows
    )
    caption = "Dashed: a layer that would go. Filled: one that something else still needs."
    return Figure(drawing.dot, alt, caption, ("command", "goes", "stays", "in short"), rows)


def _row(
    drawing: Drawing, y: float, layer: Shared, holders: Sequence[Holder], width: float
) -> None:
    """One layer of several images: a box in each, and what that saves."""
    name = layer.blob.digest.short
    _label(drawing, name, y, short(layer.blob.digest), f"{size(layer.blob.size)}, kept once")
    before = ""
    for column, holder in enumerate(holders):
        places = [n for n, p in enumerate(holder.parts, 1) if p.blob.digest == layer.blob.digest]
        if places:
            node = f"{name} {column}"
            text = f"layer {', '.join(map(str, places))}"
            where = place(_middle(column, width), y, width - 12, 34)
            drawing.thing(node, "layer", bold(text), **where)
            if before:
                drawing.arrow(
                    before, node, arrowhead="none", penwidth="5", color=LEGEND["layer"].colour
                )
            before = node
    end = _middle(len(holders), width) + 10
    drawing.text(f"{name} saved", faint(f"{size(layer.saved)} saved"), text_width=100,
                 **place(end, y))  # fmt: skip


def _label(drawing: Drawing, name: str, y: float, first: str, second: str) -> None:
    lines = [mono(first, 12) if ":" in first else plain(first), *([faint(second)] * bool(second))]
    drawing.text(f"{name} label", *lines, text_width=_LEFT - 20, **place(0, y))


def _middle(column: int, width: float) -> float:
    return _LEFT / 2 + width * (column + 0.5)


def _layers(plan: Outcome) -> list[Digest]:
    """The layers of the images that the removal is about, once each, base first."""
    after = {holder.id: holder for holder in plan.after.holders}
    about = [h for h in plan.before.holders if after.get(h.id) != h or _asked(plan, h)]
    return list(dict.fromkeys(part.blob.digest for holder in about for part in holder.parts))


def _asked(plan: Outcome, holder: Holder) -> bool:
    """Whether a word of the line is a name or the ID of it."""
    words = {step.asked for step in plan.steps}
    names = {*holder.names, *map(_brief, holder.names)}
    return bool(words & names) or any(
        len(word) >= 4 and holder.id and holder.id.hex.startswith(word) for word in words
    )


def _said(plan: Outcome) -> str:
    disk, _ = plan.freed
    refused = [step for step in plan.steps if step.refused]
    if refused and len(refused) == len(plan.steps):
        return "refused"
    if not plan.gone:
        return "no layer goes"
    return f"{size(disk)} free"


def _facts(layer: Shared) -> tuple[str, ...]:
    of = ", ".join(layer.holders)
    return (
        str(layer.blob.digest),
        size(layer.blob.size),
        size(layer.unpacked),
        of,
        size(layer.saved),
    )


def _brief(name: str) -> str:
    return name.removesuffix(":latest")

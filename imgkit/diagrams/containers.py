"""One image, and the containers that were started from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgkit.container import Container
from imgkit.conversation import short
from imgkit.errors import NotFound
from imgkit.figure import Figure
from imgkit.legend import Drawing, bold, faint, fitted, mono, place
from imgkit.units import counted, size

_ROW: Final = 38
"""Pixels from one layer to the next."""


def containers(started: Sequence[Container]) -> Figure:
    """Containers side by side, each with its own writable layer, over the layers they share.

    Layers are drawn as they lie on the disk, unpacked: DiffIDs, and bytes of files. Raises
    `NotFound` for none.
    """
    if not started:
        raise NotFound("there is no container to be drawn: start one first")
    image = started[0].image
    drawing = Drawing.grid()
    width = max(250 * len(started) - 20, 300)
    middle = (width - 230) / 2
    for column, box in enumerate(started):
        _container(drawing, box, 250.0 * column)
    layers = image.layers
    for row, layer in enumerate(reversed(layers)):
        label = f"{bold(f'layer {len(layers) - row}')}  {mono(short(layer.diff_id), 12)}  "
        where = place(middle, 142 + _ROW * row, width, 32)
        drawing.thing(f"layer {row}", "layer", label + faint(size(layer.unpacked_size)), **where)
    name = started[0].record.image
    names = ", ".join(box.record.name for box in started)
    alt = (
        f"{len(started)} containers, {names}, each with an upper layer of its own, over the "
        f"{counted(len(layers), 'read-only layer')} of {name}, which they share."
    )
    caption = (
        f"One image, {name}, and {len(started)} containers: each adds a layer, none copies one."
    )
    rows = [
        (box.record.name, box.record.state, " ".join(path for _, path in box.diff()) or "nothing")
        for box in started
    ]
    return Figure(
        drawing.dot, alt, caption, ("container", "state", "changed since the start"), rows
    )


def _container(drawing: Drawing, box: Container, x: float) -> None:
    """A container, and below it the layer that is its own."""
    name, state = box.record.name, faint(box.record.state)
    drawing.thing(name, "container", bold(fitted(name, 130)), state, **place(x, 0, 150, 54))
    lines = [bold("upper layer"), faint(_told([path for _, path in box.diff()]))]
    drawing.thing(f"{name} upper", "upper layer", *lines, **place(x, 86, 230, 50))
    drawing.arrow(name, f"{name} upper", arrowhead="none")


def _told(written: Sequence[str]) -> str:
    if not written:
        return "nothing written"
    more = f" + {len(written) - 1}" * (len(written) > 1)
    return fitted(written[-1], 212 - 8 * len(more), 13) + more

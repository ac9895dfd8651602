"""An index, the manifests that it lists, and their layers; those of two platforms drawn once."""

from __future__ import annotations

from typing import Final

from imgkit.conversation import short
from imgkit.digest import Digest
from imgkit.figure import Figure
from imgkit.legend import Drawing, bold, faint, fitted, mono, place
from imgkit.manifest import Descriptor
from imgkit.selection import CHOSEN, NO_IMAGE, Candidate, Selection, harmless
from imgkit.units import counted, size

_STEP = 40.0
_ROOM: Final = 164
"""Pixels of a manifest for the name of its platform."""


def platforms(selection: Selection) -> Figure:
    """What is under one name for every platform, and which of it one platform gets."""
    images = [c for c in selection.candidates if c.state != NO_IMAGE]
    other = len(selection.candidates) - len(images)
    layers = _layers(images)
    height = max(_STEP * (len(layers) - 1), 84.0 * (len(images) - 1 + bool(other)), 60)
    drawing = Drawing.grid()
    _index(drawing, selection, height / 2)
    gap = height / max(len(layers) - 1, 1)
    for number, layer in enumerate(layers):
        _layer(drawing, layer, gap * number, shared=layer.digest in _shared(images))
    spaces = max(len(images) - 1 + bool(other), 1)
    for number, candidate in enumerate(images):
        _manifest(drawing, candidate, height * number / spaces)
    if other:
        words = counted(other, "attestation")
        where = place(345, height, 176, 46)
        drawing.thing("other", "manifest", bold(words), faint("no image"), **where | _PALE)
        drawing.arrow("index:e", "other:w")
    shared = _shared(images)
    alt = (
        f"The index of {selection.name.familiar} lists {len(images)} images: "
        f"{', '.join(c.platform for c in images)}; and {other} attestations. Together they have "
        f"{len(layers)} different layers, {len(shared)} of them in more than one image."
    )
    chosen = next((c.platform for c in images if c.state == CHOSEN), "none of them")
    caption = (
        f"{selection.name.familiar}: {selection.wanted.full} takes {chosen}. Solid arrow: points "
        "at by digest. Dashed frame: not chosen."
    )
    headings = ("part", "digest", "size", "of")
    return Figure(drawing.dot, alt, caption, headings, _rows(selection, images, layers))


_PALE = {"style": "dashed,filled", "fillcolor": "#ffffff"}


def _index(drawing: Drawing, selection: Selection, middle: float) -> None:
    digest = selection.index.digest if selection.index else None
    lines = [bold("index"), *([mono(short(digest), 12)] if digest else [])]
    drawing.thing("index", "index", *lines, **place(110, middle, 200, 66))


def _manifest(drawing: Drawing, candidate: Candidate, y: float) -> None:
    """A manifest with its platform, and arrows from the index and to its layers."""
    node = candidate.descriptor.digest.hex
    look = {} if candidate.state == CHOSEN else _PALE
    found = candidate.descriptor.platform
    version = harmless((found.os_version if found else None) or "")
    name = bold(fitted(harmless(str(found)), _ROOM))
    lines = [name, mono(short(candidate.descriptor.digest), 12)]
    lines += [faint(fitted(version, _ROOM, 13))] * bool(version)
    height = 48 + 16 * bool(version)
    drawing.thing(node, "manifest", *lines, **place(345, y, 176, height) | look)
    drawing.arrow("index:e", f"{node}:w")
    for layer in candidate.layers:
        drawing.arrow(f"{node}:e", f"{layer.digest.hex}:w")


def _layers(images: list[Candidate]) -> list[Descriptor]:
    """Every layer once, in the order of the images; those of several between theirs."""
    known = {layer.digest: layer for c in images for layer in c.layers}

    def middle(layer: Descriptor) -> float:
        owners = [n for n, c in enumerate(images) if layer.digest in {d.digest for d in c.layers}]
        return sum(owners) / len(owners)

    return sorted(known.values(), key=middle)


def _layer(drawing: Drawing, layer: Descriptor, y: float, *, shared: bool) -> None:
    line = f"{mono(short(layer.digest), 12)}  {faint(size(layer.size))}"
    line += faint(", shared") * shared
    drawing.thing(layer.digest.hex, "layer", line, **place(670, y, 258, 32))


def _shared(images: list[Candidate]) -> set[Digest]:
    """The layers of more than one image."""
    found = [digest for c in images for digest in {layer.digest for layer in c.layers}]
    return {digest for digest in found if found.count(digest) > 1}


def _rows(
    selection: Selection, images: list[Candidate], layers: list[Descriptor]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (f"manifest, {c.platform}", str(c.descriptor.digest), size(c.descriptor.size), "the index")
        for c in selection.candidates
    ]
    for layer in layers:
        owners = [c.platform for c in images if layer.digest in {d.digest for d in c.layers}]
        rows.append(("layer", str(layer.digest), size(layer.size), ", ".join(owners)))
    return rows

"""One image, taken apart."""

from __future__ import annotations

from typing import Final

from imgkit.conversation import short
from imgkit.figure import Figure
from imgkit.image import Image, read_document
from imgkit.legend import Drawing, bold, brief, faint, mono, place
from imgkit.manifest import Descriptor, Index, Manifest
from imgkit.units import counted, size

_MOST: Final = 34
"""Characters of a platform for which there is room."""


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
    lines = [brief(line, 40) for line in (folder + slash, last) if line]
    where = place(x, y, 40 + 7.4 * max(map(len, lines)), 14 + 16 * len(lines))
    drawing.thing("name", "name", *(mono(line, 12) for line in lines), **where)


def _told(image: Image, name: str) -> str:
    """The parts of an image in a few sentences."""
    manifest = f"manifest {short(image.digest)}"
    found = f"the {manifest}"
    if image.index:
        found = f"the index {short(image.index.digest)}. The index points at the {manifest}"
    return (
        f"The name {name} points at {found}. The manifest points, by digest, at the config "
        f"{short(image.id)} and at {counted(len(image.manifest.layers), 'layer')}, "
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
        bold(f"{brief(str(entry.platform), _MOST)} (chosen)")
        if entry.digest == image.digest
        else faint(brief(str(entry.platform), _MOST))
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

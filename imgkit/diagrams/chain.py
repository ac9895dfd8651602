"""The chain of digests from a name to the layers, and how far somebody has followed it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from imgkit.conversation import short
from imgkit.figure import Figure
from imgkit.image import Image
from imgkit.legend import Drawing, bold, faint, mono, place
from imgkit.manifest import Descriptor
from imgkit.units import size


def chain(image: Image, asked: Collection[str]) -> Figure:
    """An image's documents and layers; drawn in full are those that one of these requests asked.

    `asked` are paths, as in a registry's log: `/v2/library/redis/blobs/sha256:...`.
    """
    parts = list(_parts(image))
    ends = {path.partition("?")[0].rpartition("/")[2] for path in asked}
    fetched = {descriptor.digest for _, descriptor in parts if descriptor.digest in ends}
    if image.name and image.name.tag in ends:
        fetched.add(parts[0][1].digest)
    drawing = Drawing.grid()
    _draw(drawing, image, parts, fetched)
    done = len(fetched)
    name = image.name.familiar if image.name else short(image.digest)
    alt = (
        f"The chain of {name}: {', '.join(part for part, _ in parts)}, each named by digest in the "
        f"one before. Fetched so far: {done} of {len(parts)}."
    )
    rows = [
        (part, str(descriptor.digest), "fetched" if descriptor.digest in fetched else "not yet")
        for part, descriptor in parts
    ]
    caption = f"{name}: {done} of {len(parts)} parts fetched. Dashed and pale: not yet."
    return Figure(drawing.dot, alt, caption, ("part", "digest", "state"), rows)


def _parts(image: Image) -> Iterator[tuple[str, Descriptor]]:
    """What hangs together by digests, from the name on."""
    if image.index:
        yield "index", image.index
    yield "manifest", image.descriptor
    yield "config", image.manifest.config
    for number, layer in enumerate(image.manifest.layers, 1):
        yield f"layer {number}", layer


def _draw(
    drawing: Drawing,
    image: Image,
    parts: Sequence[tuple[str, Descriptor]],
    fetched: Collection[str],
) -> None:
    step = 44.0
    middle = step * len(image.manifest.layers) / 2
    row = 0
    for part, descriptor in parts:
        kind = part.partition(" ")[0]
        lines = [bold(part), mono(short(descriptor.digest), 12), faint(size(descriptor.size))]
        if kind in ("index", "manifest"):
            where = place(
                105 if kind == "index" else 366, middle, 216 if kind == "index" else 190, 74
            )
        else:
            lines = ["  ".join(lines)]
            where = place(642, step * row, 286, 34)
            row += 1
            drawing.arrow("manifest:e", f"{part}:w")
        pale = {} if descriptor.digest in fetched else {"style": "dashed", "fillcolor": "#ffffff"}
        drawing.thing(part, kind, *lines, **where | pale)
    if image.index:
        drawing.arrow("index:e", "manifest:w")

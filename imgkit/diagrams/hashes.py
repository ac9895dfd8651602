"""What is hashed, and where each hash is written down."""

from __future__ import annotations

from imgkit.conversation import short
from imgkit.digest import Digest
from imgkit.errors import NotFound
from imgkit.figure import Figure
from imgkit.image import Image
from imgkit.legend import Drawing, bold, faint, mono, place
from imgkit.units import counted


def hash_chain(image: Image, number: int) -> Figure:
    """From one layer, counted from 1, up to the digest that is asked for: each hash in its place.

    An arrow leads from where a digest is written down to what it is the hash of. Raises `NotFound`.
    """
    count = len(image.layers)
    if not 1 <= number <= count:
        raise NotFound(f"the image has {counted(count, 'layer')}: number {number} is not there")
    layer = image.layers[number - 1]
    drawing = Drawing.grid()
    top = image.index or image.descriptor
    drawing.thing("you", "client", bold("you"), faint("by digest"), **place(55, 150, 100, 58))
    _thing(drawing, "manifest", image.digest, "", (412, 150))
    _thing(drawing, "config", image.id, "IMAGE ID, classic", (575, 60))
    _thing(drawing, "blob", layer.digest, "as it travels", (575, 240), f"layer {number}, packed")
    _thing(drawing, "tar", layer.diff_id, "DiffID", (725, 150), f"layer {number}, the tar")
    if image.index:
        _thing(drawing, "index", top.digest, "IMAGE ID, containerd", (225, 150))
        drawing.arrow("index:e", "manifest:w")
    drawing.arrow("you:e", "index:w" if image.index else "manifest:w")
    drawing.arrow("manifest", "config")
    drawing.arrow("manifest", "blob")
    drawing.arrow("config", "tar")
    drawing.graph.edge("blob", "tar", style="dotted", dir="none")
    rows = _rows(image, number)
    first = rows[0][0]
    alt = (
        f"The chain of hashes for layer {number}. You know the digest of the {first}. "
        + " ".join(f"The digest of the {part} is in the {where}." for part, _, where in rows[1:])
        + " Tar and packed layer are the same files, before and after they were packed."
    )
    caption = (
        "Solid arrow: has this digest written down. Dotted line: the same files, unpacked and "
        "packed."
    )
    return Figure(drawing.dot, alt, caption, ("hash of", "digest", "written down in"), rows)


def _rows(image: Image, number: int) -> list[tuple[str, str, str]]:
    layer = image.layers[number - 1]
    rows = [("index", str(image.index.digest), "what you ask for")] if image.index else []
    holder = "index" if image.index else "what you ask for"
    return [
        *rows,
        ("manifest", str(image.digest), holder),
        ("config", str(image.id), "manifest"),
        (f"packed layer {number}", str(layer.digest), "manifest"),
        (f"tar of layer {number}", str(layer.diff_id), "config"),
    ]


def _thing(
    drawing: Drawing, node: str, digest: Digest, note: str, at: tuple[int, int], title: str = ""
) -> None:
    kind = "layer" if title else node
    lines = [bold(title or node), mono(short(digest), 12), *([faint(note)] if note else [])]
    drawing.thing(node, kind, *lines, **place(*at, 150 if kind != "index" else 176, 70))

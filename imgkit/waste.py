"""Bytes that an image carries, and that no path shows: replaced or taken away by a layer above."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgkit.errors import NotFound
from imgkit.overlay import Overlay
from imgkit.overlay.tree import ADDED
from imgkit.tar.entry import Kind


@dataclass(frozen=True, slots=True)
class Hidden:
    """One file of a layer that cannot be seen; layers count from 1, the base; `size` in bytes.

    `by` is the layer that hides it; None where no path of it was ever shown.
    """

    path: str
    layer: int
    by: int | None
    size: int


def hidden(overlay: Overlay) -> list[Hidden]:
    """Every file of some bytes that a layer has and no path shows, the largest first."""
    return sorted(_hidden(overlay), key=lambda found: (-found.size, found.path, found.layer))


def efficiency(overlay: Overlay) -> float:
    """The share of the bytes of all files in all layers that still shows; 1.0 without any."""
    total = sum(layer.unpacked_size for layer in overlay.layers)
    return sum(overlay.shown) / total if total else 1.0


def _hidden(overlay: Overlay) -> Iterator[Hidden]:
    shown = {(node.inode.layer, node.inode.entry.offset) for node in overlay}
    for number, layer in enumerate(overlay.layers):
        for entry in layer.changes:
            if entry.kind is Kind.FILE and entry.size and (number, entry.offset) not in shown:
                yield Hidden(entry.path, number + 1, _by(overlay, entry.path, number), entry.size)


def _by(overlay: Overlay, path: str, number: int) -> int | None:
    """The layer, counted from 1, that did something to the path after that one."""
    try:
        past = overlay.history(path)
    except NotFound:
        return None
    later = [change.layer + 1 for change in past if change.layer > number and change.what != ADDED]
    return later[0] if later else None

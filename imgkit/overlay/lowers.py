"""Each layer as a directory of its own, as overlay2 keeps them: the lowerdirs of a mount.

What a layer takes away is then marked in two forms: a whiteout has the name of what is gone, and
an opaque directory hides all that the directories below it hold. Docker makes them of the entries
of a layer alone, and some layers come out wrong. Here they are made of what applying the layer
changes, so that the kernel shows just what `Overlay` shows:

- a directory that is made anew after a whiteout of its name is opaque;
- what an opaque *root* hides has a whiteout each, because the kernel looks for no mark there;
- a hard link to a file of a lower layer brings the file, and all its names, along;
- what an entry reaches through a symlink of a lower layer is where the symlink leads;
- directories that lead to something are as they were below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from imgkit.layer import Layer
from imgkit.overlay.tree import DELETED, HIDDEN, Node, Past, apply, implied
from imgkit.tar.entry import Kind


class Lower(NamedTuple):
    """A layer alone: its own tree, the names that are gone, and the directories that are opaque."""

    root: Node
    whiteouts: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()
    covers: frozenset[str] = frozenset()
    """Device nodes with something below that would show where they are not made."""


def lowers(layers: Sequence[Layer]) -> Iterator[Lower]:
    """Each layer alone, base first; a layer is applied when it is asked for.

    Raises `InvalidLayer` as `Overlay` does.
    """
    merged = implied("", 0)
    for number, layer in enumerate(layers):
        past: Past = {}
        apply(layer, number, merged, past)
        whiteouts, opaque = _marks(layer, number, merged, past)
        root = _copy(merged)
        for node in _brought(merged, number):
            _reach(root, merged, node.path)
        for path in sorted(opaque):
            _reach(root, merged, path)
        for path in sorted(whiteouts):
            _reach(root, merged, path.rpartition("/")[0])
        covers = frozenset(path for path in past if _is_device(_find(merged, path)))
        yield Lower(root, frozenset(whiteouts), frozenset(opaque), covers)


def _marks(layer: Layer, number: int, merged: Node, past: Past) -> tuple[set[str], set[str]]:
    """The whiteouts and opaque directories that make the layers below look as they should."""
    opaque = {path for path in layer.opaques if path and _is_folder(_find(merged, path))}
    whiteouts, anew = set(), set()
    for path, changes in past.items():
        did = {change.what for change in changes if change.layer == number}
        if did.isdisjoint((DELETED, HIDDEN)):
            continue
        folder = path.rpartition("/")[0]
        if now := _find(merged, path):
            anew |= {path} if _is_folder(now) else set()
        elif _is_folder(_find(merged, folder)):
            if HIDDEN in did and folder:
                anew.add(folder)
            else:
                whiteouts.add(path)
    for path in sorted(anew):
        opaque |= set() if _is_below(path, opaque) else {path}
    return {path for path in whiteouts if not _is_below(path, opaque)}, opaque


def _is_below(path: str, opaque: set[str]) -> bool:
    """Whether a directory that leads to this path is opaque."""
    while path := path.rpartition("/")[0]:
        if path in opaque:
            return True
    return False


def _brought(merged: Node, number: int) -> Iterator[Node]:
    """What the layer has, and every name of a file of a lower layer that it links to."""
    linked = set()
    for node in merged.walk():
        if node.layer == number:
            yield node
            if node.inode.layer < number:
                linked.add(id(node.inode))
    if linked:
        yield from (node for node in merged.walk() if id(node.inode) in linked)


def _find(root: Node, path: str) -> Node | None:
    """What is at this very path: no symlink is followed."""
    at: Node | None = root
    for name in path.split("/") if path else ():
        at = at.children.get(name) if at else None
    return at


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.kind is Kind.DIR


def _is_device(node: Node | None) -> bool:
    return node is not None and node.kind in (Kind.CHAR, Kind.BLOCK)


def _reach(root: Node, merged: Node, path: str) -> None:
    """Copy what is at `path`, and the directories that lead there, where they are missing."""
    for name in path.split("/") if path else ():
        merged = merged.children[name]
        root = root.children.setdefault(name, _copy(merged))


def _copy(node: Node) -> Node:
    linked = None if node.kind is Kind.DIR else node.inode
    return Node(node.path, node.entry, node.layer, implied=node.implied, linked=linked)

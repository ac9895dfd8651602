"""Each layer of an image as a tree of its own, as overlay2 keeps them: the lowers of a mount."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from imgkit.layer import Layer
from imgkit.mount.inode import OPAQUE, Inode, of_entry, whiteout
from imgkit.overlay.lowers import Lower, lowers
from imgkit.overlay.tree import Node
from imgkit.tar.entry import Kind


def stack(given: Iterable[Layer | Inode]) -> list[Inode]:
    """Each of these as a tree, base first; one that is a tree already stays as it is."""
    some = tuple(given)
    layers = [layer for layer in some if isinstance(layer, Layer)]
    alone = lowers(layers)
    return [_tree(next(alone), layers) if isinstance(one, Layer) else one for one in some]


def _tree(lower: Lower, layers: Sequence[Layer]) -> Inode:
    """The tree of a layer, marked as overlayfs marks it; names of one inode share it."""
    inodes: dict[int, Inode] = {}

    def inode(node: Node) -> Inode:
        source = node.inode
        if id(source) not in inodes:
            inodes[id(source)] = of_entry(source.entry, _reader(source, layers))
        return inodes[id(source)]

    root = inode(lower.root)
    folders = {"": root}
    for node in lower.root.walk():
        folder, _, name = node.path.rpartition("/")
        made = folders[folder].put(name, inode(node))
        if made.is_dir:
            folders[node.path] = made
    for path in lower.opaque:
        folders[path].xattrs[OPAQUE] = b"y"
    for path in sorted(lower.whiteouts):
        folder, _, name = path.rpartition("/")
        folders[folder].put(name, whiteout())
    return root


def _reader(source: Node, layers: Sequence[Layer]) -> Callable[[], bytes]:
    layer, entry = layers[source.layer], source.entry
    return lambda: layer.read_entry(entry) if entry.kind is Kind.FILE else b""

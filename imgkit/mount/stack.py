"""Each layer of an image as a tree of its own, as overlay2 keeps them: the lowers of a mount.

Docker unpacks a layer alone and looks at no other, so that it gets some layers wrong: a whiteout
beside a new directory of that name, say, or a path through a symlink of a layer below. Here each
entry is where the layers below, applied first (see `tree`), lead it; merged, the trees show just
what `Overlay` shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from imgkit.layer import Layer
from imgkit.mount.inode import OPAQUE, Inode, of_entry, whiteout
from imgkit.overlay.tree import Node, Past, apply, implied, resolve
from imgkit.tar.entry import Kind


def stack(lowers: Iterable[Layer | Inode]) -> list[Inode]:
    """Each of these as a tree, base first; one that is a tree already stays as it is."""
    given = tuple(lowers)
    layers = [layer for layer in given if isinstance(layer, Layer)]
    merged, past = implied("", 0), Past()
    trees = []
    for lower in given:
        if isinstance(lower, Layer):
            number = layers.index(lower)
            trees.append(_Plant(layers, number, merged, past).tree())
        else:
            trees.append(lower)
    return trees


class _Plant:
    """The tree of one layer, while it is made; `merged` has the layers below applied."""

    def __init__(self, layers: Sequence[Layer], number: int, merged: Node, past: Past) -> None:
        self.layers = layers
        self.number = number
        self.layer = layers[number]
        self.merged = merged
        self.past = past
        self.inodes: dict[int, Inode] = {}

    def tree(self) -> Inode:
        gone = self._hidden(self.layer.whiteouts)
        opaque = self._hidden(self.layer.opaques)
        if "" in opaque:  # overlayfs takes no notice of an opaque root
            opaque.remove("")
            gone |= set(self.merged.children)
        apply(self.layer, self.number, self.merged, self.past)
        root = self._inode(self.merged)
        for path in sorted(opaque):
            self._folder(root, path).xattrs[OPAQUE] = b"y"
        for node in self.merged.walk():
            if node.layer == self.number:
                self._plant(root, node, path_is_gone=node.path in gone)
        for path in sorted(gone):
            folder, _, name = path.rpartition("/")
            if (at := self._reach(folder)) and name not in at.children:
                self._folder(root, folder).put(name, whiteout())
        return root

    def _hidden(self, paths: Iterable[str]) -> set[str]:
        """Where these lead in the layers below, as far as something is there."""
        found = set()
        for path in paths:
            folder, _, name = path.rpartition("/")
            above = resolve(self.merged, folder, self._below)
            node = above and (above.children.get(name) if name else above)
            if node:
                found.add(node.path)
        return found

    def _below(self, parent: Node, name: str) -> Node | None:
        node = parent.children.get(name)
        if node and node.kind is Kind.SYMLINK and self.layer.find(node.path):
            return None
        return node

    def _reach(self, path: str) -> Node | None:
        """The directory that is at just this path, if it still is one."""
        at: Node | None = self.merged
        for name in path.split("/") if path else ():
            at = at.children.get(name) if at else None
        return at if at and at.kind is Kind.DIR else None

    def _plant(self, root: Inode, node: Node, *, path_is_gone: bool) -> None:
        folder, _, name = node.path.rpartition("/")
        if node.kind is Kind.DIR:
            planted = self._folder(root, node.path)
            if path_is_gone:
                planted.xattrs[OPAQUE] = b"y"
        else:
            self._folder(root, folder).put(name, self._inode(node))

    def _folder(self, root: Inode, path: str) -> Inode:
        """The directory of that path in the new tree, made as the merged view has it."""
        at, node = root, self.merged
        for name in path.split("/") if path else ():
            node = node.children[name]
            at = at.children.get(name) or at.put(name, self._inode(node))
        return at

    def _inode(self, node: Node) -> Inode:
        """The inode of a node; hard links of this layer share it."""
        source = node.inode
        if id(source) not in self.inodes:
            self.inodes[id(source)] = of_entry(source.entry, self._reader(source))
        return self.inodes[id(source)]

    def _reader(self, source: Node) -> Callable[[], bytes]:
        layer, entry = self.layers[source.layer], source.entry
        return lambda: layer.read_entry(entry) if entry.kind is Kind.FILE else b""

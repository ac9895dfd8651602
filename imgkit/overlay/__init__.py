"""A stack of layers as one filesystem, and for each path the layer that it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from imgkit.errors import NotFound
from imgkit.layer import READ_LIMIT, Layer
from imgkit.overlay.tree import ADDED, Change, Node, Past, apply, implied, resolve
from imgkit.tar.entry import Kind, normal


class Overlay:
    """The layers, base first, as the one filesystem that a container would see."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers: Sequence[Layer] = tuple(layers)
        self.root = implied("", 0)
        self._past: Past = {}
        notes: list[str] = []
        unpacked = 0
        for number, layer in enumerate(self.layers):
            unpacked += layer.unpacked_size
            layer.limits.check_image(unpacked)
            apply(layer, number, self.root, self._past, notes)
        self.notes = tuple(notes)
        """Sentences about what other engines would show otherwise; nothing of it is broken."""

    def __repr__(self) -> str:
        return f"<Overlay of {len(self.layers)} layers: {len(self.paths)} paths>"

    def __iter__(self) -> Iterator[Node]:
        """Every node but the root, parents first, names in order."""
        return self.root.walk()

    def __contains__(self, path: str) -> bool:
        try:
            self.get(path)
        except NotFound:
            return False
        return True

    @property
    def paths(self) -> list[str]:
        """Every path but the root, parents first, names in order."""
        return [node.path for node in self]

    def get(self, path: str, *, follow: bool = False) -> Node:
        """What is at `path`; symlinks on the way are followed, the last one only if asked.

        Raises `NotFound`, also where symlinks go in a circle. No path leaves the root.
        """
        found = resolve(self.root, path, lambda at, name: at.children.get(name), last=follow)
        if found is None:
            raise NotFound(f"there is nothing at {path!r} in these layers", name=path)
        return found

    def listdir(self, path: str = "") -> list[str]:
        """The names in a directory, in order."""
        node = self.get(path, follow=True)
        if node.kind is not Kind.DIR:
            raise NotFound(f"{path!r} is not a directory but a {node.kind}", name=path)
        return sorted(node.children)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """The content of a file, symlinks followed; above `limit` bytes raises `LimitExceeded`."""
        node = self.get(path, follow=True).inode
        if node.kind is not Kind.FILE:
            raise NotFound(f"{path!r} is not a file but a {node.kind}", name=path)
        return self.layers[node.layer].read_entry(node.entry, limit)

    def whence(self, path: str) -> int:
        """The number of the layer that the path comes from, 0 being the base."""
        return self.get(path).layer

    def history(self, path: str) -> tuple[Change, ...]:
        """What each layer did to this path, base first; also to one that is gone."""
        past = self._past.get(normal(path))
        if past is None:
            past = [Change(self.get(path).layer, ADDED)]
        return tuple(past)

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """Of each layer, the bytes of its files that still show; hard links count once."""
        inodes = {id(node.inode): node.inode for node in self}
        shown = [0] * len(self.layers)
        for inode in inodes.values():
            shown[inode.layer] += inode.size
        return tuple(shown)

    @property
    def wasted(self) -> int:
        """Bytes of files that are in some layer, and that no path shows any more."""
        return sum(layer.unpacked_size for layer in self.layers) - sum(self.shown)

    def tree(self) -> str:
        """All paths, indented, each with the number of its layer."""
        lines = []
        for node in self:
            mark = "/" if node.kind is Kind.DIR else ""
            mark = f" -> {node.entry.link}" if node.kind is Kind.SYMLINK else mark
            indent = "  " * node.path.count("/")
            lines.append(f"{indent}{node.path.rpartition('/')[2]}{mark}  [{node.layer}]")
        return "\n".join(lines)

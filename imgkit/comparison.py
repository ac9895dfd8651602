"""Two images, compared as a container would see them: path by path, and setting by setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from imgkit.digest import CHUNK, Digest, Digester
from imgkit.image import Image
from imgkit.overlay import Overlay
from imgkit.overlay.tree import Node
from imgkit.tar.entry import Kind

ADDED: Final = "added"
CHANGED: Final = "changed"
DELETED: Final = "deleted"


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two images differ; sizes in bytes, of files, 0 where it is not there.

    `of` says in what something changed: kind, content, link, mode, owner, device, xattrs.
    """

    path: str
    what: str
    kind: Kind
    before: int
    after: int
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the configs that differs; None where it is not set."""

    name: str
    before: Any
    after: Any


class Comparison:
    """What it takes to get from one image to another. Times of files are not compared."""

    def __init__(self, before: Image, after: Image) -> None:
        self.before = before
        self.after = after

    def __repr__(self) -> str:
        counts = [d.what for d in self.files]
        told = ", ".join(f"{counts.count(what)} {what}" for what in (ADDED, CHANGED, DELETED))
        return f"<Comparison: {told}, {len(self.settings)} settings>"

    @cached_property
    def files(self) -> tuple[Difference, ...]:
        """Every path at which they differ, in order."""
        before = {node.path: node for node in self.before.overlay}
        after = {node.path: node for node in self.after.overlay}
        contents = self._contents(before, after)
        return tuple(self._differences(before, after, contents))

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting of the configs that differs, in order."""
        before, after = _settings(self.before), _settings(self.after)
        return tuple(
            Setting(name, before.get(name), after.get(name))
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        )

    @cached_property
    def layers(self) -> int:
        """How many layers, from the base up, they have in common (by DiffID)."""
        pairs = zip(self.before.config.diff_ids, self.after.config.diff_ids, strict=False)
        shared = 0
        for one, other in pairs:
            if one != other:
                break
            shared += 1
        return shared

    @property
    def bytes(self) -> int:
        """How many more bytes of files one sees in the second than in the first."""
        return sum(d.after - d.before for d in self.files)

    def _differences(
        self,
        before: Mapping[str, Node],
        after: Mapping[str, Node],
        contents: Mapping[str, bool],
    ) -> Iterator[Difference]:
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path), after.get(path)
            if old is None and new is not None:
                yield Difference(path, ADDED, new.kind, 0, new.size)
            elif new is None and old is not None:
                yield Difference(path, DELETED, old.kind, old.size, 0)
            elif old and new and (of := _changed(old, new, contents.get(path, True))):
                yield Difference(path, CHANGED, new.kind, old.size, new.size, of)

    def _contents(self, before: Mapping[str, Node], after: Mapping[str, Node]) -> dict[str, bool]:
        """Of each file of one size in both, whether its bytes are the same."""
        asked: dict[str, tuple[Node, Node]] = {}
        same: dict[str, bool] = {}
        for path, old in before.items():
            new = after.get(path)
            if new and old.kind is new.kind is Kind.FILE and old.size == new.size:
                if self._place(self.before, old) == self._place(self.after, new) or not old.size:
                    same[path] = True
                else:
                    asked[path] = old, new
        first = _digests(self.before.overlay, [old for old, _ in asked.values()])
        second = _digests(self.after.overlay, [new for _, new in asked.values()])
        for path, (old, new) in asked.items():
            same[path] = first[_key(old)] == second[_key(new)]
        return same

    def _place(self, image: Image, node: Node) -> tuple[Digest, int]:
        """The bytes of a layer that are the content of a file."""
        return image.layers[node.inode.layer].diff_id, node.inode.entry.offset


def _key(node: Node) -> tuple[int, int]:
    return node.inode.layer, node.inode.entry.offset


def _digests(overlay: Overlay, nodes: list[Node]) -> dict[tuple[int, int], Digest]:
    """The digest of the content of each of these files."""
    wanted = {_key(node) for node in nodes}
    found: dict[tuple[int, int], Digest] = {}
    for number in sorted({number for number, _ in wanted}):
        for entry, content in overlay.layers[number].walk():
            if (number, entry.offset) in wanted and entry.kind is Kind.FILE:
                digester = Digester()
                while data := content.read(CHUNK):
                    digester.update(data)
                found[number, entry.offset] = digester.digest()
    return found


def _changed(old: Node, new: Node, same: bool) -> tuple[str, ...]:
    """In what the two differ."""
    if old.kind is not new.kind:
        return ("kind",)
    one, other = old.inode.entry, new.inode.entry
    pairs = {
        "content": (one.size, other.size) if same else (0, 1),
        "link": (one.link, other.link) if old.kind is Kind.SYMLINK else (0, 0),
        "mode": (one.mode, other.mode) if old.kind is not Kind.SYMLINK else (0, 0),
        "owner": ((one.uid, one.gid), (other.uid, other.gid)),
        "device": ((one.major, one.minor), (other.major, other.minor)),
        "xattrs": (dict(one.xattrs), dict(other.xattrs)),
    }
    return tuple(name for name, (first, second) in pairs.items() if first != second)


def _settings(image: Image) -> dict[str, Any]:
    """The settings of a config by name; of those that are lists of `NAME=value`, each by itself."""
    found: dict[str, Any] = {"Platform": str(image.config.platform)}
    for name, value in image.config.settings.items():
        if name == "Env" and isinstance(value, list):
            for text in map(str, value):
                variable, _, content = text.partition("=")
                found[f"Env {variable}"] = content
        elif isinstance(value, dict):
            found |= {f"{name} {key}": inner for key, inner in value.items()}
        elif value not in (None, "", [], False):
            found[name] = value
    return found

"""The tree that layers make when each is applied upon those below it.

A layer is applied in two phases, so that the order of the entries in its tar never matters
(image-spec layer.md, "Applying Changesets"): first what its whiteouts and opaque directories name
goes from the tree made so far, then its own entries are added. A directory upon a directory keeps
what is in it; anything else replaces what has its name.

Where the specification is silent:

- a path through a symlink of a lower layer is followed, inside the root (Docker with overlay2
  would make a directory of the symlink);
- a path through a *file* of a lower layer makes a directory of it;
- directories that no entry speaks of are made, with mode 0755, owned by root;
- a device 0:0, which overlayfs would take for a whiteout, is a device.

Where engines are known to do otherwise in these, a sentence says so: the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from imgkit.layer import Layer
from imgkit.tar.entry import Entry, Kind, refuse

ADDED: Final = "added"
CHANGED: Final = "changed"
DELETED: Final = "deleted"
HIDDEN: Final = "hidden"

LEAF: Final[Any] = MappingProxyType({})
"""The children of anything but a directory."""

LINK_LIMIT: Final = 40
"""Symlinks followed in one path, as in Linux."""

STEP_LIMIT: Final = 1024
"""Names looked at in one path, those in the texts of its symlinks counted: 40 of these could have
80,000, again for each entry."""


class Change(NamedTuple):
    """What a layer does to a path: `ADDED`, `CHANGED`, `DELETED` or `HIDDEN` (by opaqueness)."""

    layer: int
    what: str


Past = dict[str, list[Change]]
"""What became of the paths to which more happened than being added."""


@dataclass(slots=True, eq=False)
class Node:
    """One path in the merged filesystem.

    `entry` is as the layer numbered `layer` (from 0, the base) has it. A hard link shares its
    `inode`, the node with the content, with the path it was linked to: which may have been
    replaced since, and whose layer may be lower.
    """

    path: str
    entry: Entry
    layer: int
    children: dict[str, Node] = field(default_factory=dict)
    implied: bool = False
    linked: Node | None = None

    @property
    def inode(self) -> Node:
        """The node whose entry has the content, mode, owner and times."""
        return self.linked or self

    @property
    def kind(self) -> Kind:
        """What is there; of a hard link, what it is a link to."""
        return self.inode.entry.kind

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.inode.entry.size

    def __repr__(self) -> str:
        return f"<Node /{self.path}: {self.kind}, layer {self.layer}>"

    def within(self, name: str) -> str:
        """The path of a name in this directory."""
        return f"{self.path}/{name}" if self.path else name

    def walk(self) -> Iterator[Node]:
        """Everything in this directory, parents first, names in order."""
        ahead = [self.children[name] for name in sorted(self.children, reverse=True)]
        while ahead:
            node = ahead.pop()
            yield node
            ahead += [node.children[name] for name in sorted(node.children, reverse=True)]


def implied(path: str, layer: int) -> Node:
    """A directory that no entry speaks of."""
    return Node(path, Entry(path, Kind.DIR, 0o755), layer, implied=True)


def resolve(
    root: Node, path: str, enter: Callable[[Node, str], Node | None], *, last: bool = True
) -> Node | None:
    """Where `path` leads, never above the root; symlinks are followed, the last one if `last`.

    `enter(directory, name)` gives what has that name; None where it gives none, where something
    but a directory stands in the way, or where symlinks go in a circle or very far.
    """
    trail = [root]
    ahead = path.split("/")[::-1]
    budget, steps = LINK_LIMIT, STEP_LIMIT
    while ahead:
        if len(ahead) > steps:
            return None
        steps -= 1
        name = ahead.pop()
        if trail[-1].kind is not Kind.DIR:
            return None
        if name in ("", ".", ".."):
            trail = trail[:-1] if name == ".." and len(trail) > 1 else trail
            continue
        node = enter(trail[-1], name)
        if node is None:
            return None
        if node.kind is not Kind.SYMLINK or not (ahead or last):
            trail.append(node)
            continue
        if (budget := budget - 1) < 0:
            return None
        text = node.inode.entry.link
        ahead += text.split("/")[::-1]
        trail = [root] if text.startswith("/") else trail
    return trail[-1]


def apply(
    layer: Layer, number: int, root: Node, past: Past, notes: list[str] | None = None
) -> None:
    """Apply a layer, numbered from the base up, to the tree below `root`.

    `past` gets what became of each path that was there before, or is there again; `notes` gets a
    sentence for what other engines show otherwise. Raises `InvalidLayer` for entries that
    contradict each other or the tree.
    """
    _Application(layer, number, root, past, [] if notes is None else notes).run()


class _Application:
    """One layer being applied to the tree of those below it."""

    def __init__(self, layer: Layer, number: int, root: Node, past: Past, notes: list[str]) -> None:
        self.root = root
        self.past = past
        self.notes = notes
        self.layer = layer
        self.number = number
        self._folder: tuple[str, Node] | None = None
        self._implied = 0

    def run(self) -> None:
        self._hide()
        entries = sorted(self.layer.changes, key=lambda entry: entry.path)
        links = [entry for entry in entries if entry.kind is Kind.HARDLINK]
        for entry in entries:
            if entry.kind is not Kind.HARDLINK:
                self._add(entry, None)
        for entry in sorted(links, key=lambda entry: entry.offset):
            self._add(entry, self._target(entry))

    def _hide(self) -> None:
        """Phase one: what this layer's whiteouts and opaque directories name goes."""
        for path in sorted(self.layer.whiteouts):
            folder, _, name = path.rpartition("/")
            parent = resolve(self.root, folder, self._below)
            self._note_symlink(folder, parent)
            if parent and name in parent.children:
                self._remove(parent.children.pop(name), DELETED)
        for path in sorted(self.layer.opaques):
            if parent := resolve(self.root, path, self._below):
                self._note_symlink(path, parent)
                for name in list(parent.children):
                    self._remove(parent.children.pop(name), HIDDEN)

    def _below(self, parent: Node, name: str) -> Node | None:
        """What the layers below have there, but for a symlink that this layer replaces."""
        node = parent.children.get(name)
        if node and node.kind is Kind.SYMLINK and self.layer.find(node.path):
            return None
        return node

    def _remove(self, node: Node, what: str) -> None:
        self._folder = None
        self._note(node, what)
        for child in node.walk():
            self._note(child, what)

    def _note_symlink(self, path: str, found: Node | None) -> None:
        if found and found.path != path:
            self._say(
                f"/{path} leads through a symlink, and is taken as /{found.path}. Overlay engines "
                "differ: Docker with overlay2 would make a directory in place of a symlink of the "
                "layers below, because it unpacks each layer alone."
            )

    def _say(self, sentence: str) -> None:
        sentence = f"Layer {self.number}: {sentence}"
        if sentence not in self.notes[-1:]:
            self.notes.append(sentence)

    def _note(self, node: Node, what: str) -> None:
        """Remember what became of a path that was there before."""
        self.past.setdefault(node.path, [Change(node.layer, ADDED)]).append(
            Change(self.number, what)
        )

    def _add(self, entry: Entry, linked: Node | None) -> None:
        """Phase two: the entry is there, in place of what had its path."""
        if not entry.path:
            self.root.entry, self.root.layer, self.root.implied = entry, self.number, False
            return
        folder, _, name = entry.path.rpartition("/")
        if self._folder is None or self._folder[0] != folder:
            self._folder = folder, self._directory(folder, entry)
        parent = self._folder[1]
        old = parent.children.get(name)
        if old and old.kind is Kind.DIR and entry.kind is Kind.DIR:
            if not (old.implied and old.layer == self.number):
                self._note(old, CHANGED)
            old.entry, old.layer, old.implied = entry, self.number, False
            return
        path = entry.path if parent.path == folder else parent.within(name)
        children: dict[str, Node] = {} if entry.kind is Kind.DIR else LEAF
        node = Node(path, entry, self.number, children, linked=linked)
        if entry.kind is Kind.CHAR and not (entry.major or entry.minor):
            self._say(
                f"/{node.path} is a character device 0:0, and is shown as one. Overlay engines "
                "differ: it would act as a whiteout, because to overlayfs it is one."
            )
        self._put(parent, name, node, old, entry)

    def _directory(self, path: str, entry: Entry) -> Node:
        """The directory that `path` leads to, made with all that lead to it where missing."""
        found = resolve(self.root, path, lambda parent, name: self._enter(parent, name, entry))
        if found is None:
            refuse("symlinks lead its path in a circle, or too far", entry.offset, entry.path)
        self._note_symlink(path, found)
        return found

    def _enter(self, parent: Node, name: str, entry: Entry) -> Node:
        """The directory or symlink `name` of a directory; anything else becomes a directory."""
        child = parent.children.get(name)
        if child and child.kind in (Kind.DIR, Kind.SYMLINK):
            return child
        self._implied += 1
        if self._implied > self.layer.limits.implied:
            what = "directories without an entry"
            self.layer.limits.exceeded("implied", what, self._implied, entry.path)
        made = implied(parent.within(name), self.number)
        if child:
            self._say(
                f"/{made.path} was a {child.kind} and becomes a directory, because this layer has "
                "something in it. Engines that apply the layers into one tree refuse that."
            )
        self._put(parent, name, made, child, entry)
        return made

    def _put(self, parent: Node, name: str, node: Node, old: Node | None, entry: Entry) -> None:
        if old and old.layer == self.number:
            refuse(f"another entry is at the same place, /{old.path}", entry.offset, entry.path)
        if old:
            self._remove(old, DELETED)
            self.past[old.path][-1] = Change(self.number, CHANGED)
        elif node.path in self.past:
            self.past[node.path].append(Change(self.number, ADDED))
        parent.children[name] = node

    def _target(self, entry: Entry) -> Node:
        """What a hard link points at: never through a symlink, and never further on in the tar."""
        here = self.layer.find(entry.link)
        found: Node | None = self.root
        for name in entry.link.split("/"):
            found = found.children.get(name) if found else None
        if found is None and here and here.kind is Kind.FILE:
            found = Node(here.path, here, self.number)  # where AUFS kept it, which is not shown
        wrong = ""
        if entry.link == entry.path:
            wrong = "itself"
        elif found is None or found.kind is Kind.DIR:
            wrong = "a directory" if found else "not there"
        elif here and here.offset > entry.offset:
            wrong = "an entry that comes later"
        if wrong or found is None:
            refuse(f"it is a hard link to {entry.link!r}: {wrong}", entry.offset, entry.path)
        return found.inode

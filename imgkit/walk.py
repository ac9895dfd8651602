"""An image, walked layer by layer: what each layer does, and what became of each file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from posixpath import commonpath
from typing import Final

from imgkit.errors import ImgkitError, NotFound
from imgkit.image import Image
from imgkit.layer import Layer
from imgkit.overlay import Overlay
from imgkit.overlay.tree import ADDED, CHANGED
from imgkit.tar.entry import Entry, Kind
from imgkit.units import counted, size

ADDS: Final = "adds"
CHANGES: Final = "changes"
DELETES: Final = "deletes"
EMPTIES: Final = "empties"

LISTED: Final = 200
"""Paths that are listed one by one; where a layer touches more, they are listed by folder."""
PREVIEW: Final = 2000
"""Characters of a text file that are shown."""
READ: Final = 1 << 20
"""Bytes of a file that are read to show it."""


@dataclass(frozen=True, slots=True)
class Touch:
    """What a layer does to one path; `size` is of the file, or of what a deletion hides."""

    path: str
    what: str
    kind: Kind
    size: int

    def __str__(self) -> str:
        mark = "/" if self.kind is Kind.DIR else ""
        count = size(self.size) if self.size or self.kind is Kind.FILE else "-"
        return f"{self.what:8}{count:>8}  /{self.path}{mark}"


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory, with all that a layer does to it and to what is below it."""

    path: str
    touches: tuple[Touch, ...]

    def __str__(self) -> str:
        did = {touch.what for touch in self.touches}
        what = did.pop() if len(did) == 1 else "mixed"
        bytes_of = size(_bytes(self.touches))
        return f"{what:8}{bytes_of:>8}  /{self.path}/ ({len(self.touches):,} paths)"

    @property
    def told(self) -> str:
        """How many paths in it the layer adds, changes, deletes, and the bytes of its files."""
        return f"{_counts(self.touches)}; {size(_bytes(self.touches))} in files"


class Walk:
    """The layers of an image, numbered from 1, the base."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.layers = image.layers
        self.overlay = image.overlay
        self._touches: dict[int, tuple[Touch, ...]] = {}

    def __repr__(self) -> str:
        lines = [repr(self.image)]
        lines += [f"layer {number}: {self.told(number)}" for number in self.numbers]
        return "\n".join([*lines, self.summary])

    @property
    def numbers(self) -> range:
        """The numbers of the layers, the base first."""
        return range(1, len(self.layers) + 1)

    @property
    def summary(self) -> str:
        """Bytes in all layers, and those of them that no path shows any more."""
        total = size(self.image.unpacked_size)
        return (
            f"{counted(len(self.layers), 'layer')}: {total} in files, "
            f"{size(self.image.packed_size)} compressed. Of the {total}, "
            f"{size(self.overlay.wasted)} can no longer be seen."
        )

    @cached_property
    def made_by(self) -> tuple[str, ...]:
        """For each layer, base first, the instruction that made it, as the config tells it."""
        steps = [s.created_by for s in self.image.config.history if not s.empty_layer]
        missing = [""] * len(self.layers)
        return tuple((steps + missing)[: len(self.layers)])

    def layer(self, number: int) -> Layer:
        """The layer of that number."""
        return self.layers[number - 1]

    def touches(self, number: int) -> tuple[Touch, ...]:
        """What that layer does: deletions first, then changes, then additions, each by path.

        A directory that is there already, and is in the tar only for what is in it, is left out.
        """
        if number not in self._touches:
            order = (DELETES, EMPTIES, CHANGES, ADDS)
            found = [*self._written(number), *self._hidden(number)]
            found.sort(key=lambda touch: (order.index(touch.what), touch.path))
            self._touches[number] = tuple(found)
        return self._touches[number]

    def told(self, number: int) -> str:
        """That layer in one line: bytes, and how many paths it adds, changes, deletes."""
        layer = self.layer(number)
        sizes = f"{size(layer.unpacked_size)} in files, {size(layer.size)} compressed"
        return f"{_counts(self.touches(number)) or 'changes nothing'}; {sizes}"

    def listing(self, number: int, folder: str = "") -> list[Touch | Folder]:
        """What that layer does in a folder: each path, or if those are many, each folder in it.

        The folders come first. One path alone in a folder stands for itself.
        """
        inside = f"{folder}/" * bool(folder)
        found = [t for t in self.touches(number) if f"{t.path}/".startswith(inside)]
        if len(found) <= LISTED:
            return [*found]
        return _by_folder(found)

    def find(self, number: int, text: str) -> list[Touch]:
        """What that layer does to each path that has this text in it, in either case."""
        wanted = text.lower()
        return [t for t in self.touches(number) if wanted in f"/{t.path}".lower()]

    def history(self, path: str) -> list[str]:
        """What each layer did to a path, base first, in words."""
        try:
            return [f"layer {number + 1}: {what}" for number, what in self.overlay.history(path)]
        except NotFound:
            return []

    def content(self, number: int, path: str, most: int = PREVIEW) -> str:
        """What that layer has under a path: the first `most` characters, or what it is instead."""
        layer = self.layer(number)
        entry = layer.find(path)
        if entry is None:
            below = [n for n in range(1, number) if self.layer(n).find(path)]
            has = f" Layer {below[-1]} still has it: read it there." if below else ""
            return f"A whiteout: a file without content, which hides what is below.{has}"
        if entry.kind is not Kind.FILE:
            return _described(entry)
        try:
            return preview(layer.read(path, READ), most)
        except ImgkitError:
            return f"{size(entry.size)}: too long to be shown."

    def _written(self, number: int) -> Iterator[Touch]:
        for entry in self.layer(number).changes:
            changed = self._below(number, entry.path)
            if entry.path and not (changed and entry.kind is Kind.DIR):
                yield Touch(entry.path, CHANGES if changed else ADDS, entry.kind, entry.size)

    def _below(self, number: int, path: str) -> bool:
        """Whether the layers below that number show something at this path."""
        before = {CHANGED, ADDED}
        past = [what for at, what in self.overlay.history(path) if at < number - 1]
        return bool(past) and past[-1] in before

    def _hidden(self, number: int) -> Iterator[Touch]:
        layer = self.layer(number)
        if not layer.whiteouts and not layer.opaques:
            return
        below = Overlay(self.layers[: number - 1])
        for paths, what in ((layer.whiteouts, DELETES), (layer.opaques, EMPTIES)):
            for path in paths:
                if path in below:
                    node = below.get(path)
                    hidden = sum(n.size for n in node.walk()) if node.children else node.size
                    yield Touch(path, what, node.kind, hidden)


def _by_folder(touches: Sequence[Touch]) -> list[Touch | Folder]:
    """A line for each name in the directory that all of them are in."""
    top = commonpath([touch.path for touch in touches])
    depth = top.count("/") + 2 if top else 1
    groups: dict[str, list[Touch]] = {}
    for touch in touches:
        groups.setdefault("/".join(touch.path.split("/")[:depth]), []).append(touch)
    folders: list[Folder] = []
    alone: list[Touch] = []
    for _, group in sorted(groups.items()):
        paths = {touch.path for touch in group}
        if len(paths) > 1:
            folders.append(Folder(commonpath(paths), tuple(group)))
        else:
            alone += group
    return [*folders, *alone]


def _counts(touches: Sequence[Touch]) -> str:
    """How many paths are added, changed, deleted, in words."""
    counts = [touch.what for touch in touches]
    order = (ADDS, CHANGES, DELETES, EMPTIES)
    return ", ".join(f"{what} {counts.count(what)}" for what in order if what in counts)


def _bytes(touches: Sequence[Touch]) -> int:
    """Bytes of the files that are added or changed."""
    return sum(touch.size for touch in touches if touch.what in (ADDS, CHANGES))


def _described(entry: Entry) -> str:
    if entry.link:
        return f"A {entry.kind} to {entry.link}"
    return f"A {entry.kind}, mode {entry.mode:04o}."


def preview(data: bytes, most: int) -> str:
    """The text, or the first bytes in hexadecimal."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if all(c.isprintable() or c in "\n\t" for c in text):
        more = f"\n… {size(len(data))} in all" if len(text) > most else ""
        return text[:most] + more if text else "An empty file."
    lines = [data[at : at + 16] for at in range(0, min(len(data), 64), 16)]
    shown = "\n".join(f"{line.hex(' '):47}  {_ascii(line)}" for line in lines)
    return f"Not text: {size(len(data))}, beginning with\n{shown}"


def _ascii(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)

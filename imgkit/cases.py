"""Layers that programs disagree about: what is in them, what they give, and who shows what.

The table itself is `cases.toml`, beside this file; its first lines say how to read it.

    >>> case("A").layer
    ('.wh.d', 'd/', 'd/new = new')
    >>> sorted(case("A").merged.items())[1:4]
    [('d', '/'), ('d/new', 'new'), ('f', 'f')]
    >>> shown(Overlay(case("A").stack())) == case("A").merged
    True
"""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import NotFound
from imgkit.layer import Layer, pack
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.overlay import Overlay
from imgkit.tar import END
from imgkit.tar.entry import Entry, Kind

_CHECKSUM: Final = slice(148, 156)


@dataclass(frozen=True, slots=True)
class Case:
    """A layer upon the base, what the OCI specification says of it, and what engines make of it.

    `merged` is what each path then shows (see `shown`); None if the layer is refused however it is
    read. `refused` is the name of the error, "" if there is none; where `merged` is there too, it
    is what a layer gives that is not read strictly.
    """

    id: str
    title: str
    layer: tuple[str, ...]
    merged: Mapping[str, str] | None
    refused: str
    spec: str
    naive: str
    """What engines show that apply all layers into one tree: umoci, the vfs drivers."""
    overlay: str
    """What engines show that unpack each layer alone: overlay2, podman's overlay, containerd."""
    because: str = ""
    """Where they differ, from each other or from us: what one would see, and why."""

    def __str__(self) -> str:
        return f"{self.id}: {self.title}"

    def tars(self) -> tuple[bytes, bytes]:
        """The uncompressed tars of the base and of the layer upon it."""
        return _tar(base()), _tar(self.layer)

    def stack(self, *, strict: bool = True) -> tuple[Layer, Layer]:
        """The base and the layer upon it."""
        below, above = self.tars()
        return _layer(below, strict), _layer(above, strict)


def cases() -> tuple[Case, ...]:
    """Every case, in the order of their ids."""
    return tuple(map(_case, _table()["case"]))


def case(name: str) -> Case:
    """The case of that id; raises `NotFound`."""
    for one in cases():
        if one.id == name:
            return one
    ids = " ".join(one.id for one in cases())
    raise NotFound(f"there is no case {name!r}; there are {ids}", name=name)


def base() -> tuple[str, ...]:
    """The layer below, in every case."""
    return tuple(_table()["base"])


def shown(overlay: Overlay) -> dict[str, str]:
    """What each path shows: "/", a symlink's "-> text", a file's content, or another kind."""
    return {
        node.path: overlay.read(node.path).decode()
        if node.kind is Kind.FILE
        else _shown(node.inode.entry, b"")
        for node in overlay
    }


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("cases.toml").read_text("utf-8"))


def _case(row: Mapping[str, Any]) -> Case:
    words = {key: row[key] for key in ("id", "title", "spec", "naive", "overlay")}
    refused = row.get("refused", "")
    return Case(
        layer=tuple(row["layer"]),
        merged=None if refused and not row.get("lenient") else _merged(row),
        refused=refused,
        because=row.get("because", ""),
        **words,
    )


def _merged(row: Mapping[str, Any]) -> dict[str, str]:
    gone = row.get("gone", ())
    found = {
        path: what
        for path, what in _read(base()).items()
        if not any(path == one or path.startswith(f"{one}/") for one in gone)
    }
    return dict(sorted((found | _read(row.get("gives", ()))).items()))


def _read(lines: Iterable[str]) -> dict[str, str]:
    return {entry.path: _shown(entry, content) for entry, content in map(_entry, lines)}


def _shown(entry: Entry, content: bytes) -> str:
    if entry.kind is Kind.DIR:
        return "/"
    if entry.kind is Kind.SYMLINK:
        return f"-> {entry.link}"
    return content.decode() if entry.kind is Kind.FILE else str(entry.kind)


def _entry(line: str) -> tuple[Entry, bytes]:
    """The entry that a line of the table stands for; the path is kept as it is written there."""
    path, mark, rest = line.partition(" ")
    sign, _, text = rest.partition(" ")
    match sign:
        case "=":
            return Entry(path), text.encode()
        case "->":
            return Entry(path, Kind.SYMLINK, 0o777, link=text), b""
        case "==":
            return Entry(path, Kind.HARDLINK, link=text), b""
        case "0:0":
            return Entry(path, Kind.CHAR), b""
    if path.endswith("/"):
        mode = int(sign, 8) if mark else 0o755
        return Entry("" if path == "./" else path.rstrip("/"), Kind.DIR, mode), b""
    return Entry(path), b""


def _tar(lines: Iterable[str]) -> bytes:
    pieces = []
    for entry, content in map(_entry, lines):
        parts = entry.path.split("/")
        plain = not entry.path or not {"", ".."} & set(parts)
        piece = pack([(entry if plain else replace(entry, path="x"), content)])
        piece = piece.removesuffix(END)
        pieces.append(piece if plain else _named(piece, entry.path))
    return b"".join(pieces) + END


def _named(piece: bytes, name: str) -> bytes:
    """The entry of a tar under a name that our own writer refuses to write."""
    block = bytearray(piece[:512])
    block[:100] = name.encode().ljust(100, b"\0")
    block[_CHECKSUM] = b" " * 8
    block[_CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block) + piece[512:]


def _layer(tar: bytes, strict: bool) -> Layer:
    descriptor = Descriptor.of(tar, OCI_LAYER)
    return Layer(
        lambda: VerifyingReader(io.BytesIO(tar), descriptor.digest, descriptor.size),
        descriptor,
        Digest.of(tar),
        strict=strict,
    )

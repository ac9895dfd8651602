"""The bytes of an image, part by part, and the same with one part replaced."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

from imgkit.config import Config
from imgkit.errors import ImgkitError, NotFound
from imgkit.image import Image, read_document
from imgkit.manifest import Descriptor, Index, Manifest, parse
from imgkit.platforms import Platform
from imgkit.tar.compression import decompress, form


@dataclass(frozen=True, slots=True)
class Parts:
    """Documents and blobs as a registry has them, and which entry of the index this image is."""

    index: bytes | None
    manifest: bytes
    config: bytes
    blobs: tuple[bytes, ...]
    types: tuple[str, str]
    entry: int = 0
    platform: Platform | None = None

    @classmethod
    def of(cls, image: Image) -> Self:
        """The parts of that image, all of them read."""
        blobs = tuple(_read(image, layer) for layer in image.manifest.layers)
        types = image.index.media_type if image.index else "", image.descriptor.media_type
        parts = cls(None, image.manifest.raw, image.config.raw, blobs, types)
        if image.index is None:
            return parts
        index = read_document(image.source, image.index)
        assert isinstance(index, Index)
        entry = [descriptor.digest for descriptor in index.manifests].index(image.digest)
        platform = index.manifests[entry].platform
        return replace(parts, index=index.raw, entry=entry, platform=platform)

    @property
    def names(self) -> list[str]:
        """What can be asked for; a layer is two things, a tar, and that tar packed."""
        layers = range(1, len(self.blobs) + 1)
        both = [f"layer {n} {what}" for n in layers for what in ("tar", "blob")]
        return ["index"] * (self.index is not None) + ["manifest", "config", *both]

    def get(self, name: str) -> bytes:
        """The bytes of one part; none of a tar that cannot be unpacked. Raises `NotFound`."""
        if name not in self.names:
            known = ", ".join(self.names)
            raise NotFound(f"there is no {name!r} here. There is: {known}.", name=name)
        if not name.startswith("layer"):
            return {"index": self.index, "manifest": self.manifest}.get(name, self.config) or b""
        blob = self.blobs[number(name)]
        return blob if name.endswith("blob") else unpacked(blob) or b""

    def put(self, name: str, data: bytes) -> Self:
        """The same image with that part replaced; a tar is packed again, if it was packed."""
        if name == "index":
            return replace(self, index=data)
        if name == "manifest":
            return replace(self, manifest=data)
        if name == "config":
            return replace(self, config=data)
        place = number(name)
        if name.endswith("tar") and form(self.blobs[place]):
            data = stored(data)
        return replace(self, blobs=(*self.blobs[:place], data, *self.blobs[place + 1 :]))

    def documents(self) -> tuple[Index | None, Manifest | None, Config | None]:
        """The three documents, as far as they can be read."""
        index = _attempt(lambda: parse(self.index or b"", self.types[0]))
        manifest = _attempt(lambda: parse(self.manifest, self.types[1]))
        config = _attempt(lambda: Config.parse(self.config))
        if not isinstance(index, Index):
            index = None
        return index, manifest if isinstance(manifest, Manifest) else None, config


def number(name: str) -> int:
    """The place of a layer, from 0, by the name of one of its parts."""
    return int(name.split()[1]) - 1


@lru_cache(maxsize=64)
def unpacked(blob: bytes) -> bytes | None:
    """The tar in a blob; None if it cannot be unpacked."""
    found: bytes | None = _attempt(lambda: decompress(io.BytesIO(blob)).read())
    return found


@lru_cache(maxsize=64)
def stored(data: bytes) -> bytes:
    """A gzip file of these bytes, made no smaller: the same on every machine (RFC 1951, 1952)."""
    most = 0xFFFF
    packed = bytearray(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")
    for at in range(0, max(len(data), 1), most):
        block = data[at : at + most]
        packed.append(at + most >= len(data))
        packed += len(block).to_bytes(2, "little") + (len(block) ^ most).to_bytes(2, "little")
        packed += block
    packed += zlib.crc32(data).to_bytes(4, "little")
    packed += (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(packed)


def _attempt(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ImgkitError:
        return None


def _read(image: Image, descriptor: Descriptor) -> bytes:
    with image.source.open(descriptor) as stream:
        return stream.read()

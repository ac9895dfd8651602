"""An image with bytes changed on purpose: which digests become others, and which check fails.

A liar who changes a layer can make it fit again: each digest that is written down he can rewrite
(`mend`). But the document in which he does so becomes another one, up to the digest at the top,
and that one is not in the image but in the hands of whoever asks for it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from imgkit import document
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import ImgkitError, NotFound
from imgkit.image import Image, verify
from imgkit.manifest import Descriptor
from imgkit.reference import Reference
from imgkit.tampering.links import Link, links
from imgkit.tampering.parts import Parts, number
from imgkit.tar.compression import form

__all__ = ["Link", "Parts", "Tampering"]


class Tampering:
    """A copy of an image, to be damaged; the image itself stays as it is."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.first = Parts.of(image)
        # A view asks again and again for the same; each answer takes all bytes of all layers.
        self._links = lru_cache(maxsize=2)(lambda parts: tuple(links(parts)))
        self._errors = lru_cache(maxsize=4)(self._verify)
        self.before = {(link.part, link.called): link.now for link in self._links(self.first)}
        self.reset()

    def reset(self) -> None:
        """Afterwards every byte is as it was."""
        self.now = self.first
        self.done: list[str] = []

    def change(self, name: str, at: int, value: int | None = None) -> str:
        """Afterwards one byte of that part is another; without `value`, its lowest bit.

        Gives a sentence about it. Raises `NotFound` where there is no such part or byte.
        """
        data = self.now.get(name)
        if not 0 <= at < len(data):
            raise NotFound(f"{name} has {len(data)} bytes, counted from 0: none is at {at}")
        new = data[at] ^ 1 if value is None else value & 0xFF
        self.now = self.now.put(name, data[:at] + bytes([new]) + data[at + 1 :])
        self.done.append(f"Byte {at} of the {name}: {data[at]:02x} became {new:02x}.")
        return self.done[-1]

    def find(self, name: str, text: str) -> int | None:
        """Where a text begins in a part, the first time; None if it is not in there."""
        place = self.now.get(name).find(text.encode())
        return place if place >= 0 and text else None

    # -- what follows ---------------------------------------------------------------------------

    @property
    def links(self) -> list[Link]:
        """Every digest of the image as it is now."""
        return list(self._links(self.now))

    def changed(self, link: Link) -> bool:
        """Whether that digest is another one than at first."""
        return link.now != self.before[link.part, link.called]

    def errors(self, *, by_digest: bool) -> list[str]:
        """What a pull and a look at every byte find wrong, in the words of the library."""
        return list(self._errors(self.now, by_digest))

    def _verify(self, parts: Parts, by_digest: bool) -> list[str]:
        name = self.image.name or Reference.parse("image")
        liar = _Liar(self.image, parts, self._links(parts), by_digest)
        try:
            return verify(Image.of(liar, name, parts.platform))
        except ImgkitError as error:
            return [str(error)]

    def outcome(self, *, by_digest: bool) -> str:
        """What comes of a pull by tag, or by the digest that the image had at first."""
        top = self.links[0]
        if by_digest and self.changed(top) and (now := top.now):
            asked = self.before[top.part, top.called]
            assert asked is not None
            return f"refused at the {top.part}: you asked for {asked.short}, but it is {now.short}."
        if failing := next((link for link in self.links if link.fails), None):
            return f"refused at the {failing.part}: {_why(failing)}."
        if problems := self.errors(by_digest=False):  # with the same document at the top
            return f"refused: {problems[0].encode('unicode_escape').decode()}"
        if not any(map(self.changed, self.links)):
            return "accepted: it is the image that was published."
        return "accepted: every check holds, and it is not the image that was published."

    # -- covering the tracks --------------------------------------------------------------------

    def mend(self) -> str:
        """Afterwards the deepest record that is wrong says what is true; gives what was done."""
        wrong = [link for link in self.links if link.fails and link.recorded and link.now]
        said = "There is no wrong record that could be rewritten."
        if wrong:
            last = wrong[-1]
            self._rewrite(last)
            said = f"In {last.where}, the {last.called} of the {last.part} was rewritten."
        self.done.append(said)
        return said

    def _rewrite(self, link: Link) -> None:
        holder = link.where.removeprefix("the ")
        data: Any = json.loads(self.now.get(holder))
        if link.called == "DiffID":
            data["rootfs"]["diff_ids"][number(link.part)] = link.now
        else:
            entry = self._entry(data, link.part)
            entry |= {"digest": link.now, "size": len(self.now.get(link.part))}
        self.now = self.now.put(holder, document.dump(data))

    def _entry(self, data: Any, part: str) -> Any:
        """The descriptor of a part in the document that has it."""
        if part == "manifest":
            return data["manifests"][self.now.entry]
        if part == "config":
            return data["config"]
        entry = data["layers"][number(part)]
        if form(self.now.get(part)) == "gzip":
            entry["mediaType"] = entry["mediaType"].replace("zstd", "gzip")
        return entry


def _why(link: Link) -> str:
    if link.now is None or link.recorded is None:
        return "it cannot be unpacked"
    return f"{link.where} says {link.recorded.short}, but it is {link.now.short}"


class _Liar:
    """A registry that hands out the changed bytes under whatever digest is asked for."""

    def __init__(self, image: Image, now: Parts, digests: Sequence[Link], by_digest: bool) -> None:
        self.held: dict[Digest | None, bytes] = {}
        for link in digests:
            if link.part in now.names and link.called == "digest":
                self.held[link.recorded or link.now] = now.get(link.part)
        top = now.manifest if now.index is None else now.index
        named = image.index or image.descriptor
        self.top = named if by_digest else Descriptor.of(top, named.media_type)
        self.held[self.top.digest] = top

    def resolve(self, _: Reference) -> Descriptor:
        return self.top

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        data = self.held.get(descriptor.digest)
        if data is None:
            raise NotFound(f"the registry has no {descriptor.digest}", name=descriptor.digest)
        return VerifyingReader(io.BytesIO(data), descriptor.digest, descriptor.size)

"""What no honest image meets, and how somebody who trusts a larger one lets more through.

    IMGKIT_LIMITS=ratio=2000,entries=5000000        names and values of fields of `Limits`

Small compressed layers are how large ones are hidden, and short headers how many entries are.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final, NoReturn

from imgkit.errors import InvalidSetting, LimitExceeded

VARIABLE: Final = "IMGKIT_LIMITS"
"""The environment variable with other limits than these."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What no honest image passes. Sizes are in bytes, those of layers uncompressed."""

    unpacked: int = 256 << 30
    """Bytes of one uncompressed tar."""
    ratio: int = 200
    """Uncompressed bytes for each compressed one, asked once there are `ratio_from` of them.

    Zeros reach 1,029 with gzip and 32,696 with zstd, and honest layers do hold files of zeros.
    """
    ratio_from: int = 512 << 20
    entries: int = 2_000_000
    implied: int = 200_000
    """Directories that one layer makes without an entry for them: each entry could make 255."""
    extended: int = 1 << 20
    """Bytes of one extended header (a long name, PAX records)."""
    extended_total: int = 256 << 20
    attributes: int = 64 << 20
    """Bytes that the extended attributes of all entries take in memory: many times those of a tar
    where they are short."""
    path: int = 4096
    component: int = 255
    depth: int = 256
    """Components of one path."""
    image_unpacked: int = 1 << 40
    """Bytes of the files in all layers of an image."""
    layers: int = 125
    document: int = 4 << 20
    """Bytes of a manifest, index or config (distribution-spec: at least 4 MB)."""
    manifests: int = 1000
    """Manifests of one index."""
    index_depth: int = 8
    """How deep an index may list others."""
    token: int = 1 << 20
    """Bytes of a registry's answer with a token."""

    def refuse(self, name: str, said: str, actual: int | None, path: str | None = None) -> NoReturn:
        """Raise `LimitExceeded`: what is too much, and how to raise the limit of that name."""
        raise LimitExceeded(
            f"{said}. To let more through: {VARIABLE}={name}=NUMBER",
            limit=getattr(self, name),
            actual=actual,
            path=path,
        )

    def exceeded(self, name: str, what: str, actual: int, path: str | None = None) -> NoReturn:
        """Raise `LimitExceeded` for so much of something in a layer."""
        most = getattr(self, name)
        self.refuse(
            name,
            f"this layer is refused: it has {actual} {what}, and at most {most} are read",
            actual,
            path,
        )

    def check(self, given: int, taken: int) -> None:
        """Raise `LimitExceeded` if so many bytes out of so many compressed ones are too many."""
        if given > self.unpacked:
            said = f"this tar unpacks to more than {self.unpacked} bytes, which is refused"
            self.refuse("unpacked", said, given)
        if given > self.ratio_from and given > self.ratio * taken:
            self.refuse(
                "ratio",
                f"{taken} compressed bytes of this tar gave {given} already: more than "
                f"{self.ratio} for one is taken for an attack (a decompression bomb)",
                given // taken,
            )

    def check_image(self, unpacked: int) -> None:
        """Raise `LimitExceeded` if the files in all layers of an image have too many bytes."""
        if unpacked > self.image_unpacked:
            said = f"the files in the layers have more than {self.image_unpacked} bytes"
            self.refuse("image_unpacked", f"this image is refused: {said}", unpacked)


def current() -> Limits:
    """The limits as the environment has them now; raises `InvalidSetting`."""
    return _parse(os.environ.get(VARIABLE, ""))


@lru_cache
def _parse(text: str) -> Limits:
    names = [field.name for field in fields(Limits)]
    found = {}
    for setting in filter(None, text.replace(" ", "").split(",")):
        name, _, value = setting.partition("=")
        if name not in names or not re.fullmatch(r"[0-9]{1,18}", value):
            raise InvalidSetting(
                f"{setting!r} in {VARIABLE} is no limit: expected NAME=NUMBER, more of them after "
                f"commas. The names: {', '.join(names)}",
                text=text,
            )
        found[name] = int(value)
    return replace(Limits(), **found)

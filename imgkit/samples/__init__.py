"""The images of the embedded registry: made by recipes, baked once, the same on every machine.

Every one is a stand-in. Names, versions, file lists and proportions follow the real image that it
is named after; no byte is copied from it. Programs are made-up filler behind a true magic number,
and a kB here stands for a MB there (`tree.SCALE`): real layers and digests, a thousandth of the
download. Texts keep their size; where there are many, a library beside them is smaller instead.
`recipes/` says what is in each; `python -m imgkit.samples.bake` makes `layout/` from it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from imgkit.image import Image
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

LAYOUT: Final = Path(__file__).parent / "layout"
"""The baked images: an OCI image layout, to be read with any tool."""

NOW: Final = datetime(2024, 11, 15, 12, tzinfo=UTC)
"""The moment at which `CREATED` of the samples reads as in the source documents."""

REBUILT: Final = "docker.io/next/golftrack:1.5"
"""Another image than golftrack:1.5, which a lesson pushes over that tag."""


def store() -> Store:
    """The sample images; read-only. A name with several platforms points at their index."""
    return Store(LAYOUT, read_only=True)


def names() -> list[str]:
    """Every name in the samples, in full, sorted."""
    return sorted(record.name for record in store().records() if record.name)


def image(name: str, platform: str = "linux/amd64") -> Image:
    """The sample of that name (short or full) for that platform; raises `NotFound`."""
    reference = Reference.parse(name).with_default_tag()
    return Image.of(store(), reference, Platform.parse(platform))

"""The lessons of the course, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Lesson:
    """One notebook: `notebooks/<file>.ipynb`, there already if `ready`."""

    file: str
    title: str
    group: str
    ready: bool = False


_BEGIN: Final = "Begin"
_FETCH: Final = "Fetch and name"
_INSIDE: Final = "Look inside"
_SHARE: Final = "Build and share"
_TRUST: Final = "Trust and tidy up"
_PROVE: Final = "Prove it"

COURSE: Final = (
    Lesson("00-start-here", "Look inside an image in five minutes", _BEGIN, ready=True),
    Lesson("01-what-is-an-image", "What is in an image, and what is not", _BEGIN),
    Lesson("02-pulling", "Pulling: from registry to local repository", _FETCH, ready=True),
    Lesson("03-registries", "Registries, repositories, images", _FETCH),
    Lesson("04-names-and-tags", "Names, tags and their defaults", _FETCH),
    Lesson("05-layers", "Layers: what each instruction leaves behind", _INSIDE),
    Lesson("06-union-filesystem", "One filesystem out of many layers", _INSIDE),
    Lesson("07-images-and-containers", "Build-time and run-time", _INSIDE),
    Lesson("08-building-and-sharing", "From Dockerfile to registry", _SHARE),
    Lesson("09-sharing-layers", "Why the eighth layer was already there", _SHARE),
    Lesson("10-digests", "Tags move, digests do not", _TRUST),
    Lesson("11-multi-architecture", "One name, many machines", _TRUST),
    Lesson("12-deleting", "Deleting, untagging, dangling", _TRUST),
    Lesson("13-capstone", "Pull an image with nothing but requests and hashlib", _PROVE),
)

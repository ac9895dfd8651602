"""The lessons of the course, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Lesson:
    """One notebook: `notebooks/<file>.ipynb`, there already if `ready`.

    `concepts` are the numbers of the curriculum that it teaches.
    """

    file: str
    title: str
    group: str
    concepts: tuple[int, ...] = ()
    widget: str = ""
    ready: bool = False


_BEGIN: Final = "Begin"
_FETCH: Final = "Fetch and name"
_INSIDE: Final = "Look inside"
_SHARE: Final = "Build and share"
_TRUST: Final = "Trust and tidy up"
_PROVE: Final = "Prove it"

COURSE: Final = (
    Lesson(
        "00-start-here",
        "Look inside an image in five minutes",
        _BEGIN,
        widget="LayerExplorer",
        ready=True,
    ),
    Lesson(
        "01-what-is-an-image",
        "What is in an image, and what is not",
        _BEGIN,
        concepts=(1, 2, 3, 4, 9, 10, 11, 12, 14, 15),
        widget="LayerExplorer",
        ready=True,
    ),
    Lesson(
        "02-pulling",
        "Pulling: from registry to local repository",
        _FETCH,
        concepts=(14, 15, 16, 17, 18, 19, 20, 21, 22, 76),
        widget="PullMonitor",
        ready=True,
    ),
    Lesson(
        "03-registries",
        "Registries, repositories, images",
        _FETCH,
        concepts=(23, 24, 25, 26, 27, 28, 29, 30),
        ready=True,
    ),
    Lesson(
        "04-names-and-tags",
        "Names, tags and their defaults",
        _FETCH,
        concepts=(31, 32, 33, 34, 35, 36),
        widget="NameExplorer",
        ready=True,
    ),
    Lesson(
        "05-layers",
        "Layers: what each instruction leaves behind",
        _INSIDE,
        concepts=(37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 76),
        widget="LayerExplorer",
        ready=True,
    ),
    Lesson(
        "06-union-filesystem",
        "One filesystem out of many layers",
        _INSIDE,
        concepts=(47, 48, 49, 50, 51, 52, 54, 56),
        widget="OverlayStepper",
        ready=True,
    ),
    Lesson(
        "07-images-and-containers",
        "Build-time and run-time",
        _INSIDE,
        concepts=(3, 5, 6, 7, 8, 13, 53, 54, 55),
        widget="OverlayStepper",
        ready=True,
    ),
    Lesson(
        "08-building-and-sharing",
        "From Dockerfile to registry",
        _SHARE,
        concepts=(25, 57, 58, 59),
        widget="BuildStepper",
        ready=True,
    ),
    Lesson(
        "09-sharing-layers",
        "Why the eighth layer was already there",
        _SHARE,
        concepts=(60, 61),
        widget="SharingMatrix",
        ready=True,
    ),
    Lesson(
        "10-digests",
        "Tags move, digests do not",
        _TRUST,
        concepts=(62, 63, 64, 65, 66, 76),
        widget="DigestLab",
        ready=True,
    ),
    Lesson(
        "11-multi-architecture",
        "One name, many machines",
        _TRUST,
        concepts=(67, 68, 69, 70),
        widget="PlatformPicker",
        ready=True,
    ),
    Lesson(
        "12-deleting",
        "Deleting, untagging, dangling",
        _TRUST,
        concepts=(71, 72, 73, 74, 75, 76),
        widget="SharingMatrix",
        ready=True,
    ),
    Lesson(
        "13-capstone",
        "Pull an image with nothing but requests and hashlib",
        _PROVE,
        concepts=(26, 27, 38, 43, 50, 62, 67),
        ready=True,
    ),
)

"""Exercises of `11-multi-architecture`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgkit import samples
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, index, sample, unordered
from imgkit.manifest import Descriptor
from imgkit.platforms import Platform

NAME: Final = "nigelpoulton/k8sbook"
OTHER: Final = "linux/arm64"
MACHINES: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/arm/v5", "linux/386")
BUILT_FOR: Final = "linux/arm/v6"


def _entries(lab: Lab) -> tuple[Descriptor, ...]:
    return index(sample(lab, "alpine")).manifests


def _images(lab: Lab) -> int:
    return sum(not entry.is_attestation for entry in _entries(lab))


def _bytes(keep: Callable[[Descriptor, set[str]], bool]) -> Callable[[Lab], int]:
    """Bytes of those layers for the other platform; told are also the digests that are here."""

    def count(lab: Lab) -> int:
        here = {str(layer.digest) for layer in sample(lab, NAME).manifest.layers}
        layers = samples.image(NAME, OTHER).manifest.layers
        return sum(layer.size for layer in layers if keep(layer, here))

    return count


_new_bytes = _bytes(lambda layer, here: str(layer.digest) not in here)
_all_bytes = _bytes(lambda layer, here: True)


def _hosts() -> set[str]:
    built = [Platform.parse(BUILT_FOR)]
    return {text for text in MACHINES if Platform.parse(text).best(built) is not None}


EXERCISES: Final = (
    Exercise(
        key="multi-1",
        expects="a number of platforms",
        truth=_images,
        because="And as many attestations, one about each image.",
        hint="`docker manifest inspect alpine` lists every entry of the index.",
        mistakes=(
            Mistake(
                lambda lab: len(_entries(lab)),
                "That is the number of entries. Half of them are `unknown/unknown`: no machine "
                "runs those.",
            ),
            Mistake(
                lambda lab: len({e.platform.architecture for e in _entries(lab) if e.platform}) - 1,
                "You counted architectures. Two entries are of one architecture and differ in the "
                "variant.",
            ),
            Mistake(
                lambda lab: _images(lab) + 1,
                "One too many: `unknown/unknown` is no platform.",
            ),
            Mistake(
                lambda lab: 1,
                "One is what *you* get. The index behind the name lists more.",
            ),
        ),
    ),
    Exercise(
        key="multi-2",
        expects="a number of bytes",
        truth=_new_bytes,
        because="One layer is the same for both: the one without a file in it.",
        hint="Pull it twice, on a new `Lab()`, and look at the second pull.",
        mistakes=(
            Mistake(
                _all_bytes,
                "These are all of its layers. Is none of them there already?",
            ),
            Mistake(
                lambda lab: _new_bytes(lab) + samples.image(NAME, OTHER).manifest.config.size,
                "Right, and the config on top of it. That is a blob, too, but no layer.",
            ),
            Mistake(
                lambda lab: sample(lab, NAME).packed_size,
                "That is the size of what you have: the image for linux/amd64.",
            ),
            Mistake(
                lambda lab: 0,
                "The name is the same; the image behind it is another one.",
            ),
        ),
    ),
    Exercise(
        key="multi-3",
        expects="a list of texts such as 'linux/amd64'",
        truth=lambda lab: _hosts(),
        same=unordered(lambda platform: str(platform).strip()),
        because="A newer ARM runs what was built for an older one, and a 64-bit one runs both.",
        hint="Each machine has a list of what it runs, best first.",
        mistakes=(
            Mistake(
                lambda lab: [text for text in _hosts() if text != "linux/arm64"],
                "One is missing. A 64-bit ARM machine is counted as one that runs 32-bit programs, "
                "too.",
            ),
            Mistake(
                lambda lab: [text for text in MACHINES if "arm" in text],
                "One too many: version 6 has instructions that version 5 does not know.",
            ),
            Mistake(
                lambda lab: ["linux/arm/v5"],
                "The other way round: an older processor does not know the newer instructions.",
            ),
            Mistake(
                lambda lab: [],
                "No machine of the five is a v6 itself; but some run what was made for it.",
            ),
        ),
    ),
)

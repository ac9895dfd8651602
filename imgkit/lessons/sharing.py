"""Exercises of `09-sharing-layers`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.digest import Digest
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample
from imgkit.sharing import Shared, Sharing

HAVE: Final = "ubuntu:22.04"
WANT: Final = "mongo:7.0.5"
SHELF: Final = ("node", "nginx", "postgres:16")


def _digests(lab: Lab, name: str) -> set[Digest]:
    return {layer.digest for layer in sample(lab, name).layers}


def _missing(lab: Lab) -> int:
    return len(_digests(lab, WANT) - _digests(lab, HAVE))


def _once(lab: Lab) -> int:
    """Compressed bytes of the layers of the shelf, each counted once."""
    layers = [layer for name in SHELF for layer in sample(lab, name).manifest.layers]
    return sum({layer.digest: layer.size for layer in layers}.values())


def _copies(lab: Lab) -> int:
    return sum(sample(lab, name).packed_size for name in SHELF)


def _bench(*names: str) -> Lab:
    lab = Lab()
    for name in names:
        lab.pull(name)
    return lab


def _common(answer: Any) -> list[Shared]:
    """The layers that every image of a bench has."""
    if not isinstance(answer, Lab):
        return []
    now = Sharing.of(answer.store)
    return [layer for layer in now.layers if len(set(layer.holders)) == len(now.holders)]


def _images(answer: Any) -> int:
    return len(Sharing.of(answer.store).holders) if isinstance(answer, Lab) else 0


EXERCISES: Final = (
    Exercise(
        key="sharing-1",
        expects="a number of layers",
        truth=_missing,
        because="The image begins with the very layer that ubuntu:22.04 consists of.",
        hint="Which layers of the one are layers of the other, too? Compare their digests.",
        mistakes=(
            Mistake(
                lambda lab: len(_digests(lab, WANT)),
                "That is all of them. One is there already: which?",
            ),
            Mistake(
                lambda lab: len(_digests(lab, WANT)) + 1,
                "With the config? It travels, but it is no layer; and one layer is there already.",
            ),
            Mistake(
                lambda lab: len(_digests(lab, WANT) & _digests(lab, HAVE)),
                "That is what does not travel.",
            ),
        ),
    ),
    Exercise(
        key="sharing-2",
        expects="a number of bytes",
        truth=_once,
        because="Three images, one base: two copies of it that nobody has to keep.",
        hint="Put the sizes into a `dict` by digest. What is there twice has one key.",
        mistakes=(
            Mistake(_copies, "That is with a copy of the base for each image."),
            Mistake(
                lambda lab: sum(sample(lab, name).unpacked_size for name in SHELF),
                "These are the unpacked bytes, and the base three times.",
            ),
            Mistake(
                lambda lab: _copies(lab) - _once(lab),
                "That is what sharing saves. Asked for is what is left.",
            ),
            Mistake(
                lambda lab: _once(lab) - sample(lab, SHELF[0]).manifest.layers[0].size,
                "That is what belongs to one image only. The base is needed, too: once.",
            ),
        ),
    ),
    Exercise(
        key="sharing-3",
        expects="a Lab with at least three images",
        passes=lambda answer, lab: (
            _images(answer) >= 3 and any(s.unpacked for s in _common(answer))
        ),
        because="Any family does: all that it takes is the same base, byte for byte.",
        hint="Look at the lists of this page: which images begin with the same layer?",
        mistakes=(
            Mistake(
                lambda lab: _bench("alpine", "alpine:3.20", "alpine:3.20.3"),
                "These are three names of one image. Nothing is shared there: there is only one.",
                fits=lambda answer, lab: _images(answer) == 1,
            ),
            Mistake(
                lambda lab: _bench("redis", "nginx"),
                "They share a base, but they are two. One more?",
                fits=lambda answer, lab: _images(answer) == 2,
            ),
            Mistake(
                lambda lab: _bench(
                    "redis",
                    "portainer/portainer-ce",
                    "nigelpoulton/k8sbook",
                    "nigelpoulton/tu-demo:v2",
                ),
                "All of them have one layer in common, but it is the empty one: no file is shared.",
                fits=lambda answer, lab: _images(answer) > 2 and bool(_common(answer)),
            ),
            Mistake(
                lambda lab: _bench("alpine:3.18", "alpine:3.19", "alpine:3.20"),
                "No layer is in all of them. Like is not enough for sharing: each release of "
                "Alpine is another base.",
                fits=lambda answer, lab: _images(answer) > 2,
            ),
        ),
    ),
)

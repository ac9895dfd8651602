"""Exercises and quiz of `09-sharing-layers`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.digest import Digest
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample
from imgkit.lessons.quiz import Choice, Question
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
        task=(
            f"**Exercise 1.** A machine has `{HAVE}` and nothing else. It pulls `{WANT}`. How many "
            "layers travel? The answer is a number."
        ),
        expects="a number of layers",
        types=(int, float),
        truth=_missing,
        because="The image begins with the very layer that ubuntu:22.04 consists of.",
        hints=(
            "Which layers of the one are layers of the other, too? Compare their digests.",
            "Pull both. `lab.image(name).layers` has a `digest` for each layer.",
            "Python's sets can be subtracted: `wanted - there`.",
        ),
        solution=(
            "def digests(name):\n"
            "    lab.pull(name)\n"
            "    return {layer.digest for layer in lab.image(name).layers}\n\n"
            f'answer = len(digests("{WANT}") - digests("{HAVE}"))'
        ),
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
        task=(
            f"**Exercise 2.** {', '.join(f'`{name}`' for name in SHELF)}: how many bytes, "
            "compressed, do the layers of these three need together, each kept once? The answer is "
            "a number."
        ),
        expects="a number of bytes",
        types=(int, float),
        truth=_once,
        because="Three images, one base: two copies of it that nobody has to keep.",
        hints=(
            "Put the sizes into a `dict` by digest. What is there twice has one key.",
            "`lab.image(name).manifest.layers` has a `digest` and a `size` for each layer.",
            "`sizes |= {layer.digest: layer.size for layer in ...}` for each, then `sum`.",
        ),
        solution=(
            "sizes = {}\n"
            f"for name in {SHELF!r}:\n"
            "    lab.pull(name)\n"
            "    sizes |= {layer.digest: layer.size for layer in lab.image(name).manifest.layers}\n"
            "answer = sum(sizes.values())"
        ),
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
        task=(
            "**Exercise 3.** Fill a new `Lab()` with at least three different images, so that one "
            "layer with files in it is kept once for all of them. The answer is that `Lab`. "
            "(`lab.another()` makes one; after `Lab()`, `%docker` works on the new one.)"
        ),
        expects="a Lab with at least three images",
        types=Lab,
        passes=lambda answer, lab: (
            _images(answer) >= 3 and any(s.unpacked for s in _common(answer))
        ),
        because="Any family does: all that it takes is the same base, byte for byte.",
        hints=(
            "Look at the lists of this page: which images begin with the same layer?",
            "Several images are made on Alpine 3.20, several on Debian 12, several on Ubuntu.",
            "`shelf = lab.another()`, `shelf.pull(...)`, and a look: `SharingMatrix(shelf)`.",
        ),
        solution=(
            "answer = lab.another()\n"
            'for name in ("alpine", "nginx:alpine", "demo/leaky"):\n'
            "    answer.pull(name)"
        ),
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

QUIZ: Final = (
    Question(
        "Redis has eight layers. One Docker pulled seven, where Portainer was; another pulled "
        "eight. Why?",
        (
            Choice(
                "The second had another image called Portainer",
                "It was the same one. They look for different things.",
            ),
            Choice(
                "The first looks for the blob, the second for the same layers below it, too",
                "The containerd store keeps blobs by digest; the classic one keeps directories, "
                "each on those below it.",
                right=True,
            ),
            Choice(
                "The first trusts Portainer's maker",
                "No trust is needed: equal digests mean equal bytes.",
            ),
        ),
    ),
    Question(
        "Two teams write the same line, RUN apt-get install -y curl, each on the same base. Do "
        "their images share that layer?",
        (
            Choice(
                "Most likely not: the files get other times, so the bytes differ",
                "A layer is what came out. One changed second in one header is another digest.",
                right=True,
            ),
            Choice(
                "Yes: the same line makes the same layer",
                "The line is a note in the history. What is shared is bytes, by digest.",
            ),
            Choice(
                "Yes, if both images have the same tag",
                "A tag names an image. It has no part in what is shared.",
            ),
        ),
    ),
    Question(
        "A file of a base that ten images share is damaged on your disk. What is broken?",
        (
            Choice(
                "One image: the one that was pulled first",
                "All ten point at the same file by digest.",
            ),
            Choice(
                "None: the other nine have a copy", "There is no copy. That is what sharing means."
            ),
            Choice(
                "All ten, until one pull brings the layer back",
                "Shared once, damaged once, mended once: the digest tells, and any registry will "
                "do.",
                right=True,
            ),
        ),
    ),
)

"""Exercises of `12-deleting`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.commands import run
from imgkit.container.containers import Containers
from imgkit.container.record import RUNNING
from imgkit.digest import Digest
from imgkit.inventory import Holding, holdings
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample

STAYS: Final = "node"
GOES: Final = "nginx"


def _layers(lab: Lab, name: str) -> set[Digest]:
    return {layer.digest for layer in sample(lab, name).layers}


def _going(lab: Lab) -> int:
    return len(_layers(lab, GOES) - _layers(lab, STAYS))


def _after(*lines: str) -> Lab:
    """A bench on which these lines of `%docker` were carried out."""
    lab = Lab()
    bench = lab.bench(lambda line: None)
    for line in lines:
        run(bench, line.split())
    return lab


def _rows(answer: Any) -> list[Holding]:
    return holdings(answer.store) if isinstance(answer, Lab) else []


def _in_use(answer: Any, holding: Holding) -> bool:
    return bool(Containers(answer.store).using(holding.id))


def _dangling(answer: Any) -> list[Holding]:
    return [row for row in _rows(answer) if not row.tags]


def _tidied(answer: Any, _: Lab) -> bool:
    """Whether one image is left, under its name, with a container that runs."""
    rows = _rows(answer)
    return (
        len(rows) == 1
        and [name.familiar for name in rows[0].tags] == ["alpine:latest"]
        and any(box.state == RUNNING for box in Containers(answer.store).using(rows[0].id))
    )


EXERCISES: Final = (
    Exercise(
        key="deleting-1",
        expects="a number of layers",
        truth=_going,
        because="All but the base, which the other image stands on, too.",
        hint="Which of its layers does the other image have as well?",
        mistakes=(
            Mistake(
                lambda lab: len(_layers(lab, GOES)),
                "That is all of its layers; or all lines that say Deleted, of which the first is "
                "the image. One layer has to stay.",
            ),
            Mistake(
                lambda lab: len(_layers(lab, GOES) & _layers(lab, STAYS)),
                "That is what stays.",
            ),
            Mistake(
                lambda lab: _going(lab) + 3,
                "Did you count every line? Two say Untagged, and one is the image.",
            ),
            Mistake(
                lambda lab: 0,
                "They share a layer, not all of them: what only one has goes with it.",
            ),
        ),
    ),
    Exercise(
        key="deleting-2",
        expects="a Lab with a dangling image",
        passes=lambda answer, lab: any(not _in_use(answer, row) for row in _dangling(answer)),
        because="A name that moved on, or a removal by force: either leaves an image without one.",
        hint="You saw two ways on this page. One of them needs a container for a while.",
        mistakes=(
            Mistake(
                lambda lab: _after("pull -q alpine", "rmi -f alpine"),
                "There is no image in it at all. Without a container, -f removes the image with "
                "its last name.",
                fits=lambda answer, lab: isinstance(answer, Lab) and not _rows(answer),
            ),
            Mistake(
                lambda lab: _after("pull -q alpine", "run -d alpine sleep 99", "rmi -f alpine"),
                "It is dangling, but a container uses it, so `docker image prune` leaves it.",
                fits=lambda answer, lab: bool(_dangling(answer)),
            ),
            Mistake(
                lambda lab: _after(
                    "pull -q alpine", "pull -q redis", "tag alpine mine", "rmi alpine"
                ),
                "Each image in it has a name. One name less is not dangling: the last one counts.",
                fits=lambda answer, lab: bool(_rows(answer)),
            ),
        ),
    ),
    Exercise(
        key="deleting-3",
        expects="a Lab with one image and one container",
        passes=_tidied,
        because="What is running was protected, and everything else is gone.",
        hint="One image has two names. An image goes with the last of its names.",
        mistakes=(
            Mistake(
                lambda lab: _after("pull -q alpine", "rmi alpine"),
                "No container runs in it. Its image was to stay, and so was the container.",
                fits=lambda answer, lab: (
                    isinstance(answer, Lab)
                    and not any(box.state == RUNNING for box in Containers(answer.store).records())
                ),
            ),
            Mistake(
                lambda lab: _after("pull -q alpine", "run -dit alpine", "rmi -f alpine"),
                "The image of the container has lost its name: by name, -f does that even to an "
                "image in use.",
                fits=lambda answer, lab: len(_rows(answer)) == 1,
            ),
            Mistake(
                lambda lab: _after(
                    "pull -q alpine",
                    "run -dit alpine",
                    "pull -q redis",
                    "tag redis cache",
                    "rmi redis",
                ),
                "There is more than one image left. Did one of them have another name?",
                fits=lambda answer, lab: len(_rows(answer)) > 1,
            ),
        ),
    ),
)

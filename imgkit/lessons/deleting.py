"""Exercises and quiz of `12-deleting`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.commands import run
from imgkit.container.containers import Containers
from imgkit.container.record import RUNNING
from imgkit.digest import Digest
from imgkit.inventory import Holding, holdings
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample
from imgkit.lessons.quiz import Choice, Question

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
        task=(
            f"**Exercise 1.** A machine has `{STAYS}` and `{GOES}`, and nothing else. How many "
            f"layers go with `docker rmi {GOES}`? The answer is a number."
        ),
        expects="a number of layers",
        types=(int, float),
        truth=_going,
        because="All but the base, which the other image stands on, too.",
        hints=(
            "Which of its layers does the other image have as well?",
            "`SharingMatrix` of a `Lab()` with these two shows it, and so does `docker rmi`.",
            "In what `docker rmi` prints, the first line that says `Deleted` is the image itself.",
        ),
        solution=(
            f'for name in ("{STAYS}", "{GOES}"):\n'
            "    lab.pull(name)\n"
            f'mine = {{layer.digest for layer in lab.image("{GOES}").layers}}\n'
            f'answer = len(mine - {{layer.digest for layer in lab.image("{STAYS}").layers}})'
        ),
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
        task=(
            "**Exercise 2.** Make a new `Lab()` in which an image is dangling, and no container "
            "uses it: `docker image prune` would take it. The answer is that `Lab`. (The newest "
            "`Lab()` is the one that `%docker` works on.)"
        ),
        expects="a Lab with a dangling image",
        types=Lab,
        passes=lambda answer, lab: any(not _in_use(answer, row) for row in _dangling(answer)),
        because="A name that moved on, or a removal by force: either leaves an image without one.",
        hints=(
            "You saw two ways on this page. One of them needs a container for a while.",
            "Give the only name of an image to another one: `%docker tag OTHER NAME`.",
            "`docker image prune` takes it only when no container uses it any more.",
        ),
        solution=(
            "from imgkit.magic import carry_out  # what %docker does, as a function\n\n"
            "answer = Lab()\n"
            'for name in ("golftrack:1.5", "next/golftrack:1.5"):\n'
            "    answer.pull(name)\n"
            'carry_out("tag next/golftrack:1.5 golftrack:1.5")'
        ),
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
        task=(
            "**Exercise 3.** Set a stage: a new `Lab()`, in it `redis` with a second name `cache`, "
            "`nginx`, and `alpine` with a running container. Then tidy up: nothing is to be left "
            "but `alpine`, under its name, and the container, running. The answer is that `Lab`."
        ),
        expects="a Lab with one image and one container",
        types=Lab,
        passes=_tidied,
        because="What is running was protected, and everything else is gone.",
        hints=(
            "One image has two names. An image goes with the last of its names.",
            '`stage = Lab()`, then `%docker pull -q redis` and so on; `stage.run("alpine")`.',
            "By ID and by force, a running container's image is refused. By name it is untagged!",
        ),
        solution=(
            "from imgkit.magic import carry_out  # what %docker does, as a function\n\n"
            "answer = Lab()\n"
            'for name in ("redis", "nginx", "alpine"):\n'
            "    answer.pull(name)\n"
            'carry_out("tag redis cache")\n'
            'answer.run("alpine")\n'
            'carry_out("rmi redis cache nginx")'
        ),
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

QUIZ: Final = (
    Question(
        "docker rmi redis prints Untagged: redis:latest, and no line that says Deleted. Why?",
        (
            Choice(
                "The image has another name",
                "By name, rmi takes the name. The image goes with the last one.",
                right=True,
            ),
            Choice(
                "A container uses the image",
                "Then it would have been refused, if this was its only name.",
            ),
            Choice(
                "All its layers are shared",
                "Even then the image itself is deleted, and a line says so.",
            ),
        ),
    ),
    Question(
        "A classic Docker: a container was stopped, and you type docker rmi -f with the ID of its "
        "image. What is left?",
        (
            Choice(
                "Nothing: the container goes with its image",
                "rmi never removes a container. docker rm does.",
            ),
            Choice(
                "A dangling image, <none>",
                "That is what you get by name while the container runs; and with the containerd "
                "store.",
            ),
            Choice(
                "The container and the layers it stands on, but no image in the list",
                "It can be started again. The layers go with the container.",
                right=True,
            ),
        ),
    ),
    Question(
        "Which of these removes only what nobody has a name for?",
        (
            Choice(
                "docker rmi -f $(docker images -q)",
                "These are all images that are listed, with names and without.",
            ),
            Choice(
                "docker image prune",
                "Dangling images, unless a container uses one. With -a it takes all that are not "
                "in use.",
                right=True,
            ),
            Choice(
                "docker image prune -a",
                "With -a, a name protects nothing: only a container does.",
            ),
        ),
    ),
)

"""Exercises of `07-images-and-containers`."""

from __future__ import annotations

import re
from typing import Any, Final

from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample, unordered
from imgkit.mount import Mount
from imgkit.stepper import Stepper

SERVER: Final = "/usr/local/bin/redis-server"


def _diff(lab: Lab) -> list[str]:
    """What `docker diff` prints after the three commands of exercise 1."""
    stepper = Stepper(Mount(sample(lab, "demo/leaky").layers))
    stepper.take("write", "/app/new", "x")
    stepper.take("delete", "/app/data.json")
    stepper.take("chmod", "/app/app.sh", "700")
    return [f"{letter} {path}" for letter, path in stepper.mount.changes()]


def _all_but(lab: Lab, line: str) -> list[str]:
    return [other for other in _diff(lab) if other != line]


def _server(lab: Lab) -> int:
    """The bytes of the server of redis."""
    return len(sample(lab, "redis").overlay.read(SERVER))


def _on_disk(lab: Lab) -> int:
    """The bytes of redis unpacked, once, and of three changed copies of its server."""
    return sample(lab, "redis").unpacked_size + 3 * (_server(lab) + 1)


def _layers(lab: Lab) -> int:
    return len(sample(lab, "redis").layers)


def _same_lines(answer: Any, truth: Any) -> bool:
    """Whether an answer has the same lines: one text or many, or pairs; in any order."""
    lines = answer.splitlines() if isinstance(answer, str) else answer
    return unordered(_line)(lines, truth)


def _line(line: Any) -> str:
    words = line if isinstance(line, list | tuple) else [line]
    return re.sub(r"\s+/?", " /", " ".join(map(str, words)).strip())


EXERCISES: Final = (
    Exercise(
        key="images-1",
        expects='a list of lines, such as ["C /srv", "A /srv/x"]',
        truth=_diff,
        same=_same_lines,
        because="Four lines: what was added, changed and deleted, and the directory around it.",
        hint="There are three letters: A for what is new, C for changed, D for deleted.",
        mistakes=(
            Mistake(
                lambda lab: _all_but(lab, "C /app"),
                "The three files are right. But a name came into /app and one went, so the "
                "directory changed, too.",
            ),
            Mistake(
                lambda lab: ["A /app/app.sh", *_all_but(lab, "C /app/app.sh")],
                "app.sh is in upper now, but it is not new: the image has it. To the container it "
                "is the same file, with another mode.",
            ),
            Mistake(
                lambda lab: ["C /app/data.json", *_all_but(lab, "D /app/data.json")],
                "data.json was not changed but deleted; that is a letter of its own.",
            ),
            Mistake(
                lambda lab: _all_but(lab, "C /app/app.sh"),
                "A new mode is a change, even if the content is what it was.",
            ),
            Mistake(
                lambda lab: ["A /app/.wh.data.json", *_all_but(lab, "D /app/data.json")],
                "That name stands in the tar of a layer. docker diff says D, and the name of what "
                "was deleted.",
            ),
        ),
    ),
    Exercise(
        key="images-2",
        expects="a number of layers",
        truth=lambda lab: _layers(lab) + 1,
        because="All that the container wrote, by however many commands, is one layer.",
        hint="A commit makes a layer of upper. How many uppers has a container?",
        mistakes=(
            Mistake(
                lambda lab: _layers(lab) + 3,
                "So it would be with three RUN lines in a Dockerfile, where each step is "
                "committed. Here there is one commit.",
            ),
            Mistake(
                _layers,
                "So many has redis itself. What the container wrote has to be somewhere, too.",
            ),
            Mistake(
                lambda lab: 1,
                "The new image has the layers of the old one below its own.",
            ),
            Mistake(
                lambda lab: _layers(lab) + 2,
                "Docker's own layer (init) is not part of an image: it is made anew for each "
                "container, and left out by the commit.",
            ),
        ),
    ),
    Exercise(
        key="images-3",
        expects="a number of bytes",
        truth=_on_disk,
        because="The layers are there once. Each upper has a copy of the one file that it changed.",
        hint="What do the containers share, and what has each for itself?",
        mistakes=(
            Mistake(
                lambda lab: 3 * (sample(lab, "redis").unpacked_size + 1),
                "That would be three copies of the image. Its layers are on the disk once, however "
                "many containers stand on them.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").unpacked_size + 3,
                "Three bytes were written. But each container had to copy the file before.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").unpacked_size + _server(lab) + 1,
                "Each container has an upper of its own, so there are three copies.",
            ),
            Mistake(
                lambda lab: 3 * (_server(lab) + 1),
                "These are the uppers. The layers below are on the disk, too.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").unpacked_size + 2 * _server(lab) + 3,
                "The old file stays in its layer, below the three copies: a layer never changes.",
            ),
        ),
    ),
)

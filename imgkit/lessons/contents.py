"""Exercises and quiz of `01-what-is-an-image`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from imgkit.image import Image
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample
from imgkit.lessons.quiz import Choice, Question
from imgkit.reference import Reference

SUSPECTS: Final = (
    "alpine",
    "busybox:musl",
    "redis",
    "portainer/portainer-ce",
    "ghcr.io/regclient/regsync",
    "nigelpoulton/tu-demo",
)


def _has_shell(image: Image) -> bool:
    return "bin/sh" in image.overlay or "usr/bin/sh" in image.overlay


def _without(lab: Lab, *paths: str) -> list[str]:
    """The suspects that have none of these paths."""
    return [n for n in SUSPECTS if not any(path in sample(lab, n).overlay for path in paths)]


def _same_names(answer: Any, truth: Any) -> bool:
    """Whether an answer names the same images, in any order and however shortened."""
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        return False
    try:
        given = {Reference.parse(str(name)).canonical for name in answer}
    except Exception:  # noqa: BLE001 - whatever is in the list: it is no list of names
        return False
    return given == {Reference.parse(name).canonical for name in truth}


def _same_words(answer: Any, truth: Any) -> bool:
    """Whether an answer is that command: as a list, or as one text."""
    if isinstance(answer, str):
        return answer.split() == list(truth)
    return isinstance(answer, list | tuple) and list(answer) == list(truth)


def _command(lab: Lab, *keys: str) -> list[str]:
    settings = sample(lab, "redis").config.settings
    return [word for key in keys for word in settings[key]]


def _base(lab: Lab) -> int:
    """Bytes in the files of redis's base layer."""
    return sample(lab, "redis").layers[0].unpacked_size


EXERCISES: Final = (
    Exercise(
        key="what-1",
        task=(
            "**Exercise 1.** Which of these images have no shell? The answer is a list of names."
            "\n\n" + "\n".join(f"- `{name}`" for name in SUSPECTS)
        ),
        expects="a list of names",
        types=(list, tuple, set, frozenset),
        truth=lambda lab: [name for name in SUSPECTS if not _has_shell(sample(lab, name))],
        same=_same_names,
        because="Each is one program, and a program needs no shell to be started.",
        hints=(
            "A shell is `/bin/sh`, or `/usr/bin/sh` where `/bin` is a link to that.",
            '`"bin/sh" in lab.image(name).overlay` says whether the path is there.',
            "Pull each of them, and keep those where both paths are missing.",
        ),
        solution=(
            f"names = {list(SUSPECTS)!r}\n"
            "for name in names:\n"
            "    lab.pull(name)\n"
            'paths = ("bin/sh", "usr/bin/sh")\n'
            "trees = {name: lab.image(name).overlay for name in names}\n"
            "answer = [n for n in names if not any(path in trees[n] for path in paths)]"
        ),
        mistakes=(
            Mistake(
                lambda lab: [n for n in SUSPECTS if "bin/sh" not in sample(lab, n).overlay.paths],
                "One too many: in `redis`, `/bin` is a link to `/usr/bin`, and the shell is there.",
            ),
            Mistake(
                lambda lab: _without(lab, "bin/bash", "usr/bin/bash"),
                "You looked for bash. Small images have a smaller shell, called just `sh`.",
            ),
            Mistake(
                lambda lab: _without(lab, "etc/os-release"),
                "These do not say which system they are. `busybox:musl` has a shell all the same.",
            ),
        ),
    ),
    Exercise(
        key="what-2",
        task=(
            "**Exercise 2.** Somebody starts a container from `redis` and adds no words of their "
            "own. Which command runs, with all its words? The answer is a list of words."
        ),
        expects="a list of words, such as ['sleep', '60']",
        types=(list, tuple, str),
        truth=lambda lab: _command(lab, "Entrypoint", "Cmd"),
        same=_same_words,
        because="The entrypoint comes first, and the command is handed to it as arguments.",
        hints=(
            "It is in the metadata: `lab.image(name).config.settings`.",
            "There are two settings, Entrypoint and Cmd. Both are used.",
        ),
        solution=(
            'lab.pull("redis")\n'
            'settings = lab.image("redis").config.settings\n'
            'answer = settings["Entrypoint"] + settings["Cmd"]'
        ),
        mistakes=(
            Mistake(
                lambda lab: _command(lab, "Cmd"),
                "That is Cmd alone. What does this image do with it? Look for an Entrypoint.",
            ),
            Mistake(
                lambda lab: _command(lab, "Entrypoint"),
                "That is Entrypoint alone. What is it told to start?",
            ),
            Mistake(
                lambda lab: _command(lab, "Cmd", "Entrypoint"),
                "Both are there, in the wrong order: the entrypoint is the program that is run.",
            ),
        ),
    ),
    Exercise(
        key="what-3",
        task=(
            "**Exercise 3.** How many bytes of the files in `redis` were added above its base, the "
            "first layer? The answer is a number."
        ),
        expects="a number of bytes",
        types=(int, float),
        truth=lambda lab: sample(lab, "redis").unpacked_size - _base(lab),
        because="The server and what it needs are the smaller part; the rest is a small Debian.",
        hints=(
            "Each layer knows how many bytes its files have: `layer.unpacked_size`.",
            "Add them up without the first one: `layers[1:]`.",
        ),
        solution=(
            'lab.pull("redis")\n'
            'layers = lab.image("redis").layers\n'
            "answer = sum(layer.unpacked_size for layer in layers[1:])"
        ),
        mistakes=(
            Mistake(
                lambda lab: sample(lab, "redis").unpacked_size,
                "That is the whole image. Leave out the first layer.",
            ),
            Mistake(_base, "That is the base alone. Asked for is what was added above it."),
            Mistake(
                lambda lab: sum(layer.size for layer in sample(lab, "redis").layers[1:]),
                "These bytes are compressed: `size` is what travels, `unpacked_size` the files.",
            ),
        ),
    ),
)

QUIZ: Final = (
    Question(
        "Which kernel does a container use that was started from ubuntu:24.04?",
        (
            Choice(
                "The one in the image, Ubuntu's",
                "You looked: there is none in it.",
            ),
            Choice(
                "The one of the machine that it runs on",
                "Whatever the image calls itself. Only the files around the program are Ubuntu's.",
                right=True,
            ),
            Choice(
                "One that Docker brings along",
                "Docker starts programs; the kernel was there before.",
            ),
        ),
    ),
    Question(
        "Why does a good image of a web server contain no package manager?",
        (
            Choice(
                "Because package managers do not work in containers",
                "They do. That is why an intruder likes to find one.",
            ),
            Choice(
                "Because it is not needed while the server runs",
                "What is not there takes no space, has no holes, and helps no intruder.",
                right=True,
            ),
            Choice(
                "Because an image may have one program only",
                "It may have any number. One service a container is a custom, and a good one.",
            ),
        ),
    ),
    Question(
        "You change a file in a running container. What happens to the image?",
        (
            Choice(
                "Nothing; the change is in the container's own thin layer",
                "The image has the same digest as before, and other containers see nothing of it.",
                right=True,
            ),
            Choice(
                "It gets a new digest",
                "Its bytes are the same, so its digest is. A commit would make another image.",
            ),
            Choice(
                "It is changed for all containers that are started from now on",
                "An image cannot be changed at all.",
            ),
        ),
    ),
)

"""Exercises of `01-what-is-an-image`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample, unordered
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


def _canonical(name: Any) -> str:
    """A name in full, however shortened; what is no name, as it is."""
    try:
        return Reference.parse(str(name)).canonical
    except ImgkitError:
        return str(name)


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
        expects="a list of names",
        truth=lambda lab: [name for name in SUSPECTS if not _has_shell(sample(lab, name))],
        same=unordered(_canonical),
        because="Each is one program, and a program needs no shell to be started.",
        hint="A shell is `/bin/sh`, or `/usr/bin/sh` where `/bin` is a link to that.",
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
        expects="a list of words, such as ['sleep', '60']",
        truth=lambda lab: _command(lab, "Entrypoint", "Cmd"),
        same=_same_words,
        because="The entrypoint comes first, and the command is handed to it as arguments.",
        hint="It is in the metadata: `lab.image(name).config.settings`.",
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
        expects="a number of bytes",
        truth=lambda lab: sample(lab, "redis").unpacked_size - _base(lab),
        because="The server and what it needs are the smaller part; the rest is a small Debian.",
        hint="Each layer knows how many bytes its files have: `layer.unpacked_size`.",
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

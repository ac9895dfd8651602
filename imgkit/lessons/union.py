"""Exercises of `06-union-filesystem`."""

from __future__ import annotations

import re
from typing import Any, Final

from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, sample, unordered
from imgkit.mount import Mount
from imgkit.stepper import Stepper


def _passwd(lab: Lab) -> int:
    """The layer of redis, from 1, whose /etc/passwd shows."""
    stepper = Stepper(Mount(sample(lab, "redis").layers))
    return stepper.asked("/etc/passwd")[-1].layer + 1


def _stepped(lab: Lab) -> Stepper:
    stepper = Stepper(Mount(sample(lab, "demo/leaky").layers))
    stepper.take("delete", "/app/data.json")
    stepper.take("rename", "/app/app.sh", "/app/run.sh")
    return stepper


def _hidden(lab: Lab) -> list[str]:
    """The whiteouts in upper after the two steps of exercise 2."""
    tree = _stepped(lab).mount.upper
    return [f"/{path}" for path, inode in tree.walk() if inode.is_whiteout]


def _written(lab: Lab) -> list[str]:
    tree = _stepped(lab).mount.upper
    return [f"/{path}" for path, inode in tree.walk() if not inode.is_dir]


def _order(lab: Lab) -> list[str]:
    count = len(sample(lab, "nginx").layers)
    return ["init", *(f"layer {number}" for number in range(count, 0, -1))]


def _number(answer: Any) -> Any:
    """The number in an answer such as "layer 2", or the answer itself."""
    found = re.fullmatch(r"\D*(\d+)\D*", answer) if isinstance(answer, str) else None
    return int(found[1]) if found else answer


def _same_number(answer: Any, truth: Any) -> bool:
    return not isinstance(answer, bool) and bool(_number(answer) == truth)


def _same_order(answer: Any, truth: Any) -> bool:
    """Whether an answer has the same directories in the same order: a list, or with colons."""
    if isinstance(answer, str):
        answer = answer.removeprefix("lowerdir=").split(":")
    if not isinstance(answer, list | tuple):
        return False
    return [_name(word) for word in answer] == [_name(word) for word in truth]


def _name(word: Any) -> str:
    """A directory as everybody may write it: layer-2, Layer 2, layer2/diff, 2, web-init/diff."""
    short = re.sub(r"/diff$|[^a-z0-9]", "", str(word).lower()).removeprefix("layer")
    return "init" if short.endswith("init") else short


EXERCISES: Final = (
    Exercise(
        key="union-1",
        expects="the number of a layer",
        truth=_passwd,
        same=_same_number,
        because="It is the topmost layer that has the file. It added a user, so it has a copy.",
        hint="From the top down: which is the first layer that has this file?",
        mistakes=(
            Mistake(
                lambda lab: 1,
                "The base brought that file first (or you count from 0). But a layer above has one "
                "of the same name, and that hides it.",
            ),
            Mistake(
                lambda lab: len(sample(lab, "redis").layers),
                "The top layer is asked first, but it does not have the file. So the next one is "
                "asked.",
            ),
            Mistake(
                lambda lab: len(sample(lab, "redis").layers) + 1 - _passwd(lab),
                "You count from the top. The base is layer 1.",
            ),
        ),
    ),
    Exercise(
        key="union-2",
        expects='a list of paths, such as ["/etc/motd"]',
        truth=_hidden,
        same=unordered(lambda path: str(path).strip("/ ")),
        because="A rename is a copy under the new name, and a deletion of the old one.",
        hint="Both commands take a name away that a layer below has.",
        mistakes=(
            Mistake(
                lambda lab: ["/app/data.json"],
                "And the old name of the renamed file? Layer 5 still has it; something must hide "
                "it.",
            ),
            Mistake(
                _written,
                "The new name is in the list, too. There, upper has a file, with all its content.",
            ),
            Mistake(
                lambda lab: ["/app/.wh.data.json", "/app/.wh.app.sh"],
                "So the tar of a layer would say it. In the upper directory of overlayfs a "
                "whiteout has the very name that it hides.",
            ),
            Mistake(
                lambda lab: [*_hidden(lab), "/app/.env", "/app/deploy.key"],
                "Two of these are whiteouts in layer 4, of the image. Asked for is upper.",
            ),
            Mistake(
                lambda lab: [],
                "Then both old names would show again: the layers below still have them.",
            ),
        ),
    ),
    Exercise(
        key="union-3",
        expects='a list of names, such as ["layer 1", "layer 2"]',
        truth=_order,
        same=_same_order,
        because="The first name is the topmost directory: the one that is asked first.",
        hint=(
            "Docker puts one more directory between the image and upper. And who is asked first?"
        ),
        mistakes=(
            Mistake(
                lambda lab: _order(lab)[::-1],
                "So the base would be on top and hide what was built upon it. The first name is "
                "the topmost.",
            ),
            Mistake(
                lambda lab: _order(lab)[1:],
                "These are the layers of the image. Docker adds one of its own above them.",
            ),
            Mistake(
                lambda lab: ["upper", *_order(lab)],
                "upper has an option of its own, `upperdir`: it is the one that is written.",
            ),
            Mistake(
                lambda lab: ["init", *_order(lab)[:0:-1]],
                "init is in its place, on top. But below it come the layers, and you have the base "
                "first.",
            ),
        ),
    ),
)

"""The course beside its notebooks: the list of lessons, how exercises are judged, quizzes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from imgkit.errors import NotFound
from imgkit.lab import Lab
from imgkit.lessons import (
    building,
    capstone,
    contents,
    deleting,
    digests,
    layers,
    names,
    platforms,
    pulling,
    registries,
    runtime,
    sharing,
    start_here,
    union,
)
from imgkit.lessons.course import COURSE, Lesson, Question
from imgkit.lessons.exercise import PASSED, Exercise, Verdict
from imgkit.lessons.progress import Progress, note

__all__ = [
    "COURSE",
    "EXERCISES",
    "QUIZZES",
    "Exercise",
    "Lesson",
    "Progress",
    "Question",
    "Verdict",
    "check",
    "progress",
]

_BESIDE: Final = {
    "00-start-here": start_here,
    "01-what-is-an-image": contents,
    "02-pulling": pulling,
    "03-registries": registries,
    "04-names-and-tags": names,
    "05-layers": layers,
    "06-union-filesystem": union,
    "07-images-and-containers": runtime,
    "08-building-and-sharing": building,
    "09-sharing-layers": sharing,
    "10-digests": digests,
    "11-multi-architecture": platforms,
    "12-deleting": deleting,
    "13-capstone": capstone,
}

EXERCISES: Final[dict[str, Exercise]] = {
    exercise.key: exercise for module in _BESIDE.values() for exercise in module.EXERCISES
}
"""Every exercise by its key, such as "pulling-1"."""

QUIZZES: Final = {lesson.file: lesson.quiz for lesson in COURSE}
"""The quiz at the end of each notebook."""


def check(key: str, answer: Any, lab: Lab) -> Verdict:
    """What is to be said of an answer to the exercise of that key; raises `NotFound`.

    What is passed is noted among the learner's progress.
    """
    if key not in EXERCISES:
        raise NotFound(f"there is no exercise {key!r}. There is: {', '.join(EXERCISES)}.", name=key)
    verdict = EXERCISES[key].check(answer, lab)
    if verdict.state == PASSED:
        return replace(verdict, says=verdict.says + note(key))
    return verdict


def progress() -> Progress:
    """What this learner has passed so far, in all lessons."""
    return Progress({file: [e.key for e in module.EXERCISES] for file, module in _BESIDE.items()})

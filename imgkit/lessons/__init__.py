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

_MODULES: Final = (
    *(start_here, contents, pulling, registries, names, layers, union, runtime),
    *(building, sharing, digests, platforms, deleting, capstone),
)
EXERCISES: Final[dict[str, Exercise]] = {
    exercise.key: exercise for module in _MODULES for exercise in module.EXERCISES
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
    return Progress({lesson.file: lesson.own(EXERCISES) for lesson in COURSE})

"""The course beside its notebooks: the list of lessons, exercises and quizzes, as data."""

from __future__ import annotations

from typing import Any, Final

from imgkit.errors import NotFound
from imgkit.lab import Lab
from imgkit.lessons import pulling, start_here
from imgkit.lessons.course import COURSE, Lesson
from imgkit.lessons.exercise import Exercise, Verdict
from imgkit.lessons.quiz import Question

__all__ = ["COURSE", "EXERCISES", "QUIZZES", "Exercise", "Lesson", "Question", "Verdict", "check"]

_BESIDE: Final = {
    "00-start-here": start_here,
    "02-pulling": pulling,
}

EXERCISES: Final[dict[str, Exercise]] = {
    exercise.key: exercise for module in _BESIDE.values() for exercise in module.EXERCISES
}
"""Every exercise by its key, such as "pulling-1"."""

QUIZZES: Final[dict[str, tuple[Question, ...]]] = {
    file: module.QUIZ for file, module in _BESIDE.items()
}
"""The quiz at the end of each notebook."""


def check(key: str, answer: Any, lab: Lab) -> Verdict:
    """What is to be said of an answer to the exercise of that key; raises `NotFound`."""
    if key not in EXERCISES:
        raise NotFound(f"there is no exercise {key!r}. There is: {', '.join(EXERCISES)}.", name=key)
    return EXERCISES[key].check(answer, lab)

"""The lessons of the course, in order, with their quizzes: what `course.toml` says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, NamedTuple


class Choice(NamedTuple):
    """One thing to choose, and what is said to whom chooses it."""

    text: str
    says: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, its choices as they are shown, and the number of the right one, from 1."""

    asks: str
    right: int
    choices: tuple[Choice, ...]

    def answer(self, number: int) -> str:
        """What is said to whom chooses that one, counted from 1."""
        verdict = "Right" if number == self.right else "Not so"
        return f"{verdict}. {self.choices[number - 1].says}"


@dataclass(frozen=True, slots=True)
class Lesson:
    """One notebook, `notebooks/<file>.ipynb`; `concepts` are numbers of the curriculum."""

    file: str
    title: str
    group: str
    concepts: tuple[int, ...]
    quiz: tuple[Question, ...]
    widget: str = ""

    def own(self, keys: Iterable[str]) -> list[str]:
        """Those keys of exercises that are its own: `pulling-1` is of `02-pulling`."""
        word = self.file.split("-")[1]
        return [key for key in keys if key.startswith(f"{word}-")]


def _lessons() -> Iterator[Lesson]:
    text = files("imgkit.lessons").joinpath("course.toml").read_text(encoding="utf-8")
    for row in tomllib.loads(text)["lessons"]:
        row["concepts"] = tuple(row["concepts"])
        row["quiz"] = tuple(
            Question(one["asks"], one["right"], tuple(Choice(*pair) for pair in one["choices"]))
            for one in row["quiz"]
        )
        yield Lesson(**row)


COURSE: Final = tuple(_lessons())

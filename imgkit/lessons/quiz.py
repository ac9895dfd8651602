"""Questions with choices; each wrong choice has its own answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing to choose, and what is said to whom chooses it."""

    text: str
    says: str
    right: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and its choices in the order in which they are shown; one is right."""

    asks: str
    choices: tuple[Choice, ...]

    @property
    def right(self) -> int:
        """The number of the right choice, from 1."""
        return next(number for number, c in enumerate(self.choices, 1) if c.right)

    def answer(self, number: int) -> str:
        """What is said to whom chooses that one, counted from 1."""
        choice = self.choices[number - 1]
        return f"{'Right' if choice.right else 'Not so'}. {choice.says}"

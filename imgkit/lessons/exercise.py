"""Exercises as data: how an answer is judged, and what to say of wrong ones.

What is asked, with hints and a solution, stands in the notebook alone.

An answer is judged against the truth computed anew from the learner's own bench, never against a
stored one, so every way to the right answer passes. A mistake is a wrong answer that people
really give; it is computed in the same way, and has a message of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from imgkit import samples
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image, read_document
from imgkit.lab import Lab
from imgkit.manifest import Index
from imgkit.reference import Reference

PASSED: Final = "Passed"
NOT_ATTEMPTED: Final = "Not attempted"
NOT_YET: Final = "Not yet"

_MARKS: Final = {PASSED: "#009e73", NOT_ATTEMPTED: "#8c959f", NOT_YET: "#d55e00"}


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What is to be said of an answer."""

    state: str
    says: str

    def __repr__(self) -> str:
        return f"{self.state}. {self.says}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        look = f"border-left: 4px solid {_MARKS[self.state]}; padding: 4px 12px"
        html = f'<div style="{look}"><strong>{self.state}.</strong> {escape(self.says)}</div>'
        return {"text/html": html, "text/plain": repr(self)}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer, as somebody gets it from the bench, and what is wrong with it.

    It is recognised by being the same; or by `fits`, where many answers are wrong in one way.
    """

    answer: Callable[[Lab], Any]
    says: str
    fits: Callable[[Any, Lab], bool] | None = None


def same(answer: Any, truth: Any) -> bool:
    """Whether two answers are the same; text without the blanks around it."""
    if isinstance(answer, str) and isinstance(truth, str):
        return answer.strip() == truth.strip()
    return bool(answer == truth) and isinstance(answer, bool) == isinstance(truth, bool)


def same_digest(answer: Any, truth: Any) -> bool:
    """Whether an answer is that digest: in full, without its algorithm, or in twelve digits."""
    if not isinstance(answer, str) or not isinstance(truth, str):
        return False
    digits = answer.strip().lower().removeprefix("sha256:")
    return digits in (Digest(truth).hex, Digest(truth).short)


def unordered(read: Callable[[Any], Any]) -> Callable[[Any, Any], bool]:
    """Whether two answers hold the same things, in any order, each as `read` takes it."""

    def same(answer: Any, truth: Any) -> bool:
        if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
            return False
        return set(map(read, answer)) == set(map(read, truth))

    return same


def sample(lab: Lab, name: str) -> Image:
    """The image of that name, straight from the bench's registry: no request, nothing pulled."""
    return samples.image(name, str(lab.platform))


def index(image: Image) -> Index:
    """What the name of an image points at: a manifest for each platform, and notes about them."""
    assert image.index is not None
    found = read_document(image.source, image.index)
    assert isinstance(found, Index)
    return found


def tags(path: str) -> dict[str, str]:
    """The tags of a sample repository on Docker Hub, and the digest of what each names."""
    store = samples.store()
    found = [Reference.parse(name) for name in samples.names()]
    targets = {str(n.tag): store.lookup(n.canonical) for n in found if n.path == path}
    return {tag: str(target.digest) for tag, target in targets.items() if target}


@dataclass(frozen=True, slots=True)
class Exercise:
    """One exercise: `expects` says what an answer looks like, `because` what a right one shows.

    An answer is right if it is the same as `truth`; or by `passes`, where many answers are right: a
    function that the learner wrote, a state of the bench. `hint` is the first of the notebook's.
    """

    key: str
    expects: str
    because: str
    hint: str
    mistakes: tuple[Mistake, ...]
    truth: Callable[[Lab], Any] = lambda lab: ...
    same: Callable[[Any, Any], bool] = same
    passes: Callable[[Any, Lab], bool] | None = None

    def check(self, answer: Any, lab: Lab) -> Verdict:
        """Passed, not attempted, or not yet and what is wrong with this answer."""
        if answer is ... or answer is None:
            return Verdict(NOT_ATTEMPTED, f"Put your answer in place of the dots: {self.expects}.")
        try:
            if self._right(answer, lab):
                return Verdict(PASSED, self.because)
            for mistake in self.mistakes:
                if self._made(mistake, answer, lab):
                    return Verdict(NOT_YET, mistake.says)
        except ImgkitError as error:
            return Verdict(NOT_YET, f"Your bench is not ready for this exercise: {error}")
        return Verdict(NOT_YET, self._otherwise(answer))

    def _right(self, answer: Any, lab: Lab) -> bool:
        if self.passes:
            return self.passes(answer, lab)
        return self.same(answer, self.truth(lab))

    def _made(self, mistake: Mistake, answer: Any, lab: Lab) -> bool:
        if mistake.fits:
            return mistake.fits(answer, lab)
        return self.same(answer, mistake.answer(lab))

    def _otherwise(self, answer: Any) -> str:
        shown = repr(answer) if len(repr(answer)) <= 80 else f"{repr(answer)[:77]}..."
        return f"{shown} is not it: the answer is {self.expects}. {self.hint}"

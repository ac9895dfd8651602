"""What a learner has passed: a small file of one line an exercise, and a code to carry it away."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import platformdirs

from imgkit.digest import Digest
from imgkit.errors import InvalidCode
from imgkit.lessons.course import COURSE, Lesson

_CHECK: Final = 2
"""Bytes of a digest at the end of a code: a mistyped one is noticed."""


def path() -> Path:
    """The file: `IMGKIT_PROGRESS` names it, or it is in the user's own data directory."""
    named = os.environ.get("IMGKIT_PROGRESS")
    return Path(named) if named else platformdirs.user_data_path("imgkit") / "progress.txt"


def note(key: str) -> str:
    """Afterwards the file has that exercise. Returns why not, where it cannot be written."""
    try:
        if key not in _lines():
            path().parent.mkdir(parents=True, exist_ok=True)
            with path().open("a", encoding="ascii") as file:  # one short line: whole or not at all
                file.write(f"{key}\n")
    except OSError as error:
        return f" (Your progress could not be kept in {path()}: {error.strerror}.)"
    return ""


def _lines() -> list[str]:
    try:
        return path().read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return []


class Progress:
    """What has been passed so far, a row for each lesson; `exercises` are their keys, by lesson."""

    def __init__(self, exercises: dict[str, Sequence[str]]) -> None:
        self._exercises = exercises
        known = {key for keys in exercises.values() for key in keys}
        try:
            self.passed = known.intersection(_lines())
        except OSError:
            self.passed = set()

    @property
    def concepts(self) -> set[int]:
        """The concepts of every lesson of which all exercises have been passed."""
        return {number for lesson in COURSE if self._done(lesson) for number in lesson.concepts}

    @property
    def code(self) -> str:
        """All of it as a short text, to be brought to another machine."""
        bits = bytes(self._bits(self._exercises.get(lesson.file, ())) for lesson in COURSE)
        data = bits.rstrip(b"\0")
        text = base64.b32encode(data + _check(data)).decode().rstrip("=")
        return "-".join(text[start : start + 4] for start in range(0, len(text), 4))

    def bring(self, code: str) -> Progress:
        """Afterwards also what that code stands for has been passed; raises `InvalidCode`."""
        for key in self._read(code):
            note(key)
            self.passed.add(key)
        return self

    def _read(self, code: str) -> Iterable[str]:
        text = code.replace("-", "").strip().upper()
        try:
            whole = base64.b32decode(text + "=" * (-len(text) % 8))
        except (binascii.Error, ValueError):
            whole = b""
        data, check = whole[:-_CHECK], whole[-_CHECK:]
        if not whole or check != _check(data) or len(data) > len(COURSE):
            raise InvalidCode(f"{code!r} is no code of this course. Was it copied in full?")
        for lesson, byte in zip(COURSE, data, strict=False):
            keys = self._exercises.get(lesson.file, ())
            yield from (key for bit, key in enumerate(keys) if byte >> bit & 1)

    def _bits(self, keys: Sequence[str]) -> int:
        return sum(1 << bit for bit, key in enumerate(keys) if key in self.passed)

    def _done(self, lesson: Lesson) -> bool:
        keys = self._exercises.get(lesson.file, ())
        return bool(keys) and self.passed.issuperset(keys)

    def _rows(self) -> list[tuple[str, str]]:
        rows = []
        for lesson in COURSE:
            keys = self._exercises.get(lesson.file, ())
            passed = len(self.passed.intersection(keys))
            rows.append((f"{lesson.file[:2]} {lesson.title}", f"{passed} of {len(keys)}"))
        return rows

    def _summary(self) -> str:
        total = sum(map(len, self._exercises.values()))
        concepts = len({number for lesson in COURSE for number in lesson.concepts})
        return (
            f"{len(self.passed)} of {total} exercises passed, "
            f"{len(self.concepts)} of {concepts} concepts met."
        )

    def __repr__(self) -> str:
        lines = [f"{passed:>8}  {lesson}" for lesson, passed in self._rows()]
        return "\n".join([self._summary(), *lines, f"Code to carry away: {self.code}"])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        body = "".join(
            f"<tr><td style='text-align: left'>{escape(lesson)}</td><td>{passed}</td></tr>"
            for lesson, passed in self._rows()
        )
        html = (
            f"<p><strong>{self._summary()}</strong></p>"
            "<table><thead><tr><th style='text-align: left'>Lesson</th><th>Exercises passed</th>"
            f"</tr></thead><tbody>{body}</tbody></table>"
            f"<p>Code to carry away: <code>{self.code}</code></p>"
        )
        return {"text/html": html, "text/plain": repr(self)}


def _check(data: bytes) -> bytes:
    return bytes.fromhex(Digest.of(data).hex)[:_CHECK]

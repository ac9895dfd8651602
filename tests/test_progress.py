"""Progress: what was passed is kept, shown, and carried from machine to machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from imgkit.errors import InvalidCode
from imgkit.lab import Lab
from imgkit.lessons import COURSE, EXERCISES, check, progress
from imgkit.lessons.progress import note, path

# Codes that are none: mistyped, cut off, not of this alphabet, of a longer course.
BAD_CODES = ["", "AEAA-AAAA", "hello", "0189", "é", "A" * 400, "MFRGGZDFMY"]


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner who has passed nothing."""
    monkeypatch.setenv("IMGKIT_PROGRESS", str(tmp_path / "new" / "progress.txt"))
    return path()


def test_a_passed_exercise_is_kept() -> None:
    """The next kernel knows it; a wrong answer, and the same one again, change nothing."""
    lab = Lab()
    check("start-1", 7, lab)
    assert progress().passed == set()
    for _ in range(2):
        assert check("start-1", 8, lab).state == "Passed"
    assert progress().passed == {"start-1"}
    assert path().read_text() == "start-1\n"


def test_it_counts_exercises_and_concepts() -> None:
    """A lesson's concepts are met when all its exercises are passed."""
    pulling = next(lesson for lesson in COURSE if lesson.file == "02-pulling")
    mine = [key for key in EXERCISES if key.startswith("pulling-")]
    for key in mine[1:]:
        note(key)
    assert progress().concepts == set()
    note(mine[0])
    assert progress().concepts == set(pulling.concepts)
    said = repr(progress())
    assert f"{len(mine)} of {len(EXERCISES)} exercises passed" in said
    assert f"{len(pulling.concepts)} of 76 concepts met." in said
    assert f"{len(mine)} of {len(mine)}  02 Pulling" in said
    html = progress()._repr_mimebundle_()["text/html"]
    assert progress().code in html


def test_a_code_brings_it_to_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code stands for what was passed; what the other machine knew stays."""
    for key in list(EXERCISES)[::2]:
        note(key)
    here = progress()
    monkeypatch.setenv("IMGKIT_PROGRESS", str(tmp_path / "there.txt"))
    note("start-2")
    progress().bring(here.code.lower())
    assert progress().passed == here.passed | {"start-2"}


def test_everything_and_nothing_have_a_code() -> None:
    """A learner who passed nothing, or everything, has a code too; the longest can be typed."""
    empty = progress().code
    assert progress().bring(empty).passed == set()
    for key in EXERCISES:
        note(key)
    whole = progress().code
    assert len(whole) <= 40
    assert progress().bring(whole).passed == set(EXERCISES)


@pytest.mark.parametrize("code", BAD_CODES)
def test_a_code_that_is_none(code: str) -> None:
    """A mistyped code says so, and nothing is noted."""
    with pytest.raises(InvalidCode, match="copied in full"):
        progress().bring(code)
    assert not path().exists()


def test_every_single_slip_is_noticed() -> None:
    """A code with any one character changed is refused, or means the same."""
    for key in list(EXERCISES)[:5]:
        note(key)
    code, passed = progress().code, progress().passed
    for place, letter in enumerate(code):
        if letter != "-":
            slip = code[:place] + ("B" if letter != "B" else "C") + code[place + 1 :]
            with contextlib.suppress(InvalidCode):
                assert progress().bring(slip).passed == passed


def test_a_file_of_something_else(own_file: Path) -> None:
    """Lines that are no exercise of this course are left alone."""
    own_file.parent.mkdir()
    own_file.write_bytes(b"start-1\nother-9\n\xff\xfe\n")
    assert progress().passed == {"start-1"}
    note("start-2")
    assert own_file.read_bytes().startswith(b"start-1\nother-9\n\xff\xfe\n")


def test_where_nothing_can_be_written(own_file: Path) -> None:
    """The answer is judged all the same, and the learner is told that it was not kept."""
    own_file.parent.write_text("a file where a directory should be")
    verdict = check("start-1", 8, Lab())
    assert verdict.state == "Passed"
    assert "could not be kept" in verdict.says
    assert progress().passed == set()

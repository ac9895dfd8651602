"""The lessons: run in order, with the same outputs everywhere, and short enough to read."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from conftest import ROOT
from nbformat import NotebookNode

from imgkit.lessons import COURSE, EXERCISES, QUIZZES

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]

LESSONS = {lesson.file: lesson for lesson in COURSE}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)


def cells(path: Path, kind: str = "") -> list[NotebookNode]:
    found = nbformat.read(path, as_version=4).cells
    return [cell for cell in found if not kind or cell.cell_type == kind]


def tags(path: Path) -> list[str]:
    return [tag for cell in cells(path) for tag in cell.metadata.get("tags", [])]


def test_the_lessons_are_here() -> None:
    """The map of the course links to notebooks that exist, and to all of them."""
    assert [lesson.file for lesson in COURSE] == IDS


def test_every_concept_has_its_lesson() -> None:
    """The course, as planned, teaches the 76 concepts of the curriculum and no other."""
    assert {number for lesson in COURSE for number in lesson.concepts} == set(range(1, 77))


@each
def test_it_is_valid(path: Path) -> None:
    """The file is a notebook, by its own schema, for any Python kernel."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


@each
def test_every_cell_has_run_in_order(path: Path) -> None:
    """Code cells are numbered from 1; an error stands only where one is meant."""
    for number, cell in enumerate(cells(path, "code"), 1):
        assert cell.execution_count == number
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", []))


@each
def test_it_opens_and_closes_as_every_lesson(path: Path) -> None:
    """Title, promise, verbs, minutes and what comes before; at the end what can be done now."""
    first, last = cells(path)[0].source, cells(path)[-1].source
    title = LESSONS[path.stem].title
    assert first.startswith(f"# {title}\n")
    for words in ("**After this you can**", "**Time**", "**Before this**"):
        assert words in first
    assert 3 <= len(re.findall(r"^- ", first, re.MULTILINE)) <= 5
    assert "## What you can do now" in last
    assert "opencontainers" in last
    assert "../imgkit/" in last


@each
def test_it_is_short_enough(path: Path) -> None:
    """25 to 45 cells; code cells are short, and never more than two in a row."""
    assert 25 <= len(cells(path)) <= 45
    lengths = sorted(len(cell.source.splitlines()) for cell in cells(path, "code"))
    assert statistics.median(lengths) <= 3
    assert lengths[int(len(lengths) * 0.9)] <= 10
    assert lengths[-1] <= 20
    assert len(cells(path, "code")[0].source.splitlines()) <= 6
    kinds = "".join(cell.cell_type[0] for cell in cells(path))
    assert "ccc" not in kinds


@each
def test_its_concepts(path: Path) -> None:
    """Every concept of the lesson has a cell that carries its number, and no unknown one."""
    found = {int(tag.removeprefix("concept-")) for tag in tags(path) if tag.startswith("concept-")}
    assert found >= set(LESSONS[path.stem].concepts)
    assert found <= set(range(1, 77))


@each
def test_its_widgets(path: Path) -> None:
    """Each widget of the lesson is there, and a question follows it."""
    code = "\n".join(cell.source for cell in cells(path, "code"))
    widget = LESSONS[path.stem].widget
    if widget:
        assert f"{widget}(" in code
        assert f"widget-{widget}" in tags(path)
    for before, after in zip(cells(path), cells(path)[1:], strict=False):
        if any(tag.startswith("widget-") for tag in before.metadata.get("tags", [])):
            assert "<details>" in after.source


@each
def test_its_exercises_and_quiz(path: Path) -> None:
    """At least three exercises of its own, and the quiz of the lesson."""
    code = "\n".join(cell.source for cell in cells(path, "code"))
    keys = re.findall(r'^check\("(.+?)", answer, lab\)$', code, re.MULTILINE)
    assert keys == LESSONS[path.stem].own(EXERCISES)
    assert len(keys) >= 3
    assert len(QUIZZES[path.stem]) >= 3
    assert f'Quiz(QUIZZES["{path.stem}"])' in code


@each
def test_outputs_that_are_not_compared(path: Path) -> None:
    """At most one code cell in twenty is not compared, and each says why."""
    loose = [
        cell
        for cell in cells(path, "code")
        if {"nbval-ignore-output", "nbval-skip"} & set(cell.metadata.get("tags", []))
    ]
    assert len(loose) * 20 <= len(cells(path, "code"))
    assert all(cell.metadata.get("reason") for cell in loose)


@each
def test_nothing_of_one_machine_is_stored(path: Path) -> None:
    """No path, port or model id of the machine that ran it."""
    text = json.dumps([cell.outputs for cell in cells(path, "code")])
    for pattern in (r"/(home|root|tmp)/\w", r"127\.0\.0\.1:\d", "IPY_MODEL"):
        assert not re.search(pattern, text), pattern


SAID: Final = {
    "02-pulling": "7.0.5 7.73 12.8 279 2017 2025",  # what the source documents say, and when
    "05-layers": "1979",  # the first tar
    "10-digests": "2004 2017 2025",  # when MD5 and SHA-1 were broken; a record of Bitcoin
    "11-multi-architecture": "5.05",  # what a source document says of an image of Windows
}
"""Numbers in the text of a lesson that no cell could compute."""

DIGITS: Final = re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b|\b\d[\d.,]*\d\b|\b\d\b")


@each
def test_no_fact_is_typed_by_hand(path: Path) -> None:
    """Each digest, size, count and ID in the text is in some cell or output of the notebook."""
    code = cells(path, "code")
    shown = json.dumps([cell.outputs for cell in code]) + "".join(cell.source for cell in code)
    known = {*SAID.get(path.stem, "").split(), *(lesson.file[:2] for lesson in COURSE)}
    for cell in cells(path, "markdown"):
        if "<summary>Solution</summary>" in cell.source:  # exercises are data, and tested as such
            continue
        prose = re.sub(
            r"\*\*Time\*\*: [^.]*\.|```.*?```|]\([^)]*\)", "", cell.source, flags=re.DOTALL
        )
        for number in DIGITS.findall(prose):
            assert number.replace(",", "") in shown or number in known, f"{number}: {cell.source}"


@each
def test_figures_can_be_read_without_eyes(path: Path) -> None:
    """Every picture has an alternative text, a caption, and the same facts as a table."""
    for cell in cells(path, "code"):
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            if "<img" in html:
                assert re.search(r'<img[^>]* alt="[^"]{40,}"', html)
                assert "<figcaption" in html
                assert "<table" in html


def change_a_digest(notebook: dict[str, Any]) -> bool:
    """Change one digit of the first digest (or short digest) that an output shows as text."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            for place, key in ((output, "text"), (output.get("data", {}), "text/plain")):
                text = "".join(place.get(key, ""))
                found = re.search(r"\b[0-9a-f]{12}", text)
                if found:
                    digit = "1" if found[0][-1] == "0" else "0"
                    place[key] = text[: found.end() - 1] + digit + text[found.end() :]
                    return True
    return False


@each
def test_nbval_notices_one_changed_digit(path: Path, tmp_path: Path) -> None:
    """The negative control: with one digit of one digest changed, one cell must fail."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert change_a_digest(notebook)
    copy = tmp_path / path.name
    copy.write_text(json.dumps(notebook), encoding="utf-8")
    words = ["--nbval", "--nbval-sanitize-with", ROOT / "tests/nbval.cfg", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *map(str, words), "-q", "--rootdir", tmp_path, copy],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stdout
    assert "mismatch" in done.stdout
    assert "1 failed" in done.stdout

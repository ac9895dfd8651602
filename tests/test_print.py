"""What is handed out on paper: every notebook as a page of its own, with all its figures."""

from __future__ import annotations

import html
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT, peer
from test_notebooks import IDS, NOTEBOOKS, cells

from imgkit.lessons import QUIZZES

BUILD_AND_RUN = NOTEBOOKS[7]


@pytest.fixture(scope="module")
def export() -> ModuleType:
    """The program behind `make print`."""
    spec = importlib.util.spec_from_file_location("print_notebooks", ROOT / ".ci" / "print.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_page_has_every_figure(path: Path, export: ModuleType) -> None:
    """Each with its alternative text and its table unfolded; nothing comes from a network."""
    page = export.html(path)
    figures = [
        output["data"]["text/html"]
        for cell in cells(path, "code")
        for output in cell.outputs
        if "<figure" in output.get("data", {}).get("text/html", "")
    ]
    assert page.count("<figure") == len(figures)
    for figure in figures:
        told = re.search(r'alt="([^"]+)"', figure)
        assert told
        assert html.unescape(told[1]) in html.unescape(page)
    assert len(re.findall(r'<img alt="[^"]+" src="data:', page)) >= len(figures)
    assert "<details><summary>The same as a table" not in page
    assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(?!data:)', page) == []


@pytest.mark.parametrize("path", NOTEBOOKS[:3], ids=IDS[:3])
def test_links_lead_somewhere(path: Path, export: ModuleType) -> None:
    """From build/print: to other pages, and to files of this project."""
    links = re.findall(r'href="((?!\w+:|#)[^"#]+)', export.html(path))
    assert links
    pages = {f"{name}.html" for name in IDS}
    lost = [
        to for to in links if to not in pages and not (ROOT / "build/print" / to).resolve().exists()
    ]
    assert lost == []


def test_a_wide_table_is_made_to_fit(export: ModuleType) -> None:
    """Its rows are not wrapped; words are, at their full size."""
    printed = re.findall(r'<pre style="font-size: (\d+)%">([^<]*)', export.html(BUILD_AND_RUN))
    assert [int(percent) < 100 and "CONTAINER ID" in text for percent, text in printed] == [True]
    wide = '<div data-mime-type="text/plain" tabindex="0">\n<pre>{}</pre>'
    assert "%" in export.PRINTED.sub(export.narrowed, wide.format("ID   " * 25 + "&lt;none&gt;"))
    for text in ("word " * 25, "ID   " * 40, "ID   " * 10, "", "&lt;      &gt;" * 9):
        assert export.PRINTED.sub(export.narrowed, wide.format(text)) == wide.format(text)


def test_a_page_has_the_title_of_its_lesson(export: ModuleType) -> None:
    """Which a browser prints, and gives the file that it saves."""
    assert "<title>Look inside an image in five minutes</title>" in export.html(NOTEBOOKS[0])


def test_without_a_browser(tmp_path: Path) -> None:
    """And without `dot`, or any program: HTML is written, and what to do for PDF is said."""
    program = [sys.executable, ROOT / ".ci" / "print.py", "--into", tmp_path, NOTEBOOKS[0]]
    alone = {"PATH": str(tmp_path)}
    done = subprocess.run(program, env=alone, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Install Chromium" in done.stdout
    assert "Save as PDF" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [f"{IDS[0]}.html"]


def test_a_browser_that_fails(
    export: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, and no PDF of an earlier time is left to be taken for a new one."""
    page, old = tmp_path / "00.html", tmp_path / "00.pdf"
    page.write_text("<p>")
    for browser in ("false", "true", "no-such-browser"):
        old.write_bytes(b"%PDF-")
        assert not export.pdf(browser, page)
        assert not old.exists()
        assert f"{browser} made no PDF" in capsys.readouterr().err


def test_solutions_stay_folded(export: ModuleType) -> None:
    """A handout gives nothing away, but for whoever teaches."""
    plain, whole = (export.html(NOTEBOOKS[0], solutions=wanted) for wanted in (False, True))
    assert "<details><summary>Solution" in plain
    assert "<details><summary>" not in whole


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_quiz_is_answered_at_the_end(path: Path, export: ModuleType) -> None:
    """For whoever teaches: what is said of each choice, the right one first; no learner has it."""
    plain, whole = (html.unescape(export.html(path, solutions=it)) for it in (False, True))
    _, heading, end = whole.partition("Answers to the quiz")
    assert heading
    assert heading not in plain
    for question in QUIZZES[path.stem]:
        told = [f"{choice.text}: <em>" for choice in question.choices]
        first = told[question.right - 1]
        assert min(told, key=lambda text: end.index(text, end.index(question.asks))) == first
        for number, choice in enumerate(question.choices, 1):
            assert question.answer(number) in end
            assert f"Right. {choice.says}" not in plain


@pytest.mark.browser
def test_a_page_is_printed(export: ModuleType, tmp_path: Path) -> None:
    """Chromium makes a PDF of several pages."""
    page = tmp_path / "00.html"
    page.write_text(export.html(NOTEBOOKS[0]), encoding="utf-8")
    assert export.pdf(peer("chromium"), page)
    printed = page.with_suffix(".pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3

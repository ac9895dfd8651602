"""What is handed out on paper: every notebook as a page of its own, with all its figures."""

from __future__ import annotations

import html
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT, peer
from test_notebooks import IDS, NOTEBOOKS, cells


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


def test_solutions_stay_folded(export: ModuleType) -> None:
    """A handout gives nothing away, but for whoever teaches."""
    plain, whole = (export.html(NOTEBOOKS[0], solutions=wanted) for wanted in (False, True))
    assert "<details><summary>Solution" in plain
    assert "<details><summary>" not in whole


@pytest.mark.browser
def test_a_page_is_printed(export: ModuleType, tmp_path: Path) -> None:
    """Chromium makes a PDF of several pages."""
    page = tmp_path / "00.html"
    page.write_text(export.html(NOTEBOOKS[0]), encoding="utf-8")
    assert export.pdf(peer("chromium"), page)
    printed = page.with_suffix(".pdf").read_bytes()
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3

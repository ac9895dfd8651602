"""A hostile image, and a registry's hostile answer, in every widget, figure and line: nothing runs.

`hostile.py` has the image, and makes everything that shows it.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import hostile
import ipywidgets
import nbformat
import pytest
from browser import Lab, jupyterlab
from conftest import ROOT
from hostile import FIGURES, LINES, WIDGETS
from playwright.sync_api import Page
from run_notebooks import METADATA

from imgkit import diagrams
from imgkit import widgets as all_widgets
from imgkit.platforms import Platform
from imgkit.printable import shown

TEXT: Final = {"a", "bdi", "br", "code", "em", "li", "ol", "p", "pre", "small", "span", "strong"}
FRAME: Final = {"details", "div", "figcaption", "figure", "img", "style", "summary"}
TABLE: Final = {"table", "tbody", "td", "tfoot", "th", "thead", "tr"}
OURS: Final = TEXT | FRAME | TABLE
"""The elements that views write themselves."""
ASKED: Final = {"Quiz", "PullView"}
"""Widgets that show nothing of an image, or the same page as another (PullMonitor)."""
WITHOUT: Final = {"legend", "course_map", "registries", "tags", "build_share_run", "chain"}
"""Figures that show of an image only names, tags and digests, which have a grammar, and sizes."""


class Parsed(HTMLParser):
    """The elements, handlers and addresses in some HTML, as a browser reads it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in OURS:
            self.bad.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or (value or "").lstrip().startswith("javascript:"):
                self.bad.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def steering(text: str) -> set[str]:
    """The characters in it that move, colour, erase, or turn the direction of writing."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"}


def parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def of_options(widget: ipywidgets.Widget) -> list[str]:
    return [str(label) for label in getattr(widget, "_options_labels", ())]


def test_every_widget_and_figure_is_tried() -> None:
    """What is new is on one of the lists."""
    tried = {name.partition(",")[0] for name in WIDGETS}
    assert set(all_widgets.__all__) - ASKED == tried
    assert set(diagrams.__all__) - WITHOUT == set(FIGURES)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_shows_text_as_text(name: str) -> None:
    """Only elements of our own, no handlers, no control characters; the attack can be read."""
    view = WIDGETS[name]()
    pages = [part for part in parts(view.box) if isinstance(part, ipywidgets.HTML)]
    read = ""
    for part in pages:
        page = Parsed(part.value)
        assert page.bad == []
        assert steering(html.unescape(part.value)) == set()
        read += page.text
    for part in parts(view.box):
        assert steering("".join(of_options(part))) == set()
        assert not getattr(part, "description_allow_html", False)
    assert steering(repr(view)) == set()
    if name not in ("PullMonitor", "SharingMatrix"):  # which show no text of an image
        assert "window.pwned" in read


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_shows_text_as_text(name: str) -> None:
    """The same for figures, and their drawings are well-formed and hold no script."""
    figure = FIGURES[name]()
    page = figure.html()
    assert Parsed(page).bad == []
    assert steering(html.unescape(page)) == set()
    assert steering(figure.words()) == set()
    (data,) = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", page)
    drawn = base64.b64decode(data).decode()
    tags = {node.tag.rpartition("}")[2] for node in ElementTree.fromstring(drawn).iter()}  # noqa: S314
    assert tags <= {"svg", "g", "rect", "text", "polygon", "path", "ellipse", "polyline", "tspan"}
    assert steering(html.unescape(drawn)) == set()


@pytest.mark.parametrize("line", LINES, ids=[line.split()[0] for line in LINES])
def test_a_line_of_docker_steers_nothing(line: str) -> None:
    """What `%docker` prints has no escape sequences; the notebook makes no HTML of it."""
    text = hostile.said(line)
    assert text
    assert steering(text) == set()


def test_an_error_steers_nothing() -> None:
    """What a cell shows of an error of ours, a registry's words among them."""
    told = hostile.errors()
    assert len(told) >= 4
    assert "window.pwned" in told[0]
    assert steering("".join(told)) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, ünïcödé, 漢字, אבג", "plain, ünïcödé, 漢字, אבג"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\rb\x08\x00\x7f\x9b", "a\\rb\\x08\\x00\\x7f\\x9b"),
        ("\u202egpj.exe\u2066", "\\u202egpj.exe\\u2066"),
    ],
)
def test_what_is_not_printed_is_written_out(text: str, expected: str) -> None:
    """Letters of every script stay; what steers can be seen."""
    assert shown(text) == expected


# -- in a browser ---------------------------------------------------------------------------------

CELL: Final = """\
import sys
sys.path[:0] = {places!r}
import hostile
hostile.show_all()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab over one notebook, which shows everything."""
    places = [str(ROOT / "tests"), str(ROOT)]
    cell = nbformat.v4.new_code_cell(CELL.format(places=places))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    made = nbformat.v4.new_notebook(cells=[cell], metadata=METADATA)
    nbformat.write(made, folder / "hostile.ipynb")
    with jupyterlab(folder) as running:
        yield running


@pytest.mark.browser
def test_nothing_runs_in_a_browser(lab: Lab, tmp_path: Path) -> None:
    """With everything on one page, no script has run, and the layout holds, wide or narrow."""
    with lab.open("hostile.ipynb") as page:
        assert lab.run_all(page) == []
        page.wait_for_selector(".imgkit-terminal pre", timeout=60_000)
        assert page.locator("figure img").count() == len(FIGURES)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        lab.picture(page, tmp_path / "hostile.png", full=True)
        for width in (1200, 1000, 900):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(1000)
            assert broken(page) == []
            assert turned(page) == []
        assert page.evaluate("window.pwned") is None
        assert page.locator(".jp-OutputArea script, .jp-OutputArea [onerror]").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize("letter", [*"漢🐳WO@w.é"])
def test_no_name_leaves_its_box(lab: Lab, letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However wide its letters are: what is too long for the box ends with a sign that says so."""
    monkeypatch.setattr(hostile, "FILE", letter * 40)
    monkeypatch.setattr(hostile, "LONG", letter * 30)
    monkeypatch.setattr(hostile, "EVIL", letter * 90)
    monkeypatch.setattr(hostile, "ODD", Platform(letter * 60, letter * 40, None, letter * 30))
    drawn = [(name, make().svg()) for name, make in FIGURES.items()]
    with closing(lab.browser.new_page(viewport={"width": 1400, "height": 900})) as page:
        assert page.evaluate(_OUTSIDE, drawn) == []


_OUTSIDE: Final = """figures => figures.flatMap(([name, svg]) => {
    document.body.innerHTML = svg;
    const picture = document.querySelector('svg').getBoundingClientRect();
    // No font here has these: they are as high as wide, and a dash in DejaVu Sans is, too.
    for (const text of document.querySelectorAll('text')) text.innerHTML = text.innerHTML.replace(
        /漢|🐳/gu, '<tspan font-family="DejaVu Sans">—</tspan>');
    return [...document.querySelectorAll('g.node')].flatMap(node => {
        const shape = node.querySelector('polygon, path, ellipse');
        const room = shape ? shape.getBoundingClientRect() : picture;
        return [...node.querySelectorAll('text')].map(text => [text, text.getBoundingClientRect()])
            .filter(([, box]) => box.left < room.left || box.right > room.right
                || box.top < room.top || box.bottom > room.bottom)
            .map(([text]) => `${name}: ${text.textContent}`);
    });
})"""


def broken(page: Page) -> list[Any]:
    """What stands out of its output, or is cut there, and nobody can scroll to."""
    found: list[Any] = page.evaluate(_WIDE)
    return found


_WIDE: Final = """() => [...document.querySelectorAll('.jp-OutputArea-output')].flatMap(output => {
    const edge = output.getBoundingClientRect().right + 1;
    const style = node => getComputedStyle(node);
    const native = 'select, input, textarea, button';
    const scrolls = node => node !== output && (node.matches(native)
        || style(node).textOverflow === 'ellipsis'
        || ['auto', 'scroll'].includes(style(node).overflowX) && node.hasAttribute('tabindex')
        || scrolls(node.parentElement));
    return [...output.querySelectorAll('*')]
        .filter(n => n.getBoundingClientRect().right > edge && !scrolls(n))
        .map(n => `${n.tagName}.${n.className}: ${n.textContent.slice(0, 60)}`);
})"""


def turned(page: Page) -> list[Any]:
    """Where a leftward word has drawn the digits after it to its left; some are found."""
    pairs, found = page.evaluate(_TURNED, hostile.LEFTWARD.split()[:2])
    assert pairs > 0
    return list(found)


_TURNED: Final = """([word, digits]) => {
    const places = [];
    for (const view of document.querySelectorAll('.imgkit, .imgkit-terminal pre')) {
        const nodes = document.createTreeWalker(view, NodeFilter.SHOW_TEXT);
        for (let node; node = nodes.nextNode();)
            for (const found of node.data.matchAll(`${word}|${digits}`)) {
                const range = document.createRange();
                range.setStart(node, found.index);
                range.setEnd(node, found.index + found[0].length);
                places.push([found[0], range.getBoundingClientRect(), node.data]);
            }
    }
    const pairs = places.slice(1).map((next, n) => [places[n], next]).filter(([one, next]) =>
        one[0] === word && next[0] === digits && Math.abs(one[1].top - next[1].top) < 3);
    const wrong = pairs.filter(([one, next]) => one[1].left > next[1].left);
    return [pairs.length, wrong.map(([, next]) => next[2].slice(0, 60))];
}"""

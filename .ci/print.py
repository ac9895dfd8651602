"""Export the lessons for paper: HTML, and PDF where Chromium is installed, into build/print/.

python .ci/print.py [--solutions] [--into DIRECTORY] [NOTEBOOK ...]

Tables that repeat a figure are unfolded, since paper cannot be clicked. Hints, answers and
solutions stay folded, and paper has room to write in their place, unless `--solutions` asks for
them: then the answers to the quiz stand at the end, too.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape, unescape
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from imgkit.lessons.course import COURSE, Question

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "microsoft-edge")
NO_BROWSER = (
    f"No PDF, only HTML: none of {', '.join(BROWSERS)} is installed. Install Chromium and repeat "
    'this, or open a page in any browser, press Ctrl+P and choose "Save as PDF".'
)
STYLE = ROOT / ".ci" / "print.css"
PRINTED = re.compile(r"""(?<=text/plain" tabindex="0">\n<pre)>(.*?)(?=</pre>)""", re.DOTALL)
FIT = 100
"""Columns of what was printed that fit on a page."""
LEGIBLE = 144
"""Columns that fit in letters as small as can be read."""
QUIZZES = {lesson.file: lesson.quiz for lesson in COURSE}


def main() -> int:
    """Write every notebook that is named, or all of them; 1 when a PDF could not be made."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("notebooks", nargs="*", type=Path)
    words.add_argument("--into", type=Path, default=ROOT / "build" / "print")
    words.add_argument("--solutions", action="store_true", help="with hints, solutions and answers")
    options = words.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(NO_BROWSER)
    failed = 0
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = options.into / f"{path.stem}.html"
        page.write_text(html(path, solutions=options.solutions), encoding="utf-8")
        if browser:
            failed |= not pdf(browser, page)
        print(page.stem)
    print(f"written to {options.into}")
    return failed


def html(path: Path, *, solutions: bool = False) -> str:
    """A notebook as one page that needs no network: what it shows is in it."""
    exporter = HTMLExporter(config=Config({"HTMLExporter": {"exclude_anchor_links": True}}))
    notebook = nbformat.read(path, as_version=4)
    title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
    if solutions and path.stem in QUIZZES:
        told = "".join(map(answers, QUIZZES[path.stem]))
        text = f"## Answers to the quiz\n\n<ol>{told}</ol>"
        notebook.cells.append(nbformat.v4.new_markdown_cell(text))
    text, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    text = re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)
    text = re.sub(r'href="(\d\d-[\w-]+)\.ipynb', r'href="\1.html', text)
    text = text.replace('href="../', 'href="../../')
    text = PRINTED.sub(narrowed, text)
    folded = "<details>" if solutions else "<details><summary>The same as a table"
    text = text.replace(folded, folded.replace("<details>", "<details open>"))
    return text.replace("</head>", f"<style>{STYLE.read_text()}</style></head>", 1)


def answers(question: Question) -> str:
    """What the quiz says of each choice, the right one first, as an item of a list."""
    numbers = sorted(range(1, len(question.choices) + 1), key=lambda n: n != question.right)
    said = (
        f"<li>{escape(question.choices[n - 1].text)}: <em>{escape(question.answer(n))}</em></li>"
        for n in numbers
    )
    return f"<li><strong>{escape(question.asks)}</strong><ul>{''.join(said)}</ul></li>"


def narrowed(printed: re.Match[str]) -> str:
    """The rest of a `<pre>`; a table that is too wide for the page in smaller letters."""
    lines = unescape(re.sub(r"<.*?>", "", printed[1])).splitlines()
    widest = max(map(len, lines), default=0)
    tables = [line for line in lines if len(line) > FIT and re.search(r"\S {3,}\S", line)]
    smaller = tables and widest <= LEGIBLE
    size = f' style="font-size: {100 * FIT // widest}%"' if smaller else ""
    return f"{size}>{printed[1]}"


def pdf(browser: str, page: Path) -> bool:
    """The page as PDF beside it; whether that worked."""
    target = page.with_suffix(".pdf")
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="imgkit-print-") as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.as_uri()]
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=120)
        except (OSError, subprocess.SubprocessError):
            target.unlink(missing_ok=True)
    if not target.exists():
        print(f"{page.stem}: {browser} made no PDF. Print the HTML.", file=sys.stderr)
    return target.exists()


if __name__ == "__main__":
    sys.exit(main())

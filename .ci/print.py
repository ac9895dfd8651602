"""Export the lessons for paper: HTML, and PDF where Chromium is installed, into build/print/.

python .ci/print.py [--solutions] [--into DIRECTORY] [NOTEBOOK ...]

Tables that repeat a figure are unfolded, since paper cannot be clicked. Hints, answers and
solutions stay folded, and so away from paper, unless `--solutions` asks for them.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STYLE = """<style>
img { max-width: 100%; }
.jp-Notebook { max-width: 900px; margin: auto; }
pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
td, th { text-align: left !important; }
td, th, td code { overflow-wrap: break-word; white-space: normal !important; }
td code { overflow-wrap: anywhere; }
img, tr { break-inside: avoid; }
h1, h2, h3, h4 { break-after: avoid; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  body { zoom: 0.82; }
  .jp-InputPrompt, .jp-OutputPrompt { display: none; }
  .jp-Cell, .jp-Cell div, details, figure { break-inside: auto !important; }
  .jp-Cell-outputWrapper, .jp-OutputArea, .jp-OutputArea-child, .jp-OutputArea-output {
    display: block !important; overflow: visible !important; }
}
</style></head>"""


def main() -> int:
    """Write every notebook that is named, or all of them; 1 when a PDF could not be made."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("notebooks", nargs="*", type=Path)
    words.add_argument("--into", type=Path, default=ROOT / "build" / "print")
    words.add_argument("--solutions", action="store_true", help="unfold hints and solutions, too")
    options = words.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("No PDF: Chromium is not installed. Any browser prints the HTML.")
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
    text, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))
    text = re.sub(r"<script\b.*?</script>", "", text, flags=re.DOTALL)
    text = re.sub(r'href="(\d\d-[\w-]+)\.ipynb', r'href="\1.html', text)
    text = text.replace('href="../', 'href="../../')
    folded = "<details>" if solutions else "<details><summary>The same as a table"
    text = text.replace(folded, folded.replace("<details>", "<details open>"))
    return text.replace("</head>", STYLE, 1)


def pdf(browser: str, page: Path) -> bool:
    """The page as PDF beside it; whether that worked."""
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory(prefix="imgkit-print-") as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command += [f"--user-data-dir={profile}", f"--print-to-pdf={target}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    if done.returncode or not target.exists():
        print(f"{page.stem}: {browser} made no PDF", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

"""How soon a widget shows what was clicked: LayerExplorer in JupyterLab, in Chromium.

python -m benchmarks.clicks
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROUNDS: Final = 5
CELL: Final = """
import tempfile
from pathlib import Path
from benchmarks import images
from imgkit import tar
from imgkit.store import Store
from imgkit.tar.entry import Entry
from imgkit.widgets import LayerExplorer
folder = Path(tempfile.mkdtemp())
tars = []
for layer in range(2):
    files = [(Entry(f"d{n // 100}/f{layer}-{n}"), str(n).encode()) for n in range(5000)]
    tars.append(folder / f"{layer}.tar")
    tars[-1].write_bytes(tar.write(files))
store = Store(images.write(folder / "home", "x", tars))
LayerExplorer(store.image("x"))
"""
_CLICKED: Final = """([what, number, expected]) => new Promise(done => {
    const list = document.querySelector('.imgkit-mono select');
    const start = performance.now();
    const observer = new MutationObserver(() => {
        const shown = [...document.querySelectorAll('.imgkit h4')].some(
            head => head.innerText.trim() === expected);
        if (!shown) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
    });
    observer.observe(document.body, {subtree: true, childList: true, characterData: true});
    if (what === 'layer') document.querySelectorAll('input[type=radio]')[number].click();
    else {
        list.selectedIndex = number;
        list.dispatchEvent(new Event('change', {bubbles: true}));
        list.dispatchEvent(new Event('input', {bubbles: true}));
    }
})"""


def measured() -> list[str]:
    """A sentence for the document, or none where there is no browser."""
    sys.path.insert(0, "tests")
    from browser import jupyterlab  # noqa: PLC0415  of the tests, which need Chromium

    with tempfile.TemporaryDirectory() as name:
        code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        here = f"import sys; sys.path.insert(0, {str(Path.cwd())!r})"
        cells = [{**code, "source": source} for source in (here, CELL)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}
        Path(name, "clicks.ipynb").write_text(json.dumps(notebook))
        with jupyterlab(Path(name)) as lab, lab.open("clicks.ipynb") as page:
            if errors := lab.run_all(page):
                sys.exit(f"the notebook failed: {errors[0]}")
            page.wait_for_selector("input[type=radio]")
            layer, path = _layers(page), _paths(page)
    what = (
        "A click in LayerExplorer on an image of 10,000 entries in two layers, in Chromium, until "
        "the page shows the answer"
    )
    found = f"on a path {path:.0f} ms, on a layer, whose 5,000 paths are listed, {layer:.0f} ms"
    return [f"{what}: {found} (medians; to reach: 100 ms)."]


def _layers(page: Page) -> float:
    return statistics.median(
        page.evaluate(_CLICKED, ["layer", number, f"Layer {number + 1}"])
        for number in (1, 0) * ROUNDS
    )


def _paths(page: Page) -> float:
    page.wait_for_timeout(1000)
    found = []
    for number in range(ROUNDS):
        index = 300 + 700 * number
        text = page.locator(".imgkit-mono select option").nth(index).inner_text()
        path = text[text.index("/") :].strip()
        found.append(page.evaluate(_CLICKED, ["path", index, path]))
    return statistics.median(found)


if __name__ == "__main__":
    print("\n".join(measured()))

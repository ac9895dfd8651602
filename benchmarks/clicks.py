"""How soon a widget shows what was clicked or typed: in JupyterLab, in Chromium.

python -m benchmarks.clicks
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROUNDS: Final = 5
_HERE: Final = "import sys; sys.path.insert(0, {!r})"
_IMAGE: Final = """
import tempfile
from pathlib import Path
from benchmarks import images
from imgkit import tar, widgets
from imgkit.image import copy
from imgkit.lab import Lab
from imgkit.mount import Mount
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry
folder = Path(tempfile.mkdtemp())
tars = []
for layer in range(2):
    files = [(Entry(f"d{n // 100}/f{layer}-{n}"), str(n).encode()) for n in range(5000)]
    tars.append(folder / f"{layer}.tar")
    tars[-1].write_bytes(tar.write(files))
lab = Lab()
copy(Store(images.write(folder / "home", "x", tars)), lab.store, Reference.parse("x:latest"))
image = lab.image("x")
"""
_WIDGETS: Final = {
    "LayerExplorer": "widgets.LayerExplorer(image)",
    "OverlayStepper": "widgets.OverlayStepper(Mount(image.layers), '/d3/f0-300')",
    "DigestLab": "widgets.DigestLab(image)",
    "SharingMatrix": "widgets.SharingMatrix(lab)",
    "BuildStepper": r"widgets.BuildStepper(lab, 'FROM x\nCOPY f /\nENV A=1', {'f': b'x'})",
}
_CLICKED: Final = """(control, [value, expected]) => new Promise((done, failed) => {
    const output = control.closest('.jp-OutputArea-output');
    const says = () => [...output.querySelectorAll('.imgkit')].some(
        part => part.textContent.includes(expected));
    if (says()) failed(`it says ${expected} before`);
    setTimeout(() => failed(`it does not say ${expected}`), 30000);
    const start = performance.now();
    const observer = new MutationObserver(() => {
        if (!says()) return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
    });
    observer.observe(output, {subtree: true, childList: true, characterData: true});
    if (value === null) { control.click(); return; }
    if (control.options) control.selectedIndex = [...control.options].findIndex(
        option => option.text.replaceAll('\u00a0', ' ').includes(value));
    else control.value = value;
    for (const name of ['input', 'change'])
        control.dispatchEvent(new Event(name, {bubbles: true}));
})"""


def measured() -> list[str]:
    """A list for the document, or an exit where there is no browser."""
    sys.path.insert(0, "tests")
    from browser import jupyterlab  # noqa: PLC0415  of the tests, which need Chromium

    with tempfile.TemporaryDirectory() as name:
        Path(name, "clicks.ipynb").write_text(_notebook())
        with jupyterlab(Path(name)) as lab, lab.open("clicks.ipynb") as page:
            if errors := lab.run_all(page):
                sys.exit(f"the notebook failed: {errors[0]}")
            page.wait_for_timeout(2000)
            found = {name: _medians(page, name) for name in _WIDGETS}
    what = (
        "A click or a letter with an image of 10,000 entries in two layers, in Chromium, until the "
        "page shows the answer (medians; to reach: 100 ms):"
    )
    return [what, "", *(f"- {name}: {said}" for name, said in found.items())]


def _notebook() -> str:
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    sources = [_HERE.format(str(Path.cwd())), _IMAGE, *_WIDGETS.values()]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    cells = [{**code, "source": source} for source in sources]
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4})


def _medians(page: Page, name: str) -> str:
    """What was done, each with the median of its times."""
    number = list(_WIDGETS).index(name)
    output = page.locator(".jp-OutputArea-output", has=page.locator(".jupyter-widgets")).nth(number)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for what, control, value, expected in _STEPS[name](output):
            found = control.evaluate(_CLICKED, [value, expected])
            times.setdefault(what, []).append(found)
            page.wait_for_timeout(300)
    return ", ".join(f"{what} {statistics.median(found):.0f} ms" for what, found in times.items())


Step = tuple[str, "Locator", str | None, str]
"""What is said of it, the control, what is chosen or typed there, and what is shown then."""


def _explorer(output: Locator) -> Iterator[Step]:
    path, find = output.get_by_label("Path"), output.get_by_label("Find")
    for number in (2, 1):
        layer = output.get_by_role("radio").nth(number - 1)
        yield "a layer", layer, None, f"in this folder, layer {number} adds 100"
    yield "a folder", path, "/d17/", "/d17in this folder"
    yield "Open", output.get_by_role("button", name="Open"), None, "/d17/f0-1700"
    yield "a path", path, "/f0-1750", "/d17/f0-1750"
    yield "Back", output.get_by_role("button", name="Back"), None, "/d17in this folder"
    for typed in ("f", "f0", "f0-", "f0-4"):
        yield "a letter in Find", find, typed, f"paths have {typed!r} in them"
    yield "all of it deleted", find, "", "by folder"


def _stepper(output: Locator) -> Iterator[Step]:
    go, again = (output.get_by_role("button", name=name) for name in ("Do it", "Start again"))
    yield "Do it", go, None, "cat /d3/f0-300"
    yield "a directory", output.get_by_label("Show"), "/d30", "/d30/f0-3000"
    yield "Start again", again, None, "No step yet"


def _digests(output: Locator) -> Iterator[Step]:
    go, mend, again = (
        output.get_by_role("button", name=name)
        for name in ("Change it", "Rewrite a record", "Start again")
    )
    yield "another part", output.get_by_label("In the"), "config", "architecture"
    yield "another part", output.get_by_label("In the"), "layer 2 tar", "d0/f1-0"
    yield "Change it", go, None, "Byte 0 of the layer 2 tar"
    yield "Rewrite a record", mend, None, "In the config"
    yield "Start again", again, None, "No byte is changed"


def _sharing(output: Locator) -> Iterator[Step]:
    name = output.get_by_role("checkbox").first
    yield "a name", name, None, "would go"
    yield "a name", name, None, "each kept once"


def _builder(output: Locator) -> Iterator[Step]:
    step = output.get_by_label("Show step")
    if not output.locator("tr").count():
        yield "the first build", output.get_by_role("button", name="Build"), None, "Build 1"
    yield "a step", step, "ENV", "Env = "
    yield "a step", step, "COPY", "files       /f"


_STEPS: Final = {
    "LayerExplorer": _explorer,
    "OverlayStepper": _stepper,
    "DigestLab": _digests,
    "SharingMatrix": _sharing,
    "BuildStepper": _builder,
}


if __name__ == "__main__":
    print("\n".join(measured()))

"""JupyterLab in Chromium: started, driven, and stopped; for the browser tests and screenshots."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conftest import peer
from playwright.sync_api import Browser, Locator, Page, sync_playwright

ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE: Final = 180_000
"""Milliseconds that a busy machine may take for anything."""

_APP: Final = "window.jupyterapp"
_PANEL: Final = f"{_APP}.shell.currentWidget"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab and a browser beside it; works on copies of the notebooks."""

    url: str
    folder: Path
    browser: Browser

    @contextmanager
    def open(self, name: str, *, width: int = 1200, dark: bool = False) -> Iterator[Page]:
        """The notebook of that name, opened in a window of its own, kernel ready."""
        page = self.browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(PATIENCE)
        try:
            page.goto(f"{self.url}/lab/tree/{name}?reset")
            page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=PATIENCE)
            quiet(page)
            self.theme(page, dark=dark)
            yield page
        finally:
            page.close()

    def theme(self, page: Page, *, dark: bool) -> None:
        """Afterwards the window is dark or light; JupyterLab opens the next one the same way."""
        theme = {"theme": f"JupyterLab {'Dark' if dark else 'Light'}"}
        page.evaluate(f"t => {_APP}.commands.execute('apputils:change-theme', t)", theme)
        light = str(not dark).lower()
        page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def run_all(self, page: Page, seconds: int = 300) -> list[str]:
        """Afterwards every code cell has been run, in order; the errors that cells ended with."""
        page.evaluate(f"() => {{ {_APP}.commands.execute('notebook:run-all-cells'); }}")
        page.wait_for_function(_DONE, timeout=seconds * 1000)
        errors: list[str] = page.evaluate(_ERRORS)
        return errors

    def picture(self, page: Page, path: Path, *, full: bool = False) -> None:
        """A picture of the window; of the whole notebook, if `full`."""
        page.evaluate(f"{_APP}.commands.execute('application:toggle-left-area')")
        page.wait_for_timeout(500)
        if full:
            width = page.viewport_size["width"] if page.viewport_size else 1200
            page.set_viewport_size({"width": width, "height": page.evaluate(_HEIGHT) + 160})
        page.evaluate(f"{_SCROLLER}.scrollTop = 0")
        page.wait_for_timeout(1000)
        page.screenshot(path=path)


_CELLS: Final = f"{_PANEL}.content.widgets.map(c => c.model).filter(m => m.type === 'code')"
_ENDED: Final = """(m.getMetadata('tags') || []).includes('raises-exception') ? []
    : m.toJSON().outputs.filter(o => o.output_type === 'error')"""
_DONE: Final = f"""() => {{
    const written = {_CELLS}.filter(m => m.sharedModel.getSource().trim());
    const run = written.every(m => m.executionCount) || written.some(m => ({_ENDED}).length);
    return run && {_PANEL}.sessionContext.session.kernel.status === 'idle';
}}"""
_ERRORS: Final = f"() => {_CELLS}.flatMap(m => {_ENDED}).map(o => `${{o.ename}}: ${{o.evalue}}`)"
_SCROLLER: Final = f"{_PANEL}.node.querySelector('.jp-WindowedPanel-outer')"
_HEIGHT: Final = f"() => {_SCROLLER}.scrollHeight"


def quiet(page: Page) -> None:
    """Wait until the kernel has done all that was asked of it: a person is never as fast."""
    idle = f"() => {_PANEL}.sessionContext.session?.kernel?.status === 'idle'"
    page.wait_for_function(idle, timeout=PATIENCE)


def typed(field: Locator, text: str) -> None:
    """Type into a field and leave it: only then does the kernel hear of it, once and whole."""
    field.fill(text)
    field.press("Tab")
    quiet(field.page)


@contextmanager
def jupyterlab(notebooks: Path) -> Iterator[Lab]:
    """JupyterLab on a free port over a copy of `notebooks`, with a home of its own."""
    chromium = peer("chromium")
    with tempfile.TemporaryDirectory(prefix="imgkit-browser-") as scratch:
        folder = Path(scratch, "notebooks")
        shutil.copytree(notebooks, folder)
        with _server(folder, Path(scratch)) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            try:
                yield Lab(url, folder, browser)
            finally:
                browser.close()


@contextmanager
def _server(folder: Path, home: Path) -> Iterator[str]:
    log = home / "log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    command += ["--ServerApp.token=", "--LabApp.expose_app_in_browser=True"]
    command += [f"--ServerApp.root_dir={folder}", "--ServerApp.port_retries=0"]
    settings = home / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)
    # Cells out of sight are otherwise not in the page.
    (settings / "tracker.jupyterlab-settings").write_text(
        '{"windowingMode": "none", "scrollPastEnd": false}'
    )
    environment = os.environ | {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _announced(log, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _announced(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that JupyterLab wrote to its log, within a minute."""
    for _ in range(600):
        found = re.search(r"(http://(?:127\.0\.0\.1|localhost):\d+)/lab", log.read_text())
        if found:
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")

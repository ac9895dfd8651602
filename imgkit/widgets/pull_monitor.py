"""PullMonitor: start a pull and watch every layer, every request, and every check."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Final

import ipywidgets

from imgkit.conversation import short
from imgkit.image import DOWNLOADING, EXISTS
from imgkit.lab import Lab
from imgkit.printable import shown
from imgkit.pull import REFUSED, VERIFIED, Pull, Row
from imgkit.units import counted, size
from imgkit.widgets.style import CSS, caption, safe, told
from imgkit.widgets.view import View, button, checkbox

NAMES: Final = (
    "redis",
    "portainer/portainer-ce",
    "alpine",
    "nginx",
    "ubuntu:24.04",
    "busybox:glibc",
    "node",
    "postgres:16",
    "nigelpoulton/tu-demo",
    "ghcr.io/regclient/regsync",
    "mcr.microsoft.com/powershell",
)
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x", "windows/amd64")

PACE: Final = 0.12
"""Seconds of rest after each piece of a blob, in slow motion."""
EVERY: Final = 0.05
"""Seconds between two looks at a pull under way; more would only flood the browser."""


class PullMonitor(View):
    """A view of one `Pull`: choose a name and press the button."""

    def __init__(self, lab: Lab, names: Sequence[str] = NAMES) -> None:
        self.pull = Pull(lab.client, lab.store, lab.registry, lab.platform, self._changed)
        self._shown = 0.0
        self._lock = threading.Lock()
        wide = {"description_width": "70px"}
        self.name = ipywidgets.Dropdown(options=names, description="Image", style=wide)
        platforms = list(dict.fromkeys([str(lab.platform), *PLATFORMS]))
        self.platform = ipywidgets.Dropdown(options=platforms, description="Platform", style=wide)
        self.slow = checkbox("Slow motion, three layers at a time")
        self.flip = checkbox("Let the registry change one bit of a layer")
        self.button = button("Pull", "Pull this image for this platform", self._clicked, "primary")
        self.view = ipywidgets.HTML()
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HBox([self.name, self.platform, self.button]),
                ipywidgets.HBox([self.slow, self.flip]),
                self.view,
            ]
        )
        self._show()

    def click(self) -> None:
        """Press the button."""
        self.button.click()

    def __repr__(self) -> str:
        return f"PullMonitor: {self.name.value} for {self.platform.value}\n{shown(repr(self.pull))}"

    def _clicked(self, _: object) -> None:
        self.button.disabled = True
        try:
            self.pull.run(
                self.name.value,
                self.platform.value,
                pace=PACE if self.slow.value else 0,
                flip=self.flip.value,
            )
        finally:
            self.button.disabled = False
            self._show()

    def _changed(self) -> None:
        """Show the state of a pull under way, but not more often than eyes can follow."""
        if (self.slow.value or self.pull.waiting) and self._lock.acquire(blocking=False):
            try:
                if time.monotonic() - self._shown > EVERY:
                    self._show()
                    self._shown = time.monotonic()
            finally:
                self._lock.release()

    def _show(self) -> None:
        self.view.value = page(self.pull)


class PullView(View):
    """The rows and requests of a pull that somebody else has begun, shown while it goes on."""

    def __init__(self, pull: Pull) -> None:
        self.pull = pull
        self.box = ipywidgets.HTML()
        self._shown = 0.0
        pull.on_change = self._changed

    def __repr__(self) -> str:
        return "PullView: every blob and every request of this pull"

    def _changed(self) -> None:
        over = self.pull.error is not None or not self.pull.outcome.startswith("Pulling ")
        if over or time.monotonic() - self._shown > EVERY:
            self.box.value = page(self.pull)
            self._shown = time.monotonic()


def page(pull: Pull) -> str:
    """The pull as HTML: the blobs, how it ended, and the requests."""
    parts = [CSS, '<div class="imgkit">']
    if pull.rows:
        parts.append(
            "<table><thead><tr><th>Blob</th><th>Digest</th><th class='size'>Size</th><th>State</th>"
            "<th>Progress</th></tr></thead><tbody>"
        )
        parts += [_row(row) for row in pull.rows]
        parts.append("</tbody></table>")
    kind = "kept" if pull.kept else "refused" if pull.error else "none"
    parts.append(told(pull.outcome, kind))
    if pull.waiting:
        parts.append(told(pull.waiting, "none"))
    if pull.requests:
        said = pull.said()
        parts.append(caption(counted(len(said), "request")))
        parts.append("<div class='scroll' tabindex='0'><table>")
        parts += [
            f"<tr><td>{number}</td><td><code>{safe(asked)}</code></td><td>{safe(answer)}</td></tr>"
            for number, (asked, answer) in enumerate(said, 1)
        ]
        parts.append("</table></div>")
    return "".join([*parts, "</div>"])


def _row(row: Row) -> str:
    kind = "config" if row.what == "config" else "layer"
    done = round(100 * (1.0 if row.state in (VERIFIED, EXISTS, REFUSED) else row.share))
    look = {VERIFIED: " kept", EXISTS: " kept", REFUSED: " refused"}.get(row.state, "")
    state = f"{row.state}, {done} %" if row.state == DOWNLOADING else row.state
    bar = (
        ""
        if row.state == EXISTS
        else (
            f'<div class="bar{look}" role="progressbar" aria-label="{row.what}" aria-valuemin="0" '
            f'aria-valuemax="100" aria-valuenow="{done}"><div style="width:{done}%"></div></div>'
        )
    )
    return (
        f'<tr><td><span class="kind {kind}"></span>{row.what}</td>'
        f'<td><code title="{row.blob.digest}">{short(row.blob.digest)}</code></td>'
        f'<td class="size">{size(row.blob.size)}</td><td>{safe(state)}</td><td>{bar}</td></tr>'
    )

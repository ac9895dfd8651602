"""PlatformPicker: choose a platform, and see what would be pulled for it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ipywidgets

from imgkit.conversation import short
from imgkit.errors import ImgkitError
from imgkit.lab import Lab
from imgkit.legend import LEGEND
from imgkit.platforms import Platform
from imgkit.printable import shown
from imgkit.reference import Reference
from imgkit.selection import CHOSEN, Candidate, Selection
from imgkit.units import counted, size
from imgkit.widgets.style import CSS, caption, table, td, told
from imgkit.widgets.view import View

IMAGES: Final = (
    "alpine",
    "redis",
    "nigelpoulton/k8sbook",
    "nigelpoulton/tu-demo:v2",
    "busybox",
    "mcr.microsoft.com/powershell",
    "golftrack:1.5",
)
PLATFORMS: Final = (
    ("a PC or server: linux/amd64", "linux/amd64"),
    ("an Apple Silicon Mac, or a Raspberry Pi 4: linux/arm64", "linux/arm64"),
    ("a Raspberry Pi 2: linux/arm/v7", "linux/arm/v7"),
    ("a Raspberry Pi Zero: linux/arm/v6", "linux/arm/v6"),
    ("an old PC: linux/386", "linux/386"),
    ("a POWER machine: linux/ppc64le", "linux/ppc64le"),
    ("a mainframe: linux/s390x", "linux/s390x"),
    ("a RISC-V board: linux/riscv64", "linux/riscv64"),
    ("Windows Server 2019", "windows(10.0.17763.6532)/amd64"),
    ("Windows Server 2022", "windows(10.0.20348.2849)/amd64"),
    ("Windows Server 2025", "windows(10.0.26100.2314)/amd64"),
)

_LOOK: Final = f"""<style>
.imgkit-pick :is(td, th):first-child {{ border-left: 3px solid transparent; padding-left: 8px; }}
.imgkit-pick td.image {{ border-left-color: {LEGEND["manifest"].colour}; }}
.imgkit-pick td.layer {{ border-left-color: {LEGEND["layer"].colour}; }}
.imgkit-pick .chosen {{ font-weight: 600; background: var(--jp-layout-color2, #f2f3f5); }}
</style>"""


class PlatformPicker(View):
    """A view of one `Selection`: choose an image, and choose or type a platform."""

    def __init__(
        self,
        lab: Lab,
        name: str = "alpine",
        platform: str = "linux/amd64",
        names: Sequence[str] = IMAGES,
    ) -> None:
        self._lab = lab
        field = {
            "style": {"description_width": "70px"},
            "layout": ipywidgets.Layout(width="560px"),
        }
        options = list(dict.fromkeys([*names, name]))
        self.image = ipywidgets.Dropdown(options=options, value=name, description="Image", **field)
        self.machine = ipywidgets.Dropdown(
            options=[("choose one", ""), *PLATFORMS], description="Machine", **field
        )
        self.platform = ipywidgets.Text(platform, description="Platform", **field)
        self.platform.add_class("imgkit-mono")
        self.view = ipywidgets.HTML()
        self.box = ipywidgets.VBox([self.image, self.machine, self.platform, self.view])
        self.selection: Selection | None = None
        self.problem = ""
        self.image.observe(self._pick, "value")
        self.machine.observe(self._chose, "value")
        self.platform.observe(self._pick, "value")
        self._pick()

    def __repr__(self) -> str:
        says = repr(self.selection) if self.selection else self.problem
        return f"PlatformPicker: {shown(says)}"

    def _chose(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.platform.value = change["new"]

    def _pick(self, *_: object) -> None:
        name, source = Reference.parse(self.image.value), self._lab.repository(self.image.value)
        self.selection, self.problem = None, ""
        try:
            wanted = Platform.parse(self.platform.value)
            self.selection = Selection.of(source, name.with_default_tag(), wanted)
        except ImgkitError as error:
            self.problem = str(error)
        body = page(self.selection) if self.selection else told(self.problem, "refused")
        self.view.value = f'{CSS}{_LOOK}<div class="imgkit imgkit-pick">{body}</div>'


def page(selection: Selection) -> str:
    """The choice in words, every entry of the index, and the layers that would be pulled."""
    outcome = told(selection.said, "kept" if selection.image else "refused")
    entries = "".join(map(_entry, selection.candidates))
    index = ""
    if selection.index:
        heads = ("Platform", "Manifest", "Layers, compressed", "On this machine")
        index = caption(f"The index {short(selection.index.digest)} lists") + table(heads, entries)
    return outcome + index + _layers(selection)


def _entry(candidate: Candidate) -> str:
    digest = candidate.descriptor.digest
    bytes_of = size(candidate.size) if candidate.layers else "none"
    why = candidate.why
    if candidate.state == CHOSEN:
        why = f"chosen: {counted(len(candidate.layers), 'layer')}"
    look = ' class="chosen"' if candidate.state == CHOSEN else ""
    kind = "image" if candidate.layers else "other"
    return (
        f"<tr{look}>{td(str(candidate.platform), kind)}"
        f'<td><code title="{digest}">{short(digest)}</code></td>'
        f"<td>{bytes_of}</td>{td(why)}</tr>"
    )


def _layers(selection: Selection) -> str:
    if selection.image is None:
        return "<p>Nothing would be pulled.</p>"
    rows = "".join(
        f'<tr><td class="layer">layer {number}</td>'
        f'<td><code title="{share.descriptor.digest}">{short(share.descriptor.digest)}</code></td>'
        f"<td>{size(share.descriptor.size)}</td>"
        f"{td(', '.join(share.others) or 'no other platform')}</tr>"
        for number, share in enumerate(selection.shares, 1)
    )
    heads = ("Layer", "Digest", "Size, compressed", "The same for")
    total = f"{selection.size:,} bytes with all documents"
    return caption(f"What would be pulled: {total}") + table(heads, rows)

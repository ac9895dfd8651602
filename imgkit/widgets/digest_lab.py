"""DigestLab: change any byte of an image, and see which digests follow and which check fails."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import ipywidgets

from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.legend import LEGEND
from imgkit.printable import shown
from imgkit.tampering import Link, Tampering
from imgkit.tampering.links import NOBODY
from imgkit.widgets.style import CSS, caption, safe, table, told
from imgkit.widgets.view import View, button, field, labelled

ROW: Final = 16
"""Bytes in a line of the view."""

_LOOK: Final = f"""<style>
.imgkit-lab td, .imgkit-lab th {{ border-left: 3px solid transparent;
  padding-left: 8px !important; }}
.imgkit-lab .index {{ border-left-color: {LEGEND["index"].colour}; }}
.imgkit-lab .manifest {{ border-left-color: {LEGEND["manifest"].colour}; }}
.imgkit-lab .config {{ border-left-color: {LEGEND["config"].colour}; }}
.imgkit-lab .layer {{ border-left-color: {LEGEND["layer"].colour}; }}
.imgkit-lab .fails {{ border-left: 3px dashed {LEGEND["upper layer"].colour} !important; }}
.imgkit-lab small {{ font-size: 12px; }}
</style>"""


class DigestLab(View):
    """A view of one `Tampering`: choose a byte, change it, and rewrite the records if you like."""

    def __init__(self, image: Image, part: str = "", find: str = "") -> None:
        self.tampering = Tampering(image)
        wide = labelled("270px", 72)
        names = self.tampering.first.names
        self.part = ipywidgets.Dropdown(options=names, description="In the", **wide)
        self.find = field(ipywidgets.Text, description="Find", placeholder="a text", **wide)
        self.at = ipywidgets.BoundedIntText(description="Byte", min=0, **wide)
        self.value = field(
            ipywidgets.Text,
            description="New value",
            placeholder="a letter, two hex digits, or empty",
            **labelled("320px", 72),
        )
        self.go = button("Change it", "An empty value changes the lowest bit", self._go, "primary")
        self.mend = button("Rewrite a record", "The deepest that is wrong", self._mend)
        self.again = button("Start again", "Every byte is as it was", self._again)
        self.bytes = ipywidgets.HTML()
        self.view = ipywidgets.HTML()
        rows = (
            [self.part, self.find],
            [self.at, self.value],
            [self.bytes],
            [self.go, self.mend, self.again],
            [self.view],
        )
        self.box = ipywidgets.VBox([ipywidgets.HBox(row) for row in rows])
        self.problem = ""
        self.part.observe(self._chose, "value")
        self.find.observe(self._found, "value")
        self.at.observe(self._draw, "value")
        self.part.value = part or names[-2]
        self._chose()
        self.find.value = find

    def change(self, part: str, find: str | int, value: str = "") -> str:
        """Fill in the fields, press the button, and give what both kinds of pull would say.

        The button is not pressed where the text is not found: another byte would be changed.
        """
        self.part.value = part
        self.value.value = value
        if isinstance(find, int):
            self.at.value = find
        else:
            self.find.value = find
            self._found()
        if isinstance(find, int) or not self.problem:
            self.go.click()
        return "\n".join(self._told())

    def __repr__(self) -> str:
        lie = self.tampering
        head = f"{'part':17}{'is called':11}{'now':14}{'':9}written down by   check"
        rows = [
            f"{link.part:17}{link.called:11}{_short(link):14}"
            f"{'changed' * lie.changed(link):9}{link.where:18}{link.check}"
            for link in lie.links
        ]
        return shown("\n".join(["DigestLab", *self._told(), "", head, *rows]))

    # -- what was clicked -----------------------------------------------------------------------

    def _chose(self, *_: object) -> None:
        self.at.max = max(len(self.tampering.now.get(self.part.value)) - 1, 0)
        self._found()

    def _found(self, *_: object) -> None:
        place = self.tampering.find(self.part.value, self.find.value)
        missing = self.find.value and place is None
        self.problem = f"{self.find.value!r} is not in the {self.part.value}." if missing else ""
        if place is not None:
            self.at.value = place
        self._draw()

    def _go(self, *_: object) -> None:
        self.problem = ""
        try:
            self.tampering.change(self.part.value, self.at.value, _byte(self.value.value))
        except (ImgkitError, ValueError) as error:
            self.problem = str(error)
        self._draw()

    def _mend(self, *_: object) -> None:
        self.problem = ""
        self.tampering.mend()
        self._draw()

    def _again(self, *_: object) -> None:
        self.problem = ""
        self.tampering.reset()
        self._draw()

    def _said(self) -> list[str]:
        lie = self.tampering
        return [
            *(lie.done or ["No byte is changed."]),
            f"Pulled by tag: {lie.outcome(by_digest=False)}",
            f"Pulled by digest: {lie.outcome(by_digest=True)}",
        ]

    def _told(self) -> list[str]:
        return [self.problem] * bool(self.problem) + self._said()

    def _draw(self, *_: object) -> None:
        data = self.tampering.now.get(self.part.value)
        lines = "\n".join(window(data, self.at.value))
        self.bytes.value = (
            f'{CSS}{_LOOK}<div class="imgkit"><pre tabindex="0" aria-label="Bytes">'
            f"{safe(lines)}</pre></div>"
        )
        self.view.value = page(self.tampering, self._said(), self.problem)


def window(data: bytes, at: int) -> list[str]:
    """The bytes around one, in hex and as letters; that one stands in brackets."""
    if not data:
        return ["It cannot be unpacked: there are no bytes to show."]
    first = max(at // ROW - 1, 0) * ROW
    lines = []
    for start in range(first, min(first + 3 * ROW, len(data)), ROW):
        row = data[start : start + ROW]
        cells = "".join(
            f"[{byte:02x}]" if start + n == at else f" {byte:02x} " for n, byte in enumerate(row)
        )
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{start:7} {cells:{4 * ROW}} {letters}")
    return lines


def page(lie: Tampering, said: Sequence[str], problem: str) -> str:
    """What was done, what comes of a pull, and every digest with its check."""
    links = lie.links
    *done, by_tag, by_digest = said
    documents = "".join(
        f'<tr><td class="{link.part}">{link.part}</td>{_cell(lie, link)}'
        f"<td>{link.where}</td><td>{_id(link.part, documents=links)}</td></tr>"
        for link in links
        if link.part in ("index", "manifest", "config")
    )
    count = len(lie.now.blobs)
    blobs, tars, stacks = (links[len(links) - n * count :][:count] for n in (3, 2, 1))
    layers = "".join(
        f'<tr><td class="layer">layer {n}</td>{"".join(_cell(lie, link) for link in row)}</tr>'
        for n, row in enumerate(zip(blobs, tars, stacks, strict=True), 1)
    )
    lines = "".join(f"<li>{safe(line)}</li>" for line in done)
    return (
        f'<div class="imgkit imgkit-lab"><ol>{lines}</ol>{told(problem) if problem else ""}'
        f"{_outcome(by_tag)}{_outcome(by_digest)}"
        f"{caption('The documents')}{table(_DOCUMENTS, documents)}"
        f"{caption('The layers')}{table(_LAYERS, layers)}</div>"
    )


_DOCUMENTS: Final = ("Document", "Digest now, and its check", "Written down by", "Also shown as")
_LAYERS: Final = (
    "Layer",
    "Blob: digest, in the manifest",
    "Tar: DiffID, in the config",
    "Stack so far: ChainID, computed",
)


def _cell(lie: Tampering, link: Link) -> str:
    changed = "<strong>changed</strong>" if lie.changed(link) else "as before"
    title = f' title="{link.now}"' if link.now else ""
    look = ' class="fails"' if link.fails else ""
    check = "" if link.where == NOBODY else f"<br><small>{safe(link.check)}</small>"
    return f"<td{look}><code{title}>{_short(link)}</code> {changed}{check}</td>"


def _id(part: str, documents: Sequence[Link]) -> str:
    if part == "config":
        return "IMAGE ID, classic store"
    return "IMAGE ID, containerd store" if part == documents[0].part else ""


def _outcome(text: str) -> str:
    refused = ": refused" in text
    return told(text, "refused" if refused else "none" if "it is not" in text else "kept")


def _short(link: Link) -> str:
    return link.now.short if link.now else "(no tar)"


def _byte(text: str) -> int | None:
    """The value of a byte as it is typed; None if nothing is."""
    if not text:
        return None
    if len(text) == 1 and text.isascii():
        return ord(text)
    if re.fullmatch("[0-9a-fA-F]{2}", text):
        return int(text, 16)
    raise ValueError(f"{text!r} is no byte: type one letter, or two hex digits such as 4a.")

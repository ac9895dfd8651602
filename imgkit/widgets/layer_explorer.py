"""LayerExplorer: walk through an image layer by layer, and through the life of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ipywidgets

from imgkit.conversation import short
from imgkit.image import Image
from imgkit.printable import shown
from imgkit.tar.entry import Kind
from imgkit.units import size
from imgkit.walk import LISTED, Folder, Touch, Walk
from imgkit.widgets.style import CSS, caption, safe
from imgkit.widgets.view import View, button, show

_LABELLED: Final = {
    "layout": ipywidgets.Layout(width="auto", max_width="860px"),
    "style": {"description_width": "44px"},
}
_ROWS: Final = 11
"""Lines of the list that are seen at once."""


class LayerExplorer(View):
    """A view of one `Walk`: choose a layer, then one of the paths that it touches.

    Where a layer touches more than `LISTED` paths, the list has its folders, which can be opened:
    a page that gets thousands of lines at once takes seconds to show them.
    """

    def __init__(self, image: Image) -> None:
        self.walk = Walk(image)
        layers = [(_line(self.walk, number), number) for number in self.walk.numbers]
        self.layer = ipywidgets.RadioButtons(options=layers, **_LABELLED, description="Layer")
        self.about = ipywidgets.HTML()
        self.find = ipywidgets.Text(
            description="Find", placeholder="a part of a path", style=_LABELLED["style"]
        )
        self.where = ipywidgets.HTML()
        self.path = ipywidgets.Select(**_LABELLED, description="Path")
        self.path.add_class("imgkit-mono")
        self.open = button("Open", "List what is in the folder", self._open)
        self.back = button("Back", "The list that was here before", self._back)
        self.file = ipywidgets.HTML()
        self.folders: list[str] = []
        """The folders that were opened, one within the other."""
        self.rows: Sequence[Touch | Folder] = ()
        """What is to be chosen from; the list has the first `LISTED` of it."""
        buttons = ipywidgets.HBox([self.open, self.back])
        buttons.layout.margin = "0 0 0 48px"  # below the list
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HTML(f'{CSS}<div class="imgkit">{safe(self.walk.summary)}</div>'),
                self.layer,
                self.about,
                self.find,
                self.where,
                self.path,
                buttons,
                self.file,
            ]
        )
        self.layer.observe(self._chose_layer, "value")
        self.find.observe(lambda _: self._list(), "value")
        self.path.observe(self._chose_path, "index")
        self._chose_layer()

    @property
    def chosen(self) -> Touch | Folder | None:
        """The path that is chosen in the list, and what the chosen layer does to it."""
        return None if self.path.index is None else self.rows[self.path.index]

    def __repr__(self) -> str:
        number = self.layer.value
        lines = [repr(self.walk), "", f"layer {number}, made by {self.walk.made_by[number - 1]}"]
        lines += [self._where()] * bool(self._where())
        lines += [f"  {row}" for row in self.rows[:20]]
        lines += [f"  and {len(self.rows) - 20} more"] * (len(self.rows) > 20)
        if self.chosen:
            lines += ["", f"/{self.chosen.path}", *map("  ".__add__, self._story(self.chosen))]
        return shown("\n".join(lines))

    # -- what was clicked -----------------------------------------------------------------------

    def _chose_layer(self, *_: object) -> None:
        number = self.layer.value
        self.folders = []
        layer = self.walk.layer(number)
        self.about.value = (
            f'<div class="imgkit">{caption(f"Layer {number}")}'
            f"Made by <code>{safe(self.walk.made_by[number - 1])}</code><br>"
            f'Blob <code title="{layer.digest}">{short(layer.digest)}</code>, {size(layer.size)}; '
            f'DiffID <code title="{layer.diff_id}">{short(layer.diff_id)}</code></div>'
        )
        self._list()

    def _open(self, *_: object) -> None:
        if isinstance(self.chosen, Folder):
            self.folders.append(self.chosen.path)
            self._list()

    def _back(self, *_: object) -> None:
        if self.folders:
            self._list(self.folders.pop())

    def _list(self, chosen: str = "") -> None:
        """Afterwards the list has what was asked for, and one line of it is chosen.

        The page gets one message for the list, and last of all one for what is chosen.
        """
        number, text = self.layer.value, self.find.value.strip()
        folder = self.folders[-1] if self.folders else ""
        self.rows = self.walk.find(number, text) if text else self.walk.listing(number, folder)
        self.path.unobserve(self._chose_path, "index")
        with self.path.hold_sync():
            self.path.index = None
            self.path.options = [(shown(str(row)), row.path) for row in self.rows[:LISTED]]
            self.path.index = self._first(chosen) if self.rows else None
            self.path.disabled = not self.rows
            self.path.rows = min(_ROWS, max(3, len(self.walk.touches(number))))
        self.path.observe(self._chose_path, "index")
        self._offer()
        self._chose_path()

    def _offer(self) -> None:
        """Afterwards there are the controls that are of use, and it is said what is listed."""
        count, text = len(self.walk.touches(self.layer.value)), self.find.value.strip()
        self.where.value = f'<div class="imgkit" role="status">{safe(self._where())}</div>'
        show(self.find, on=count > _ROWS or bool(text))
        for control in (self.open, self.back):
            show(control, on=count > LISTED and not text)
        self.back.disabled = not self.folders

    def _first(self, chosen: str) -> int:
        """The line of that path, or else of the first folder or file, or else the first."""
        rows = list(enumerate(self.rows[:LISTED]))
        found = [n for n, row in rows if row.path == chosen]
        found += [n for n, row in rows if isinstance(row, Folder) or row.kind is Kind.FILE]
        return found[0] if found else 0

    def _chose_path(self, *_: object) -> None:
        self.open.disabled = not isinstance(self.chosen, Folder)
        self.file.value = f'<div class="imgkit">{self._page(self.chosen)}</div>'

    # -- what is said of it ---------------------------------------------------------------------

    def _where(self) -> str:
        """Which of the layer's paths are listed; nothing, if all are."""
        count, text = len(self.walk.touches(self.layer.value)), self.find.value.strip()
        if text:
            said = f"{len(self.rows):,} of {count:,} paths have {text!r} in them."
        elif count <= LISTED:
            return ""
        elif self.folders:
            here = sum(len(row.touches) if isinstance(row, Folder) else 1 for row in self.rows)
            said = f"In /{self.folders[-1]}: {here:,} of the {count:,} paths of this layer."
        else:
            said = f"{count:,} paths, by folder. Open one, or find a part of a path."
        more = f" The first {LISTED} are listed." if len(self.rows) > LISTED else ""
        return said + more

    def _page(self, row: Touch | Folder | None) -> str:
        """The path, what became of it, and what the layer has there."""
        if row is None:
            return "No path has this in it." if self.find.value else "This layer touches no path."
        head = caption(f"/{row.path}") + safe("; ".join(self._story(row)))
        if isinstance(row, Folder):
            return head
        text = self.walk.content(self.layer.value, row.path)
        return f'{head}<pre tabindex="0">{safe(text)}</pre>'

    def _story(self, row: Touch | Folder) -> list[str]:
        if isinstance(row, Folder):
            return [f"in this folder, layer {self.layer.value} {row.told}"]
        return self.walk.history(row.path)


def _line(walk: Walk, number: int) -> str:
    return f"{number}{', the base' * (number == 1)}: {shown(walk.told(number))}"

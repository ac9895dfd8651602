"""OverlayStepper: change files in a container, one step at a time, and watch every directory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ipywidgets

from imgkit.container import Container
from imgkit.legend import LEGEND
from imgkit.mount import Mount
from imgkit.printable import shown
from imgkit.stepper import GONE, OPERATIONS, Stepper, Taken
from imgkit.widgets.style import CSS, caption, safe, table, td, told
from imgkit.widgets.view import View, button, field, labelled, show


def _stripe(colour: str, dash: str = "100%") -> str:
    """A stripe that is no border: borders that meet break the lines between rows."""
    return f"repeating-linear-gradient({colour} 0 {dash}, transparent {dash} 8px)"


LOOK: Final = f"""<style>
.imgkit-trees {{ overflow-x: auto; margin: 4px 0; }}
.imgkit-trees th {{ white-space: nowrap; }}
.imgkit:has(> .imgkit-trees) {{ max-width: 1000px; }}
.imgkit-trees td, .imgkit-trees th {{ padding: 2px 12px 2px 8px !important; }}
.imgkit-trees td {{ background: left / 3px 100% no-repeat; }}
.imgkit-trees .upper {{ background-image: {_stripe(LEGEND["upper layer"].colour)}; }}
.imgkit-trees .layer {{ background-image: {_stripe(LEGEND["layer"].colour)}; }}
.imgkit-trees .whiteout {{ background-image: {_stripe(LEGEND["whiteout"].colour, "5px")}; }}
.imgkit-trees .merged {{ font-weight: 600; }}
.imgkit-trees .gone {{ font-weight: 400; font-style: italic; }}
</style>"""

_MORE: Final = {"": "Nothing", "text": "Text", "new path": "New path", "mode": "Mode"}
_WORK: Final = (
    "There is one more directory, work: the kernel prepares a copy there, and moves it to upper "
    "when it is whole. No program sees it."
)


class OverlayStepper(View):
    """A view of one `Stepper`: choose what to do to which path, and press the button."""

    def __init__(
        self, on: Stepper | Container | Mount, path: str = "/etc/motd", folder: str = ""
    ) -> None:
        self.stepper = on if isinstance(on, Stepper) else Stepper(on)
        self.operation = ipywidgets.Dropdown(
            options=list(OPERATIONS), **labelled("270px", 72), description="Do"
        )
        self.path = field(ipywidgets.Text, path, **labelled("560px", 72), description="to path")
        self.more = field(ipywidgets.Text, **labelled("560px", 72))
        self.folder = ipywidgets.Dropdown(**labelled("560px", 72), description="Show")
        self.go = button("Do it", "Do this one step", self._go, "primary")
        self.again = button("Start again", "Upper is as it was at first", self._again)
        self.kernel = button("Ask Linux", "The same steps on a real mount", self._ask)
        self.view = ipywidgets.HTML()
        self.trees = ipywidgets.HTML()
        asked = ipywidgets.HBox([self.operation, self.path])
        buttons = ipywidgets.HBox([self.go, self.again, self.kernel])
        self.box = ipywidgets.VBox([asked, self.more, buttons, self.view, self.folder, self.trees])
        self._linux = ""
        self.operation.observe(self._chose, "value")
        self._chose()
        self._show(folder or _parent(path))
        self.folder.observe(self._draw, "value")

    def step(self, operation: str, path: str, more: str = "") -> Taken:
        """Fill in the fields, press the button, and give what came of it."""
        self.operation.value, self.path.value = operation, path
        self.more.value = more
        self.go.click()
        return self.stepper.taken[-1]

    def __repr__(self) -> str:
        linux = [self._linux] if self._linux else []
        return shown("\n".join([self.stepper.text(self.folder.value or "/"), *linux]))

    # -- what was clicked -----------------------------------------------------------------------

    def _chose(self, *_: object) -> None:
        needed = OPERATIONS[self.operation.value].more
        self.more.description = _MORE[needed]
        show(self.more, on=bool(needed))

    def _go(self, *_: object) -> None:
        path, more = self.path.value, self.more.value
        self.stepper.take(self.operation.value, path, more)
        self._show(_parent(path))

    def _again(self, *_: object) -> None:
        self.stepper.reset()
        self._show(self.folder.value)

    def _ask(self, *_: object) -> None:
        self._linux = self.stepper.ask_kernel()
        self._draw()

    def _show(self, folder: str) -> None:
        """Afterwards the step and the directory it was in are shown, if that is one."""
        folders = self.stepper.folders
        while folder not in folders:
            folder = _parent(folder)
        self._linux = ""
        self.folder.options = [(shown(path), path) for path in folders]
        self.folder.value = folder
        self._draw()

    def _draw(self, *_: object) -> None:
        self.view.value = page(self.stepper, self._linux)
        self.trees.value = trees(self.stepper, self.folder.value or "/")


def page(stepper: Stepper, linux: str = "") -> str:
    """The steps that were taken, how the last one was looked up, and what it changed."""
    if not stepper.taken:
        count = len(stepper.mount.lowers)
        upper = "has been written to" if stepper.mount.upper.children else "is empty"
        body = told(f"No step yet. {count} lower directories lie under one upper, which {upper}.")
        return f'{CSS}{LOOK}<div class="imgkit">{body}</div>'
    last = stepper.taken[-1]
    lines = "\n".join(f"{n}  $ {step.line}" for n, step in enumerate(stepper.taken, 1))
    answer = f"\n{last.answer.rstrip()}" if last.answer else ""
    asked = _rows(("Asked", "for", "It has", "So"), stepper.answers(last.trace))
    changed = _rows(("In upper", "Path", "Why"), last.changes)
    look = "refused" if last.error else "kept" if last.effects else "none"
    sections = [
        f'<pre tabindex="0" aria-label="Steps so far">{safe(lines + answer)}</pre>',
        told(shown(f"{last.said} {linux}".rstrip()), look),
        caption("Who was asked for the path, before the step") + asked if last.trace else "",
        caption("What it did to upper") + changed if last.effects else "",
    ]
    return f'{CSS}{LOOK}<div class="imgkit">{"".join(sections)}</div>'


def trees(stepper: Stepper, folder: str) -> str:
    """What merged shows in a directory, and what upper and each lower have there."""
    names = ("Path", "merged", *reversed(stepper.names))
    body = "".join(
        f'<tr><th scope="row"><code>{safe(row.path)}</code></th>'
        f'<td class="merged{" gone" * (row.merged == GONE)}">{safe(row.merged)}</td>'
        + "".join(_cell(text, is_upper=not n) for n, text in enumerate(row.trees))
        + "</tr>"
        for row in stepper.rows(folder)
    )
    return (
        f'<div class="imgkit"><div class="imgkit-trees" tabindex="0" role="region" '
        f'aria-label="All directories">{table(names, body)}</div>{_WORK}</div>'
    )


def _cell(text: str, *, is_upper: bool) -> str:
    kind = "whiteout" if text == "whiteout" else "upper" if is_upper else "layer"
    return f'<td class="{kind}">{safe(text)}</td>' if text else "<td></td>"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table, which can be scrolled where it is long."""
    body = "".join(f"<tr>{''.join(map(td, row))}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{safe(head[0])}">'
        f"{table(head, body)}</div>"
    )


def _parent(path: str) -> str:
    return f"/{path.strip('/')}".rpartition("/")[0] or "/"

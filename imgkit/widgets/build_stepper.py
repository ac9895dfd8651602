"""BuildStepper: build a Dockerfile by steps, change a line, and see what the cache still has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import ipywidgets

from imgkit import samples
from imgkit.build import Options
from imgkit.lab import Lab
from imgkit.legend import LEGEND
from imgkit.printable import shown
from imgkit.rebuild import BASE, Rebuild, Row, Run
from imgkit.widgets.style import CSS, caption, safe, table, told
from imgkit.widgets.view import View, button, checkbox, field, labelled, show

LOOK: Final = f"""<style>
.imgkit-steps td {{ vertical-align: top !important; }}
.imgkit-steps td.why, .imgkit-steps td.step {{ white-space: normal; overflow-wrap: anywhere; }}
.imgkit-steps td.from {{ border-left: 4px solid transparent; padding-left: 8px; }}
.imgkit-steps th:nth-child(3) {{ padding-left: 12px; }}
.imgkit-steps .cached {{ border-left-color: {LEGEND["layer"].colour} !important; }}
.imgkit-steps .anew {{ border-left-color: {LEGEND["upper layer"].colour} !important;
  border-left-style: dashed !important; font-weight: 600; }}
</style>"""

_HEAD: Final = ("No.", "Step", "How", "Made", "Why")


class BuildStepper(View):
    """A view of one `Rebuild`: edit the Dockerfile or a file, then build, all at once or by steps.

    It builds in the lab's local repository; the image gets the name `tag`.
    """

    def __init__(
        self, lab: Lab, text: str, files: Mapping[str, bytes] | None = None, tag: str = "app"
    ) -> None:
        options = Options(
            clock=lambda: samples.NOW,
            native=lab.platform,
            pull=lambda name, platform: lab.pull(
                name.familiar, str(platform) if platform else None
            ),
        )
        self.rebuild = Rebuild(lab.store, text, files or {}, options, tag)
        self.text = _area(text, "Dockerfile", len(text.splitlines()) + 1)
        self.file = ipywidgets.Dropdown(
            options=[(shown(name), name) for name in self.rebuild.files],
            description="File",
            **labelled("360px", 80),
        )
        self.content = _area("", "holds", 3)
        self.no_cache = checkbox("Without the cache (--no-cache)")
        self.go = button("Build", "All steps that are left", self._build, "primary")
        self.next = button("Next step", "One step of the build", self._step)
        self.view = ipywidgets.HTML()
        self.step = ipywidgets.Dropdown(description="Show step", **labelled("760px", 80))
        self.about = ipywidgets.HTML()
        files_box = ipywidgets.VBox([self.file, self.content])
        show(files_box, on=bool(self.rebuild.files))
        buttons = ipywidgets.HBox([self.go, self.next, self.no_cache])
        self.box = ipywidgets.VBox(
            [self.text, files_box, buttons, self.view, self.step, self.about]
        )
        self._chose_file()
        self.text.observe(self._edited, "value")
        self.file.observe(self._chose_file, "value")
        self.content.observe(self._edited, "value")
        self.no_cache.observe(self._edited, "value")
        self.step.observe(self._draw_step, "value")
        self._draw()

    @property
    def run(self) -> Run:
        """The build that was begun last."""
        return self.rebuild.runs[-1] if self.rebuild.runs else Run()

    @property
    def row(self) -> Row | None:
        """The step that is shown in full."""
        number: int | None = self.step.value
        return self.run.rows[number - 1] if number else None

    def edit(self, name: str, content: str) -> None:
        """Type into a file of the context, as one would."""
        self.file.value = name
        self.content.value = content

    def __repr__(self) -> str:
        lines = [repr(self.rebuild)]
        if self.row:
            lines += ["", f"Step {self.row.number}", *(f"  {line}" for line in _facts(self.row))]
        return shown("\n".join(lines))

    # -- what was clicked -----------------------------------------------------------------------

    def _edited(self, *_: object) -> None:
        """Afterwards the next build is of what stands in the fields."""
        rebuild, files = self.rebuild, dict(self.rebuild.files)
        if self.file.value is not None and _text(files[self.file.value]) != self.content.value:
            files[self.file.value] = self.content.value.encode()
        new = self.text.value, files, self.no_cache.value
        if new != (rebuild.text, rebuild.files, rebuild.no_cache):
            rebuild.stop()
            rebuild.text, rebuild.files, rebuild.no_cache = new

    def _chose_file(self, *_: object) -> None:
        if self.file.value is not None:
            self.content.value = _text(self.rebuild.files[self.file.value])

    def _build(self, *_: object) -> None:
        self.rebuild.build()
        self._draw()

    def _step(self, *_: object) -> None:
        self.rebuild.step()
        self._draw()

    def _draw(self) -> None:
        rows = self.run.rows
        self.view.value = page(self.rebuild)
        self.step.options = [(f"{row.number}  {shown(row.text)}", row.number) for row in rows]
        anew = [row.number for row in rows if not row.cached and row.kind != BASE]
        self.step.value = (anew[0] if self.run.is_done and anew else len(rows)) or None
        show(self.step, on=bool(rows))
        self._draw_step()

    def _draw_step(self, *_: object) -> None:
        text = safe("\n".join(_facts(self.row))) if self.row else ""
        pre = f'<pre tabindex="0" aria-label="The step">{text}</pre>'
        self.about.value = f'<div class="imgkit">{pre}</div>' if text else ""


def page(rebuild: Rebuild) -> str:
    """The steps of the last build, and how it went."""
    if not rebuild.runs:
        return f'{CSS}<div class="imgkit">{told("Nothing has been built yet.")}</div>'
    run = rebuild.runs[-1]
    body = "".join(map(_tr, run.rows))
    look = "refused" if run.error else "kept" if run.is_done else "none"
    number = caption(f"Build {len(rebuild.runs)}")
    rows = table(_HEAD, body) if run.rows else ""
    return (
        f'{CSS}{LOOK}<div class="imgkit imgkit-steps">{number}{rows}'
        f"{told(shown(run.said), look)}</div>"
    )


def _tr(row: Row) -> str:
    look = "" if row.kind == BASE else "cached" if row.cached else "anew"
    kind = "" if row.kind == BASE else f'<span class="kind {row.kind}"></span>'
    made = "" if row.kind == BASE else row.made
    return (
        f'<tr><td>{row.number}</td><td class="step"><code>{safe(row.text)}</code></td>'
        f'<td class="from {look}">{row.source}</td><td>{kind}{made}</td>'
        f'<td class="why">{safe(row.why)}</td></tr>'
    )


def _facts(row: Row) -> list[str]:
    """All about one step, line by line."""
    if row.kind == BASE:
        return [f"image       {row.image or 'scratch: nothing at all'}"]
    container = row.container or "none was needed"
    if row.cached:
        container = "none: it ran in an earlier build"
    what = "files" if row.diff_id else "settings"
    lines = [f"began with  {row.before}", f"container   {container}"]
    lines += [f"prints      {line}" for line in row.screen.splitlines()]
    lines += [f"{what:<12}{change}" for change in row.changes[:12]] or [f"{what:<12}none changed"]
    lines += [f"            and {len(row.changes) - 12} more"] * (len(row.changes) > 12)
    if row.diff_id:
        lines.append(f"DiffID      {row.diff_id}")
    return [*lines, f"image       {row.image}"]


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _area(text: str, name: str, rows: int) -> Any:
    return field(ipywidgets.Textarea, text, description=name, rows=rows, **labelled("760px", 80))

"""Figures: a drawing, the same facts as a table, and the same facts in words.

A figure is made from a model, and so are its alternative text and its table: they can't drift.
This is the one place that renders. The wheel `graphviz-pure` gives the same bytes on every
machine; a `dot` on PATH is the fall-back; another renderer is plugged in at the front of
`RENDERERS` (a browser has no programs to call). Without any, the facts are shown in words.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from imgkit.printable import shown

Renderer = Callable[[str], str | None]
"""Makes SVG from DOT, or None where that cannot be done."""

SANS: Final = "Helvetica"
MONO: Final = "Courier"
"""The faces that the bundled renderer has the widths of; `_finish` names what a browser shows."""

NO_RENDERER: Final = (
    "The picture could not be drawn: no renderer was found (install graphviz-pure, or Graphviz)."
)

# Faces that are as wide as those measured, and the one wide face squeezed.
_FACES: Final = {
    f"{SANS},sans-Serif": "Helvetica,Arial,'Liberation Sans','DejaVu Sans Condensed',sans-serif",
    f"{MONO},monospace": "Menlo,'DejaVu Sans Mono','Liberation Mono','Courier New',monospace",
}
_PANEL: Final = (
    '<rect x="0.5" y="0.5" width="{:.0f}" height="{:.0f}" rx="10" fill="#ffffff" stroke="#c8ccd0"/>'
)
_LOOK: Final = """<style>
.imgkit-figure figcaption { overflow-wrap: anywhere; }
.imgkit-figure :is(td, th) { text-align: left !important; }
.imgkit-figure .long { min-width: 8em; overflow-wrap: anywhere; }
.imgkit-figure .long code { word-break: break-all; }
</style>"""
_LONG: Final = 40
"""Characters of a word that may be broken anywhere: a digest, say."""


@dataclass(frozen=True, slots=True, repr=False)
class Figure:
    """A drawing in DOT, what it shows in a sentence or two, and its facts in rows."""

    dot: str
    alt: str
    caption: str
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    links: Sequence[tuple[str, str]] = field(default=())

    def svg(self) -> str | None:
        """The drawing as SVG on a white panel, or None where there is no renderer."""
        return render(self.dot)

    def words(self) -> str:
        """The same in words: the alternative text, then the rows."""
        lines = [self.caption, self.alt]
        lines += [" | ".join(row) for row in (self.headings, *self.rows) if row]
        return shown("\n".join(lines))

    def html(self) -> str:
        """The same for a notebook, where a picture is an `<img>` with alternative text."""
        svg = self.svg()
        picture = f"<p>{_safe(self.alt)}</p><p><em>{NO_RENDERER}</em></p>"
        if svg is not None:
            data = base64.b64encode(svg.encode()).decode()
            picture = f'<img alt="{_safe(self.alt)}" src="data:image/svg+xml;base64,{data}">'
        caption = f"<figcaption>{_safe(self.caption)}{self._links()}</figcaption>"
        body = picture + caption + self._table(svg is None)
        return f'{_LOOK}<figure class="imgkit-figure" style="margin: 0">{body}</figure>'

    def _links(self) -> str:
        if not self.links:
            return ""
        items = [f'<a href="{escape(url)}">{_safe(text)}</a>' for text, url in self.links]
        return f"<br>{' · '.join(items)}"

    def _table(self, opened: bool) -> str:
        if not self.rows:
            return ""
        head = "".join(f"<th>{_safe(text)}</th>" for text in self.headings)
        body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in self.rows)
        return (
            f"<details{' open' * opened}><summary>The same as a table</summary>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></details>"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/html": self.html(), "text/plain": self.words()}

    def __repr__(self) -> str:
        return self.words()


def render(dot: str) -> str | None:
    """The drawing as SVG, by the first renderer that can; the same everywhere by the first two."""
    for renderer in RENDERERS:
        svg = renderer(dot)
        if svg is not None:
            return _finish(svg)
    return None


def bundled(dot: str) -> str | None:
    """SVG by the program in the wheel `graphviz-pure`."""
    scripts = sysconfig.get_path("scripts")
    return _run(shutil.which("graphviz-pure", path=scripts) or shutil.which("graphviz-pure"), dot)


def installed(dot: str) -> str | None:
    """SVG by the system's Graphviz, if there is one."""
    return _run(shutil.which("dot"), dot)


RENDERERS: Final[list[Renderer]] = [bundled, installed]


def _run(program: str | None, dot: str) -> str | None:
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=dot.encode(), capture_output=True, check=False
        )
    except OSError:
        return None
    return done.stdout.decode() or None if done.returncode == 0 else None


def _finish(svg: str) -> str:
    """The SVG without its origin, one unit a pixel, on a white panel (a theme may be dark)."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.DOTALL)
    for drawn, face in _FACES.items():
        svg = svg.replace(f'font-family="{drawn}"', f'font-family="{face}"')
    size = re.search(r'<svg width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if size is None:
        return svg
    width, height = float(size[1]), float(size[2])
    svg = svg.replace(size[0], f'<svg width="{width:.0f}" height="{height:.0f}"')
    opening = svg.index(">") + 1
    return svg[:opening] + "\n" + _PANEL.format(width - 1, height - 1) + svg[opening:]


def _safe(text: str) -> str:
    return escape(shown(text))


def _cell(text: str) -> str:
    safe = f"<code>{_safe(text)}</code>" if _is_code(text) else _safe(text)
    long = any(len(word) > _LONG for word in shown(text).split())
    return f'<td class="long">{safe}</td>' if long else f"<td>{safe}</td>"


def _is_code(text: str) -> bool:
    return re.match(r"sha(256|512):|GET |PUT ", text) is not None

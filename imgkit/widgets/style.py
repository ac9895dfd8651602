"""How widgets look: JupyterLab's own colours, light or dark, and the legend's for kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from imgkit.legend import LEGEND
from imgkit.printable import shown

# That of ipywidgets is black, also in the dark.
_ARROW: Final = (
    "url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath fill='%23e0e0e0' d='M5.2 5.9 9 9.7l3.8-3.8 1.2 1.2-5 5-5-5z'/%3E%3C/svg%3E\")"
)

CSS: Final = f"""<style>
[data-jp-theme-light="false"] .jupyter-widgets {{ --jp-widgets-dropdown-arrow: {_ARROW}; }}
.imgkit {{ color: var(--jp-content-font-color1, #1b1f23); line-height: 1.45;
  max-width: 860px; }}
.widget-html-content:has(> .imgkit) {{ min-width: 0; }}
.imgkit table {{ border-collapse: collapse; width: 100%; font-size: 13px; }}
.imgkit th {{ text-align: left; font-weight: 600; padding: 3px 10px 3px 0;
  border-bottom: 1px solid var(--jp-border-color1, #c8ccd0); }}
.imgkit td {{ padding: 3px 10px 3px 0; vertical-align: middle; white-space: nowrap;
  border-bottom: 1px solid var(--jp-border-color2, #e1e4e8); }}
.imgkit tbody th {{ border-color: var(--jp-border-color2, #e1e4e8); }}
.imgkit .size {{ text-align: right; }}
.imgkit code, .imgkit pre {{ font-family: var(--jp-code-font-family, monospace); font-size: 12px;
  background: none; color: inherit; }}
.imgkit code {{ overflow-wrap: anywhere; }}
.imgkit code[title] {{ overflow-wrap: normal; white-space: nowrap; }}
.imgkit pre {{ margin: 4px 0; padding: 8px 10px; max-height: 240px; overflow: auto;
  white-space: pre; border-radius: 4px; background: var(--jp-layout-color2, #f2f3f5); }}
.imgkit .scroll {{ max-height: 330px; overflow: auto; }}
.imgkit .kind {{ display: inline-block; width: 10px; height: 10px; margin-right: 7px;
  border-radius: 2px; }}
.imgkit .kind.layer {{ background: {LEGEND["layer"].colour}; }}
.imgkit .kind.config {{ background: {LEGEND["config"].colour}; }}
.imgkit .bar {{ width: 132px; height: 9px; border-radius: 5px; overflow: hidden;
  background: var(--jp-layout-color3, #d8dbdf); }}
.imgkit .bar div {{ height: 100%; background: {LEGEND["registry"].colour}; }}
.imgkit .bar.kept div {{ background: {LEGEND["layer"].colour}; }}
.imgkit .bar.refused div {{ background: {LEGEND["upper layer"].colour}; }}
.imgkit .told {{ margin: 8px 0 4px; padding: 7px 11px; border-left: 4px solid;
  border-radius: 2px; background: var(--jp-layout-color2, #f2f3f5); overflow-wrap: anywhere; }}
.imgkit .told.kept {{ border-color: {LEGEND["layer"].colour}; }}
.imgkit .told.refused {{ border-color: {LEGEND["upper layer"].colour}; }}
.imgkit .told.none {{ border-color: {LEGEND["whiteout"].colour}; }}
.imgkit .long, .imgkit .long code {{ white-space: normal; overflow-wrap: anywhere; }}
.imgkit .long {{ min-width: 14em; }}
.imgkit td:has(> code:not([title])) {{ min-width: 9em; }}
.imgkit p.caption {{ margin: 10px 0 2px; font-size: 13px; font-weight: 600; }}
.imgkit-mono select, .imgkit-mono textarea {{ font-size: 12px; white-space: pre;
  font-family: var(--jp-code-font-family, monospace); }}
@media (max-width: 1150px) {{
  .widget-vbox:has(.imgkit) .jupyter-widgets {{ max-width: calc(100% - 4px) !important; }}
  .widget-vbox:has(.imgkit) .widget-hbox {{ flex-wrap: wrap; }}
  .widget-vbox:has(.imgkit) .widget-radio-box label {{ display: flex; height: auto;
    flex-direction: row-reverse; justify-content: flex-end; }}
  .imgkit :is(td, th) {{ white-space: normal; }}
  .imgkit :is(.scroll, .imgkit-matrix, .imgkit-trees) :is(td:not(.long), th),
  .imgkit td:is(.layer, :has(> .kind)) {{ white-space: nowrap; }}
}}
</style>"""


# Hebrew, Arabic and the like, which draw the digits and signs beside them into their order.
_LEFTWARD: Final = re.compile(
    r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]+"
)


def safe(text: str) -> str:
    """Text for a page, whoever wrote it: no markup, nothing that steers, all from left to right.

    Words of a script that is written leftward stay so, each by itself.
    """
    return _LEFTWARD.sub(r"<bdi>\g<0></bdi>", escape(shown(text)))


def td(text: str, kind: str = "") -> str:
    """A cell of a table; one that holds much is wrapped, within a word where it must be."""
    look = f"{kind} long".strip() if len(text) > 48 else kind
    return f'<td class="{look}">{safe(text)}</td>' if look else f"<td>{safe(text)}</td>"


def table(head: Sequence[str], body: str) -> str:
    """Rows of HTML below the names of their columns."""
    heads = "".join(f'<th scope="col">{safe(text)}</th>' for text in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def caption(text: str) -> str:
    """What stands above a part. It is no heading: those of the lesson have their own order."""
    return f'<p class="caption">{safe(text)}</p>'


def told(text: str, look: str = "none") -> str:
    """A sentence that a screen reader says when it changes; `look`: kept, refused or none."""
    return f'<div class="told {look}" role="status">{safe(text)}</div>'

"""Who talks to whom in one pull."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgkit.client import Exchange
from imgkit.conversation import Step, steps
from imgkit.figure import Figure
from imgkit.image import Copied
from imgkit.legend import LEGEND, Drawing, bold, brief, faint, mono, place

_PARTIES: Final = {"repository": 0, "client": 212, "registry": 516, "token service": 660}
"""Who takes part in a pull, and how many pixels to the right their line is drawn."""
_NAMES: Final = {"repository": ("local", "repository"), "token service": ("token", "service")}


def conversation(requests: Sequence[Exchange], copied: Copied) -> Figure:
    """Who talks to whom in one pull, in order: requests, answers, and the local repository."""
    drawing = Drawing.grid()
    told = steps(requests, copied)
    bottom = 48 + 56 * len(told)
    for party, x in _PARTIES.items():
        drawing.thing(party, party, *map(bold, _NAMES.get(party, (party,))), **place(x, 0, 110, 48))
        _point(drawing, f"{party} end", x, bottom)
        drawing.arrow(party, f"{party} end", arrowhead="none", style="dashed", color="#c8ccd0")
    for number, step in enumerate(told, 1):
        _exchange(drawing, number, step, 10 + 56 * number)
    caption = f"One pull, {len(requests)} requests. Solid arrow: asks. Dashed arrow: answers."
    alt = "Who talks to whom in one pull. " + " ".join(
        f"{number}. {step}." for number, step in enumerate(told, 1)
    )
    rows = [
        (f"{number}", step.to, asked, step.answer)
        for number, step in enumerate(told, 1)
        for asked in step.requests or (step.asks,)
    ]
    return Figure(drawing.dot, alt, caption, ("step", "asked of", "request", "answer"), rows)


def _exchange(drawing: Drawing, number: int, step: Step, y: int) -> None:
    """One step: a numbered arrow there, and a dashed one back."""
    here, there = _PARTIES["client"], _PARTIES[step.to]
    leftmost = min(here, there) + 16
    width = abs(there - here) - 32
    asks = mono(brief(step.asks, width // 7), 12) if step.requests else faint(step.asks)
    drawing.text(f"asks {number}", asks, text_width=width, **place(leftmost + width / 2, y - 10))
    drawing.text(
        f"says {number}",
        faint(step.answer),
        text_width=width,
        **place(leftmost + width / 2, y + 12),
    )
    for name, dy, back in (("asks", 0, False), ("says", 22, True)):
        ends = [f"{number} {name} client", f"{number} {name} other"]
        _point(drawing, ends[0], here, y + dy)
        _point(drawing, ends[1], there, y + dy)
        colour = LEGEND[step.to].colour
        drawing.arrow(
            *ends[:: -1 if back else 1], style="dashed" if back else "solid", color=colour
        )
    drawing.graph.node(
        f"{number}",
        shape="circle",
        style="filled",
        fillcolor="#1b1f23",
        color="#1b1f23",
        fontcolor="#ffffff",
        fontsize="12",
        **place(here, y, 20, 20),
    )


def _point(drawing: Drawing, name: str, x: float, y: float) -> None:
    drawing.graph.node(name, label="", shape="point", style="invis", **place(x, y, 0.1, 0.1))

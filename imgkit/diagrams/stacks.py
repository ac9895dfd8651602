"""The directories of an overlay mount, and one lookup traced through them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from imgkit.container import Container
from imgkit.figure import Figure
from imgkit.legend import FAINT, Drawing, bold, brief, faint, mono, place
from imgkit.mount import Mount
from imgkit.printable import shown
from imgkit.stepper import UPPER, Stepper

NOT_ASKED: Final = "not asked"

_STEP: Final = 40
"""Pixels from one directory of a stack to the next."""
_TOP: Final = 62
_LINE: Final = 396
"""How far to the right the line of the lookup is drawn."""


def lookup(on: Stepper | Container | Mount, path: str) -> Figure:
    """The directories of a mount, from the top, and what each has when a path is looked up."""
    stepper = on if isinstance(on, Stepper) else Stepper(on)
    path = "/" + path.strip("/")
    said = _answers(stepper, path)
    names = list(reversed(stepper.names))
    drawing = Drawing.grid()
    merged = [bold("merged"), faint("what a program sees as /")]
    drawing.thing("merged", "container", *merged, **place(250, 0, 250, 48))
    drawing.text("path", mono(brief(path, 44)), text_width=346, **place(606, 0))
    work = [bold("work"), faint("workdir, for the"), faint("kernel alone")]
    drawing.text("work", *work, text_width=108, **place(54, _TOP))
    for number, name in enumerate(names):
        kind, y = "upper layer" if name == UPPER else "layer", _TOP + _STEP * number
        lines = f"{bold(name)}  {faint(_option(name))}"
        drawing.thing(f"tree {number}", kind, lines, **place(250, y, 250, 34))
        text, asked = said.get(name, (NOT_ASKED, False))
        look = bold(text) if asked else faint(text)
        drawing.text(f"said {number}", look, text_width=346, **place(606, y))
    _trace(drawing, [n for n, name in enumerate(names) if said.get(name, ("", False))[1]])
    rows = [(name, _option(name), said.get(name, (NOT_ASKED,))[0]) for name in names]
    told = "; ".join(f"{name}: {text}" for name, _, text in rows)
    alt = f"{shown(path)} is looked up in merged, which asks from the top. {told}."
    caption = f"{shown(path)}, looked up. The first directory that has it ends the search."
    return Figure(drawing.dot, alt, caption, ("directory", "option of the mount", "it has"), rows)


def _option(name: str) -> str:
    return "upperdir" if name == UPPER else "lowerdir"


def _answers(stepper: Stepper, path: str) -> dict[str, tuple[str, bool]]:
    """What each directory that is asked has, by name; and whether it is asked for the path itself.

    The directories on the way are looked up first: who has none of them is not asked again.
    """
    said: dict[str, tuple[str, bool]] = {}
    for ask in stepper.asked(path):
        name, found = stepper.names[ask.layer], shown(ask.found)
        if ask.path == path:
            said[name] = (found if ask.goes_on else f"{found}: the search ends here"), True
        elif found != "directory":
            there = f"no {ask.path}" if found == "nothing" else f"{ask.path} is a {found}"
            said[name] = brief(there, 48), False
    return said


def _trace(drawing: Drawing, asked: Iterable[int]) -> None:
    """A line down from merged past all that are asked, and an arrow to the last of them."""
    numbers = list(asked)
    before = "start"
    _point(drawing, before, 0)
    for number in numbers:
        at = f"ask {number}"
        _point(drawing, at, _TOP + _STEP * number)
        drawing.arrow(before, at, arrowhead="none")
        drawing.arrow(
            at, f"tree {number}:e", arrowhead="normal" if number == numbers[-1] else "none"
        )
        before = at


def _point(drawing: Drawing, name: str, y: float) -> None:
    drawing.graph.node(name, label="", shape="point", color=FAINT, **place(_LINE, y, 5, 5))

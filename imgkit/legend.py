"""The one visual language: one shape and one colour for each kind of thing.

`LEGEND` is all of it; diagrams and widgets draw from it. The colours are those of Okabe and Ito,
which also those tell apart who see no red or green. The rest of this module writes DOT.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Final, Self
from unicodedata import east_asian_width

from graphviz import Digraph

from imgkit.figure import MONO, SANS
from imgkit.printable import shown

INK: Final = "#1b1f23"
FAINT: Final = "#57606a"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of thing is drawn, everywhere, and what it is in a few words."""

    shape: str
    colour: str
    meaning: str
    style: str = "filled"

    @property
    def tint(self) -> str:
        """The colour, light enough to be written on."""
        channels = (int(self.colour[start : start + 2], 16) for start in (1, 3, 5))
        return "#" + "".join(f"{round(255 - (255 - c) * 0.22):02x}" for c in channels)

    @property
    def drawn(self) -> str:
        """Shape and colour in words."""
        return f"{'dashed ' * ('dashed' in self.style)}{self.shape}, {self.colour}"

    @property
    def look(self) -> dict[str, str]:
        """The attributes of a Graphviz node of this kind."""
        style, colours = self.style, {"color": self.colour, "fillcolor": self.tint}
        return {"shape": self.shape, "style": style, **colours}


LEGEND: Final = {
    "registry": Kind("cylinder", "#0072b2", "a server that keeps repositories"),
    "repository": Kind("folder", "#56b4e9", "images of one name; also your local one"),
    "name": Kind("cds", "#57606a", "a repository and a tag: it can be moved"),
    "index": Kind("hexagon", "#cc79a7", "a list: one manifest for each platform"),
    "manifest": Kind("note", "#e69f00", "one image: its config and its layers"),
    "config": Kind("component", "#b8a800", "how to run it, and its history"),
    "layer": Kind("box", "#009e73", "a tar of changes; read-only"),
    "upper layer": Kind("box", "#d55e00", "what a container writes", "filled,dashed,rounded"),
    "whiteout": Kind("octagon", "#8c959f", "says: stop looking, this is deleted"),
    "container": Kind("box3d", "#1b1f23", "a program, on layers and an upper layer"),
    "client": Kind("ellipse", "#57606a", "you: Docker, or imgkit"),
    "token service": Kind("house", "#57606a", "hands out tokens to pull with"),
}
"""Every kind of thing in every diagram and widget: one shape and one colour."""


class Drawing:
    """A diagram in the making, in the house style; 1 point is 1 pixel on the page."""

    def __init__(self, **attributes: str) -> None:
        self.graph = Digraph()
        self.graph.attr(bgcolor="transparent", pad="0.2", **attributes)
        self.graph.attr("node", fontname=SANS, fontsize="14", fontcolor=INK)
        self.graph.attr("node", penwidth="2", margin="0.14,0.08")
        self.graph.attr("edge", penwidth="1.5", color=FAINT, arrowsize="0.8")

    @classmethod
    def grid(cls) -> Self:
        """One in which every node says where it is (`place`)."""
        return cls(layout="neato", inputscale="72", splines="line")

    @property
    def dot(self) -> str:
        return str(self.graph.source)

    def thing(self, name: str, kind: str, *lines: str, **more: str) -> None:
        """A node that is one of the kinds of the legend."""
        self.graph.node(name, label=f"<{'<BR/>'.join(lines)}>", **LEGEND[kind].look | more)

    def text(self, name: str, *lines: str, text_width: int, **more: str) -> None:
        """Lines without a frame, set flush left within that many pixels."""
        self.box(name, *lines, text_width=text_width, **{"shape": "plain"} | more)

    def box(self, name: str, *lines: str, text_width: int, **look: str) -> None:
        """A node of another look, its lines set flush left."""
        cell = f'<TD WIDTH="{text_width}" ALIGN="LEFT" BALIGN="LEFT">{"<BR/>".join(lines)}</TD>'
        label = f'<<TABLE BORDER="0" CELLPADDING="0"><TR>{cell}</TR></TABLE>>'
        self.graph.node(name, label=label, **look)

    def arrow(self, start: str, end: str, **more: str) -> None:
        """An arrow between two nodes, or ports (`name:port`)."""
        self.graph.edge(start, end, **more)


def place(x: float, y: float, width: float = 0, height: float = 0) -> dict[str, str]:
    """A fixed place for a node of a grid, pixels to the right and down, and a fixed size."""
    where = {"pos": f"{x:g},{-y:g}!"}
    if width:
        inches = {"width": f"{width / 72:.3f}", "height": f"{height / 72:.3f}"}
        where |= {"fixedsize": "true", "margin": "0", **inches}
    return where


def plain(text: str) -> str:
    return escape(shown(text))


def bold(text: str) -> str:
    return f"<B>{plain(text)}</B>"


def mono(text: str, size: int = 13) -> str:
    return f'<FONT FACE="{MONO}" POINT-SIZE="{size}">{plain(text)}</FONT>'


def faint(text: str) -> str:
    return f'<FONT COLOR="{FAINT}" POINT-SIZE="13">{plain(text)}</FONT>'


def wrapped(text: str, width: int, most: int | None = None) -> list[str]:
    """The text in lines of at most that many characters, and at most so many lines."""
    return textwrap.wrap(
        shown(text), width, break_on_hyphens=False, max_lines=most, placeholder="…"
    )


def brief(text: str, most: int) -> str:
    """The text as it can be shown in `mono`, at most that many columns; `…` says that it was cut.

    A letter of East Asia takes two columns, and so does an emoji.
    """
    return _cut(shown(text), most, lambda letter: 2 if _is_wide(letter) else 1)


def fitted(text: str, room: float, points: int = 14) -> str:
    """The text as it can be shown in the other face, even bold, in so many pixels; `…` as above."""
    return _cut(shown(text), room * _SPARE / points, _thousandths)


def _cut(text: str, room: float, width: Callable[[str], int]) -> str:
    if sum(map(width, text)) <= room:
        return text
    ends = accumulate(map(width, text), initial=width("…"))
    return text[: sum(end <= room for end in ends) - 1] + "…"


_WIDTHS: Final = {
    350: " !'(),-./:;I[\\]`fijlt|",
    474: '"*r{}',
    584: "#$+0123456789<=>J^_acekszvxy~",
    667: "?EFLPSTVXYZbdghnopqu",
    778: "&ABCDGHKNOQRUw",
    980: "%@MWm",
}
"""Letters of bold Helvetica by their width or a little more, in thousandths of their height."""
_SPARE: Final = 900
"""For the faces of other systems, of which some are wider by a tenth."""


def _thousandths(letter: str) -> int:
    known = (width for width, letters in _WIDTHS.items() if letter in letters)
    return next(known, 1300 if _is_wide(letter) else 1000)


def _is_wide(letter: str) -> bool:
    return east_asian_width(letter) in "WF"

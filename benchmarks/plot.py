"""Lines in a picture: both axes logarithmic, written as SVG by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 300, 220
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 30, 12, 40
_COLOURS: Final = ("#1f6feb", "#d9480f", "#2b8a3e")

Line = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """One small picture: its title, what the axes are, and lines by their names."""

    title: str
    x: str
    y: str
    lines: Mapping[str, Line]


def picture(rows: Sequence[Sequence[Panel]]) -> str:
    """The panels in a grid."""
    width, height = WIDTH * max(map(len, rows)), HEIGHT * len(rows)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for down, row in enumerate(rows):
        for right, panel in enumerate(row):
            moved = f'<g transform="translate({right * WIDTH} {down * HEIGHT})">'
            parts += [moved, *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines.values() for point in line]
    xs, ys = _range([x for x, _ in points]), _range([y for _, y in points])
    turned = f'transform="translate(12 {HEIGHT / 2}) rotate(-90)" text-anchor="middle"'
    parts = [
        _text(WIDTH / 2, 16, panel.title, 'text-anchor="middle" font-weight="bold"'),
        _text(WIDTH / 2, HEIGHT - 6, panel.x),
        _text(0, 0, panel.y, turned),
    ]
    for power in range(xs[0], xs[1] + 1):
        at = _across(10**power, xs)
        parts.append(_stroke([(at, _TOP), (at, HEIGHT - _BOTTOM)], "#ddd"))
        parts.append(_text(at, HEIGHT - _BOTTOM + 14, _short(power)))
    for power in range(ys[0], ys[1] + 1):
        at = _down(10**power, ys)
        parts.append(_stroke([(_LEFT, at), (WIDTH - _RIGHT, at)], "#ddd"))
        parts.append(_text(_LEFT - 4, at + 4, _short(power), 'text-anchor="end"'))
    for number, (name, line) in enumerate(panel.lines.items()):
        drawn = [(_across(x, xs), _down(y, ys)) for x, y in line]
        parts.append(_stroke(drawn, _COLOURS[number], 2))
        parts += [
            f'<circle cx="{x}" cy="{y}" r="2.5" fill="{_COLOURS[number]}"/>' for x, y in drawn
        ]
        at = _TOP + 12 + 13 * number
        parts.append(_text(_LEFT + 6, at, name, f'fill="{_COLOURS[number]}"'))
    return parts


def _text(x: float, y: float, text: str, how: str = 'text-anchor="middle"') -> str:
    return f'<text x="{x}" y="{y}" {how}>{text}</text>'


def _stroke(points: Line, colour: str, width: float = 1) -> str:
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{text}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _range(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten between which all values are."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _across(value: float, powers: tuple[int, int]) -> float:
    part = (math.log10(value) - powers[0]) / (powers[1] - powers[0])
    return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)


def _down(value: float, powers: tuple[int, int]) -> float:
    part = (math.log10(value) - powers[0]) / (powers[1] - powers[0])
    return round(HEIGHT - _BOTTOM - part * (HEIGHT - _TOP - _BOTTOM), 1)


def _short(power: int) -> str:
    if power < 0:
        return f"{10**power:g}"
    return f"{10 ** (power % 3)}{('', 'k', 'M')[power // 3]}"

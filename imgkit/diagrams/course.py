"""The legend, and the map of the course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from imgkit.figure import Figure
from imgkit.legend import LEGEND, Drawing, bold, faint, place, plain, wrapped


def legend() -> Figure:
    """What each shape and colour stands for."""
    drawing = Drawing.grid()
    for position, (name, kind) in enumerate(LEGEND.items()):
        x, y = 256 * (position % 3), 66 * (position // 3)
        drawing.thing(name, name, bold(name), **place(x, y, 116, 40))
        meaning = map(faint, wrapped(kind.meaning, 21))
        drawing.text(f"{name}: meaning", *meaning, text_width=138, **place(x + 136, y))
    rows = [(name, kind.drawn, kind.meaning) for name, kind in LEGEND.items()]
    alt = "Legend. " + "; ".join(f"{name}: {kind.meaning}" for name, kind in LEGEND.items()) + "."
    caption = "One shape and one colour for each kind of thing, in every picture of this course."
    return Figure(drawing.dot, alt, caption, ("thing", "drawn as", "meaning"), rows)


class Lesson(Protocol):
    """What the map needs to know of a lesson."""

    @property
    def file(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def group(self) -> str: ...


_BOX: Final = {
    "shape": "box",
    "color": "#0072b2",
    "fillcolor": "#e3f0f9",
    "style": "filled,rounded",
}


def course_map(lessons: Sequence[Lesson]) -> Figure:
    """The lessons in order, in groups, each linked."""
    drawing = Drawing.grid()
    groups: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        groups.setdefault(lesson.group, []).append(lesson)
    for row, (group, members) in enumerate(groups.items()):
        _group(drawing, 70 * row, group, members)
    told = [f"{group}: {', '.join(map(_numbered, members))}." for group, members in groups.items()]
    alt = f"Map of the course: {len(lessons)} lessons in {len(groups)} groups. {' '.join(told)}"
    rows = [(_numbered(lesson), lesson.group) for lesson in lessons]
    links = [(_numbered(lesson), f"{lesson.file}.ipynb") for lesson in lessons]
    return Figure(drawing.dot, alt, "The course.", ("lesson", "group"), rows, links)


def _numbered(lesson: Lesson) -> str:
    return f"{lesson.file[:2]} {lesson.title}"


def _group(drawing: Drawing, y: int, group: str, lessons: Sequence[Lesson]) -> None:
    """One row of the map: what the lessons have in common, and the lessons in order."""
    drawing.text(group, *map(bold, wrapped(group, 12)), text_width=96, **place(0, y))
    for column, lesson in enumerate(lessons):
        lines = [bold(lesson.file[:2]), *map(plain, wrapped(lesson.title, 29))]
        where = place(168 + 230 * column, y, 206, 56)
        drawing.box(lesson.file, *lines, text_width=186, **_BOX, **where)
        if column:
            drawing.arrow(lessons[column - 1].file, lesson.file)

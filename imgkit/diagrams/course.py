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
    @property
    def ready(self) -> bool: ...


_BOX: Final = {"shape": "box", "color": "#8c959f", "style": "rounded,dashed"}
_READY: Final = _BOX | {"color": "#0072b2", "fillcolor": "#e3f0f9", "style": "filled,rounded"}


def course_map(lessons: Sequence[Lesson]) -> Figure:
    """The lessons in order, in groups; those that can be opened are drawn solid, and linked."""
    drawing = Drawing.grid()
    groups: dict[str, list[Lesson]] = {}
    for lesson in lessons:
        groups.setdefault(lesson.group, []).append(lesson)
    for row, (group, members) in enumerate(groups.items()):
        _group(drawing, 70 * row, group, members)
    ready = [lesson for lesson in lessons if lesson.ready]
    told = [f"{group}: {', '.join(map(_numbered, members))}." for group, members in groups.items()]
    alt = (
        f"Map of the course: {len(lessons)} lessons in {len(groups)} groups. {' '.join(told)} "
        f"Ready now: {', '.join(lesson.file[:2] for lesson in ready)}."
    )
    unfinished = " Solid: ready to be opened. Dashed: still being written."
    caption = f"The course.{unfinished * (len(ready) < len(lessons))}"
    rows = [(_numbered(n), n.group, "ready" if n.ready else "not yet") for n in lessons]
    links = [(_numbered(lesson), f"{lesson.file}.ipynb") for lesson in ready]
    return Figure(drawing.dot, alt, caption, ("lesson", "group", "state"), rows, links)


def _numbered(lesson: Lesson) -> str:
    return f"{lesson.file[:2]} {lesson.title}"


def _group(drawing: Drawing, y: int, group: str, lessons: Sequence[Lesson]) -> None:
    """One row of the map: what the lessons have in common, and the lessons in order."""
    drawing.text(group, *map(bold, wrapped(group, 12)), text_width=96, **place(0, y))
    for column, lesson in enumerate(lessons):
        write = plain if lesson.ready else faint
        lines = [bold(lesson.file[:2]), *map(write, wrapped(lesson.title, 29))]
        look = (_READY if lesson.ready else _BOX) | place(168 + 230 * column, y, 206, 56)
        drawing.box(lesson.file, *lines, text_width=186, **look)
        if column:
            drawing.arrow(lessons[column - 1].file, lesson.file)

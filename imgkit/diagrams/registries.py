"""Registries hold repositories, and repositories hold images."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from imgkit.figure import Figure
from imgkit.legend import Drawing, bold, brief, faint, mono, place
from imgkit.reference import Reference

_STEP: Final = 44
"""Pixels from one row to the next."""
_SHOWN: Final = 2
"""Tags of a repository that are drawn; the rest is counted."""

_Repositories = dict[str, dict[str, list[str]]]


def registries(names: Sequence[str], shown: Collection[str] = ()) -> Figure:
    """What those image names say of who holds what; `shown`: only repositories that end so."""
    tree = _tree(names, shown)
    drawing = Drawing.grid()
    y = 0.0
    for registry, repositories in tree.items():
        rows = [(path, tags[:_SHOWN], len(tags) - _SHOWN) for path, tags in repositories.items()]
        bottom = y + _STEP * (len(rows) - 1)
        drawing.thing(registry, "registry", bold(registry), **place(0, (y + bottom) / 2, 160, 52))
        for path, tags, more in rows:
            _repository(drawing, registry, path, tags, more, y)
            y += _STEP
        y += _STEP / 2
    told = ". ".join(
        f"{registry} holds "
        + ", ".join(f"{path} ({', '.join(tags)})" for path, tags in held.items())
        for registry, held in tree.items()
    )
    table = [
        (registry, path, " ".join(tags))
        for registry, held in tree.items()
        for path, tags in held.items()
    ]
    caption = "A registry holds repositories; a repository holds images, each with its tags."
    return Figure(drawing.dot, f"{told}.", caption, ("registry", "repository", "tags"), table)


def _tree(names: Sequence[str], shown: Collection[str]) -> _Repositories:
    tree: _Repositories = {}
    for name in map(Reference.parse, names):
        if not shown or name.path.rpartition("/")[2] in shown:
            tree.setdefault(name.registry, {}).setdefault(name.path, []).append(str(name.tag))
    return tree


def _repository(
    drawing: Drawing, registry: str, path: str, tags: Sequence[str], more: int, y: float
) -> None:
    """One repository beside its registry, and its tags beside it."""
    repository = f"{registry}/{path}"
    drawing.thing(repository, "repository", mono(brief(path, 24), 12), **place(230, y, 190, 32))
    drawing.graph.edge(f"{registry}:e", f"{repository}:w", arrowhead="none")
    x = 360.0
    for tag in tags:
        width = max(64, 30 + 8 * min(len(tag), 24))
        drawing.thing(
            f"{repository}:{tag}",
            "name",
            mono(brief(tag, 24), 12),
            **place(x + width / 2, y, width, 30),
        )
        x += width + 10
    if more > 0:
        drawing.text(
            f"{repository} more", faint(f"+ {more} more"), text_width=70, **place(x + 35, y)
        )

"""Names on a command line: what is no name, or names nothing, refused in Docker's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgkit.commands.bench import Bench, Refused, daemon
from imgkit.errors import InvalidReference, NotFound
from imgkit.reference import Reference

if TYPE_CHECKING:  # a pull finds nothing here, and starts faster without
    from imgkit.inventory import Holding


def named(text: str) -> Reference:
    """The name that is written, by itself; the command line refuses what is none."""
    try:
        return Reference.parse(text)
    except InvalidReference as error:
        raise Refused(wrong(error), why=str(error)) from None


def wrong(error: InvalidReference, *, engine: bool = False) -> str:
    """What Docker calls wrong with a name: its command line, or its engine."""
    if error.reason != "uppercase":
        return "invalid reference format"
    name = str(error.text).partition("@")[0]
    path = name.rpartition(":")[0] or name
    first = path.partition("/")[0]
    if first != path and (first == "localhost" or any(c in first for c in ".:")):
        path = path.partition("/")[2]
    elif "/" not in path:
        path = f"library/{path}"
    which = "" if engine else f" ({path})"
    return f"invalid reference format: repository name{which} must be lowercase"


def found(bench: Bench, text: str) -> tuple[Holding, Reference | None]:
    """The image of that name or ID, and the name; the engine refuses what is none."""
    from imgkit.inventory import find  # noqa: PLC0415  see above

    try:
        return find(bench.store, text)
    except NotFound as error:
        try:
            Reference.parse(text)
        except InvalidReference as invalid:
            raise daemon(wrong(invalid, engine=True)) from None
        raise daemon(str(error)) from None


def repository_of(name: Reference) -> str:
    """The repository of a name as people write it: without `docker.io/library/`, tag or digest."""
    return name.with_tag("x").familiar.removesuffix(":x")

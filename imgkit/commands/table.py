"""Lists as Docker prints them: a table, JSON, or a line a row by a template."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from imgkit.commands.bench import Refused
from imgkit.commands.functions import as_json
from imgkit.commands.template import Template


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, in columns of at least ten characters with gaps of three, as Docker's."""
    widths = [max(10, 3 + max(map(len, column))) for column in zip(*table, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in table
    ]


def listed(
    rows: Sequence[Mapping[str, Any]], form: str, heads: Mapping[str, str], kind: str, table: str
) -> list[str]:
    """The lines of a list: `form` is "", "table", "json", "table TEMPLATE" or a template.

    `table` is the template of the table that is printed without one.
    """
    _readable(form)
    form = re.sub(r"\\[tn]", lambda escape: "\t\n"["tn".index(escape[0][1])], form)
    if form == "json":
        return [as_json(dict(sorted(row.items()))) for row in rows]
    if form in ("", "table"):
        form = f"table {table}"
    if not form.startswith("table "):
        template = Template(form, kind)
        return [template.render(dict(sorted(row.items()))) for row in rows]
    template = Template(form.removeprefix("table ").strip(), kind)
    lines = [template.render(heads), *map(template.render, rows)]
    return aligned([line.split("\t") for line in lines])


def _readable(form: str) -> None:
    """Raise `Refused` for a template that cannot be read; unlike `inspect`, lists exit with 1."""
    try:
        Template(form.removeprefix("table ")).check()
    except Refused as refused:
        raise Refused(str(refused)) from None

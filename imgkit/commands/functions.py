"""The functions that a Go template may call, and values as Go prints them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Any, Final

from imgkit import golang


@dataclass(frozen=True, slots=True)
class Nil(Sized):
    """A list, map or pointer of Go that is not there: empty, `null` in JSON, printed as `text`."""

    text: str

    def __len__(self) -> int:
        return 0


def printed(value: Any) -> str:
    """A value as Go prints it.

    >>> printed(["a", 1]), printed({"b": {}, "a": True}), printed(None)
    ('[a 1]', 'map[a:true b:{}]', '<no value>')
    """
    if value is None:
        return "<no value>"
    if isinstance(value, Nil):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        inside = (f"{key}:{printed(value[key])}" for key in sorted(value))
        return f"map[{' '.join(inside)}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(printed, value))}]"
    return str(value)


def as_json(value: Any, indent: int | None = None) -> str:
    r"""A value as Go writes it in JSON, where `<`, `>` and `&` are escaped.

    >>> print(as_json({"a": "<none>"}))
    {"a":"\u003cnone\u003e"}
    """
    separators = None if indent else (",", ":")
    value = None if isinstance(value, Nil) else value
    text = json.dumps(value, ensure_ascii=False, separators=separators, indent=indent)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Nil) or value is None:
            raise IndexError("error calling index: index of untyped nil")
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif not 0 <= key < len(value):
            raise IndexError(f"error calling index: index out of range: {key}")
        else:
            value = value[key]
    return value


def _printf(form: str, *values: Any) -> str:
    some = iter(values)

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        value = next(some, "%!(NOVERB)")
        text = golang.quote(str(value)) if match[2] == "q" else printed(value)
        return f"%{match[1]}s" % text

    return re.sub(r"%(-?\d*(?:\.\d+)?)([sdvq])|%%", one, form)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "json": as_json,
    "join": lambda values, between: between.join(map(printed, values or ())),
    "slice": lambda value, start=0, end=None: value[start:end],
    "split": lambda text, between: text.split(between),
    "len": lambda value: len(value or ()),
    "index": _index,
    "print": lambda *values: "".join(map(printed, values)),
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": _printf,
    "upper": lambda text: str(text).upper(),
    "lower": lambda text: str(text).lower(),
    "title": lambda text: str(text).title(),
    "pad": lambda text, before, behind: " " * before + text + " " * behind if text else text,
    "truncate": lambda text, count: str(text)[:count],
    "eq": lambda value, *others: value in others,
    "ne": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "gt": lambda value, other: value > other,
    "le": lambda value, other: value <= other,
    "ge": lambda value, other: value >= other,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "not": lambda value: not value,
}

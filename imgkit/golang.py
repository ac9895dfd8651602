"""Values as Go prints and reads them, because Docker does: quotes, lists and lengths of time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

_ESCAPES: Final = {7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r"}
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


def quote(text: str) -> str:
    r"""A string as `%q` prints it.

    >>> print(quote('a "b"\n'))
    "a \"b\"\n"
    """
    return '"' + "".join(_escaped(char, '"') for char in text) + '"'


def quote_list(words: Iterable[str]) -> str:
    """A list of strings as `%q` prints it.

    >>> print(quote_list(["sh", "-c"]))
    ["sh" "-c"]
    """
    return f"[{' '.join(map(quote, words))}]"


def quote_number(number: int) -> str:
    r"""A number as `%q` prints it: as the character that has it.

    >>> print(quote_number(0), quote_number(3), quote_number(65))
    '\x00' '\x03' 'A'
    """
    return f"'{_escaped(chr(number), chr(39))}'"


def _escaped(char: str, around: str) -> str:
    code = ord(char)
    if char in ("\\", around):
        return "\\" + char
    if char.isprintable():
        return char
    if code < 128:
        return _ESCAPES.get(code, f"\\x{code:02x}")
    return json.dumps(char)[1:-1] if code < 0x10000 else f"\\U{code:08x}"


def duration(text: str) -> int | None:
    """Nanoseconds in a text like `1m30s` or `500ms`; None if it is no length of time.

    >>> duration("1m30s") == 90 * 10**9
    True
    """
    part = r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)"
    if text == "0":
        return 0
    if not re.fullmatch(f"(?:{part})+", text):
        return None
    from fractions import Fraction  # noqa: PLC0415  who only quotes starts faster without

    return int(sum(Fraction(count) * _UNITS[unit] for count, unit in re.findall(part, text)))


def say_duration(nanoseconds: int) -> str:
    """The same as Go prints it.

    >>> say_duration(90 * 10**9), say_duration(1_500_000), say_duration(0)
    ('1m30s', '1.5ms', '0s')
    """
    if nanoseconds and nanoseconds < 10**9:
        unit = "ms" if nanoseconds >= 10**6 else "µs" if nanoseconds >= 10**3 else "ns"
        return _decimal(nanoseconds / _UNITS[unit]) + unit
    minutes, rest = divmod(nanoseconds, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    seconds = _decimal(rest / _UNITS["s"]) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(number: float) -> str:
    text = f"{number:.9f}"
    return text.rstrip("0").rstrip(".")

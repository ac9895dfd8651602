"""Sizes and ages in the words that Docker prints (the `docker/go-units` package).

Sizes count in thousands (1 kB is 1000 bytes) and show three digits that mean something. Ages are
rough on purpose, and rounded down, except hours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_SIZES: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)
"""The time that Go programs write when they know none."""


def size(count: float, digits: int = 3) -> str:
    """A number of bytes as `docker images` prints it.

    >>> size(7_733_821), size(32), size(1_000)
    ('7.73MB', '32B', '1kB')
    """
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.{digits}g}{_SIZES[unit]}"


def ago(created: datetime | str | None, now: datetime) -> str:
    """How long before `now` something was made, as `docker images` prints it.

    Text is read as RFC 3339, as in a config; what is no time, or Go's zero time, is "N/A".

    >>> ago("2024-01-26T23:44:46Z", datetime(2024, 4, 1, tzinfo=UTC))
    '2 months ago'
    """
    made = moment(created) if isinstance(created, str) else created
    if made is None or _aware(made) == _NEVER:
        return "N/A"
    return f"{duration((_aware(now) - _aware(made)).total_seconds())} ago"


def duration(seconds: float) -> str:
    """A length of time, in one rounded unit; a negative one is "Less than a second"."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return f"{whole} second{'s' * (whole > 1)}"
    if (minutes := whole // 60) < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def counted(number: int, thing: str) -> str:
    """So many of a thing, in words: "1 layer", "2 layers"."""
    return f"{number} {thing}{'s' * (number != 1)}"


def moment(text: str) -> datetime:
    """The time in a text, as RFC 3339 has it, with its zone; Go's zero time where there is none.

    >>> moment("2024-05-01T12:00:00Z") > moment("yesterday")
    True
    """
    try:
        return _aware(datetime.fromisoformat(text))
    except ValueError:
        return _NEVER


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)

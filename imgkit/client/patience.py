"""How long a client waits, how often it asks again, and when it gives up.

A busy server says how long to leave it alone (RFC 9110, section 10.2.3)::

    Retry-After: 30                                  seconds
    Retry-After: Wed, 21 Oct 2026 07:28:00 GMT       a moment

and one that counts requests says how many it allows (Docker Hub: 100 pulls in six hours)::

    ratelimit-limit: 100;w=21600
    ratelimit-remaining: 0;w=21600
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Final, Self

from imgkit.errors import Stopped

AGAIN: Final = (408, 429, 499, 500, 502, 503, 504, 522)
"""Answers after which the same GET may well be answered better."""


@dataclass(frozen=True, slots=True)
class Patience:
    """The limits of a client, and its clock; all times in seconds.

    `tries` counts the first one too; between them the `pause` doubles, up to `longest`. Nothing
    for `silence`, or fewer than `rate` bytes a second during `window`, is a server that stalls.
    A document must be whole after `whole`. A blob that came `progress` bytes further before it was
    cut off has all its tries again. `sleep` is for those who have no time for pauses.
    """

    tries: int = 4
    pause: float = 1.0
    longest: float = 60.0
    connect: float = 10.0
    silence: float = 30.0
    rate: int = 1024
    window: float = 30.0
    whole: float = 120.0
    progress: int = 1 << 20
    sleep: Callable[[float], None] | None = None
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def rest(self, seconds: float, stopped: Event | None = None) -> None:
        """Returns after that time; raises `Stopped` as soon as somebody wants it stopped."""
        stopped = stopped or Event()
        if self.sleep:
            self.sleep(seconds)
        else:
            stopped.wait(seconds)
        if stopped.is_set():
            raise Stopped("given up while waiting, because another layer could not be copied")

    def before(self, again: int) -> float:
        """The pause before the second try (`again` is 1), the third, and so on."""
        return min(self.pause * 2.0 ** (again - 1), self.longest)

    def after(self, status: int, headers: Mapping[str, str], again: int) -> float | None:
        """The pause that this answer calls for; None when it is to be taken as it is.

        One that tells us to come back later than `longest` is taken at its word: not now.
        """
        if status not in AGAIN or again >= self.tries:
            return None
        asked = retry_after(headers.get("Retry-After"), self.now())
        if asked is None:
            used_up = status == 429 and Quota.of(headers).remaining == 0
            return None if used_up else self.before(again)
        return asked if asked <= self.longest else None


def retry_after(header: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` means; None for none, a bad one, or one in the past."""
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - now).total_seconds()
    return seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests a registry allows in how many seconds, and how many are left."""

    limit: int | None = None
    window: int | None = None
    remaining: int | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """What the headers of an answer say of it; nothing is None."""
        limit, window = _count(headers.get("ratelimit-limit"))
        return cls(limit, window, _count(headers.get("ratelimit-remaining"))[0])

    def __str__(self) -> str:
        """One sentence, or nothing."""
        if self.limit is None:
            return ""
        span = f" in {duration(self.window)}" if self.window else ""
        left = "" if self.remaining is None else f", and {self.remaining} are left"
        return f"It allows {self.limit} requests{span}{left}."


def _count(header: str | None) -> tuple[int | None, int | None]:
    found = re.fullmatch(r"\s*([0-9]{1,12})\s*(?:;\s*w=([0-9]{1,9}).*)?", header or "")
    return (int(found[1]), int(found[2]) if found[2] else None) if found else (None, None)


def waiting(seconds: float, why: str) -> str:
    """The line about a pause that has so many seconds left.

    >>> waiting(6.5, "docker.io asks us to wait (429)")
    'Waiting 7 seconds: docker.io asks us to wait (429)'
    """
    return f"Waiting {duration(math.ceil(seconds))}: {why}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it.

    >>> [duration(seconds) for seconds in (1, 30, 90, 21600)]
    ['1 second', '30 seconds', '90 seconds', '6 hours']
    """
    for unit, name in ((3600, "hour"), (60, "minute"), (1, "second")):
        if (seconds >= 2 * unit and seconds % unit == 0) or unit == 1:
            count = round(seconds / unit)
            return f"{count} {name}{'' if count == 1 else 's'}"
    raise AssertionError("every time has seconds")

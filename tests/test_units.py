"""Sizes and ages as Docker prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from imgkit.units import ago, counted, duration, size

NOW: Final = datetime(2025, 1, 1, tzinfo=UTC)
HOUR: Final = 3600
DAY: Final = 24 * HOUR

# From go-units: "%.3g" of the number in thousands.
SIZES: Final = [
    (0, "0B"),
    (1, "1B"),
    (32, "32B"),
    (999, "999B"),
    (1000, "1kB"),
    (1024, "1.02kB"),
    (12_800_000, "12.8MB"),
    (7_733_821, "7.73MB"),
    (117_000_000, "117MB"),
    (999_499, "999kB"),
    (999_999, "1e+03kB"),  # Docker does print this
    (1_000_000, "1MB"),
    (1_230_000_000, "1.23GB"),
    (10**24, "1YB"),
    (10**28, "1e+04YB"),
]

DURATIONS: Final = [
    (-5, "Less than a second"),
    (0.9, "Less than a second"),
    (1, "1 second"),
    (1.9, "1 second"),
    (59, "59 seconds"),
    (60, "About a minute"),
    (119, "About a minute"),
    (120, "2 minutes"),
    (59 * 60 + 59, "59 minutes"),
    (HOUR, "About an hour"),
    (1.4 * HOUR, "About an hour"),
    (1.5 * HOUR, "2 hours"),
    (47.4 * HOUR, "47 hours"),
    (47.5 * HOUR, "2 days"),
    (13 * DAY, "13 days"),
    (14 * DAY, "2 weeks"),
    (59 * DAY, "8 weeks"),
    (60 * DAY, "2 months"),
    (729 * DAY, "24 months"),
    (730 * DAY, "2 years"),
    (3 * 365 * DAY - 1, "2 years"),
]


@pytest.mark.parametrize(("count", "text"), SIZES)
def test_sizes(count: int, text: str) -> None:
    """Three digits that mean something, in thousands."""
    assert size(count) == text


def test_more_digits() -> None:
    """The progress of a pull shows four digits."""
    assert size(7_733_821, 4) == "7.734MB"


@pytest.mark.parametrize(("seconds", "text"), DURATIONS)
def test_durations(seconds: float, text: str) -> None:
    """One unit; whole ones, except that hours are rounded."""
    assert duration(seconds) == text
    assert ago(NOW - timedelta(seconds=seconds), NOW) == f"{text} ago"


@pytest.mark.parametrize(
    ("created", "text"),
    [
        ("2024-12-31T23:59:30Z", "30 seconds ago"),
        ("2024-12-31T23:59:30.123456789Z", "29 seconds ago"),
        ("2024-12-31T18:00:00-05:00", "About an hour ago"),
        ("2024-12-30T00:00:00", "2 days ago"),
        ("2030-01-01T00:00:00Z", "Less than a second ago"),
        ("1970-01-01T00:00:00Z", "55 years ago"),
        ("0001-01-01T00:00:00Z", "N/A"),
        ("yesterday", "N/A"),
        ("", "N/A"),
        (None, "N/A"),
    ],
)
def test_ages_from_a_config(created: str | None, text: str) -> None:
    """RFC 3339 with any zone and any fraction; what is no time has no age."""
    assert ago(created, NOW) == text


def test_one_is_not_many() -> None:
    """Only one of a thing is called by its bare name."""
    assert [counted(n, "layer") for n in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]

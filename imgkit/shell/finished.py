"""A command that came to its end, and what it printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, repr=False)
class Finished:
    """A command that came to its end: its exit code, and what it printed, in order.

    Each piece of `printed` has the file descriptor (1 or 2) that it was printed to. Its `repr` is
    what a terminal would show.
    """

    code: int
    printed: tuple[tuple[int, str], ...]

    def __repr__(self) -> str:
        return self.screen.removesuffix("\n")

    @property
    def out(self) -> str:
        return "".join(text for fd, text in self.printed if fd == 1)

    @property
    def err(self) -> str:
        return "".join(text for fd, text in self.printed if fd == 2)

    @property
    def screen(self) -> str:
        """Both, as a terminal shows them."""
        return "".join(text for _, text in self.printed)


def joined(chunks: Sequence[tuple[int, bytes]]) -> tuple[tuple[int, str], ...]:
    """What was printed, as text; what went to one place without a break is one piece."""
    return tuple(
        (fd, b"".join(data for _, data in pieces).decode("utf-8", "replace"))
        for fd, pieces in groupby(chunks, lambda chunk: chunk[0])
    )

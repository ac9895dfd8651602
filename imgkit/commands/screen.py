"""The lines of a copy that goes on, a line a layer: as a terminal shows them, and as a pipe."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from imgkit import units
from imgkit.commands.bench import Bench, Waits
from imgkit.digest import Digest
from imgkit.image import COMPLETE, DOWNLOADING, EXISTS, WAITING, Progress
from imgkit.manifest import CONFIG_TYPES, LAYER_TYPES

BAR: Final = 50
DONE: Final = {EXISTS: "Already exists", COMPLETE: "Pull complete"}


@dataclass
class Screen:
    """Listens to a copy. On a terminal each layer has one line, which changes while it comes.

    Of an image that is there already nothing is said, as Docker does.
    """

    bench: Bench
    say: Callable[[str], None]
    rows: dict[Digest, str] = field(default_factory=dict)
    known: bool = False
    waits: Waits = field(init=False)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.waits = Waits(self.bench.warn)

    def above(self, line: str) -> None:
        """Say a line that stays, before those that change."""
        self._draw([])
        self.say(line)

    def pause(self, seconds: float, why: str) -> None:
        """A registry is waited for: the last line counts the seconds, or one says so."""
        from imgkit.client.patience import waiting  # noqa: PLC0415  `run` mostly asks no registry

        if self.bench.redraw:
            self._draw([*self._lines(), waiting(seconds, why)])
        else:
            self.waits(seconds, why)

    def progress(self, progress: Progress) -> None:
        """One thing has happened to one blob."""
        self.bench.on_progress(progress)
        blob = progress.descriptor
        if blob.media_type in CONFIG_TYPES and progress.kind == EXISTS:
            self.known = True
        if self.known or blob.media_type not in LAYER_TYPES:
            return
        said = DONE.get(progress.kind) or "Pulling fs layer"
        if not self.bench.terminal and self.rows.get(blob.digest) != said:
            self.say(f"{blob.digest.short}: {said}")
        self.rows[blob.digest] = said
        if progress.kind == DOWNLOADING:
            self.rows[blob.digest] = _bar(progress.done, blob.size)
        if progress.kind != WAITING:
            self._draw(self._lines())

    def end(self) -> None:
        """Afterwards the last state of each line stands there."""
        self._draw([])
        if self.bench.terminal:
            for line in self._lines():
                self.say(line)

    def _draw(self, lines: list[str]) -> None:
        if self.bench.redraw:
            with self.turn:  # several layers come at a time
                self.bench.redraw(lines)

    def _lines(self) -> list[str]:
        return [f"{digest.short}: {said}" for digest, said in self.rows.items()]


def _bar(done: int, size: int) -> str:
    """How far one layer has come, as Docker draws it."""
    full = BAR * done // size if size else BAR
    bar = "=" * full + ">" + " " * (BAR - full)
    return f"Downloading [{bar[:BAR]}]  {units.size(done, 4)}/{units.size(size, 4)}"

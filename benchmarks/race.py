"""Programs that run in turn, each measured: seconds, processor time, and memory at the peak."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one or several runs took; of several, the medians, but the highest peak."""

    seconds: float
    cpu: float
    """Seconds of processor time of the program itself; a daemon that it asks is not in it."""
    peak: float
    """Megabytes of main memory."""

    @classmethod
    def median(cls, runs: Sequence[Figures]) -> Figures:
        return cls(
            statistics.median(run.seconds for run in runs),
            statistics.median(run.cpu for run in runs),
            max(run.peak for run in runs),
        )


@dataclass(frozen=True)
class Entrant:
    """A program in the race: its commands, and what is put right before, unmeasured."""

    name: str
    commands: Sequence[Command]
    before: Sequence[Command] = ()
    fresh: Sequence[Path] = ()
    """Removed before each round."""
    env: Mapping[str, str] = field(default_factory=dict)
    daemon: bool = False
    """Whether the work is done by a daemon, so that its processor time is not known."""

    def run(self) -> Figures:
        for path in self.fresh:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(True)
        for command in self.before:
            measure(command, self.env)
        runs = [measure(command, self.env) for command in self.commands]
        return Figures(
            sum(run.seconds for run in runs),
            sum(run.cpu for run in runs),
            max(run.peak for run in runs),
        )


def race(entrants: Sequence[Entrant], rounds: int) -> list[Figures]:
    """The figures of each; they take turns, so that a busy machine slows all of them."""
    runs: list[list[Figures]] = [[] for _ in entrants]
    for _ in range(rounds):
        for entrant, found in zip(entrants, runs, strict=True):
            found.append(entrant.run())
    return [Figures.median(found) for found in runs]


def measure(command: Command, env: Mapping[str, str] | None = None) -> Figures:
    """Run a program silently; stop here, with what it said, when it fails."""
    start = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    assert process.stderr
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nfailed: {said.decode(errors='replace')[-2000:]}")
    return Figures(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

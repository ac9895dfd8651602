"""Programs that run in turn, each measured: seconds, processor time, and memory at the peak."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
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
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, **(env or {})},
        text=True,
        errors="replace",
        check=False,
    )
    if launched.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nfailed: {launched.stderr[-2000:]}")
    seconds, cpu, kilobytes = map(float, launched.stdout.split())
    return Figures(seconds, cpu, kilobytes / 1024)


_LAUNCHER = """
import os, sys, time
silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
start = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=silent)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""It starts a program and waits for it. Linux counts what the starter of a program has in memory
to that program's peak: so the starter is a small one, of 9 MB."""

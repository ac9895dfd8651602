"""The table of what was measured, with the day, the machine and the versions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.race import Figures
from benchmarks.rows import Line

TABLE: Final = Path("docs/benchmarks.md")
_END: Final = "<!-- end of what was measured -->"
_ASKED: Final = {
    "docker-registry": ["docker-registry", "--version"],
    "skopeo": ["skopeo", "--version"],
    "umoci": ["umoci", "--version"],
    "podman": ["podman", "--version"],
    "Docker": ["dockerd", "--version"],
    "GNU tar": ["tar", "--version"],
    "gzip": ["gzip", "--version"],
}


def table(lines: Iterable[Line]) -> list[str]:
    """The table in Markdown, a line each."""
    rows = [
        "| what | imgkit | peer | ratio | to reach | processor time, ratio | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    return rows + [_row(line) for line in lines]


def _row(line: Line) -> str:
    name, peer = min(line.peers.items(), key=lambda pair: pair[1].seconds, default=("-", None))
    ratio = f"{line.ours.seconds / peer.seconds:.2f}" if peer else "-"
    cpu = f"{line.ours.cpu / peer.cpu:.2f}" if peer and peer.cpu > 0.02 else "-"
    if name.startswith("docker"):
        cpu = "-"  # its daemon does the work
    peers = "; ".join(f"{name} {_seconds(found)}" for name, found in line.peers.items())
    few = f" (of {line.rounds})" if line.rounds < 5 else ""
    return (
        f"| {line.what}{few} | {_seconds(line.ours)} | {peers} | {ratio} | {line.target} "
        f"| {cpu} | {line.ours.peak:.0f} MB |"
    )


def _seconds(found: Figures) -> str:
    return f"{found.seconds:.2f} s" if found.seconds > 1 else f"{found.seconds * 1000:.0f} ms"


def write(lines: Sequence[Line], more: Sequence[str] = ()) -> None:
    """Put the table, and what was measured besides, in its place in the document."""
    put(TABLE, "make bench", [*table(lines), "", *more])


def put(document: Path, command: str, lines: Sequence[str]) -> None:
    """Put what that command measured in its place, and when and where; the text around it stays."""
    begin = f"<!-- measured: written by {command} -->"
    before, _, rest = document.read_text().partition(begin)
    after = rest.partition(_END)[2]
    measured = "\n".join([*lines, "", *_circumstances()])
    document.write_text(f"{before}{begin}\n\n{measured}\n\n{_END}{after}")


def _circumstances() -> list[str]:
    found = [f"{name} {_version(command)}" for name, command in _ASKED.items()]
    libraries = ", ".join(f"{name} {version(name)}" for name in ("requests", "isal"))
    machine = f"{os.cpu_count()} processors ({platform.machine()}), load {os.getloadavg()[1]:.0f}"
    release = ".".join(platform.release().split(".")[:2])
    system = f"{platform.system()} {release}, Python {platform.python_version()}"
    return [f"{datetime.now(UTC):%Y-%m-%d}; {machine}; {system}, {libraries}; {', '.join(found)}."]


def _version(command: Sequence[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+[\w.+~-]*", said.stdout + said.stderr)
    return found[0] if found else "?"

"""How hard imgkit is to break: what the tests did at night, from what pytest wrote of them.

    python -m benchmarks.hardness build/nightly.xml ...

Each file is the JUnit report of a run (`make nightly` writes one). A row that no test of these
runs belongs to stays empty, and says so.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from benchmarks.report import put

DOCUMENT: Final = Path("docs/hardness.md")

FAULTS: Final = "faults_of_the_machine::test_"
ROWS: Final = {
    "hostile tars, each in unpack, explore, build, load and the widgets": r"hostile_(tars|views)::",
    "hostile registries": r"hostile_registry::",
    "limits, each from both sides; bombs of 10 GB": r"limits::",
    "inputs searched for by coverage (atheris), six readers": r"fuzz::test_guided",
    "good inputs with random changes, six readers": r"fuzz::test_mutations",
    "kill -9 of pull, unpack, rmi, prune, commit, load, push": FAULTS + "killed",
    "kill -9 at each step of rmi and rm": r"leftovers::test_a_killed",
    "kill -9 of a pull that goes on each time": r"endurance::test_killed_at",
    "kill -9 of a registry that is pushed to": r"durable::",
    "full disk, at every 4 kB, nine verbs": FAULTS + "(a_full|pruning)",
    "home that can only be read": FAULTS + "a_home",
    "home of somebody else: no permission": r"commands::test_a_home_of_somebody_else",
    "a file where a directory should be": FAULTS + "a_file",
    "clock set back, or ahead": FAULTS + "a_clock",
    "bit rot: found, named, mended, never served": r"bit_rot::",
    "eight processes in one repository": r"many_at_once::",
    "known holes in what we depend on (pip-audit)": r"dependencies::test_known_holes",
    "wheels for five platforms, four Pythons": r"dependencies::test_wheels",
}
"""Each row, and which tests belong to it, as `file::test[case]` without `test_`."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test that ran: how it ended, its seconds, and the figures that it told."""

    name: str
    ended: str
    seconds: float
    figures: Counter[str]


def cases(report: Path) -> Iterator[Case]:
    """The tests of one run. Only reports of our own runs are to be read: XML is trusted."""
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        file = case.attrib["classname"].rpartition("test_")[2]
        ended = {"failure": "failed", "error": "failed", "skipped": "skipped"}
        how = next((ended[child.tag] for child in case if child.tag in ended), "passed")
        told = {p.attrib["name"]: int(p.attrib["value"]) for p in case.iter("property")}
        name = f"{file}::{case.attrib['name']}"
        yield Case(name, how, float(case.attrib["time"]), Counter(told))


def table(ran: Sequence[Case]) -> list[str]:
    """The table in Markdown, a line each."""
    lines = [
        "| what | how much | passed | failed | skipped | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for what, pattern in ROWS.items():
        mine = [case for case in ran if re.match(pattern, case.name)]
        ended = Counter(case.ended for case in mine)
        told = sum((case.figures for case in mine), Counter[str]())
        much = ", ".join(f"{count:,} {unit}" for unit, count in told.items())
        much = much or (f"{len(mine):,} test{'s' * (len(mine) > 1)}" if mine else "not run")
        counts = " | ".join(str(ended[how]) for how in ("passed", "failed", "skipped"))
        minutes = sum(case.seconds for case in mine) / 60
        lines.append(f"| {what} | {much} | {counts} | {minutes:.1f} |")
    return lines


def main(reports: Sequence[str]) -> None:
    """Write the table of these runs."""
    put(DOCUMENT, "make nightly", table([case for one in reports for case in cases(Path(one))]))


if __name__ == "__main__":
    main(sys.argv[1:])

"""The table of docs/hardness.md says what the reports say, and each row has its tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest
from conftest import ROOT

from benchmarks import hardness

REPORT: Final = """
<testsuites><testsuite>
<testcase classname="tests.test_durable" name="test_kill" time="30">
  <properties><property name="kills" value="1200"/></properties></testcase>
<testcase classname="tests.test_many_at_once" name="test_eight" time="6"><failure/></testcase>
<testcase classname="tests.test_many_at_once" name="test_tag" time="0"><skipped/></testcase>
<testcase classname="tests.test_digest" name="test_other" time="9"/>
</testsuite></testsuites>
"""
NAMES: Final = [
    f"{path.stem.removeprefix('test_')}::{name}"
    for path in (ROOT / "tests").glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
]


def test_the_table(tmp_path: Path) -> None:
    """Figures are added up; what failed, was skipped or was not run is said."""
    (tmp_path / "report.xml").write_text(REPORT)
    lines = hardness.table(list(hardness.cases(tmp_path / "report.xml")))
    assert "| kill -9 of a registry that is pushed to | 1,200 kills | 1 | 0 | 0 | 0.5 |" in lines
    assert "| eight processes in one repository | 2 tests | 0 | 1 | 1 | 0.1 |" in lines
    assert sum("not run" in line for line in lines) == len(hardness.ROWS) - 2


@pytest.mark.parametrize("pattern", hardness.ROWS.values())
def test_each_row_has_tests(pattern: str) -> None:
    """A test that is renamed does not leave its row empty."""
    assert any(re.match(pattern, name) for name in NAMES)

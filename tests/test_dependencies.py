"""What the package stands on: as little as does the job, free of known holes, there as wheels."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from typing import Any, Final

import pytest
from conftest import ROOT

PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: Final = PROJECT["optional-dependencies"]
WRITTEN: Final = [*PROJECT["dependencies"], *(one for extra in EXTRAS.values() for one in extra)]
NO_IMPORT: Final = {
    "jupyterlab": "the program that lessons are opened in",
    "graphviz-pure": "a program, too: what draws where there is no dot",
}
"""What the lessons need and no module imports, with the reason."""

PLATFORMS: Final = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
UNREACHED: Final = 2
"""The status of uv that asked an index in vain; 1 is: there is no such set of wheels."""


@pytest.mark.parametrize("requirement", WRITTEN)
def test_no_upper_bound(requirement: str) -> None:
    """Whoever has newer ones may use them; one that breaks us is mended here, not forbidden."""
    bounds = requirement.partition(";")[0]
    assert re.findall(r"[<>=~!]+", bounds) == [">="]


@pytest.mark.parametrize("requirement", [*PROJECT["dependencies"], *EXTRAS["notebooks"]])
def test_each_is_used(requirement: str) -> None:
    """What is installed for every user is imported by a module."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    module = name[0].replace("-", "_")
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "imgkit").rglob("*.py")]
    parent, _, child = module.rpartition(".")
    forms = [rf"(import|from) {module}\b", *([rf"from {parent} import {child}"] if parent else [])]
    pattern = re.compile("|".join(forms))
    assert any(map(pattern.search, sources)) or name[0] in NO_IMPORT


# -- what an index knows: at night, where one is reached ------------------------------------------


def uv(*words: str) -> subprocess.CompletedProcess[str]:
    """uv with the network, which the other tests do not have; the test is skipped without uv."""
    if importlib.util.find_spec("uv") is None:
        pytest.skip("uv is not installed: `make nightly` does that")
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "uv", *words],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_wheels(platform: str, python: str, record_property: Callable[[str, object], None]) -> None:
    """Every pinned package has a wheel there: nobody needs a compiler."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-header", "--no-annotate", "--quiet"]
    where = ["--python-platform", platform, "--python-version", python]
    done = uv("pip", "compile", "requirements.lock", *options, *where)
    if done.returncode == UNREACHED:
        pytest.skip(f"no index is reached: {done.stderr.splitlines()[-1].strip()}")
    assert done.returncode == 0, done.stderr
    record_property("packages resolved", done.stdout.count("=="))


@pytest.mark.slow
def test_known_holes(record_property: Callable[[str, object], None]) -> None:
    """No pinned package has a hole that is published (pip-audit asks PyPI's advisories)."""
    options = ["--require-hashes", "--disable-pip", "--requirement", "requirements.lock"]
    done = uv("tool", "run", "pip-audit", *options, "--format", "json")
    if not done.stdout.startswith("{"):
        pytest.skip(f"pip-audit cannot be run: {done.stderr.strip().splitlines()[-1].strip()}")
    found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    audited = [one for one in found if "vulns" in one]
    holes = {one["name"]: [hole["id"] for hole in one["vulns"]] for one in audited if one["vulns"]}
    assert holes == {}
    if not audited:
        pytest.skip(f"the advisories were not reached: {found[0]['skip_reason']}")
    record_property("packages audited", len(audited))

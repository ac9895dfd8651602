"""What stands around the package agrees with itself: lock, Makefile, documents, version."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest
from conftest import ROOT, peer

import imgkit

LOCK: Final = (ROOT / "requirements.lock").read_text(encoding="utf-8")
BINDER: Final = (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8")
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS: Final = ("README.md", "CONTRIBUTING.md")

PIN: Final = re.compile(r"^([a-z0-9][a-z0-9.-]*)==\S+", re.MULTILINE)


def tracked() -> list[Path]:
    """The files under version control."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listed = subprocess.run(
        [peer("git"), "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in files if path.is_file()]


def test_binder_is_part_of_the_lock() -> None:
    """Every entry of Binder's file, hashes included, stands word for word in the lock."""
    entries = re.findall(r"^[a-z].*\n(?: .*\n)+", BINDER, re.MULTILINE)
    assert entries
    assert [entry for entry in entries if entry not in LOCK] == []


@pytest.mark.parametrize("text", [LOCK, BINDER], ids=["lock", "binder"])
def test_every_pin_has_hashes_and_no_place(text: str) -> None:
    """A pin says what the bytes are, never where this or that machine found them."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = re.compile(r"[a-z0-9][a-z0-9.-]*==[^\s;@]+( ; .+)? \\")
    hashed = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not (pinned.fullmatch(line) or hashed.fullmatch(line))] == []


@pytest.mark.parametrize(
    ("extra", "text"), [("", BINDER), ("notebooks", BINDER), ("test", LOCK), ("dev", LOCK)]
)
def test_every_dependency_is_locked(extra: str, text: str) -> None:
    """What pyproject.toml asks for is pinned where it is needed."""
    project = PROJECT["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    names = {re.split(r"[^\w.-]", line)[0].replace(".", "-").lower() for line in wanted}
    assert names - set(PIN.findall(text)) == set()


def test_no_upper_bound_on_ipywidgets() -> None:
    """A learner's newer JupyterLab keeps working."""
    (line,) = [
        line
        for line in PROJECT["project"]["optional-dependencies"]["notebooks"]
        if line.startswith("ipywidgets")
    ]
    assert re.fullmatch(r"ipywidgets>=[\d.]+", line)


def test_one_version() -> None:
    """The package, its metadata, the installed distribution and the changelog agree."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d\S*)\]", changelog, re.MULTILINE)
    assert newest is not None
    version = PROJECT["project"]["version"]
    assert newest[1] == version
    assert imgkit.__version__ == version
    assert importlib.metadata.version("container-imgkit") == version


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documented_commands_exist(document: str) -> None:
    """Every `make ...` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    text = (ROOT / document).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^\s*(?:\$ )?)make ([a-z]+)", text, re.MULTILINE))
    assert named - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_linked_files_exist(document: str) -> None:
    """Every relative link in a document leads to a file."""
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_help_names_every_target() -> None:
    """`make` alone lists everything that can be made."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    assert phony is not None
    assert re.findall(r"make (\w+)", shown) == phony[1].split()


def test_no_file_knows_this_machine() -> None:
    """No file in version control names the folder of this checkout or somebody's home."""
    places = [bytes(place) for place in (ROOT, Path.home()) if len(place.parts) > 2]
    found = [path.name for path in tracked() if any(p in path.read_bytes() for p in places)]
    assert found == []

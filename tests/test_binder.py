"""What Binder builds: the rules of its files; at length, the build itself and all lessons in it.

repo2docker reads `binder/` and nothing else: Python by `runtime.txt`, Debian's packages by
`apt.txt`, then `requirements.txt`, then the repository is copied in, then `postBuild` is run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import ROOT, peer
from test_project import BINDER, LOCK, tracked

FOLDER: Final = ROOT / "binder"
KNOWN: Final = {
    "README.md": "for people",
    "apt.txt": "Debian's packages",
    "overrides.json": "read by postBuild, not by repo2docker",
    "postBuild": "the last step",
    "requirements.txt": "third-party packages",
    "runtime.txt": "the version of Python",
}
"""The files that may be in `binder/` itself. A file that repo2docker prefers to these, such as
environment.yml or Dockerfile, would make it ignore them."""

DOWNLOADS: Final = ("curl", "wget", "git clone", "npm ", "apt", "conda", "lab build", "http")


def test_every_file_is_one_that_is_meant() -> None:
    """There is nothing in the folder that makes repo2docker go another way."""
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} <= set(KNOWN)
    assert not (ROOT / ".binder").exists()


def test_the_version_of_python_is_one_that_the_package_supports() -> None:
    """`runtime.txt` is as repo2docker reads it, and names a version in the classifiers."""
    found = re.fullmatch(r"python-(3\.\d+)\n?", (FOLDER / "runtime.txt").read_text("utf-8"))
    assert found
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f"Programming Language :: Python :: {found[1]}" in project["classifiers"]


def test_requirements_are_of_third_parties() -> None:
    """Every line pins a package, and none is this project, a path, an address or an option."""
    lines = [line for line in BINDER.splitlines() if line and not line.startswith("#")]
    pins = [line for line in lines if not line.startswith("    --hash=")]
    assert [line for line in pins if not re.match(r"[a-z0-9.-]+==\S+", line)] == []
    assert "imgkit" not in BINDER


def test_the_last_step_downloads_nothing() -> None:
    """`postBuild` stops at the first failure, installs the package alone, and asks nobody."""
    text = (FOLDER / "postBuild").read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert os.access(FOLDER / "postBuild", os.X_OK)
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in code
    (install,) = [line for line in code.splitlines() if "install" in line]
    assert {"--no-deps", "--no-build-isolation", "--no-index", "."} <= set(install.split())
    assert [word for word in DOWNLOADS if word in code] == []


def test_what_the_last_step_needs_is_installed() -> None:
    """Without build isolation, what builds the package comes from the requirements."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]
    for line in build["requires"]:
        assert f"\n{re.split('[>=<]', line)[0]}==" in BINDER


def test_the_links_open_the_first_lesson() -> None:
    """The badge does, and the workshop link, which nbgitpuller takes apart once more."""
    text = (FOLDER / "README.md").read_text("utf-8")
    links = re.findall(r"https://mybinder\.org/v2/[^\s)]+", text)
    assert [link.split("?")[0].rpartition("/")[2] for link in links] == ["HEAD", "environment"]
    badge, workshop = (parse_qs(urlsplit(link).query)["urlpath"][0] for link in links)
    pulled = parse_qs(urlsplit(workshop).query)
    assert urlsplit(workshop).path == "git-pull"
    assert pulled["repo"] == ["https://github.com/OWNER/REPOSITORY"]
    assert pulled["branch"] == ["main"]
    assert pulled["urlpath"] == [badge.replace("tree/", "tree/REPOSITORY/")]
    assert badge == "lab/tree/notebooks/00-start-here.ipynb"
    assert (ROOT / badge.removeprefix("lab/tree/")).exists()


def test_continuous_integration_can_build_it() -> None:
    """`.ci/run` installs every program that a test names, so that nothing below is skipped."""
    run = (ROOT / ".ci" / "run").read_text("utf-8")
    installed = set(re.findall(r"\[(\S+)\]=", run)) | {"git"}  # without which there is no checkout
    installed |= {"docker", "runc"} if "dockerd" in installed else set()  # of the same package
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    named = {name for line in re.findall(r"peer\((\".*?)\)", tests) for name in line.split(", ")}
    assert "mmdebstrap" in installed
    assert {name.strip('"') for name in named} - installed == set()


# -- the build itself -----------------------------------------------------------------------------

LEARNER: Final = 1000
"""repo2docker's user has this number, and is called jovyan."""
MEMORY: Final = 2 * 1024**3
HOME: Final = "/home/jovyan"
PYTHON: Final = f"{HOME}/.env"
TOOLS: Final = ("coverage", "iniconfig", "nbval", "pluggy", "pytest")
"""What tests notebooks and is no part of what Binder installs; put beside it."""

MOUNTS: Final = """
mount --types proc proc {root}/proc
mount --rbind /dev {root}/dev
mount --types tmpfs tmpfs {root}/dev/shm
"""


@dataclass(frozen=True)
class Machine:
    """A root filesystem with an ordinary user, one core, 2 GB, and a network or none."""

    root: Path
    group: Path | None

    def run(self, line: str, *, network: bool = False, user: int = LEARNER, timeout: int) -> str:
        """What a shell line prints there; raises `CalledProcessError` if it fails."""
        inside = f"cd {HOME} && . ./.settings && {line}" if user else line
        chroot = ["chroot", f"--userspec={user}:{user}", str(self.root), "bash", "-ec", inside]
        root = shlex.quote(str(self.root))
        up = "" if network else f"chroot {root} ip link set lo up\n"
        script = f"{MOUNTS.format(root=root)}{up}exec {shlex.join(chroot)}"
        own = ["--mount", "--pid", "--fork", "--kill-child", *["--net"] * (not network)]
        joined = f"echo $$ > {self.group}/cgroup.procs; " if self.group else ""
        cut = f"taskset --cpu-list 0 unshare {shlex.join(own)} sh -ec {shlex.quote(script)}"
        done = subprocess.run(
            ["sh", "-ec", f"{joined}exec {cut}"],
            env={"PATH": os.environ["PATH"], **_settings(network)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
        return done.stdout


def _settings(network: bool) -> dict[str, str]:
    """How this machine reaches PyPI, if it is to be reached."""
    words = re.compile(r"PIP_(CERT|INDEX_URL|DEFAULT_TIMEOUT)|(https?|no)_proxy", re.IGNORECASE)
    return {key: value for key, value in os.environ.items() if network and words.fullmatch(key)}


@pytest.fixture(scope="module")
def group() -> Iterator[Path | None]:
    """A control group with 2 GB, of the second or first kind; None where none can be made."""
    place = _limited()
    yield place
    if place:
        place.rmdir()


def _limited() -> Path | None:
    for top, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        place = Path("/sys/fs/cgroup", top, f"imgkit-binder-{os.getpid()}")
        with suppress(OSError):
            place.mkdir()
            if (place / name).exists():  # the kernel put it there; elsewhere it is no group
                (place / name).write_text(str(MEMORY))
                return place
            place.rmdir()
    return None


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, group: Path | None) -> Iterator[Machine]:
    """A clean Debian, and in it what repo2docker does, in its order, from the files in binder/.

    Its Python is Debian's own, 3.11 and not 3.12 as in runtime.txt: the lock is for both.
    """
    if os.geteuid():
        pytest.skip("a root filesystem is made by root")
    root = tmp_path_factory.mktemp("binder") / "root"
    packages = "python3,python3-venv,ca-certificates,iproute2"
    apt = FOLDER / "apt.txt"
    if apt.exists():
        packages += "," + ",".join(apt.read_text("utf-8").split())
    debootstrap = [peer("mmdebstrap"), "--variant=minbase", "--mode=root"]
    debootstrap += [f"--include={packages}", "bookworm", str(root)]
    subprocess.run(debootstrap, check=True, capture_output=True, timeout=500)
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    for path in (Path("/etc/resolv.conf"), Path("/etc/hosts"), certificates):
        if path.exists():
            shutil.copyfile(path, root / path.relative_to("/"))
    made = Machine(root, group)
    made.run(f"useradd --uid {LEARNER} --home-dir {HOME} --create-home jovyan", user=0, timeout=60)
    settings = f"export HOME={HOME} USER=jovyan LANG=C.UTF-8 PATH={PYTHON}/bin:/usr/bin:/bin\n"
    (root / HOME[1:] / ".settings").write_text(settings)
    _build(made, root / HOME[1:])
    yield made
    shutil.rmtree(root)


def _build(machine: Machine, home: Path) -> None:
    """The environment, the requirements, the repository, the last step; and then the tools."""
    machine.run(f"python3 -m venv {PYTHON}", timeout=300)
    shutil.copytree(FOLDER, home / "binder")
    pip = "python -m pip install --quiet --disable-pip-version-check --no-cache-dir"
    machine.run(f"{pip} --requirement binder/requirements.txt", network=True, timeout=900)
    for path in tracked():
        place = home / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        place.chmod(path.stat().st_mode)
    subprocess.run(["chown", "-R", f"{LEARNER}:{LEARNER}", str(home)], check=True)
    machine.run("chmod +x binder/postBuild && ./binder/postBuild", timeout=600)
    machine.run("du -sm --exclude=./.cache . | cut -f1 > /tmp/size", timeout=100)
    entries = re.findall(r"^[a-z].*\n(?: .*\n)+", LOCK, re.MULTILINE)
    needed = "".join(entry for entry in entries if entry.partition("==")[0] in TOOLS)
    assert needed.count("==") >= len(TOOLS) - 1
    (home / ".tools.txt").write_text(needed)
    beside = f"{pip} --no-deps --require-hashes --target .tools --requirement .tools.txt"
    machine.run(beside, network=True, timeout=300)


@pytest.mark.slow
@pytest.mark.peer("mmdebstrap")
def test_every_lesson_runs_where_binder_built_it(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a network, with 2 GB and one core, every notebook gives what is stored in it.

    Its size, and the seconds to the first executed cell, are printed for CHANGELOG.md. A kernel
    that has run a lesson holds 150 MB at most.
    """
    learner = "python -m benchmarks.learner notebooks/00-start-here.ipynb"
    times = json.loads(machine.run(learner, timeout=400))
    assert times["kernel"] <= 150
    size = int(machine.run("cat /tmp/size", timeout=60))
    limit = "2 GB" if machine.group else "no limit"
    facts = f"{size} MB on disk, {limit} of memory, first cell after {times['first']} s"
    with capsys.disabled():
        sys.stderr.write(f"\nBinder: {facts}\n")  # several processes of tests show this alone
    ready = f"export PYTHONPATH={HOME}/.tools IMGKIT_PROGRESS=/tmp/progress"
    nbval = "python -m pytest --nbval --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider -q"
    assert " passed" in machine.run(f"{ready}; {nbval} notebooks", timeout=3000)


@pytest.mark.slow
@pytest.mark.peer("mmdebstrap")
def test_there_is_no_network_where_binder_runs(machine: Machine) -> None:
    """The test above really is cut off, and runs as somebody who is not root, in little room."""
    said = machine.run("id -u; nproc; ip -brief address", timeout=60)
    user, cores, *interfaces = said.splitlines()
    assert (int(user), int(cores)) == (LEARNER, 1)
    assert [line.split()[0] for line in interfaces] == ["lo"]
    if machine.group:
        greedy = f"python -c 'bytearray({MEMORY})' || echo refused"
        assert machine.run(greedy, timeout=300).strip() == "refused"

"""What all tests share: peers found on PATH, a real registry, real images, and no network."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from offline import no_network

from benchmarks.registry import registry

ROOT: Final = Path(__file__).resolve().parent.parent

REQUIRE_PEERS: Final = bool(os.environ.get("IMGKIT_REQUIRE_PEERS"))
"""In continuous integration: a missing peer is a failure, not a skip."""

NIGHTLY: Final = bool(os.environ.get("IMGKIT_NIGHTLY"))

PACKAGES: Final = {
    "busybox": "busybox-static",
    "docker": "docker.io",
    "dockerd": "docker.io",
    "dot": "graphviz",
    "nginx": "nginx-light",
}
"""Debian's package of a peer, where its name is not the program's."""

settings.register_profile("ordinary", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile("nightly" if NIGHTLY else "ordinary")


collect_ignore = ["offline"]


_NUMBERS: Final = itertools.count(1)


def isolate() -> None:
    """This process, and every Python started from it, has no network.

    Kernels know nothing of what this user told IPython or has passed, and do not warn that they
    use TCP.
    """
    folder = str(ROOT / "tests" / "offline")
    rest = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, rest]) if rest else folder
    no_network.block()

    home = tempfile.TemporaryDirectory(prefix="imgkit-ipython-")
    atexit.register(home.cleanup)
    os.environ["IPYTHONDIR"] = home.name
    os.environ["IMGKIT_PROGRESS"] = str(Path(home.name, "progress.txt"))
    profile = Path(home.name, "profile_default")
    profile.mkdir()
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")


def pytest_configure() -> None:
    # A shell starts what runs in the background deaf to Ctrl-C, and our processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    isolate()


def pytest_make_parametrize_id(val: object) -> str | None:
    """A set in a test's name has one order in every process."""
    return " ".join(sorted(map(str, val))) if isinstance(val, set | frozenset) else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        for program in marker.args:
            peer(program)
    if item.get_closest_marker("slow") and not NIGHTLY:
        pytest.skip("takes long: run `make nightly`")


@pytest.fixture(autouse=True)
def other_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test passes is not noted where other tests, or notebooks that run too, find it."""
    monkeypatch.setenv("IMGKIT_PROGRESS", f"{os.environ['IMGKIT_PROGRESS']}.{next(_NUMBERS)}")


def peer(program: str) -> str:
    """The path of a peer; where it is missing the test is skipped, or fails where peers must be."""
    found = shutil.which(program)
    if found is None:
        reason = (
            f"{program} is not installed (Debian: apt install {PACKAGES.get(program, program)})"
        )
        if REQUIRE_PEERS:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def shared_images() -> Path:
    """The folder of real images, BusyBox and Alpine, that may stand beside the project."""
    named = os.environ.get("IMGKIT_SHARED_IMAGES")
    folder = Path(named) if named else ROOT.parent / "shared" / "images"
    if folder.is_dir():
        return folder
    reason = f"there are no real images at {folder} (IMGKIT_SHARED_IMAGES names another folder)"
    if named or (REQUIRE_PEERS and folder.parent.is_dir()):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte, to be filled; only where mounts are allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "imgkit-test", str(folder)]
    done = shutil.which("mount") and subprocess.run(mount, check=False, capture_output=True)
    if not done or done.returncode:
        pytest.skip("a small disk cannot be mounted here (that needs root)")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return peer("chromium")


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of the CNCF distribution registry, empty at first, that allows deleting."""
    folder = tmp_path_factory.mktemp("docker-registry")
    with registry(peer("docker-registry"), folder) as address:
        yield address

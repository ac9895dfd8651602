"""Full disks, missing permissions, and kill -9 at any moment: what was promised is there, whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from conftest import NIGHTLY
from images import add_image

from imgkit.audit import Audit
from imgkit.commands import run
from imgkit.commands.bench import Bench
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, StoreError
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.leftovers import held
from imgkit.server import Registry, transport
from imgkit.store import Store

KILLS: Final = 200 if NIGHTLY else 3
"""Of each verb."""
LONG: Final = 60.0


class Machine:
    """A home, a registry to push to, and a process that runs verbs and kills them."""

    def __init__(self, folder: Path) -> None:
        self.home, self.root, self.saved = folder / "home", folder / "root", folder / "saved.tar"
        self.remote = Store(folder / "remote")
        self.served = transport.serve(Registry([self.remote], auth=False))
        self.rng = random.Random(7)
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("zygote.py")],
            env=os.environ | {"IMGKIT_HOME": str(self.home)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *words: str | Path, seconds: float = LONG) -> tuple[int, float]:
        """The exit status of a verb (-9: killed), and how long it took."""
        assert self.process.stdin
        assert self.process.stdout
        given = {"words": [str(word) for word in words], "seconds": seconds}
        self.process.stdin.write(json.dumps(given) + "\n")
        self.process.stdin.flush()
        status, took = json.loads(self.process.stdout.readline())
        return int(status), float(took)

    def well(self, *words: str | Path) -> None:
        """The verb, which must end well."""
        assert self.do(*words)[0] == 0, words

    def store(self) -> Store:
        return Store(self.home)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(LONG)
        assert self.process.stdout
        self.process.stdout.close()
        self.served.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Alpine is there, which nothing may take away; `box` is a container of it."""
    made = Machine(tmp_path)
    with contextlib.closing(made):
        made.well("pull", "alpine")
        made.well("create", "--name", "box", "alpine")
        made.well("pull", "busybox:glibc")
        made.well("save", "-o", made.saved, "busybox:glibc")
        made.well("rmi", "busybox:glibc")
        yield made


@dataclass(frozen=True)
class Action:
    """A verb that is killed; what there must be before, what it promises, and how to go back."""

    words: Callable[[Machine], tuple[str | Path, ...]]
    before: Callable[[Machine], None] = lambda m: None
    promise: Callable[[Machine], None] = lambda m: None
    after: Callable[[Machine], None] = lambda m: None


def has(name: str) -> Callable[[Machine], None]:
    """The image is there, whole."""

    def check(machine: Machine) -> None:
        assert verify(machine.store().image(name)) == []

    return check


def has_not(name: str) -> Callable[[Machine], None]:
    def check(machine: Machine) -> None:
        with pytest.raises(ImgkitError):
            machine.store().image(name)

    return check


def gone(name: str) -> Callable[[Machine], None]:
    """The image is removed, if it is there."""
    return lambda machine: machine.do("rmi", "-f", name) and None


def unpacked(machine: Machine) -> None:
    assert (machine.root / "etc" / "alpine-release").exists()
    assert not list(machine.root.parent.glob(".root.*"))


def no_root(machine: Machine) -> None:
    """What a killed one leaves under the true name is nothing, or everything."""
    if machine.root.exists():
        assert (machine.root / "etc" / "alpine-release").exists()
    shutil.rmtree(machine.root, ignore_errors=True)


def pushed(machine: Machine) -> None:
    (record,) = machine.remote.records()
    assert (record.name or "").endswith("app:1")
    assert verify(machine.remote.open_image(record)) == []


def tagged(machine: Machine) -> None:
    machine.well("tag", "alpine", f"{machine.served.host}/app:1")


def two_dangling(machine: Machine) -> None:
    for name in ("busybox:glibc", "alpine"):
        machine.well("pull", name)
        machine.well("tag", name, "loose:1")
    machine.well("tag", "alpine", "loose:1")
    machine.do("rmi", "busybox:glibc")


ACTIONS: Final[dict[str, Action]] = {
    "pull": Action(lambda m: ("pull", "redis"), gone("redis"), has("redis")),
    "unpack": Action(lambda m: ("unpack", "alpine", m.root), no_root, unpacked, no_root),
    "rmi": Action(lambda m: ("rmi", "redis"), lambda m: m.well("pull", "redis"), has_not("redis")),
    "prune": Action(
        lambda m: ("image", "prune", "-a", "-f"),
        lambda m: m.well("pull", "redis"),
        has_not("redis"),
    ),
    "commit": Action(lambda m: ("commit", "box", "made:1"), gone("made:1"), has("made:1")),
    "load": Action(lambda m: ("load", "-i", m.saved), gone("busybox:glibc"), has("busybox:glibc")),
    "push": Action(lambda m: ("push", f"{m.served.host}/app:1"), tagged, pushed),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_killed_at_any_moment(
    name: str, machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    """After each kill an audit is clean, and what was acknowledged is there; then it is done."""
    action = ACTIONS[name]
    action.before(machine)
    status, whole = machine.do(*action.words(machine))
    assert status == 0
    action.promise(machine)
    killed = 0
    while killed < KILLS:
        action.before(machine)
        seconds = machine.rng.uniform(0, whole * 1.1)
        status, took = machine.do(*action.words(machine), seconds=seconds)
        assert status in (0, -9)
        killed += status == -9
        assert Audit.of(machine.store()).broken == []
        assert Audit.of(machine.remote).broken == []
        has("alpine")(machine)
        if status == 0:
            action.promise(machine)
            whole = min(whole, took)  # the first time is the slowest
        action.after(machine)
    record_property("kills", killed)
    action.before(machine)
    machine.well(*action.words(machine))
    action.promise(machine)
    if name in ("rmi", "prune"):
        assert leftover(machine) == set()
    for blob in leftover(machine):
        os.utime(machine.store().path(blob), (0, 0))
    machine.well("image", "prune", "-f")
    assert leftover(machine) == set()
    assert Audit.of(machine.store()).notes == []


def leftover(machine: Machine) -> set[Digest]:
    """The blobs that nothing leads to."""
    store = machine.store()
    paths = (store.home / "blobs" / "sha256").iterdir()
    return {Digest(f"sha256:{path.name}") for path in paths} - held(store)


# -- a full disk ----------------------------------------------------------------------------------


def fill(folder: Path, left: int) -> None:
    """Afterwards so many bytes are left on the disk."""
    with (folder / "filler").open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        file.truncate(max(file.tell() - left, 0))


@pytest.fixture
def said() -> list[str]:
    return []


def bench_at(home: Path, said: list[str]) -> Bench:
    """The verbs in a home, with the embedded registry."""
    made = Lab().bench(said.append, said.append)
    made.home, made.rng = home, None
    return made


@pytest.mark.parametrize("left", range(0, 40_000, 4096 if NIGHTLY else 12_288))
@pytest.mark.parametrize(
    "verb", ["pull", "unpack", "load", "commit", "create", "tag", "rmi", "prune", "save"]
)
def test_a_full_disk(
    verb: str, left: int, small_disk: Path, tmp_path: Path, said: list[str]
) -> None:
    """Wherever in it the disk is full, a verb says so, and nothing that was there is lost."""
    bench = bench_at(small_disk / "home", said)
    add_image(Store(small_disk / "home"), "spare")
    for words in (["pull", "alpine"], ["create", "--name", "box", "alpine"]):
        assert run(bench, words) == 0, said
    elsewhere = bench_at(tmp_path / "elsewhere", said)
    assert run(elsewhere, ["pull", "busybox:glibc"]) == 0
    assert run(elsewhere, ["save", "-o", str(tmp_path / "saved.tar"), "busybox:glibc"]) == 0
    words = {
        "pull": ["pull", "redis"],
        "unpack": ["unpack", "alpine", str(small_disk / "root")],
        "load": ["load", "-i", str(tmp_path / "saved.tar")],
        "commit": ["commit", "box", "made:1"],
        "create": ["create", "--name", "other", "alpine"],
        "tag": ["tag", "alpine", "other"],
        "rmi": ["rmi", "-f", "spare"],
        "prune": ["image", "prune", "-a", "-f"],
        "save": ["save", "-o", str(small_disk / "saved.tar"), "alpine"],
    }[verb]
    fill(small_disk, left)
    said.clear()
    status = run(bench, words)
    assert status == 0 or any("No space left" in line or "no space" in line for line in said)
    found = Audit.of(Store(bench.home))
    assert found.broken == []
    assert verify(Store(bench.home).image("alpine")) == []
    (small_disk / "filler").unlink()
    again = bench_at(bench.home, said)
    if status:
        assert run(again, words) == 0, said
    assert Audit.of(Store(bench.home)).broken == []


def test_pruning_makes_room(small_disk: Path, said: list[str]) -> None:
    """On a disk that the beginnings of blobs have filled, `image prune` runs, and makes room."""
    bench = bench_at(small_disk / "home", said)
    assert run(bench, ["pull", "alpine"]) == 0
    add_image(bench.store, None)
    begun = bench.home / "ingest" / f"sha256-{'0' * 64}"
    begun.mkdir()
    fill(begun, 0)
    (begun / "filler").rename(bench.home / "ingest" / "sha256-filler")
    begun.rmdir()
    assert run(bench, ["rmi", "alpine"]) != 0
    assert run(bench, ["image", "prune", "-a", "-f"]) == 0, said
    assert bench.store.records() == []
    assert run(bench, ["pull", "alpine"]) == 0, said


# -- what the machine does not allow --------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, said: list[str]) -> Path:
    """A home with an image and a container."""
    bench = bench_at(tmp_path / "home", said)
    for words in (["pull", "alpine"], ["create", "--name", "box", "alpine"], ["images"]):
        assert run(bench, words) == 0
    said.clear()
    return bench.home


FOLDERS: Final = ("blobs", "ingest", "containers", "stored-sizes")
WRITES: Final = (
    ["pull", "redis"],
    ["tag", "alpine", "other"],
    ["rmi", "-f", "alpine"],
    ["create", "alpine"],
    ["commit", "box", "made"],
    ["rm", "box"],
    ["image", "prune", "-a", "-f"],
)


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_a_file_where_a_directory_should_be(
    folder: str, words: list[str], home: Path, said: list[str]
) -> None:
    """It is an error that names it, never a traceback, and it is not overwritten."""
    shutil.rmtree(home / folder)
    (home / folder).write_text("mine")
    with contextlib.suppress(ImgkitError):
        run(bench_at(home, said), words)
    assert (home / folder).read_text() == "mine"
    with contextlib.suppress(ImgkitError):
        Audit.of(Store(home))


@pytest.mark.parametrize("words", WRITES, ids=" ".join)
def test_a_home_that_can_only_be_read(words: list[str], home: Path, said: list[str]) -> None:
    """On a disk mounted read-only, what writes says so; what reads goes on."""
    mount = ["mount", "--bind", "-o", "ro", str(home), str(home)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("nothing can be mounted here (that needs root)")
    try:
        with contextlib.suppress(StoreError):
            assert run(bench_at(home, said), words) != 0
            assert any("Read-only" in line or "can only be read" in line for line in said), said
        for read in (["images"], ["ps", "-a"], ["verify", "alpine"], ["inspect", "alpine"]):
            assert run(bench_at(home, said), read) == 0, said
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)
    assert Audit.of(Store(home)).broken == []


@pytest.mark.peer("faketime")
@pytest.mark.parametrize("leap", ["-20y", "+20y"])
def test_a_clock_that_leaps(leap: str, home: Path) -> None:
    """Every verb runs where the clock of the whole machine was set back, or ahead, since."""
    env = os.environ | {"IMGKIT_HOME": str(home), "NO_FAKE_STAT": "1", "DONT_FAKE_MONOTONIC": "1"}
    for words in (
        ["pull", "redis"],
        ["create", "--name", "old", "redis"],
        ["commit", "old", "older:1"],
        ["tag", "older:1", "mine:1"],
        ["image", "prune", "-f"],
        ["rm", "old"],
        ["rmi", "older:1"],
        ["ps", "-a"],
        ["verify", "--all"],
    ):
        command = ["faketime", "-f", leap, sys.executable, "-m", "imgkit", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    store = Store(home)
    created = store.image("mine:1").config.created
    assert created
    assert abs(int(created[:4]) - datetime.now(UTC).year) >= 19
    assert all(verify(store.image(name)) == [] for name in ("alpine", "redis", "mine:1"))
    assert Audit.of(store).broken == []


def test_a_clock_set_back(home: Path, said: list[str]) -> None:
    """What was made in the future is listed, used and removed all the same."""
    bench = bench_at(home, said)
    bench.now = lambda: datetime(1999, 1, 1, tzinfo=UTC)
    for words in (
        ["images"],
        ["ps", "-a"],
        ["create", "--name", "old", "alpine"],
        ["commit", "old", "older:1"],
        ["image", "prune", "-f", "--filter", "until=1h"],
        ["rm", "old", "box"],
        ["rmi", "older:1"],
    ):
        assert run(bench, words) == 0, said
    assert Audit.of(Store(home)).broken == []

"""What a removal that was killed let go, and what nothing leads to: the next one takes it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

import pytest
from images import AMD64, add_image, add_index

from imgkit.audit import Audit
from imgkit.commands import run
from imgkit.commands.bench import Bench
from imgkit.digest import Digest
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.leftovers import KEPT, LETTING_GO, held
from imgkit.platforms import Platform
from imgkit.store import Store

KILLED_AT: Final = {"unname": 0, "forget": 0, "remove": 0, "remove, the third": 2}
"""Before which change of the repository, and after how many like it."""
NEXT: Final = (["rmi", "busybox:glibc"], ["image", "prune", "-f"], ["rm", "box"])


@pytest.fixture
def bench() -> Bench:
    """A lab with three images, and a container of one of them."""
    said: list[str] = []
    made = Lab().bench(said.append, said.append)
    for name in ("redis", "alpine", "busybox:glibc"):
        assert run(made, ["pull", "-q", name]) == 0
    assert run(made, ["create", "--name", "box", "alpine"]) == 0
    return made


def blobs(store: Store) -> set[Digest]:
    return {Digest(f"sha256:{path.name}") for path in (store.home / "blobs/sha256").iterdir()}


def unwanted(bench: Bench) -> set[Digest]:
    """The blobs that no row and no container leads to."""
    return blobs(bench.store) - held(bench.store)


def killed(bench: Bench, words: list[str], method: str, after: int) -> None:
    """The verb, in a process that gets SIGKILL when it calls that method once more."""
    name = method.partition(",")[0]
    pid = os.fork()
    if not pid:
        left, called = [None] * after, getattr(Store, name)

        def kill(*arguments: object) -> object:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left.pop()
            return called(*arguments)

        setattr(Store, name, kill)
        run(bench, words)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("words", NEXT, ids=" ".join)
@pytest.mark.parametrize("method", KILLED_AT)
def test_a_killed_rmi_is_ended_by_the_next(method: str, words: list[str], bench: Bench) -> None:
    """Whatever was left of the image goes with the next removal, of whatever; or it is whole."""
    killed(bench, ["rmi", "redis"], method, KILLED_AT[method])
    assert Audit.of(bench.store).broken == []
    assert (bench.home / LETTING_GO).exists()
    there = any(row.name and "redis" in row.name for row in bench.store.records())
    assert there == (method == "unname")
    assert bool(unwanted(bench)) != there
    assert run(bench, words) == 0
    assert unwanted(bench) == set()
    found = Audit.of(bench.store)
    assert (found.broken, found.notes) == ([], [])
    if there:
        assert verify(bench.store.image("redis")) == []


def test_a_killed_rm_is_ended_by_the_next(bench: Bench) -> None:
    """The layers that a container alone had go with the next removal."""
    assert run(bench, ["rmi", "-f", "alpine"]) == 0
    killed(bench, ["rm", "box"], "remove", 1)
    assert unwanted(bench)
    assert run(bench, ["rmi", "redis"]) == 0
    assert unwanted(bench) == set()


def test_what_came_anew_stays(bench: Bench) -> None:
    """An image that was pulled again after a killed `rmi` is not taken by the next one."""
    killed(bench, ["rmi", "redis"], "remove", 1)
    assert run(bench, ["pull", "-q", "redis"]) == 0
    assert run(bench, ["rmi", "busybox:glibc"]) == 0
    assert verify(bench.store.image("redis")) == []
    assert unwanted(bench) == set()


def test_a_damaged_note_takes_nothing(bench: Bench) -> None:
    """What was noted and cannot be read is not guessed."""
    before = blobs(bench.store)
    (bench.home / LETTING_GO).write_text('{"blobs": ["')
    assert run(bench, ["rm", "box"]) == 0
    assert blobs(bench.store) == before
    assert not (bench.home / LETTING_GO).exists()


# -- what nothing leads to --------------------------------------------------------------------

AGES: Final = {"just now": 0.0, "from the future": -10 * KEPT, "of yesterday": 1.01 * KEPT}


@pytest.mark.parametrize("age", AGES)
def test_blobs_that_nothing_leads_to(age: str, bench: Bench) -> None:
    """`image prune` takes them when they are a day old; a clock set back keeps them longer."""
    descriptor = bench.store.put_bytes(b"of a pull that was broken off", "")
    made_at(bench.store.path(descriptor.digest), AGES[age])
    assert run(bench, ["image", "prune", "-f"]) == 0
    assert bench.store.has(descriptor) == (age != "of yesterday")
    assert unwanted(bench) <= {descriptor.digest}


def made_at(path: Path, age: float) -> None:
    moment = time.time() - age
    os.utime(path, (moment, moment))


def test_prune_takes_beginnings(bench: Bench) -> None:
    """The beginning of a blob, which the next pull would go on with, goes; its bytes are told."""
    begun = bench.home / "ingest" / f"sha256-{'0' * 64}"
    begun.write_bytes(b"x" * 1500)
    said: list[str] = []
    bench.say = said.append
    assert run(bench, ["image", "prune", "-f"]) == 0
    assert said == ["Total reclaimed space: 1.5kB"]
    assert not begun.exists()


def test_old_blobs_that_something_leads_to(bench: Bench) -> None:
    """Age alone takes nothing: not from an image, an index of platforms, or a container."""
    add_index(bench.store, "many:1", [AMD64, Platform("linux", "arm64")])
    add_image(bench.store, None)
    assert run(bench, ["rmi", "-f", "alpine"]) == 0
    there = blobs(bench.store)
    loose = unwanted(bench)
    assert len(loose) == 3
    for digest in there:
        made_at(bench.store.path(digest), 2 * KEPT)
    assert run(bench, ["image", "prune", "-f"]) == 0
    assert blobs(bench.store) == there - loose
    assert verify(bench.containers.get("box").image) == []

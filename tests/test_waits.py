"""Pauses that a registry asks for, as the verbs tell of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import requests

from imgkit import samples
from imgkit.client import Client
from imgkit.client.patience import Patience
from imgkit.commands import Bench, run
from imgkit.place import EMBEDDED
from imgkit.server import Registry
from imgkit.server.faults import Fault
from imgkit.server.transport import mount
from imgkit.store import Store

Make = Callable[..., Bench]


@pytest.fixture
def warned() -> list[str]:
    return []


@pytest.fixture
def bench(tmp_path: Path, warned: list[str]) -> Make:
    """Makes benches whose registry has these faults; nobody has time for pauses."""

    def make(*faults: Fault) -> Bench:
        registry = Registry([Store(tmp_path / "remote"), samples.store()])
        registry.faults += faults
        session = requests.Session()
        mount(session, registry)
        client = Client(session=session, mirror=EMBEDDED, patience=Patience(sleep=lambda _: None))
        return Bench(tmp_path / "home", lambda: client, lambda line: None, warned.append, jobs=1)

    return make


def busy(where: str, seconds: int = 3, times: int = 1, method: str = "GET") -> Fault:
    return Fault("status", where, times, 429, method, retry_after=str(seconds))


WAITS = (
    (("pull", "alpine"), busy("/blobs/")),
    (("pull", "-q", "alpine"), busy("/manifests/")),
    (("pull", "-a", "alpine"), busy("/tags/")),
    (("manifest", "inspect", "alpine"), busy("/manifests/")),
)


@pytest.mark.parametrize(("words", "fault"), WAITS)
def test_a_pause_is_said(
    words: tuple[str, ...], fault: Fault, bench: Make, warned: list[str]
) -> None:
    """Where lines stay, a pause is one line of standard error, not one for each second."""
    assert run(bench(fault), words) == 0
    (line,) = warned
    assert line.startswith("imgkit: Waiting 3 seconds: ")
    assert line.endswith(" asks us to wait (429)")


def test_a_push_that_has_to_wait(bench: Make, warned: list[str]) -> None:
    """A push tells of its pauses too; each one counts."""
    desk = bench(busy("/v2/me/", times=2, method="PUT"))
    assert run(desk, ["pull", "alpine"]) == run(desk, ["tag", "alpine", "me/it"]) == 0
    assert run(desk, ["push", "me/it"]) == 0
    assert [line.partition(": ")[2][:17] for line in warned] == ["Waiting 3 seconds"] * 2


def test_a_terminal_counts_the_seconds(bench: Make, warned: list[str]) -> None:
    """Where lines can be written over, the last one counts down, and is gone in the end."""
    drawn: list[Sequence[str]] = []
    desk = bench(busy("/manifests/"), busy("/blobs/", 2))
    desk.terminal, desk.redraw = True, drawn.append
    assert run(desk, ["pull", "alpine"]) == 0
    counted = [lines[-1].partition(": ")[0] for lines in drawn if lines and "Waiting" in lines[-1]]
    assert counted == [f"Waiting {n} second{'s' * (n > 1)}" for n in (3, 2, 1, 2, 1)]
    assert drawn[-1] == []
    assert warned == []


def test_nobody_listens_afterwards(bench: Make, warned: list[str]) -> None:
    """What a client tells later, others hear."""
    desk = bench()
    run(desk, ["pull", "alpine"])
    desk.client().on_wait(3.0, "it is late")
    assert warned == []

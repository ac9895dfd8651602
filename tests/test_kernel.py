"""The simulation beside the kernel: the same trees, the same calls, the same answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, note, settings
from overlays import Call, Pair, Stack, sequences, stacks

from imgkit.kernel import Kernel, why_not

ORDINARY: Final = 100
SEQUENCES: Final = int(os.environ.get("IMGKIT_ORACLE", ORDINARY))
"""How many random sequences of calls are made; `make oracle` asks for many more."""


@pytest.fixture(scope="module", params=[False, True], ids=["root", "rootless"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """The kernel as root sees it, and as other users do; where it lets us mount."""
    if reason := why_not(rootless=request.param):
        pytest.skip(reason)
    with Kernel(rootless=request.param) as kernel:
        yield kernel


def test_random_sequences(kernel: Kernel) -> None:
    """After each call of a random sequence the two agree: answer, errno, merged and upper."""
    owners = (0,) if kernel.rootless else (0, 1000)

    @settings(
        max_examples=SEQUENCES,
        deadline=None,
        derandomize=SEQUENCES == ORDINARY,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(stacks(owners, redirect=not kernel.rootless), sequences(owners))
    def check(stack: Stack, sequence: list[Call]) -> None:
        pair = Pair(kernel, stack)
        merged = pair.check()
        for call in sequence:
            picked = call.on(merged)
            note(repr(picked))
            pair.call(picked)
            merged = pair.check()

    check()

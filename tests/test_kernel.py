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

ROOT: Final = hasattr(os, "geteuid") and os.geteuid() == 0
OWNERS: Final = (0, 1000) if ROOT else (0,)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """The kernel, where it lets us mount."""
    if reason := why_not():
        pytest.skip(reason)
    with Kernel() as kernel:
        yield kernel


@settings(
    max_examples=SEQUENCES,
    report_multiple_bugs=False,
    deadline=None,
    derandomize=SEQUENCES == ORDINARY,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(stacks(OWNERS, redirect=ROOT), sequences(OWNERS))
def test_random_sequences(kernel: Kernel, stack: Stack, sequence: list[Call]) -> None:
    """After each call of a random sequence the two agree: answer, errno, merged and upper."""
    pair = Pair(kernel, stack)
    merged = pair.check()
    for call in sequence:
        picked = call.on(merged)
        note(repr(picked))
        pair.call(picked)
        merged = pair.check()

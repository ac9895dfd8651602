"""The simulation beside the kernel: the same trees, the same calls, the same answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from overlays import Pair, Stack, calls, stacks

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
@given(stacks(OWNERS, redirect=ROOT), st.data())
def test_random_sequences(kernel: Kernel, stack: Stack, data: st.DataObject) -> None:
    """After each call of a random sequence the two agree: answer, errno, merged and upper."""
    pair = Pair(kernel, stack)
    around = pair.check()
    for _ in range(data.draw(st.integers(1, 30), label="calls")):
        pair.call(data.draw(calls(OWNERS, around)))
        around = pair.check()

"""Whatever is sent, a reader answers with what it read or with an error of ours."""

from __future__ import annotations

import importlib.util
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import fuzz
import pytest
from conftest import NIGHTLY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Noted = Callable[[str, object], None]
"""What pytest keeps of a test for docs/hardness.md."""

SECONDS: Final = 60
EXAMPLES: Final = 3000 if NIGHTLY else 60


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_what_was_found(target: str, record_property: Noted) -> None:
    """What broke a reader once does so no more, nor does what reached its far corners."""
    inputs = fuzz.found(target)
    for name, data in inputs.items():
        try:
            fuzz.once(target, data)
        except Exception as error:
            error.add_note(f"read from {name}")
            raise
    record_property("inputs", len(inputs))


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_good_inputs_are_read(target: str) -> None:
    """What the search begins with is read without an error, so it begins deep inside."""
    for data in fuzz._good(target):
        fuzz.TARGETS[target](data)


@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_mutations(target: str, record_property: Noted) -> None:
    """Good inputs with bytes changed, cut out, doubled or put in."""
    good, read = fuzz.seeds(target), []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(numbers=st.integers(0, 2**32))
    def check(numbers: int) -> None:
        fuzz.once(target, mutated(good, random.Random(numbers)))
        read.append(numbers)

    check()
    record_property("inputs", len(read))


def mutated(good: list[bytes], rng: random.Random) -> bytes:
    """One of the inputs, changed in up to five places."""
    data = bytearray(rng.choice(good))
    for _ in range(rng.randrange(1, 6)):
        at, end = sorted(rng.randrange(len(data) + 1) for _ in "ab")
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : min(end, at + 600)]
            case 2:
                data[at:at] = data[at : min(end, at + 600)]
            case 3:
                data[at:at] = rng.randbytes(rng.randrange(9))
            case 4:
                data[at : at + 8] = rng.choice(
                    [b"\0" * 8, b"7" * 8, b"\xff" * 8, b'"', b"{[", b"-1"]
                )
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("target", fuzz.TARGETS)
def test_guided_by_coverage(target: str, record_property: Noted) -> None:
    """A minute of search finds nothing that breaks a rule."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install atheris")
    command = [sys.executable, Path(fuzz.__file__), target, str(SECONDS)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=20 * SECONDS,
        cwd=Path(fuzz.__file__).parent,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    executed = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    assert executed
    record_property("inputs", int(executed[1]))

"""Verbs of `%docker`, carried out word by word on a learner's bench."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from imgkit.commands import Bench, run
from imgkit.lab import Lab


@dataclass(frozen=True)
class Said:
    """What a verb did: exit status, output, errors."""

    status: int
    out: str
    err: str


Do = Callable[..., Said]


@pytest.fixture
def bench() -> Bench:
    return Lab().bench(lambda line: None, lambda line: None)


@pytest.fixture
def docker(bench: Bench) -> Do:
    """Carries out a verb, on a bench that has pulled alpine and nginx."""

    def given(*words: str, stdin: str | bytes = "") -> Said:
        out: list[str] = []
        err: list[str] = []
        bench.say, bench.warn = out.append, err.append
        bench.stdin = io.BytesIO(stdin.encode() if isinstance(stdin, str) else stdin)
        status = run(bench, words)
        return Said(status, "\n".join(out), "\n".join(err))

    given("pull", "-q", "alpine")
    given("pull", "-q", "nginx")
    return given

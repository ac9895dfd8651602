"""Every command line of the documents, and many more: what Docker answers is what we answer."""

from __future__ import annotations

import contextlib
import io
import itertools
import io
import os
import re
import shlex
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import requests
import transcript
from transcript import HERE, Plain, Row, Session, ageless

from imgkit.client import Client
from imgkit.commands import Bench, run
from imgkit.platforms import Platform
from imgkit.server import transport

SESSIONS: Final = {session.name: session for session in transcript.sessions()}
ROWS: Final = [(name, n) for name in SESSIONS for n in range(len(SESSIONS[name].rows))]

DIFFERENCES: Final[dict[tuple[str, str], str]] = {}
"""Session and command line of every answer that is not Docker's, and why it is not."""


class Ours:
    """The side of a session that our commands hold."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.place = folder / "work"
        self.place.mkdir()
        session.lay_out(self.place)
        http = requests.Session()
        transport.mount(http, transcript.registry(folder / "registry"))
        ticks = itertools.count()
        start = datetime.fromisoformat(session.at)
        self.texts: tuple[list[str], list[str]] = ([], [])
        self.bench = Bench(
            home=folder / "home",
            client=lambda: Client(session=http, mirror=transport.HOME),
            say=self.texts[0].append,
            warn=self.texts[1].append,
            now=lambda: start + timedelta(milliseconds=next(ticks)),
            platform=Platform("linux", "amd64"),
            jobs=1,
        )

    def answer(self, row: Row) -> Row:
        """What we say to the same line."""
        line = re.sub(r"\$\(docker ([^)]*)\)", lambda part: self._inner(part[1]), row.line)
        self.bench.stdin = io.BytesIO((row.stdin or "").encode())
        self.bench.terminal = row.terminal
        status = self._run(line.removeprefix("docker "))
        out, err = ("".join(f"{line}\n" for line in lines) for lines in self.texts)
        out, err = (text.replace(str(self.place), HERE) for text in (out, err))
        return row.answered(status, out, err)

    def _inner(self, line: str) -> str:
        self._run(line)
        return " ".join(self.texts[0])

    def _run(self, line: str) -> int:
        for lines in self.texts:
            lines.clear()
        with contextlib.chdir(self.place):
            return run(self.bench, shlex.split(line))


@cache
def ours(name: str) -> list[Row]:
    """A whole session, held by us."""
    with tempfile.TemporaryDirectory(prefix="imgkit-transcript-") as folder:
        here, plain = Ours(SESSIONS[name], Path(folder)), Plain()
        return [plain(here.answer(row)) for row in SESSIONS[name].rows]


@pytest.mark.parametrize(("name", "number"), ROWS)
def test_as_docker(name: str, number: int) -> None:
    """Output, errors and exit status are those of a real engine, or else the table says why."""
    theirs, mine = SESSIONS[name].rows[number], ours(name)[number]
    if (name, theirs.line) in DIFFERENCES:
        assert mine != theirs, "no longer a difference: take it out of the table"
    else:
        assert mine == theirs


def test_differences_are_of_lines() -> None:
    """The table has no line that nobody types."""
    typed = Counter((name, row.line) for name, session in SESSIONS.items() for row in session.rows)
    assert not set(DIFFERENCES) - set(typed)


@pytest.mark.peer("dockerd", "docker", "openssl", "runc", "busybox")
def test_recordings_are_true() -> None:
    """A real engine, asked now, says what is recorded; `IMGKIT_RECORD=1` writes it anew."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(transcript.record, SESSIONS.values()))
    for session in found:
        if os.environ.get("IMGKIT_RECORD"):
            session.write()
        else:
            recorded = SESSIONS[session.name].rows
            assert list(map(ageless, session.rows)) == list(map(ageless, recorded))

"""Sessions with Docker: what was typed, what a real engine answered, and how to record it anew.

A session begins with an empty local repository and with the sample images in every registry. Two
things are not kept as they were printed, because nobody could print them again: times of the day
of the recording, and what is random, IDs and names of containers. Every unknown ID gets a number
in the order of appearance, so that it is still told whether two lines speak of the same one.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from fcntl import ioctl
from functools import cache
from pathlib import Path
from typing import Any, Final

from docker_engine import Docker, engine
from internet import Internet

from imgkit import samples, server
from imgkit.digest import Digest
from imgkit.store import Store

FOLDER: Final = Path(__file__).parent / "transcripts" / "docker"


@dataclass(frozen=True)
class Row:
    """One command line: with `stdin`, or on a terminal, of which the last screen is kept.

    Where Docker itself prints lines now in one order and now in another, they are in `any_order`
    and kept sorted (it walks over Go's maps, and sorts what was made in the same second anyhow).
    """

    line: str
    stdin: str | None = None
    terminal: bool = False
    any_order: bool = False
    status: int = 0
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Row:
        stdin = facts.get("stdin")
        return cls(**{**facts, "stdin": "\n".join(stdin) if stdin is not None else None})

    def answered(self, status: int, out: str, err: str) -> Row:
        lines = _lines(out)
        return replace(
            self, status=status, out=sorted(lines) if self.any_order else lines, err=_lines(err)
        )

    def to_json(self) -> dict[str, Any]:
        facts = {key: value for key, value in asdict(self).items() if value}
        if self.stdin is not None:
            facts["stdin"] = self.stdin.split("\n")
        return facts


def _lines(text: str) -> list[str]:
    """The lines; one that does not end has a backslash where the end would be."""
    if not text:
        return []
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines[:-1], lines[-1] + "\\"]


@dataclass(frozen=True)
class Session:
    """What was typed, one after another; `files` stand in the directory where it happened."""

    name: str
    about: str
    at: str
    files: dict[str, list[str]]
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> Session:
        facts = json.loads(path.read_text())
        rows = [Row.of(row) for row in facts["rows"]]
        return cls(path.stem, facts["about"], facts.get("at", ""), facts.get("files", {}), rows)

    def write(self) -> None:
        facts = {"about": self.about, "at": self.at, "files": self.files}
        facts["rows"] = [row.to_json() for row in self.rows]  # type: ignore[assignment]
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (FOLDER / f"{self.name}.json").write_text(text + "\n")

    def lay_out(self, folder: Path) -> None:
        """Write the files."""
        for name, lines in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("\n".join(lines) + "\n")


def sessions() -> list[Session]:
    """All that are recorded."""
    return [Session.read(path) for path in sorted(FOLDER.glob("*.json"))]


def registry(folder: Path) -> server.Registry:
    """The registry of a session: the samples, and room for what is pushed."""
    return server.Registry([Store(folder), samples.store()])


# -- what cannot be printed twice ----------------------------------------------------------------

_ID: Final = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
_STAMP: Final = re.compile(r"(20\d\d-\d\d-\d\d)[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[ ]?[+-]\d\d:?\d\d)?")
_MOMENT: Final = re.compile(
    r"(Less than a second|About a minute|About an hour|\d+ (second|minute|hour)s?)\b"
)
_LONG: Final = re.compile(r"\d+ (day|week|month|year)s?\b")
_BRIEFLY: Final = re.compile(r"[0-9a-f]{12}: (?:Verifying Checksum|Download complete)\n")
"""What is told on a pipe if it takes long enough, and only then."""

_RANDOM_NAME: Final = re.compile(r"\b[a-z]+_[a-z]+\d?\b")


@cache
def known() -> frozenset[str]:
    """Every digest of the samples, also of what is unpacked: whoever is right prints these."""
    blobs = list((samples.LAYOUT / "blobs" / "sha256").iterdir())
    found = {path.name for path in blobs}
    for path in blobs:
        raw = path.read_bytes()
        if raw.startswith(b"{"):
            diff_ids = json.loads(raw).get("rootfs", {}).get("diff_ids", [])
            found |= {text.removeprefix("sha256:") for text in [*diff_ids, *_chain(diff_ids)]}
    return frozenset(found | {name[:12] for name in found})


def _chain(diff_ids: list[str]) -> list[str]:
    """The ChainIDs: each names a stack of layers."""
    chain = diff_ids[:1]
    for diff_id in diff_ids[1:]:
        chain.append(str(Digest.of(f"{chain[-1]} {diff_id}".encode())))
    return chain


class Plain:
    """Takes times and random IDs out of the answers of one session, in the order they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, row: Row) -> Row:
        return row.answered(row.status, self._text(row, row.out), self._text(row, row.err))

    def _text(self, row: Row, lines: list[str]) -> str:
        def number(match: re.Match[str]) -> str:
            return match[0] if match[0] in row.line else self._id(match[0])

        text = _STAMP.sub(_stamp, _ID.sub(number, "".join(f"{line}\n" for line in lines)))
        if " ps" in row.line:
            text = _RANDOM_NAME.sub("random_name", text)
        plain = _MOMENT.sub("TIME", _BRIEFLY.sub("", text))
        if "TIME" not in plain:
            return plain
        return re.sub(" {2,}", "  ", plain)  # a column is as wide as its longest time

    def _id(self, text: str) -> str:
        if text in known():
            return text
        number = self._numbers.setdefault(text[:12], len(self._numbers) + 1)
        return f"id{number:0{len(text) - 2}}"


def _stamp(match: re.Match[str]) -> str:
    return match[0] if match[1] <= str(samples.NOW.date()) else "TIMESTAMP"


def ageless(row: Row) -> Row:
    """Without the age of the samples, which differs from one recording to the next."""

    def text(lines: list[str]) -> str:
        return "".join(re.sub(" {2,}", "  ", _LONG.sub("AGE", line)) + "\n" for line in lines)

    return row.answered(row.status, text(row.out), text(row.err))


# -- recording -----------------------------------------------------------------------------------


def record(session: Session) -> Session:
    """The session, held now with a new engine."""
    scratch = Path(tempfile.mkdtemp(prefix="imgkit-transcript-"))
    try:
        place, state = scratch / "work", scratch / "state"
        place.mkdir()
        state.mkdir()
        session.lay_out(place)
        runtime = state / "runtime"
        runtime.write_text(f'#!/bin/sh\nexec {sys.executable} {_RUNTIME} "$@"\n')
        runtime.chmod(0o755)
        internet = Internet(state, registry(state / "registry"))
        env = {**internet.env, "DOCKER_CONFIG": str(state), "DOCKER_CLI_HINTS": "false"}
        options = ["--add-runtime", f"covered={runtime}", "--default-runtime", "covered"]
        with internet.open(), engine(*options, env=env) as docker:
            at = datetime.now(UTC).isoformat(timespec="seconds")
            plain = Plain()
            rows = [plain(_ask(docker, place, row)) for row in session.rows]
            docker.run("ps")
            _end(docker)
        return Session(session.name, session.about, at, session.files, rows)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


HERE: Final = "/home/alice"
"""What the directory is called in which the session took place."""

_ADVICE: Final = """\
DEPRECATED: The legacy builder is deprecated and will be removed in a future release.
            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0
            environment-variable.

"""
"""What the command line tells everyone who records it with the classic builder."""

_RUNTIME: Final = Path(__file__).with_name("runtime.py")


def _end(docker: Docker) -> None:
    """Containers that still run would outlive their engine."""
    if ids := docker.run("ps", "-aq").stdout.split():
        docker.run("rm", "-f", *ids)


def _ask(docker: Docker, place: Path, row: Row) -> Row:
    """What is printed, as a screen shows it; with the paths of an engine that was installed."""
    command = ["sh", "-c", row.line]
    given = None if row.stdin is None else row.stdin.encode()
    if row.terminal:
        status, out, err = on_terminal(command, docker.env, place, given)
    else:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            env=docker.env,
            cwd=place,
            input=given or b"",
            timeout=60,
        )
        status = done.returncode
        out, err = (text.decode().replace("\r", "") for text in (done.stdout, done.stderr))
    err = err.replace(_ADVICE, "")
    for real, told in {docker.home / "data": "/var/lib/docker", place: HERE}.items():
        out, err = out.replace(str(real), told), err.replace(str(real), told)
    return row.answered(status, out, err)


def on_terminal(
    command: list[str], env: dict[str, str], place: Path, given: bytes | None
) -> tuple[int, str, str]:
    """Exit status, and the last screens of two terminals, for output and for errors.

    Standard input is what is given, or else the terminal, where nobody types.
    """
    (screen_out, out), (screen_err, err) = pty.openpty(), pty.openpty()
    for inner in (out, err):
        ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 200, 0, 0))
    stdin = out if given is None else subprocess.PIPE
    process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=err, env=env, cwd=place)
    os.close(out)
    os.close(err)
    with ThreadPoolExecutor(2) as pool:
        texts = pool.map(_drain, (screen_out, screen_err))
        if process.stdin:
            process.stdin.write(given or b"")
            process.stdin.close()
        status = process.wait(60)
        first, second = (screen(text.decode()) for text in texts)
    return status, first, second


def _drain(terminal: int) -> bytes:
    """All that is written to a terminal until nobody has it open any more."""
    text = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # EIO: that was the last
            break
        text += chunk
    os.close(terminal)
    return text


def screen(text: str) -> str:
    """What a terminal shows in the end, without the spaces at the ends of its lines."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
        elif part[0] == "\x1b":
            count = int(part[2:-1] or 1)
            row += {"A": -count, "B": count}.get(part[-1], 0)
            if part[-1] == "K":
                rows[row] = "" if part[2:-1] == "2" else rows[row][:column]
        else:
            line = rows[row].ljust(column)
            rows[row] = line[:column] + part + line[column + len(part) :]
            column += len(part)
        rows += [""] * (row + 1 - len(rows))
    return "\n".join(line.rstrip() for line in rows).rstrip("\n") + "\n" if text else ""

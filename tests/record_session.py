"""A session with a real Docker engine, held anew: a new engine each, and an internet of its own."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from fcntl import ioctl
from pathlib import Path
from typing import Final

from docker_engine import Docker, engine
from internet import Internet
from transcript import HERE, Plain, Row, Session, registry

_ADVICE: Final = """\
DEPRECATED: The legacy builder is deprecated and will be removed in a future release.
            BuildKit is currently disabled; enable it by removing the DOCKER_BUILDKIT=0
            environment-variable.

"""
"""What the command line tells everyone who records it with the classic builder."""

HANGS: Final = 300
"""Seconds after which a command line is given up; on a busy machine a build takes a minute."""

_RUNTIME: Final = Path(__file__).with_name("runtime.py")


def record(session: Session) -> Session:
    """The session, held now with a new engine."""
    with tempfile.TemporaryDirectory(prefix="imgkit-transcript-") as scratch:
        place, state = Path(scratch, "work"), Path(scratch, "state")
        place.mkdir()
        state.mkdir()
        session.lay_out(place)
        runtime = state / "runtime"
        runtime.write_text(f'#!/bin/sh\nexec {sys.executable} {_RUNTIME} "$@"\n')
        runtime.chmod(0o755)
        with closing(registry(state / "registry")) as app:
            internet = Internet(state, app)
            env = {**internet.env, "DOCKER_CONFIG": str(state), "DOCKER_CLI_HINTS": "false"}
            options = ["--add-runtime", f"covered={runtime}", "--default-runtime", "covered"]
            with internet.open(), engine(*options, env=env) as docker:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                plain = Plain()
                rows = [plain(_ask(docker, place, row)) for row in session.rows]
                _end(docker)
        return Session(session.name, session.about, at, session.files, rows)


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
            timeout=HANGS,
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
        status = process.wait(HANGS)
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

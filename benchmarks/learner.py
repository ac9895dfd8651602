"""A learner at a Jupyter server: opens a lesson, runs all its cells, presses a widget's button.

    python -m benchmarks.learner NOTEBOOK [COUNT]

starts JupyterLab here, runs the first COUNT code cells of the notebook (default: all), and prints
the seconds until JupyterLab answered, until the first cell was executed, and until the last was;
and the MB of memory that the kernel then had, as if it shared nothing. It speaks to the server as
the browser does: REST, and the kernel's channels over a websocket.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import requests
import websocket

PATIENCE: Final = 300
"""Seconds after which a cell, or a server that starts, is given up."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson that was run: its kernel, the seconds it took, and the cells that failed.

    `kernel` is the kernel's process; `first` and `whole` count from the opening.
    """

    kernel: int
    first: float
    whole: float
    cells: int
    failed: tuple[str, ...]
    pressed: bool


@dataclass(slots=True)
class Learner:
    """Somebody at the Jupyter server at `url`, which lets in whoever has the token."""

    url: str
    token: str
    _socket: Any = None
    _models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, notebook: str, button: str = "", count: int | None = None) -> Lesson:
        """Open the notebook and run its code cells; then press the button of that name, if any."""
        began, first, failed = time.monotonic(), 0.0, []
        cells = self._cells(notebook)[:count]
        self._connect(notebook)
        for number, (source, may_fail) in enumerate(cells, 1):
            problem = self._execute(source)
            first = first or time.monotonic() - began
            if problem and not may_fail:
                failed.append(f"cell {number}: {problem}")
        pressed = bool(button) and self._press(button)
        whole = time.monotonic() - began
        return Lesson(self._process(), first, whole, len(cells), tuple(failed), pressed)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"token {self.token}"}
        answer = requests.request(
            method, f"{self.url}/{path}", headers=headers, timeout=PATIENCE, **more
        )
        answer.raise_for_status()
        return answer.json()

    def _cells(self, notebook: str) -> list[tuple[str, bool]]:
        """The code of each cell, and whether it is meant to end with an error."""
        found = self._ask("GET", f"api/contents/{notebook}")["content"]["cells"]
        return [
            (cell["source"], "raises-exception" in cell["metadata"].get("tags", ()))
            for cell in found
            if cell["cell_type"] == "code"
        ]

    def _connect(self, notebook: str) -> None:
        wanted = {
            "path": notebook,
            "name": notebook,
            "type": "notebook",
            "kernel": {"name": "python3"},
        }
        kernel = self._ask("POST", "api/sessions", json=wanted)["kernel"]["id"]
        self._socket = websocket.create_connection(
            f"ws{self.url.removeprefix('http')}/api/kernels/{kernel}/channels",
            header=[f"Authorization: token {self.token}"],
            timeout=PATIENCE,
        )

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        identity = uuid.uuid4().hex
        header = {
            "msg_id": identity,
            "msg_type": kind,
            "version": "5.3",
            "session": "learner",
            "username": "",
            "date": "2024-01-01T00:00:00Z",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
            "buffers": [],
        }
        self._socket.send(json.dumps(message))
        return identity

    def _heard(self, identity: str, reply: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """What the kernel says about a request, until it is idle again and has replied."""
        replied, idle = not reply, False
        while not (replied and idle):
            raw = self._socket.recv()
            if isinstance(raw, bytes):
                continue  # buffers of a widget; none of ours has any
            message = json.loads(raw)
            if message["parent_header"].get("msg_id") != identity:
                continue
            kind, content = message["header"]["msg_type"], message["content"]
            replied |= kind == reply
            idle |= kind == "status" and content["execution_state"] == "idle"
            yield kind, content

    def _execute(self, code: str) -> str:
        """Run one cell; the error that it ended with, or nothing."""
        asked = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        problem = ""
        for kind, content in self._heard(self._send("execute_request", asked), "execute_reply"):
            if kind == "comm_open":
                self._models[content["comm_id"]] = content["data"].get("state", {})
            elif kind == "error":
                problem = f"{content['ename']}: {content['evalue']}"
        return problem

    def _press(self, button: str) -> bool:
        """Click it as the browser does; whether anything on the page changed then."""
        for identity, state in list(self._models.items()):
            if (state.get("_model_name"), state.get("description")) == ("ButtonModel", button):
                click = {"method": "custom", "content": {"event": "click"}}
                sent = self._send("comm_msg", {"comm_id": identity, "data": click})
                return "comm_msg" in [kind for kind, _ in self._heard(sent)]
        return False

    def _process(self) -> int:
        """The number of the kernel's process, which the kernel itself says."""
        number = 0
        ask = {
            "code": "",
            "silent": True,
            "user_expressions": {"pid": "__import__('os').getpid()"},
        }
        for kind, content in self._heard(self._send("execute_request", ask), "execute_reply"):
            if kind == "execute_reply":
                number = int(content["user_expressions"]["pid"]["data"]["text/plain"])
        return number


def wait_for(is_there: Callable[[], bool], what: str) -> float:
    """Returns when it is there; the seconds that took. Raises `TimeoutError`."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            if is_there():
                return time.monotonic() - began
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not start in {PATIENCE} seconds")


def memory(process: int, kind: str = "Pss") -> int:
    """Bytes of memory; as Pss, what several processes share is counted in parts."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    return 0


@contextmanager
def jupyterlab(token: str, port: int = 8899) -> Iterator[str]:
    """The address of a JupyterLab over the working directory, started as on Binder."""
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}"]
    command += ["--log-level=ERROR", "--ServerApp.port_retries=0"]
    command += ["--allow-root"] * (os.geteuid() == 0)
    process = subprocess.Popen(command, env=os.environ | {"JUPYTER_TOKEN": token})
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def main() -> int:
    """Start a server, be one learner there, and say how long it took."""
    notebook, *more = sys.argv[1:]
    token = secrets.token_urlsafe(12)
    with jupyterlab(token) as url:
        there = {"Authorization": f"token {token}"}
        started = wait_for(
            lambda: requests.get(f"{url}/api", headers=there, timeout=5).ok, "JupyterLab"
        )
        lesson = Learner(url, token).run(notebook, count=int(more[0]) if more else None)
        held = memory(lesson.kernel, "Rss") / 1e6
    facts = {"started": started, "first": started + lesson.first, "last": started + lesson.whole}
    facts["kernel"] = held
    print(json.dumps({name: round(fact, 1) for name, fact in facts.items()}))
    print("\n".join(lesson.failed), end="", file=sys.stderr)
    return bool(lesson.failed)


if __name__ == "__main__":
    sys.exit(main())

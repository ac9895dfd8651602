"""What a class costs: a JupyterHub on this machine, learners at it, and a plan made from that.

    python -m benchmarks.hub [--learners 5 10 20] [--lesson 02-pulling] [--venv DIRECTORY]

JupyterHub is no part of this project's lock: it is installed, with its proxy (npm) and what Binder
installs, into an environment of its own, which is kept for the next time. Each learner has a
home with a copy of the lessons, opens one, runs all its cells through the kernel's channels, and
presses a widget's button. Memory is the proportional set size (PSS), so that what learners share
is counted once. The output is Markdown, for the instructor's pack.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Final

import platformdirs
import requests

from benchmarks.learner import Learner, Lesson, memory, wait_for

ROOT: Final = Path(__file__).resolve().parent.parent
CLASSES: Final = (30, 100, 300, 1000)
NODE: Final = (8, 32)
"""Cores and GB of the machine that the plan counts in."""
SYSTEM: Final = 2
"""GB of such a machine that its system, and what a cluster runs there, keep for themselves."""
WIDGETS: Final = {"00-start-here": "", "02-pulling": "Pull", "08-building-and-sharing": "Build"}
"""Lessons, and the button of a widget in each."""

CONFIG: Final = """
from pathlib import Path
import shutil
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r} + "/{{username}}"
c.Spawner.args = {args!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.concurrent_spawn_limit = 20
c.JupyterHub.services = [{{"name": "load", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{
        "name": "load",
        "services": ["load"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }}
]

def move_in(spawner):
    home = Path({homes!r}, spawner.user.name)
    shutil.copytree({lessons!r}, home, dirs_exist_ok=True)
    (home / "tmp").mkdir(exist_ok=True)
    spawner.environment = {{"TMPDIR": str(home / "tmp"), "XDG_DATA_HOME": str(home / ".local")}}

c.Spawner.pre_spawn_hook = move_in
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one learner needed: bytes of memory and disk, seconds of a core and on the clock.

    `alone` is the memory of the kernel if it shared nothing with others (its resident set).
    """

    server: int
    kernel: int
    alone: int
    disk: int
    spawned: float
    core: float
    lesson: Lesson


def environment(folder: Path) -> Path:
    """The directory of an environment with JupyterHub, its proxy, and this package as it is now."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    if not (folder / ".made").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        locked = ["--require-hashes", "--requirement", str(ROOT / "binder" / "requirements.txt")]
        subprocess.run([*pip, "jupyterhub>=5,<6"], check=True)
        subprocess.run([*pip, *locked], check=True)
        proxy = [
            "npm",
            "install",
            "--silent",
            "--prefix",
            str(folder),
            "configurable-http-proxy@^5",
        ]
        subprocess.run(proxy, check=True)
        (folder / ".made").touch()
    itself = ["--no-deps", "--no-build-isolation", "--force-reinstall", str(ROOT)]
    subprocess.run([*pip, *itself], check=True)
    return folder


@contextmanager
def hub(folder: Path, scratch: Path) -> Iterator[tuple[str, str, int]]:
    """The address of a hub that is running, a token for all of it, and its process."""
    port, back, api = free_ports(3)
    token = secrets.token_hex(16)
    homes = scratch / "homes"
    homes.mkdir()
    facts = {
        "port": port,
        "hub": back,
        "api": api,
        "token": token,
        "homes": str(homes),
        "args": ["--allow-root"] if os.geteuid() == 0 else [],
        "proxy": str(folder / "node_modules" / ".bin" / "configurable-http-proxy"),
        "lessons": str(ROOT / "notebooks"),
    }
    config = scratch / "jupyterhub_config.py"
    config.write_text(CONFIG.format(**facts), encoding="utf-8")
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    with (scratch / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(folder / "bin" / "jupyterhub"), "--config", str(config)],
            cwd=scratch,
            env={**os.environ, "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: requests.get(f"{url}/hub/api/", timeout=5).ok, "JupyterHub")
            yield url, token, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    with ExitStack() as held:
        made = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in made]


def learn(url: str, token: str, name: str, homes: Path, lesson: str) -> Cost:
    """Start a server for somebody, run a lesson there, and measure while all is still running."""
    headers = {"Authorization": f"token {token}"}
    users = f"{url}/hub/api/users/{name}"
    requests.post(users, headers=headers, timeout=60).raise_for_status()
    requests.post(f"{users}/server", headers=headers, timeout=300).raise_for_status()

    def is_ready() -> bool:
        told = requests.get(users, headers=headers, timeout=60).json()
        return bool(told["servers"].get("", {}).get("ready"))

    spawned = wait_for(is_ready, f"the server of {name}")
    done = Learner(f"{url}/user/{name}", token).run(f"{lesson}.ipynb", WIDGETS.get(lesson, ""))
    server = parent(done.kernel)
    return Cost(
        server=memory(server),
        kernel=memory(done.kernel),
        alone=memory(done.kernel, "Rss"),
        disk=used(homes / name),
        spawned=spawned,
        core=seconds(server) + seconds(done.kernel),
        lesson=done,
    )


def parent(process: int) -> int:
    """The process that started this one."""
    return int(_stat(process)[1])


def seconds(process: int) -> float:
    """The seconds of a core that a process has used, its ended children's included."""
    ticks = sum(map(int, _stat(process)[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[str]:
    """The fields of `/proc/PID/stat` after the name: state, parent, ..."""
    return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()


def used(folder: Path) -> int:
    """Bytes on the disk below a directory."""
    files = (path.lstat() for path in folder.rglob("*"))
    return sum(status.st_blocks * 512 for status in files)


def measure(folder: Path, count: int, lesson: str) -> tuple[list[Cost], int, float]:
    """So many learners at once: what each cost, the hub's own bytes, and the seconds for all."""
    with tempfile.TemporaryDirectory(prefix="imgkit-hub-") as temporary:
        scratch = Path(temporary)
        with hub(folder, scratch) as (url, token, process):
            began = time.monotonic()
            with ThreadPoolExecutor(count) as room:
                asked = [
                    room.submit(learn, url, token, f"learner{n}", scratch / "homes", lesson)
                    for n in range(1, count + 1)
                ]
                costs = [each.result() for each in asked]
            return costs, memory(process), time.monotonic() - began


HEAD: Final = (
    "learners",
    "failed cells",
    "kernel, MB",
    "kernel alone, MB",
    "server, MB",
    "disk, MB",
    "core seconds",
    "server started, s",
    "lesson done, s",
)


def row(costs: Sequence[Cost]) -> tuple[str, ...]:
    """Means of what was measured; the greatest kernel stands in brackets."""
    kernels = [cost.kernel / 1e6 for cost in costs]
    return (
        str(len(costs)),
        str(sum(len(cost.lesson.failed) for cost in costs)),
        f"{mean(kernels):.0f} ({max(kernels):.0f})",
        f"{mean(cost.alone / 1e6 for cost in costs):.0f}",
        f"{mean(cost.server / 1e6 for cost in costs):.0f}",
        f"{mean(cost.disk / 1e6 for cost in costs):.1f}",
        f"{mean(cost.core for cost in costs):.1f}",
        f"{mean(cost.spawned for cost in costs):.0f}",
        f"{mean(cost.lesson.whole for cost in costs):.0f}",
    )


def plan(costs: Sequence[Cost]) -> Iterator[tuple[str, ...]]:
    """For each size of a class: memory, cores, disk and machines, with a quarter to spare.

    Cores: everybody runs a whole lesson within its first five minutes, which is the worst moment.
    """
    held = 1.25 * max(cost.kernel + cost.server for cost in costs) / 1e9
    cores = 1.25 * mean(cost.core for cost in costs) / 300
    disk = 1.25 * max(cost.disk for cost in costs) / 1e9
    fits = min(int((NODE[1] - SYSTEM) / held), int((NODE[0] - 0.5) / cores))
    for learners in CLASSES:
        yield (
            f"{learners:,}",
            f"{learners * held:.0f}",
            f"{learners * cores:.1f}",
            f"{max(1, learners * disk):.0f}",
            str(-(-learners // fits)),
        )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Measure classes of these sizes, and print what they cost and what others will."""
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    words.add_argument("--learners", type=int, nargs="+", default=[5, 10, 20])
    words.add_argument("--lesson", default="02-pulling", choices=WIDGETS)
    words.add_argument("--venv", type=Path, default=platformdirs.user_cache_path("imgkit") / "hub")
    options = words.parse_args()
    if shutil.which("npm") is None:
        sys.exit("JupyterHub's proxy comes from npm, which is not installed (Debian: npm).")
    folder = environment(options.venv.resolve())
    rows, last = [], list[Cost]()
    for count in options.learners:
        last, own, whole = measure(folder, count, options.lesson)
        rows.append((*row(last), f"{own / 1e6:.0f}", f"{whole:.0f}"))
        print(f"{count} learners: {whole:.0f} s", file=sys.stderr)
    print(table((*HEAD, "hub, MB", "all done, s"), rows), end="\n\n")
    heads = (
        "learners",
        "memory, GB",
        "cores",
        "disk, GB",
        f"machines of {NODE[0]} cores, {NODE[1]} GB",
    )
    print(table(heads, plan(last)))
    problems = [problem for cost in last for problem in cost.lesson.failed]
    unpressed = sum(not cost.lesson.pressed for cost in last if WIDGETS[options.lesson])
    print(
        "\n".join(problems[:10]),
        f"{unpressed} buttons did nothing" * bool(unpressed),
        file=sys.stderr,
    )
    return bool(problems or unpressed)


if __name__ == "__main__":
    sys.exit(main())

"""Eight processes in one local repository: nothing is corrupted, no name lost, none hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from conftest import NIGHTLY

from imgkit.audit import Audit
from imgkit.commands import run
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.store import Store

PROCESSES: Final = 8
SECONDS: Final = 60 if NIGHTLY else 5
WORK: Final = """
import random, sys, time
from pathlib import Path
from imgkit.commands import run
from imgkit.lab import Lab
home, number, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
rng, done, said = random.Random(int(number)), 0, []
bench = Lab().bench(said.append, said.append)
bench.home, bench.rng = home, None
names = ["redis", "alpine", "busybox:glibc", "portainer/portainer-ce"]
end = time.monotonic() + seconds
while time.monotonic() < end:
    name = rng.choice(names)
    line = rng.choice([
        ["pull", "-q", name], ["pull", "-q", name], ["tag", name, f"mine{number}:{done}"],
        ["rmi", "-f", name], ["image", "prune", "-f"], ["image", "prune", "-a", "-f"], ["images"],
    ])
    said.clear()
    status = run(bench, line)
    missing = any("No such image" in one or "not in the local" in one for one in said)
    assert status == 0 or missing or any("would be incomplete" in one for one in said), (line, said)
    done += 1
for _ in range(3):
    assert run(bench, ["pull", "-q", "redis"]) == 0, said
    if run(bench, ["tag", "redis", f"kept:{number}"]) == 0:
        break
print(done)
"""


def test_eight_processes(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """They pull, tag, remove and prune; then an audit is clean, and each has the name it gave."""
    home, commands = tmp_path / "home", 0
    Store(home)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, home, str(number), str(SECONDS)],
            env=os.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for worker in workers:
        out, errors = worker.communicate(timeout=20 * SECONDS + 60)
        assert worker.returncode == 0, errors
        assert int(out) > 0
        commands += int(out)
    record_property("commands", commands)
    found = Audit.of(Store(home))
    assert found.broken == []
    assert found.notes == []
    assert verify(Store(home).image("redis")) == []


def test_a_tag_outlives_pruning(tmp_path: Path) -> None:
    """Names that processes give while others prune what nothing names are all there afterwards."""
    said: list[str] = []
    bench = Lab().bench(said.append, said.append)
    bench.home = tmp_path / "home"
    assert run(bench, ["pull", "-q", "redis"]) == 0
    code = (
        "import sys; from imgkit.__main__ import main\n"
        "words = {0: ['tag', 'redis', 'n{0}:{1}'], 1: ['image', 'prune', '-f']}\n"
        "number = int(sys.argv[1])\n"
        "for at in range(20):\n"
        "    assert main([w.format(number, at) for w in words[number % 2]]) == 0\n"
    )
    env = os.environ | {"IMGKIT_HOME": str(bench.home)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(number)], env=env, stdout=subprocess.DEVNULL
        )
        for number in range(PROCESSES)
    ]
    assert [worker.wait(300) for worker in workers] == [0] * PROCESSES
    names = {record.name for record in Store(bench.home).records()}
    wanted = {f"docker.io/library/n{n}:{at}" for n in range(0, PROCESSES, 2) for at in range(20)}
    assert wanted <= names
    assert Audit.of(Store(bench.home)).broken == []

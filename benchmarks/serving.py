"""Serving one large blob to many at once: our registry beside Debian's docker-registry.

python -m benchmarks.serving
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from benchmarks.registry import registry
from imgkit.digest import Digest

SIZE: Final = 300_000_000
CLIENTS: Final = 8
ROUNDS: Final = 3
SERVE: Final = """
import sys
from imgkit.server import Registry
from imgkit.store import Store
from imgkit.server.transport import serve
with serve(Registry([Store(sys.argv[1])], auth=False)) as served:
    print(served.host, flush=True)
    served.wait()
"""


def main() -> None:
    """Megabytes a second to all clients together, and the most memory that our server had."""
    missing = [name for name in ("curl", "docker-registry") if shutil.which(name) is None]
    if missing:
        print(f"serving: not measured, {' and '.join(missing)} not installed")
        return
    blob = random.Random(1).randbytes(1 << 20) * (SIZE >> 20)
    with tempfile.TemporaryDirectory(prefix="imgkit-bench-") as name:
        folder = Path(name)
        with registry("docker-registry", folder) as theirs, _ours(folder / "ours") as (ours, pid):
            urls = [_push(address, blob) for address in (ours, theirs)]
            before = _memory(pid)
            fastest = [float("inf"), float("inf")]
            for _ in range(ROUNDS):
                for number, url in enumerate(urls):
                    fastest[number] = min(fastest[number], _fetch(url))
            speeds = [CLIENTS * len(blob) / seconds / 1e6 for seconds in fastest]
            print(
                f"serving {len(blob) / 1e6:.0f} MB to {CLIENTS} clients: imgkit {speeds[0]:.0f} "
                f"MB/s, docker-registry {speeds[1]:.0f} MB/s, ratio {speeds[0] / speeds[1]:.2f}; "
                f"imgkit's memory {before} MB before, {_memory(pid)} MB at most"
            )


@contextmanager
def _ours(home: Path) -> Iterator[tuple[str, int]]:
    """Our registry as a program of its own: its `host:port` and process."""
    command = [sys.executable, "-c", SERVE, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip(), process.pid
        process.terminate()


def _push(address: str, blob: bytes) -> str:
    """The address of the blob, after it was pushed."""
    begun = requests.post(f"http://{address}/v2/bench/blobs/uploads/", timeout=60)
    where = requests.compat.urljoin(begun.url, begun.headers["Location"])
    digest = Digest.of(blob)
    done = requests.put(where, params={"digest": digest}, data=blob, timeout=60)
    done.raise_for_status()
    return f"http://{address}/v2/bench/blobs/{digest}"


def _fetch(url: str) -> float:
    """Seconds until all clients have all of it."""
    start = time.perf_counter()
    curl = ["curl", "--silent", "--fail", "--output", "/dev/null", url]
    clients = [subprocess.Popen(curl) for _ in range(CLIENTS)]
    if any(client.wait() for client in clients):
        sys.exit(f"{url} was not served to everybody")
    return time.perf_counter() - start


def _memory(pid: int) -> int:
    """Megabytes of main memory that a process had at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


if __name__ == "__main__":
    main()

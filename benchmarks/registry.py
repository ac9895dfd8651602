"""Debian's docker-registry (CNCF distribution), started for a while: for benchmarks and tests."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def registry(program: str, folder: Path, more: str = "") -> Iterator[str]:
    """`host:port` of a registry that keeps everything in `folder`, while the block runs.

    It is empty at first, listens on loopback only, and allows deleting. `more` is
    added to its configuration.
    """
    config, log = folder / "registry.yml", folder / "registry.log"
    config.write_text(
        "version: 0.1\n"
        "storage:\n"
        f"  filesystem: {{rootdirectory: {folder / 'data'}}}\n"
        "  delete: {enabled: true}\n"
        "http: {addr: '127.0.0.1:0', secret: none}\n"
        f"{more}"
    )
    with log.open("wb") as output:
        command = [program, "serve", str(config)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield _announced_address(log)
    finally:
        process.terminate()
        process.wait(10)


def _announced_address(log: Path) -> str:
    """The address that a server wrote to its log, within ten seconds."""
    for _ in range(200):
        if found := re.search(r"listening on ([\d.]+:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise TimeoutError(f"the registry did not start:\n{log.read_text()}")

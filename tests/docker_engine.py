"""A real Docker engine (Debian's docker.io) in a folder of its own, for as long as the tests run.

from docker_engine import Docker, docker  # the fixture; then, with the mark that finds it:
@pytest.mark.peer("dockerd", "docker")
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


class Docker:
    """The command line of one engine; `home` is its folder, where nothing else is."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = f"unix://{home}/docker.sock"
        self.env = {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0"}

    def run(
        self, *words: str | Path, check: bool = True, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`docker WORDS`, its output as text."""
        command = ["docker", *map(str, words)]
        given = None if stdin is None else stdin.decode()
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=self.env, input=given
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done

    def load(self, layout: Path | str, name: str) -> None:
        """Afterwards the engine has the image of an OCI layout (`DIR` or `DIR:NAME`)."""
        archive = self.home / "load.tar"
        where = f"docker-archive:{archive}:{name}"
        subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout}", where], check=True)
        self.run("load", "--quiet", "--input", archive)
        archive.unlink()


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """A Docker engine without images, network or anything of the system's own."""
    with engine() as here:
        yield here


@contextmanager
def engine(*options: str, env: Mapping[str, str] | None = None) -> Iterator[Docker]:
    """A new Docker engine, with more options and environment; the command line has the latter."""
    if os.geteuid() != 0:
        pytest.skip("a Docker engine needs root")
    home = Path(tempfile.mkdtemp(prefix="imgkit-docker-"))
    here = Docker(home)
    here.env |= env or {}
    command = ["dockerd", "--data-root", home / "data", "--exec-root", home / "exec"]
    command += ["--host", here.host, "--pidfile", home / "pid", "--storage-driver", "overlay2"]
    command += ["--iptables=false", "--bridge=none", *options]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=here.env)
    try:
        _await(here, process)
        yield here
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(home, ignore_errors=True)


def _await(here: Docker, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if here.run("version", check=False).returncode == 0:
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    log = (here.home / "log").read_text()[-2000:]
    pytest.skip(f"the Docker engine does not start here:\n{log}")

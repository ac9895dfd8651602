"""What all tests share: peers found on PATH, a real registry, real images, and no network."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

ROOT: Final = Path(__file__).resolve().parent.parent

REQUIRE_PEERS: Final = bool(os.environ.get("IMGKIT_REQUIRE_PEERS"))
"""In continuous integration: a missing peer is a failure, not a skip."""

NIGHTLY: Final = bool(os.environ.get("IMGKIT_NIGHTLY"))

PACKAGES: Final = {"dot": "graphviz", "busybox": "busybox-static"}
"""Debian's package of a peer, where its name is not the program's."""

settings.register_profile("ordinary", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile("nightly" if NIGHTLY else "ordinary")

_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OUTSIDE: Final = dict(os.environ)


def network_off() -> None:
    """Programs started from here reach nothing but this machine (lessons and commands too).

    Every HTTP library honours these variables, so a request to any other host goes to a proxy
    that is not there and fails at once, as on a machine without a network.
    """
    for name in _PROXIES:
        value = "127.0.0.1,localhost,::1" if name == "no_proxy" else "http://127.0.0.1:9"
        os.environ[name] = os.environ[name.upper()] = value


def pytest_configure() -> None:
    network_off()


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("peer"):
        for program in marker.args:
            peer(program)
    if item.get_closest_marker("slow") and not NIGHTLY:
        pytest.skip("takes long: run `make nightly`")


def peer(program: str) -> str:
    """The path of a peer; where it is missing the test is skipped, or fails where peers must be."""
    found = shutil.which(program)
    if found is None:
        reason = (
            f"{program} is not installed (Debian: apt install {PACKAGES.get(program, program)})"
        )
        if REQUIRE_PEERS:
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A test that connects to another machine finds the network unreachable."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any, /) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            raise OSError(errno.ENETUNREACH, f"tests have no network: {address[0]}")
        connect(self, address)

    def guarded_look_up(host: Any, *more: Any, **options: Any) -> Any:
        if host is not None and not _is_here(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {host}")
        return look_up(host, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


def _is_here(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name in ("", "localhost") or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


@pytest.fixture(scope="session")
def outside() -> dict[str, str]:
    """The environment in which a peer that must download (mmdebstrap) reaches the network."""
    return dict(_OUTSIDE)


@pytest.fixture(scope="session")
def shared_images() -> Path:
    """The folder of real images, BusyBox and Alpine, that may stand beside the project."""
    named = os.environ.get("IMGKIT_SHARED_IMAGES")
    folder = Path(named) if named else ROOT.parent / "shared" / "images"
    if folder.is_dir():
        return folder
    reason = f"there are no real images at {folder} (IMGKIT_SHARED_IMAGES names another folder)"
    if named or (REQUIRE_PEERS and folder.parent.is_dir()):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    return peer("chromium")


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of the CNCF distribution registry, empty at first, that allows deleting."""
    program = peer("docker-registry")
    home = tmp_path_factory.mktemp("docker-registry")
    (home / "config.yml").write_text(
        "version: 0.1\n"
        f"storage: {{filesystem: {{rootdirectory: {home / 'data'}}}, delete: {{enabled: true}}}}\n"
        "http: {addr: '127.0.0.1:0', secret: tests}\n"
    )
    log = home / "log"
    with log.open("wb") as output:
        command = [program, "serve", str(home / "config.yml")]
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
    pytest.fail(f"docker-registry did not start:\n{log.read_text()}", pytrace=False)

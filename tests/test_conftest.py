"""The tests' own ground: no network, a real registry, peers that are missed aloud."""

from __future__ import annotations

import socket
import subprocess
import sys

import conftest
import pytest
import requests
from offline import no_network


@pytest.mark.parametrize("place", ["192.0.2.1", "2001:db8::1"])
def test_other_machines_are_unreachable(place: str) -> None:
    """Connecting to another machine fails at once."""
    family = socket.AF_INET6 if ":" in place else socket.AF_INET
    with socket.socket(family) as connection, pytest.raises(OSError, match="no network"):
        connection.connect((place, 80))


def test_names_of_other_machines_are_unknown() -> None:
    """Looking up another machine's name fails at once."""
    with pytest.raises(socket.gaierror, match="no network"):
        socket.create_connection(("registry-1.docker.io", 443))


def test_programs_started_by_tests_have_no_network() -> None:
    """A lesson's kernel, or a command, finds no registry but those on this machine."""
    code = "import socket; socket.create_connection(('registry-1.docker.io', 443), 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "tests have no network: registry-1.docker.io" in done.stderr


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        (b"localhost", True),
        ("0.0.0.0", True),
        ("", True),
        (None, True),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
        ("docker.io", False),
    ],
)
def test_what_is_this_machine(host: str | bytes | None, here: bool) -> None:
    """Only loopback is this machine."""
    assert no_network.is_here(host) is here


def test_missing_peer_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """At home, a test whose peer is missing is skipped, and says what to install."""
    monkeypatch.setattr(conftest, "REQUIRE_PEERS", False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match=r"dot is not installed .* install graphviz"):
        conftest.peer("dot")


def test_missing_peer_is_a_failure_where_peers_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """In continuous integration a missing peer fails the test."""
    monkeypatch.setattr(conftest, "REQUIRE_PEERS", True)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.fail.Exception, match="umoci is not installed"):
        conftest.peer("umoci")


def test_docker_registry_answers(docker_registry: str) -> None:
    """The peer is a registry of protocol version 2, and starts empty."""
    answer = requests.get(f"http://{docker_registry}/v2/", timeout=10)
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"

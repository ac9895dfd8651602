"""`doctor`: one line for each thing that must work, and what to do where it does not."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
from pathlib import Path

import pytest
from images import add_image
from test_explore import Said

from imgkit import kernel, samples, server
from imgkit.client import Client
from imgkit.commands.doctor import BROKEN, NOTE, OK, Finding, hub, repository, within
from imgkit.reference import Reference
from imgkit.server import transport
from imgkit.store import Store


@pytest.fixture
def imgkit(tmp_path: Path) -> Said:
    """Runs a command line on a local repository that does not exist yet."""
    return Said(tmp_path / "home")


def states(said: Said, status: int = 0) -> dict[str, str]:
    """What was found, by name."""
    lines = said("doctor", status=status).splitlines() if not status else said.lines
    return {line[8:26].strip(): line.split()[0] for line in lines}


def test_all_is_well_here(imgkit: Said) -> None:
    """With everything installed nothing is broken, and the exit status is 0."""
    found = states(imgkit)
    assert BROKEN not in found.values()
    assert {"Python", "imgkit", "requests", "jupyterlab", "ipywidgets"} <= found.keys()
    assert found["overlay mounts"] == (NOTE if kernel.why_not() else OK)
    assert not imgkit.bench.home.exists()


def test_as_json(imgkit: Said) -> None:
    """The same, for programs."""
    found = imgkit.json("doctor")
    (python,) = [each for each in found if each["name"] == "Python"]
    assert python["state"] == OK
    assert python["said"] == f"{sys.version.split()[0]}, {sys.executable}"
    assert all(each["said"] for each in found)


def test_a_missing_package_is_broken_if_it_is_needed(
    imgkit: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the notebooks need is a note; both say how to install it."""
    real = importlib.metadata.version

    def version(package: str) -> str:
        if package in ("werkzeug", "ipywidgets"):
            raise importlib.metadata.PackageNotFoundError(package)
        return real(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    imgkit("doctor", status=1)
    found = {line[8:26].strip(): line for line in imgkit.lines}
    assert found["werkzeug"].startswith("broken")
    assert "pip install werkzeug" in found["werkzeug"]
    assert found["ipywidgets"].startswith("note")
    assert "container-imgkit[notebooks]" in found["ipywidgets"]


def test_the_local_repository(tmp_path: Path) -> None:
    """Its images are counted; a blob that is missing or cut off is broken, and says what to do."""
    home = tmp_path / "home"
    assert repository(home) == Finding(
        "local repository", OK, f"{home}: not made yet; the first pull does"
    )
    store = Store(home)
    add_image(store, "it:1")
    add_image(store, "other:1", [{"a": b"1"}])
    assert repository(home).said == f"{home}: 2 images"
    blob = store.path(store.image("it:1").layers[0].digest)
    blob.chmod(0o600)
    blob.write_bytes(blob.read_bytes()[:-1])
    found = repository(home)
    assert (found.state, "pull docker.io/library/it:1 again" in found.said) == (BROKEN, True)
    (home / "index.json").write_text("not JSON")
    assert repository(home).state == BROKEN
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine").touch()
    assert "no local repository" in repository(tmp_path / "other").said


def test_no_network_is_no_trouble(imgkit: Said) -> None:
    """Docker Hub is asked with --live only; where it cannot be reached, that is a note."""
    assert states(imgkit)["Docker Hub"] == NOTE
    assert "doctor --live" in imgkit.lines[-1]
    assert imgkit("doctor", "--live").splitlines()[-1].startswith("note    Docker Hub")
    assert "cannot be reached" in imgkit.lines[-1]


def test_a_registry_that_answers() -> None:
    """What it says of its limits is told; asking is a HEAD, which counts as no pull."""
    registry = server.Registry([samples.store()])
    exchanges = []
    with transport.serve(registry) as served:
        client = Client(mirror=served.url, on_exchange=exchanges.append)
        with client.session:
            found = hub(client, "library/alpine")
            missing = hub(client, "library/nope")
    assert found == Finding("Docker Hub", OK, "answers. It says nothing of limits.")
    assert missing.state == NOTE
    assert {exchange.method for exchange in exchanges if "/manifests/" in exchange.url} == {"HEAD"}


def test_a_registry_that_counts() -> None:
    """How many pulls are left is told, and asking takes none of them."""
    registry = server.Registry([samples.store()], allowance=7)
    with transport.serve(registry) as served:
        client = Client(mirror=served.url)
        with client.session:
            name = Reference.parse("alpine:latest")
            client.repository(name).resolve(name)
            found = [hub(client, "library/alpine") for _ in range(2)]
    told = "answers. It allows 7 requests in 6 hours, and 6 are left."
    assert found == [Finding("Docker Hub", OK, told)] * 2


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    """Nor is a system that hangs while it looks up a name."""
    never = threading.Event()
    found = within(0.05, lambda: Finding("x", OK, "late") if never.wait(30) else _late())
    never.set()
    assert found == Finding("Docker Hub", NOTE, "did not answer within 0.05 seconds")


def _late() -> Finding:
    raise AssertionError("waited for")

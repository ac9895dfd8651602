"""The settings of a hub agree with one another, and with the tools that read them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any, Final

import pytest
import yaml
from conftest import ROOT, peer

HUB: Final = ROOT / "binder" / "hub"
UNITS: Final = {"M": 10**6, "G": 10**9, "Mi": 2**20, "Gi": 2**30}


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((HUB / name).read_text("utf-8")))


def bytes_of(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\D+)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def test_limits_hold_more_than_guarantees() -> None:
    """A learner's share is what was measured with room to spare; the limit is above it."""
    (values,) = documents("values.yaml")
    memory, cpu = (values["singleuser"][what] for what in ("memory", "cpu"))
    assert 200e6 <= bytes_of(memory["guarantee"]) < bytes_of(memory["limit"]) <= 2e9
    assert 0 < cpu["guarantee"] < cpu["limit"]


def test_idle_servers_end_and_seats_are_kept() -> None:
    """Culling, the pre-puller and placeholders are on."""
    (values,) = documents("values.yaml")
    assert values["cull"]["enabled"]
    assert values["prePuller"]["hook"]["enabled"]
    assert values["prePuller"]["continuous"]["enabled"]
    assert values["scheduling"]["userPlaceholder"]["replicas"] > 0
    assert values["scheduling"]["podPriority"]["enabled"]  # placeholders give way only by this


def test_learners_are_told_of_the_cache() -> None:
    """The address that the client is given is the service's, in the cluster and on one server."""
    (values,) = documents("values.yaml")
    address = values["singleuser"]["extraEnv"]["IMGKIT_MIRROR"]
    config, deployment, service, policy = documents("mirror.yaml")
    port = service["spec"]["ports"][0]["port"]
    assert address == f"http://{service['metadata']['name']}:{port}"
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["labels"] == service["spec"]["selector"]
    assert yaml.safe_load(config["data"]["config.yml"])["proxy"]["remoteurl"].startswith("https:")
    assert policy["spec"]["egress"][0]["ports"] == [{"port": port}]
    (compose,) = documents("compose.yaml")
    assert "mirror" in compose["services"]
    assert address in (HUB / "jupyterhub_config.py").read_text("utf-8")


def test_no_image_moves() -> None:
    """Every image has a tag, and none is `latest`."""
    (compose,) = documents("compose.yaml")
    _, deployment, *_ = documents("mirror.yaml")
    containers = deployment["spec"]["template"]["spec"]["containers"]
    images = [each["image"] for each in (*compose["services"].values(), *containers)]
    assert [name for name in images if not re.search(r":\d", name)] == []


@pytest.mark.peer("docker-compose")
def test_compose_reads_it() -> None:
    """The Compose file is valid, and asks for what only whoever starts it can say."""
    command = [peer("docker-compose"), "--file", str(HUB / "compose.yaml"), "config"]
    known = {"PATH": os.environ["PATH"], "COURSE_IMAGE": "course:1", "CLASS_PASSWORD": "x"}
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=True)
    assert yaml.safe_load(done.stdout)["services"]["hub"]["environment"] == {
        "COURSE_IMAGE": "course:1",
        "CLASS_PASSWORD": "x",
    }
    del known["CLASS_PASSWORD"]
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)
    assert done.returncode
    assert "CLASS_PASSWORD" in done.stderr


@pytest.mark.peer("docker-registry")
def test_the_cache_reads_its_settings(tmp_path: Any) -> None:
    """Debian's build of the registry, given the same file, asks the remote it names, and no other.

    There is no network, so that it ends with the remote's name in its complaint.
    """
    config, *_ = documents("mirror.yaml")
    settings = yaml.safe_load(config["data"]["config.yml"])
    settings["storage"]["filesystem"]["rootdirectory"] = str(tmp_path)
    settings["http"]["addr"] = "127.0.0.1:0"
    settings["proxy"]["remoteurl"] = "http://127.0.0.1:9"
    path = tmp_path / "config.yml"
    path.write_text(json.dumps(settings))
    done = subprocess.run(
        [peer("docker-registry"), "serve", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "127.0.0.1:9" in done.stderr + done.stdout

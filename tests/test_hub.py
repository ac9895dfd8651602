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

CHART: Final = {
    "cull": {"enabled": bool, "every": int, "maxAge": int, "timeout": int},
    "hub": {"concurrentSpawnLimit": int, "config": dict},
    "prePuller": {"continuous": {"enabled": bool}, "hook": {"enabled": bool}},
    "scheduling": {
        "podPriority": {"enabled": bool},
        "userPlaceholder": {"enabled": bool, "replicas": int},
        "userScheduler": {"enabled": bool},
    },
    "singleuser": {
        "allowPrivilegeEscalation": bool,
        "cmd": str,
        "cpu": {"guarantee": float | int, "limit": float | int},
        "defaultUrl": str,
        "extraEnv": dict,
        "fsGid": int,
        "image": {"name": str, "tag": str},
        "lifecycleHooks": {"postStart": dict},
        "memory": {"guarantee": str, "limit": str},
        "networkPolicy": {"enabled": bool},
        "startTimeout": int,
        "storage": {"capacity": str},
        "uid": int,
    },
}
"""What of the chart's values we set, with the names and types of its values.schema.yaml, which
refuses any other name. No package has that file, so this is read from it, not checked by it."""


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((HUB / name).read_text("utf-8")))


def bytes_of(text: str) -> int:
    number, unit = re.fullmatch(r"(\d+)(\D+)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def unlike(values: Any, allowed: Any, at: str) -> list[str]:
    """The places where values have a name or a type that is not allowed."""
    if not isinstance(allowed, dict):
        return [] if isinstance(values, allowed) else [at]
    strange = [f"{at}.{name}" for name in values if name not in allowed]
    known = [name for name in values if name in allowed]
    return strange + [bad for n in known for bad in unlike(values[n], allowed[n], f"{at}.{n}")]


def test_the_chart_knows_every_value() -> None:
    """A name that the chart's schema does not have, or another type, would stop `helm`."""
    (values,) = documents("values.yaml")
    assert unlike(values, CHART, "") == []
    values["cull"]["tmeout"], values["singleuser"]["image"]["tag"] = 1, 1
    assert unlike(values, CHART, "") == [".singleuser.image.tag", ".cull.tmeout"]


def test_learners_come_back_to_what_they_wrote() -> None:
    """JupyterLab begins where the volume is, and a name and a password lead there again."""
    (values,) = documents("values.yaml")
    config = values["hub"]["config"]
    assert config["KubeSpawner"]["notebook_dir"] == "/home/jovyan"  # the chart's homeMountPath
    assert config["JupyterHub"]["authenticator_class"] == "dummy"
    assert config["DummyAuthenticator"]["password"].isupper()  # to be replaced, as all capitals
    assert config["Authenticator"]["allow_all"]  # JupyterHub 5 lets nobody in without


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

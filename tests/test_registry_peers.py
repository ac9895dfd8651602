"""Our registry, used by the programs that people have: skopeo, Podman, Docker."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import Docker, docker

from imgkit.digest import Digest
from imgkit.image import Image, verify
from imgkit.manifest import Index, Manifest
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.transport import Served, serve
from imgkit.store import Store

__all__ = ["docker"]

USERS = {"ada": "secret"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "registry")


@pytest.fixture
def served(store: Store) -> Iterator[Served]:
    """A registry where everybody may pull, and one user push."""
    registry = Registry([store], users=USERS)
    with serve(registry) as served:
        yield served
    registry.close()


@pytest.fixture
def layout(shared_images: Path) -> Path:
    """BusyBox, as the project's OCI layout has it."""
    return shared_images / "busybox-latest-musl-amd64"


def run(*words: str | Path, check: bool = True) -> str:
    """What a program prints; it fails loudly."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if check else done.stderr


def skopeo(*words: str | Path, check: bool = True) -> str:
    return run("skopeo", "--insecure-policy", *words, check=check)


def kept(store: Store, name: str) -> Manifest | Index:
    """The manifest that the registry has under a name; its image is sound."""
    descriptor = store.lookup(f"docker.io/{name}")
    assert descriptor is not None
    assert verify(Image(store, descriptor, Reference.parse(name))) == []
    return store.document(descriptor.digest)


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("basic", [False, True])
def test_skopeo(store: Store, layout: Path, tmp_path: Path, basic: bool) -> None:
    """In and out, by tag and digest, within, listed, inspected, deleted; to push, by password."""
    registry = Registry([store], users=USERS, basic=basic)
    with serve(registry) as served:
        name = f"docker://{served.host}/team/box"
        into, out = ["--dest-tls-verify=false"], ["--src-tls-verify=false"]
        may = ["--dest-creds", "ada:secret"]
        refused = skopeo("copy", *into, f"oci:{layout}", f"{name}:v1", check=False)
        assert "authenti" in refused.lower() or "unauthorized" in refused.lower()
        skopeo("copy", *into, *may, f"oci:{layout}", f"{name}:v1")
        skopeo("copy", *into, *out, *may, f"{name}:v1", f"docker://{served.host}/team/other:v2")
        listed = json.loads(skopeo("list-tags", "--tls-verify=false", name))
        facts = json.loads(skopeo("inspect", "--tls-verify=false", f"{name}:v1"))
        assert listed["Tags"] == facts["RepoTags"] == ["v1"]
        assert facts["Digest"] == kept(store, "team/box:v1").digest
        skopeo("copy", *out, f"{name}@{facts['Digest']}", f"oci:{tmp_path / 'back'}:it")
        skopeo("delete", "--tls-verify=false", "--creds", "ada:secret", f"{name}:v1")
        gone = skopeo("inspect", "--tls-verify=false", f"{name}:v1", check=False)
        assert "manifest unknown" in gone or "there is no manifest" in gone
        again = f"docker://{served.host}/team/other@{facts['Digest']}"
        skopeo("copy", *out, again, f"oci:{tmp_path / 'again'}:it")
    registry.close()
    for folder in ("back", "again"):
        assert (
            verify(Store(tmp_path / folder).open_image(Store(tmp_path / folder).records()[0])) == []
        )


@pytest.mark.peer("podman", "skopeo")
def test_podman(store: Store, served: Served, layout: Path, tmp_path: Path) -> None:
    """Pushed, pulled by tag and by digest: the same image ID."""
    state = Path(tempfile.mkdtemp(prefix="imgkit-"))  # podman takes 50 characters at most
    podman = ["podman", "--root", tmp_path / "root", "--runroot", state]
    podman += ["--storage-driver", "vfs"]
    name = f"{served.host}/team/box"
    run(*podman, "pull", "--quiet", f"oci:{layout}")
    first = run(*podman, "images", "--quiet", "--no-trunc").split()[0]
    plain = ["--tls-verify=false", "--quiet"]
    run(*podman, "push", *plain, "--creds", "ada:secret", first, f"docker://{name}:v1")
    digest = kept(store, "team/box:v1").digest
    run(*podman, "rmi", "--force", first)
    for target in (f"{name}:v1", f"{name}@{digest}"):
        run(*podman, "pull", *plain, target)
        assert run(*podman, "images", "--quiet", "--no-trunc").split()[0] == first
        run(*podman, "rmi", "--force", first)


@pytest.mark.peer("dockerd", "docker", "skopeo")
def test_docker(store: Store, served: Served, layout: Path, docker: Docker, tmp_path: Path) -> None:
    """Pushed after a login, pulled by tag and by digest: the same image ID."""
    docker = Docker(docker.home)
    docker.env["DOCKER_CONFIG"] = str(tmp_path)  # where the password goes
    name = f"{served.host}/team/box"
    docker.load(layout, f"{name}:v1")
    first = docker.run("images", "--quiet", "--no-trunc", name).stdout.strip()
    assert docker.run("push", "--quiet", f"{name}:v1", check=False).returncode != 0
    docker.run("login", "--username", "ada", "--password", "secret", served.host)
    docker.run("push", "--quiet", f"{name}:v1")
    digest = kept(store, "team/box:v1").digest
    docker.run("logout", served.host)
    docker.run("rmi", "--force", first)
    for target in (f"{name}:v1", f"{name}@{digest}"):
        docker.run("pull", "--quiet", target)
        found = docker.run("image", "inspect", "--format", "{{.Id}}", target).stdout.strip()
        assert found == first
        docker.run("rmi", "--force", first)
    assert isinstance(digest, Digest)

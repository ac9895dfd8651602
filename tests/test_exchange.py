"""What one tool pushes, another pulls: the digests stay the same, in every direction.

We push, and docker, skopeo and Podman pull, from our registry and from docker-registry; each of
them pushes to our registry, and we pull, by tag and by digest.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import pytest
from docker_engine import Docker, docker
from recorder import hurried

from imgkit.client import Client, Repository
from imgkit.digest import Digest
from imgkit.errors import NotFound
from imgkit.image import copy, verify
from imgkit.manifest import Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.transport import serve
from imgkit.store import Store

__all__ = ["docker"]

pytestmark = pytest.mark.peer("dockerd", "docker", "skopeo", "podman", "docker-registry")

AMD64: Final = Platform("linux", "amd64")


class Digests(NamedTuple):
    """An image as a tool tells of it."""

    manifest: str
    config: str


class Tool(Protocol):
    """A program that can do both; names have their registry."""

    def push(self, layout: Path, name: str) -> Digests: ...
    def pull(self, name: str) -> Digests: ...


def run(*words: str | Path) -> str:
    """What a program prints; it fails loudly."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout.strip()


class Skopeo:
    """Keeps nothing itself: what it pulls is in a folder, as it came."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "pulled"

    def push(self, layout: Path, name: str) -> Digests:
        into = ["--quiet", "--dest-tls-verify=false"]
        run("skopeo", "--insecure-policy", "copy", *into, f"oci:{layout}", f"docker://{name}")
        facts = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{name}"))
        raw = run("skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}")
        return Digests(facts["Digest"], json.loads(raw)["config"]["digest"])

    def pull(self, name: str) -> Digests:
        out = ["--quiet", "--src-tls-verify=false"]
        run("skopeo", "--insecure-policy", "copy", *out, f"docker://{name}", f"dir:{self.folder}")
        raw = (self.folder / "manifest.json").read_bytes()
        return Digests(Digest.of(raw), json.loads(raw)["config"]["digest"])


class Podman:
    """With storage of its own."""

    def __init__(self, home: Path) -> None:
        state = Path(tempfile.mkdtemp(prefix="imgkit-"))  # podman takes 50 characters at most
        self.words = ["podman", "--root", str(home / "root"), "--runroot", str(state)]
        self.words += ["--storage-driver", "vfs"]

    def push(self, layout: Path, name: str) -> Digests:
        run(*self.words, "pull", "--quiet", f"oci:{layout}")
        image = run(*self.words, "images", "--quiet", "--no-trunc")
        told = Path(tempfile.mkdtemp(prefix="imgkit-"), "digest")
        plain = ["--tls-verify=false", "--quiet", "--digestfile", str(told)]
        run(*self.words, "push", *plain, image, f"docker://{name}")
        return Digests(told.read_text().strip(), f"sha256:{image.removeprefix('sha256:')}")

    def pull(self, name: str) -> Digests:
        run(*self.words, "pull", "--quiet", "--tls-verify=false", name)
        form = "{{.Digest}} sha256:{{.Id}}"
        return Digests(*run(*self.words, "image", "inspect", "--format", form, name).split())


class Engine:
    """Docker, which names a pulled image by repository and digest."""

    def __init__(self, docker: Docker) -> None:
        self.docker = docker

    def push(self, layout: Path, name: str) -> Digests:
        self.docker.load(layout, name)
        self.docker.run("push", "--quiet", name)
        found = self._found(name)
        self.docker.run("rmi", "--force", name)
        return found

    def pull(self, name: str) -> Digests:
        self.docker.run("pull", "--quiet", name)
        found = self._found(name)
        self.docker.run("rmi", "--force", found.config)
        return found

    def _found(self, name: str) -> Digests:
        form = "{{index .RepoDigests 0}} {{.Id}}"
        said = self.docker.run("image", "inspect", "--format", form, name).stdout.split()
        return Digests(said[0].partition("@")[2], said[1])


TOOLS: Final = ("docker", "skopeo", "podman")


@pytest.fixture
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> Tool:
    if request.param == "docker":
        return Engine(request.getfixturevalue("docker"))
    return Skopeo(tmp_path) if request.param == "skopeo" else Podman(tmp_path)


@pytest.fixture
def layout(shared_images: Path) -> Path:
    """BusyBox, as the project's OCI layout has it."""
    return shared_images / "busybox-latest-musl-amd64"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[str]:
    """`host:port` of our registry."""
    registry = Registry([Store(tmp_path / "registry")])
    with serve(registry) as served:
        yield served.host
    registry.close()


@pytest.fixture
def asking() -> Iterator[Callable[[str], tuple[Repository, Reference]]]:
    """The remote repository of a name, and the name."""
    client = Client(patience=hurried())
    yield lambda name: (client.repository(Reference.parse(name)), Reference.parse(name))
    client.session.close()


def pulled(asking: Callable[[str], tuple[Repository, Reference]], name: str, home: Path) -> Digests:
    """What we have after a pull; it is sound."""
    remote, reference = asking(name)
    store = Store(home)
    copied = copy(remote, store, reference, platform=AMD64)
    image = store.image(name)
    assert verify(image) == []
    manifest = store.document(copied.manifest.digest)
    assert isinstance(manifest, Manifest)
    return Digests(copied.manifest.digest, manifest.config.digest)


@pytest.mark.parametrize("tool", TOOLS, indirect=True)
@pytest.mark.parametrize("place", ["embedded", "docker_registry"])
def test_we_push_they_pull(
    tool: Tool,
    place: str,
    layout: Path,
    asking: Callable[[str], tuple[Repository, Reference]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """By tag and by digest they get the manifest and the config that we sent."""
    ours = Store(tmp_path / "ours")
    source = Store(layout)
    busybox = Reference.parse(f"busybox@{source.records()[0].descriptor.digest}")
    copied = copy(source, ours, busybox, platform=AMD64)
    name = f"{request.getfixturevalue(place)}/team/{type(tool).__name__.lower()}"
    remote, reference = asking(f"{name}:v1")
    ours.name(reference, copied.manifest, None)
    copy(ours, remote, reference, platform=AMD64)
    manifest = ours.document(copied.manifest.digest)
    assert isinstance(manifest, Manifest)
    sent = Digests(manifest.digest, manifest.config.digest)
    assert tool.pull(f"{name}:v1") == sent
    assert tool.pull(f"{name}@{sent.manifest}") == sent


@pytest.mark.parametrize("tool", TOOLS, indirect=True)
def test_they_push_we_pull(
    tool: Tool,
    layout: Path,
    embedded: str,
    asking: Callable[[str], tuple[Repository, Reference]],
    tmp_path: Path,
) -> None:
    """By tag and by digest we get what they sent; deleted by tag or digest, it is gone."""
    name = f"{embedded}/team/box"
    sent = tool.push(layout, f"{name}:v1")
    assert pulled(asking, f"{name}:v1", tmp_path / "by-tag") == sent
    by_digest = f"{name}@{sent.manifest}"
    assert pulled(asking, by_digest, tmp_path / "by-digest") == sent
    for doomed, left in ((f"{name}:v1", [by_digest]), (by_digest, [])):
        remote, reference = asking(doomed)
        remote.delete(reference)
        with pytest.raises(NotFound):
            remote.resolve(reference)
        for other in left:
            assert remote.resolve(Reference.parse(other)).digest == sent.manifest

"""What goes with an image, and what stays; and the same repository as both Dockers count it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imgkit import samples
from imgkit.commands import CONTAINERD, run
from imgkit.commands.bench import Bench
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.reference import Reference


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def bench(said: list[str]) -> Bench:
    """A lab with redis and portainer, which share a layer's bytes."""
    bench = Lab().bench(said.append, said.append)
    for name in ("redis", "portainer/portainer-ce"):
        assert run(bench, ["pull", "-q", name]) == 0
    said.clear()
    return bench


def test_what_another_image_needs_stays(bench: Bench) -> None:
    """After `rmi` the other image is sound, and the blobs of the first alone are gone."""
    redis, other = (bench.store.image(name) for name in ("redis", "portainer/portainer-ce"))
    shared = {layer.digest for layer in redis.layers} & {layer.digest for layer in other.layers}
    assert shared
    assert run(bench, ["rmi", "redis"]) == 0
    assert verify(bench.store.image("portainer/portainer-ce")) == []
    left = {layer.digest for layer in redis.layers if bench.store.has(layer.descriptor)}
    assert left == shared
    assert bench.store.size_of(redis.id) is None
    assert run(bench, ["rmi", "portainer/portainer-ce"]) == 0
    assert not list((bench.home / "blobs/sha256").iterdir())


def test_an_ambiguous_id(bench: Bench, said: list[str]) -> None:
    """The beginning of two IDs names neither of them."""
    for name in ("mongo:4.2.24", "golftrack:1.5"):
        assert run(bench, ["pull", "-q", name]) == 0
    said.clear()
    assert run(bench, ["rmi", "0"]) == 1
    assert said == ["Error response from daemon: No such image: 0:latest"]


def test_a_damaged_image_can_be_removed(bench: Bench, said: list[str]) -> None:
    """An image whose config is gone is listed, and goes by its name."""
    image = bench.store.image("redis")
    bench.store.remove(image.id)
    assert run(bench, ["images"]) == 0
    assert any("damaged" in line for line in said)
    assert run(bench, ["rmi", "redis"]) == 0
    assert bench.store.find(Reference.parse("redis:latest")) is None


def test_a_stopped_container_keeps_its_layers(bench: Bench) -> None:
    """`rmi -f` takes the image from the list, not the files from under a container."""
    assert run(bench, ["create", "--name", "box", "redis"]) == 0
    assert run(bench, ["rmi", "redis"]) == 1
    assert run(bench, ["rmi", "-f", "redis"]) == 0
    assert verify(bench.containers.get("box").image) == []


# -- the view of containerd -----------------------------------------------------------------


@pytest.mark.peer("skopeo")
def test_what_was_kept_for_a_container_goes_with_it(bench: Bench) -> None:
    """`rm` takes the layers of an image that has no name any more; what others use stays."""
    redis, other = (bench.store.image(name) for name in ("redis", "portainer/portainer-ce"))
    assert run(bench, ["run", "-d", "--name", "box", "redis"]) == 0
    assert run(bench, ["stop", "box"]) == 0
    assert run(bench, ["rmi", "-f", str(redis.id)]) == 0
    assert all(bench.store.has(layer.descriptor) for layer in redis.layers)
    assert run(bench, ["rm", "box"]) == 0
    left = {layer.digest for layer in redis.layers if bench.store.has(layer.descriptor)}
    assert left == {layer.digest for layer in redis.layers} & {x.digest for x in other.layers}
    assert verify(other) == []


@pytest.mark.parametrize("name", ["redis:latest", "alpine:3.20", "nigelpoulton/k8sbook:latest"])
def test_ids_of_containerd_are_those_of_the_registry(name: str, tmp_path: Path) -> None:
    """There the ID is the digest of what the name points at, as skopeo finds it."""
    layout = f"oci:{samples.LAYOUT}:{Reference.parse(name).canonical}"
    raw = subprocess.run(["skopeo", "inspect", "--raw", layout], check=True, capture_output=True)
    (tmp_path / "raw").write_bytes(raw.stdout)
    digest = subprocess.run(
        ["skopeo", "manifest-digest", tmp_path / "raw"], check=True, capture_output=True, text=True
    ).stdout.strip()
    lines: list[str] = []
    bench = Lab(view=CONTAINERD).bench(lines.append, lines.append)
    assert run(bench, ["pull", "-q", name]) == 0
    assert run(bench, ["images", "-q", "--no-trunc"]) == 0
    assert lines[-1] == digest


def test_sizes_of_containerd(said: list[str]) -> None:
    """CONTENT SIZE is what is stored compressed; DISK USAGE adds the files, unpacked."""
    bench = Lab(view=CONTAINERD).bench(said.append, said.append)
    run(bench, ["pull", "-q", "alpine"])
    run(bench, ["create", "alpine"])
    image = bench.store.image("alpine")
    assert image.index
    stored = [image.index, image.descriptor, *image.manifest.children]
    content = sum(blob.size for blob in stored)
    total = content + bench.store.unpacked_size(image)
    said.clear()
    assert run(bench, ["images"]) == 0
    heading, row = said
    assert heading.split() == ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "EXTRA"]
    from imgkit.units import size

    assert row.split() == [
        "alpine:latest",
        image.index.digest.short,
        size(total),
        size(content),
        "U",
    ]


def test_the_view_is_chosen_once_or_for_one_command(said: list[str]) -> None:
    """`--view` is stronger than the view of the lab."""
    bench = Lab().bench(said.append, said.append)
    run(bench, ["pull", "-q", "alpine"])
    image = bench.store.image("alpine")
    assert image.index
    run(bench, ["images", "-q"])
    run(bench, ["--view", "containerd", "images", "-q"])
    run(bench, ["images", "-q"])
    assert said[1:] == [image.id.short, image.index.digest.short, image.id.short]
    assert run(bench, ["--view", "other", "images"]) == 125

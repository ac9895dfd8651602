"""Real images, made and served by other programs, compared with what umoci makes of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from images import add_image
from trees import listing

from imgkit.digest import Digest, digest_of_stream
from imgkit.store import Store

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="owners and devices need root"
)


def run(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, words)), check=check, capture_output=True, text=True)


def imgkit(home: Path, *words: str | Path) -> str:
    """What the `imgkit` command prints, in a process of its own, with that local repository."""
    done = run(sys.executable, "-m", "imgkit", "--home", home, *words, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def push(layout: Path, tag: str, to: str) -> None:
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:{tag}", f"docker://{to}")


@pytest.fixture(scope="session")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with a real Debian root filesystem, and a layer above it that changes it."""
    folder = tmp_path_factory.mktemp("debian")
    layout, bundle = folder / "layout", folder / "bundle"
    base = folder / "base.tar"
    run("mmdebstrap", "--variant=minbase", "--mode=root", "bookworm", base)
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:base")
    run("umoci", "raw", "add-layer", "--image", f"{layout}:base", base)
    base.unlink()
    run("umoci", "unpack", "--image", f"{layout}:base", bundle)
    root = bundle / "rootfs"
    shutil.rmtree(root / "usr/share/doc")
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/motd").write_text("changed in a second layer\n")
    (root / "usr/bin/perl").chmod(0o4755)
    shutil.rmtree(root / "opt")
    (root / "opt").symlink_to("usr/local")
    (root / "srv/made/deep").mkdir(parents=True)
    (root / "srv/made/deep/file").write_bytes(os.urandom(100_000))
    os.link(root / "srv/made/deep/file", root / "srv/made/link")
    run("umoci", "repack", "--image", f"{layout}:changed", bundle)
    shutil.rmtree(bundle)
    return layout


@as_root
@pytest.mark.peer("mmdebstrap", "umoci", "skopeo", "docker-registry")
@pytest.mark.parametrize("tag", ["base", "changed"])
def test_debian(tag: str, debian: Path, docker_registry: str, tmp_path: Path) -> None:
    """A real Debian, pushed by skopeo, pulled, verified and unpacked by us: the tree of umoci."""
    name = f"{docker_registry}/debian:{tag}"
    push(debian, tag, name)
    imgkit(tmp_path / "home", "pull", name)
    assert "is sound" in imgkit(tmp_path / "home", "verify", name)
    imgkit(tmp_path / "home", "unpack", name, tmp_path / "ours")
    run("umoci", "unpack", "--image", f"{debian}:{tag}", tmp_path / "theirs")
    ours, theirs = listing(tmp_path / "ours"), listing(tmp_path / "theirs" / "rootfs")
    assert len(theirs) > 5000
    assert ours == theirs


@pytest.mark.peer("skopeo", "umoci", "docker-registry")
@pytest.mark.parametrize("build", ["glibc-amd64", "glibc-arm64v8", "musl-amd64"])
def test_busybox(build: str, shared_images: Path, docker_registry: str, tmp_path: Path) -> None:
    """The official BusyBox images keep their published digests, and unpack as umoci does it."""
    layout = shared_images / f"busybox-latest-{build}"
    published = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    copy, name = tmp_path / "layout", f"{docker_registry}/busybox:{build}"
    shutil.copytree(layout, copy)
    run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{copy}", f"docker://{name}")
    said = imgkit(tmp_path / "home", "pull", name)
    assert f"Digest: {published}" in said
    image = Store(tmp_path / "home").image(name)
    assert image.digest == published
    assert "is sound" in imgkit(tmp_path / "home", "verify", name)
    imgkit(tmp_path / "home", "unpack", name, tmp_path / "ours")
    where = f"{tmp_path / 'home'}:{image.name}"
    how = [] if os.geteuid() == 0 else ["--rootless"]
    run("umoci", "unpack", *how, "--image", where, tmp_path / "theirs")
    assert listing(tmp_path / "ours") == listing(tmp_path / "theirs" / "rootfs")


ALPINE = ["3.19.4-x86_64", "3.20.3-aarch64", "3.20.3-x86_64"]


@as_root
@pytest.mark.peer("umoci", "skopeo", "docker-registry")
@pytest.mark.parametrize("version", ALPINE)
def test_alpine(version: str, shared_images: Path, docker_registry: str, tmp_path: Path) -> None:
    """The official Alpine root filesystems, made into images by umoci: DiffID and tree agree."""
    archive = shared_images / f"alpine-minirootfs-{version}.tar.gz"
    layout, name = tmp_path / "layout", f"{docker_registry}/alpine:{version}"
    plain = tmp_path / "layer.tar"
    with plain.open("wb") as file:
        subprocess.run(["gzip", "-dc", archive], check=True, stdout=file)
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:it")
    run("umoci", "raw", "add-layer", "--image", f"{layout}:it", plain)
    push(layout, "it", name)
    imgkit(tmp_path / "home", "pull", name)
    (layer,) = Store(tmp_path / "home").image(name).layers
    with plain.open("rb") as file:
        assert layer.recompute_diff_id() == digest_of_stream(file)
    assert layer.diff_id == Digest("sha256:" + run("sha256sum", plain).stdout.split()[0])
    assert "is sound" in imgkit(tmp_path / "home", "verify", name)
    imgkit(tmp_path / "home", "unpack", name, tmp_path / "ours")
    run("umoci", "unpack", "--image", f"{layout}:it", tmp_path / "theirs")
    assert listing(tmp_path / "ours") == listing(tmp_path / "theirs" / "rootfs")
    assert "Alpine" in (tmp_path / "ours/etc/os-release").read_text()


@pytest.mark.peer("skopeo", "docker-registry")
def test_memory(docker_registry: str, tmp_path: Path) -> None:
    """A pull, a check and an unpacking of large layers stay far below 200 MB of memory."""
    store = Store(tmp_path / "large")
    layers = [{f"file{n}": os.urandom(150 << 20)} for n in range(2)]
    add_image(store, "large", layers)
    del layers
    name = f"{docker_registry}/large:1"
    push(store.home, "docker.io/library/large:latest", name)
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    for words in (["pull", name], ["verify", name], ["unpack", name, str(tmp_path / "root")]):
        command = [sys.executable, "-m", "imgkit", "--home", str(tmp_path / "home"), *words]
        done = run(sys.executable, "-c", measure, *command)
        assert int(done.stdout.splitlines()[-1]) < 200, words

"""Real engines on one real image: Docker builds it; Docker, podman, umoci and we show one tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from docker_engine import Docker, docker
from test_lowers import kernel, marked, mount
from test_unpack import as_root, by_umoci, layers_in, layout_of
from trees import Facts, layer_from, listing

from imgkit.cases import Case, case, cases, shown
from imgkit.overlay import Overlay
from imgkit.unpack import unpack, unpack_layers

__all__ = ["docker", "kernel"]  # fixtures

DOCKERFILE: Final = """
FROM scratch
ADD alpine.tar.gz /
RUN rm -rf /etc/apk /etc/motd && echo file > /etc/apk && mkdir -p /srv/app/a/b && \
    echo one > /srv/app/a/b/one && ln /srv/app/a/b/one /srv/two && ln -s app/a /srv/link && \
    mknod /srv/pipe p && chown 1000:1000 /srv/app/a && chmod 2770 /srv/app/a
RUN rm -rf /usr/share && mkdir -m 700 /usr/share && echo only > /usr/share/only && \
    rm -rf /srv/app/a && mkdir -p /srv/app/a/c && rm /etc/apk && mkdir /etc/apk && \
    echo 3 > /etc/apk/three && ln /bin/busybox /bin/other && echo more >> /srv/two && \
    chmod 4755 /bin/other && rm /srv/link && mkdir /srv/link && rm -r /media && rm -r /opt
RUN rm -rf /srv/app /usr/share && mkdir -p /srv/app/a/b && echo again > /srv/app/a/b/one && \
    ln -s /etc/apk /usr/share && rm -r /srv/link && echo a file > /srv/link && \
    mkdir -p /opt/x && chmod 711 /etc && rm /bin/other && mv /srv/two /srv/three && rm /home -r
"""

BY_DOCKER: Final = (
    ".dockerenv etc etc/hostname etc/hosts etc/mtab etc/resolv.conf "
    "proc sys dev dev/console dev/pts dev/shm"
)
"""What Docker makes in every container; the mode of /etc is compared elsewhere."""


@pytest.fixture
def built(docker: Docker, shared_images: Path, tmp_path: Path) -> Iterator[Path]:
    """The OCI layout of an image that Docker has built, and still has as "built"."""
    context = tmp_path / "context"
    context.mkdir()
    shutil.copyfile(
        shared_images / "alpine-minirootfs-3.20.3-x86_64.tar.gz", context / "alpine.tar.gz"
    )
    (context / "Dockerfile").write_text(DOCKERFILE)
    docker.run("build", "--quiet", "--network=none", "--tag", "built", context)
    docker.run("save", "--output", tmp_path / "built.tar", "built")
    layout = tmp_path / "layout"
    source = f"docker-archive:{tmp_path}/built.tar"
    subprocess.run(["skopeo", "copy", "--quiet", source, f"oci:{layout}:it"], check=True)
    yield layout
    docker.run("rmi", "--force", "built")


def ours(layout: Path, place: Path) -> dict[str, Facts]:
    unpack(layers_in(layout), place, devices=True)
    return listing(place)


def diffs(docker: Docker, name: str) -> list[str]:
    """The directories in which Docker keeps the layers of an image, base first."""
    data = json.loads(docker.run("image", "inspect", name).stdout)[0]["GraphDriver"]["Data"]
    below = data.get("LowerDir", "").split(":") if data.get("LowerDir") else []
    return [*reversed(below), data["UpperDir"]]


BELOW: Final = shown(Overlay(case("A").stack()[:1]))

# What Docker with overlay2 makes of the cases where it differs from us: beside or instead of what
# we show ("" is not there), or what it says.
OVERLAY2: Final[dict[str, dict[str, str] | str]] = {
    "A": {"d/old": "old", "d/sub": "/", "d/sub/deep": "deep"},
    "B": "file exists",
    "C": "file exists",
    "F": "not a directory",
    "G": {"no": "/", "no/such": "/"},
    "H": "file exists",
    "I": "file exists",
    "I2": "file exists",
    "J": "duplicates of file paths not supported",
    "J2": "duplicates of file paths not supported",
    "K": "no such file or directory",
    "K2": "no such file or directory",
    "K3": "no such file or directory",
    "N": {"escape": "x"},
    "N2": {"n2": "x"},
    "O": {"lnk": "/", "lnk/w": "w", "real/w": ""},
    "O2": {"abslnk": "/", "abslnk/w": "w", "real/w": ""},
    "R": {"lnk": "/", "real/r": "r"},
    "S": {".wh..wh.plnk": "/", ".wh..wh.plnk/1.2": "kept"},
    "U": {".wh.d": "/", ".wh.d/inner": "x"},
    "Y": BELOW,
    "Z": {"z": "/"},
    "ZA": {"d/old": ""},
    "ZB": "not a directory",
    "ZD": "no such file or directory",
}


def seen(root: Path) -> dict[str, str]:
    """What each path shows, as `cases.shown` has it; names that only a listing has are not there.

    The kernel lists a whiteout in a directory that is in one layer alone, and cannot open it.
    """
    found = {}
    for path in sorted(path for path in root.rglob("*") if os.path.lexists(path)):
        if path.is_symlink():
            what = f"-> {path.readlink()}"
        elif path.is_dir():
            what = "/"
        else:
            what = path.read_text() if path.is_file() else "another kind"
        found[path.relative_to(root).as_posix()] = what
    return found


def unmarked(root: Path) -> dict[str, Facts]:
    """What is in the directory of a layer beside whiteouts, whose times mean nothing."""
    whiteouts, _ = marked(root)
    return {path: facts for path, facts in listing(root).items() if path not in whiteouts}


pytestmark = [as_root, pytest.mark.peer("dockerd", "docker", "skopeo")]


@pytest.mark.usefixtures("kernel")
def test_docker_shows_the_same_tree(docker: Docker, built: Path, tmp_path: Path) -> None:
    """The layers as Docker keeps them, mounted: every fact of every path is the same."""
    layers = diffs(docker, "built")
    assert len(layers) == len(layers_in(built)) == 4
    found = ours(built, tmp_path / "ours")
    (tmp_path / "merged").mkdir()
    mount(tmp_path, layers).check_returncode()
    try:
        assert listing(tmp_path / "merged") == found
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)


def test_a_container_shows_the_same_files(docker: Docker, built: Path, tmp_path: Path) -> None:
    """What `docker export` writes of a container that has run, read as a layer, is our tree."""
    docker.run("run", "--network=none", "--name", "ran", "built", "true")
    docker.run("export", "--output", tmp_path / "export.tar", "ran")
    docker.run("rm", "ran")
    unpack([layer_from((tmp_path / "export.tar").read_bytes())], tmp_path / "theirs", devices=True)
    found, theirs = ours(built, tmp_path / "ours"), listing(tmp_path / "theirs")
    for facts in (found, theirs):
        for path in BY_DOCKER.split():
            facts.pop(path, None)
    assert theirs == found


def test_our_directories_are_dockers(docker: Docker, built: Path, tmp_path: Path) -> None:
    """A directory a layer, as overlay2 has them: files, whiteouts, opaque directories."""
    names = list(unpack_layers(layers_in(built), tmp_path / "layers", devices=True))
    for name, theirs in zip(names, diffs(docker, "built"), strict=True):
        mine = tmp_path / "layers" / name
        assert marked(mine) == marked(Path(theirs))
        assert unmarked(mine) == unmarked(Path(theirs))


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("one", cases(), ids=str)
def test_what_docker_makes_of_the_cases(docker: Docker, one: Case, tmp_path: Path) -> None:
    """What the table says of Docker with overlay2, it does; elsewhere it shows what we do."""
    layout = layout_of(tmp_path / "layout", list(one.tars()))
    archive = f"docker-archive:{tmp_path}/it.tar:it:it"
    subprocess.run(["skopeo", "copy", "--quiet", f"oci:{layout}:it", archive], check=True)
    done = docker.run("load", "--quiet", "--input", tmp_path / "it.tar", check=False)
    expect = OVERLAY2.get(one.id, {})
    if isinstance(expect, str):
        assert done.returncode
        assert expect in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (tmp_path / "merged").mkdir()
    mount(tmp_path, diffs(docker, "it:it")).check_returncode()
    try:
        found = seen(tmp_path / "merged")
    finally:
        subprocess.run(["umount", tmp_path / "merged"], check=True)
        docker.run("rmi", "it:it")
    ours = {**(one.merged or BELOW), **expect}
    assert found == {path: what for path, what in ours.items() if what}


def test_the_table_tells_of_docker() -> None:
    """Each case in which Docker does otherwise, and is not refused by us too, is explained."""
    for one in cases():
        if one.id in OVERLAY2 and not (one.refused and isinstance(OVERLAY2[one.id], str)):
            assert one.because


@pytest.mark.peer("umoci")
def test_umoci_shows_the_same_tree(built: Path, tmp_path: Path) -> None:
    """What Docker builds, umoci unpacks as we do."""
    assert listing(by_umoci(built, "it", tmp_path)) == ours(built, tmp_path / "ours")


@pytest.mark.peer("podman")
def test_podman_shows_the_same_tree(built: Path, tmp_path: Path) -> None:
    """Podman, which unpacks each layer alone and mounts them, shows the same, but for the root."""

    home = tempfile.mkdtemp()  # podman refuses long paths

    def podman(*words: str) -> str:
        options = ["--root", f"{home}/root", "--runroot", f"{home}/run", "--storage-driver=overlay"]
        command = ["podman", *options, "--cgroup-manager=cgroupfs", "--events-backend=file", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    podman("load", "--quiet", "--input", str(tmp_path / "built.tar"))
    name = podman("images", "--quiet", "--no-trunc")
    try:
        theirs = listing(Path(podman("image", "mount", name)))
        assert theirs.pop(".").mode == 0o555  # no layer speaks of the root; we give it 0755
        found = ours(built, tmp_path / "ours")
        del found["."]
        assert theirs == found
    finally:
        podman("image", "umount", "--all")
        subprocess.run(["umount", f"{home}/root/overlay"], check=False, capture_output=True)
        shutil.rmtree(home)

"""`explore`: which layer has what, wherever an image is; a real overlay mount says the same."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from docker_engine import Docker, docker
from images import add_image, add_index, tar_of
from test_engines import built, diffs
from test_lowers import kernel, mount

from imgkit import samples
from imgkit.archive import save
from imgkit.commands import Bench, embedded, run
from imgkit.digest import Digest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

__all__ = ["built", "docker", "kernel"]  # fixtures

LAYERS: Final = [
    {"etc/motd": b"hello", "etc/passwd": b"root", "big": b"x" * 1000, "dir/a": b"1", "dir/b": b"2"},
    {"etc/motd": b"hello, world", ".wh.big": b"", "bin/sh": b"\x7fELF\0\xff"},
    {"dir/.wh..wh..opq": b"", "dir/c": b"3"},
]
SERVED: Final = {"bin/sh": 2, "dir/c": 3, "etc/motd": 2, "etc/passwd": 1, "bin": 2, "dir": 3}
"""Of the image made of these layers: each path that shows, and the layer it comes from."""


class Said:
    """A bench of a test, with what its verbs said."""

    def __init__(self, home: Path, client: Any = embedded.client) -> None:
        self.lines: list[str] = []
        self.warned: list[str] = []
        self.bench = Bench(
            home=home,
            client=client,
            say=self.lines.append,
            warn=self.warned.append,
            platform=Platform("linux", "amd64"),
        )

    def __call__(self, *words: str | Path, status: int = 0) -> str:
        """What the words print; `status` is how they end."""
        self.lines.clear()
        self.warned.clear()
        assert run(self.bench, list(map(str, words))) == status, self.warned
        return "\n".join(self.lines if not status else self.warned)

    def json(self, *words: str | Path) -> Any:
        return json.loads(self(*words, "--json"))


@pytest.fixture
def imgkit(tmp_path: Path) -> Said:
    """Runs a command line; `it:1`, the image of `LAYERS`, is in the local repository."""
    said = Said(tmp_path / "home")
    add_image(said.bench.store, "it:1", LAYERS)
    return said


# -- what is said of an image -----------------------------------------------------------------


def test_each_path_has_its_layer(imgkit: Said) -> None:
    """Every path that shows is there, with the layer that it comes from; nothing else is."""
    paths = imgkit.json("explore", "it:1")["paths"]
    assert {path: facts["layer"] for path, facts in paths.items() if path != "etc"} == SERVED
    assert paths["etc"] == {
        **paths["dir"],
        "layer": 2,
        "entry": 1,
    }
    assert paths["bin/sh"] == {
        "layer": 2,
        "kind": "file",
        "size": 6,
        "mode": "0644",
        "uid": 0,
        "gid": 0,
    }


def test_what_can_no_longer_be_seen(imgkit: Said) -> None:
    """Bytes of the layers below that are replaced, deleted or hidden, and by which layer."""
    facts = imgkit.json("explore", "it:1")
    assert facts["hidden"] == [
        {"path": "big", "layer": 1, "by": 2, "size": 1000},
        {"path": "etc/motd", "layer": 1, "by": 2, "size": 5},
        {"path": "dir/a", "layer": 1, "by": 3, "size": 1},
        {"path": "dir/b", "layer": 1, "by": 3, "size": 1},
    ]
    assert facts["wasted"] == 1007
    assert facts["size"] == sum(len(data) for layer in LAYERS for data in layer.values())
    assert facts["efficiency"] == pytest.approx(1 - 1007 / facts["size"])
    changes = [{w: layer[w] for w in ("adds", "changes", "deletes")} for layer in facts["layers"]]
    assert changes == [
        {"adds": 5, "changes": 0, "deletes": 0},
        {"adds": 1, "changes": 1, "deletes": 1},
        {"adds": 1, "changes": 0, "deletes": 0},
    ]


@pytest.mark.parametrize("name", samples.names())
def test_waste_adds_up(name: str, tmp_path: Path) -> None:
    """In every sample, the files that are hidden have just the bytes that are wasted."""
    said = Said(tmp_path / "home")
    facts = said.json("explore", f"docker://{name}")
    assert sum(found["size"] for found in facts["hidden"]) == facts["wasted"]
    assert all(found["by"] > found["layer"] for found in facts["hidden"])
    shown = sum(layer["shown"] for layer in facts["layers"])
    assert shown == facts["size"] - facts["wasted"]


def test_told_to_a_person(imgkit: Said) -> None:
    """The same in words."""
    said = imgkit("explore", "it:1")
    assert "layer 2: adds 1, changes 1, deletes 1; 18B in files" in said
    assert "Of the 1.03kB, 1.01kB can no longer be seen." in said
    assert "1kB  /big  in layer 1, hidden by layer 2" in said


def test_one_layer(imgkit: Said) -> None:
    """With --layer, each path that it adds, changes, deletes or empties."""
    assert imgkit("explore", "it:1", "--layer", "2").splitlines()[1:] == [
        "deletes      1kB  /big",
        "changes      12B  /etc/motd",
        "adds          6B  /bin/sh",
    ]
    touches = imgkit.json("explore", "--layer=3", "it:1")["touches"]
    assert [(touch["what"], touch["path"]) for touch in touches] == [
        ("empties", "dir"),
        ("adds", "dir/c"),
    ]


# -- one path ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (
            ["/etc/motd"],
            [
                *("layer 1: added", "layer 2: changed"),
                "/etc/motd comes from layer 2.",
                "",
                "hello, world",
            ],
        ),
        (
            ["etc/motd", "--layer", "1"],
            [*("layer 1: added", "layer 2: changed"), "/etc/motd comes from layer 2.", "", "hello"],
        ),
        (
            ["/dir/a"],
            [*("layer 1: added", "layer 3: hidden"), "/dir/a is gone.", "", "1"],
        ),
        (
            ["/dir"],
            ["layer 1: added", "/dir comes from layer 1.", "", "      1B  layer 3   c"],
        ),
        (
            ["/etc/passwd", "--layer=2"],
            [
                *("layer 1: added", "/etc/passwd comes from layer 1.", ""),
                "Layer 2 has nothing at /etc/passwd. Layers that have: 1.",
            ],
        ),
    ],
    ids=["now", "before", "gone", "directory", "not there"],
)
def test_a_path(words: list[str], lines: list[str], imgkit: Said) -> None:
    """Its history, layer by layer, and what is in it: now, or in any layer."""
    assert imgkit("explore", "it:1", *words).splitlines() == lines


def test_what_a_whiteout_hides_is_read_below(imgkit: Said) -> None:
    """Of a file that is gone the last content is shown; its whiteout says where that is."""
    assert imgkit("explore", "it:1", "big").endswith("/big is gone.\n\n" + "x" * 1000)
    assert "A whiteout" in imgkit("explore", "it:1", "big", "--layer", "2")


def test_a_path_as_json(imgkit: Said) -> None:
    """Text is text; other bytes are in base64."""
    assert imgkit.json("explore", "it:1", "/etc/motd") == {
        "path": "etc/motd",
        "layer": 2,
        "source": 2,
        "text": "hello, world",
        "history": [{"layer": 1, "what": "added"}, {"layer": 2, "what": "changed"}],
    }
    assert imgkit.json("explore", "it:1", "bin/sh")["base64"] == "f0VMRgD/"
    assert imgkit.json("explore", "it:1", "big")["layer"] is None


# -- from wherever an image is ----------------------------------------------------------------


def archived(store: Store, path: Path) -> Path:
    """An archive of `it:1`."""
    name = Reference.parse("it:1")
    with path.open("wb") as file:
        save([(store.image("it:1"), [name])], file)
    return path


def test_every_place_says_the_same(imgkit: Said, tmp_path: Path) -> None:
    """The local repository, its directory, an archive, compressed or not, by prefix or by path."""
    here = imgkit.json("explore", "it:1")
    tar = archived(imgkit.bench.store, tmp_path / "it.tar")
    packed = tmp_path / "it.tar.gz"
    packed.write_bytes(gzip.compress(tar.read_bytes()))
    home = tmp_path / "home"
    identifier = imgkit.bench.store.image("it:1").id
    for place in (
        *(identifier, identifier.short, home, f"oci:{home}", f"oci:{home}:it:1"),
        *(tar, packed, f"docker-archive:{tar}", f"oci-archive:{tar}:it:1"),
    ):
        there = imgkit.json("explore", place)
        assert {**there, "name": None} == {**here, "name": None}, place


def test_a_registry_is_asked_and_nothing_is_kept(tmp_path: Path) -> None:
    """An image of a registry is looked at as it comes by."""
    said = Said(tmp_path / "home")
    assert said.json("explore", "docker://alpine")["id"] == samples.image("alpine").id
    assert said.bench.store.records() == []
    assert list((tmp_path / "home/blobs/sha256").iterdir()) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_tar_of_files_is_an_image_of_one_layer(pack: Any, imgkit: Said, tmp_path: Path) -> None:
    """Such as `docker export` writes, or Alpine's root filesystem."""
    tar = tar_of(LAYERS[0])
    (tmp_path / "root.tar").write_bytes(pack(tar))
    facts = imgkit.json("explore", tmp_path / "root.tar")
    assert [layer["diff_id"] for layer in facts["layers"]] == [Digest.of(tar)]
    assert imgkit("explore", tmp_path / "root.tar", "etc/motd").endswith("\n\nhello")


def test_the_platform_that_was_asked_for(imgkit: Said) -> None:
    """`--platform` chooses from an index."""
    platforms = [Platform("linux", "amd64"), Platform("linux", "arm64", "v8")]
    add_index(imgkit.bench.store, "many:1", platforms)
    home = imgkit.bench.home
    for platform in platforms:
        found = imgkit.json("explore", f"oci:{home}:many:1", "--platform", str(platform))
        assert found["platform"] == str(platform)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nope"], r"no image 'nope' in the local repository.*docker://nope"),
        (["it:1", "/nope"], "nothing was ever at /nope in it:1"),
        (["it:1", "--layer", "4"], "there is no layer 4: they count from 1 to 3"),
        (["it:1", "--layer", "0"], "there is no layer 0"),
        (["it:1", "../etc/passwd"], r"could leave the root"),
        (["docker://nope"], "not found|no repository|nope"),
        (["oci:/nowhere"], "/nowhere"),
        (["oci-archive:/nowhere.tar"], r"open /nowhere.tar: no such file"),
        ([__file__], "cannot be read as an archive"),
    ],
)
def test_refused(words: list[str], says: str, imgkit: Said) -> None:
    """What cannot be shown is said in one sentence."""
    said = imgkit("explore", *words, status=1)
    assert re.search(says, said), said
    assert "\n" not in said


def test_several_images_in_one_place(imgkit: Said, tmp_path: Path) -> None:
    """Where there are several, one must be named."""
    add_image(imgkit.bench.store, "other:1")
    said = imgkit("explore", tmp_path / "home", status=1)
    assert (
        "has 2 images. Name one, after a colon: docker.io/library/it:1, docker.io/library/other:1."
        in said
    )
    assert imgkit.json("explore", f"oci:{tmp_path / 'home'}:other:1")["wasted"] == 0


def test_what_an_image_says_does_not_steer_the_terminal(tmp_path: Path) -> None:
    """Escape sequences in paths, labels and contents are shown as replacement characters."""
    store = Store(tmp_path / "home")
    add_image(store, "evil:1", [{"a\x1b[31mred": b"\x1b[2J", "b": b"\x1b[2J gone"}])
    for words in (["explore", "evil:1", "--layer", "1"], ["explore", "evil:1", "b"]):
        command = [sys.executable, "-m", "imgkit", "--home", str(tmp_path / "home"), *words]
        done = subprocess.run(command, check=True, capture_output=True)
        assert b"\x1b" not in done.stdout
        assert b"layer 1" in done.stdout


# -- the kernel -------------------------------------------------------------------------------


@contextlib.contextmanager
def mounted(place: Path, layers: list[str]) -> Iterator[Path]:
    """A mount of these directories, base first."""
    (place / "merged").mkdir()
    (place / "empty").mkdir()  # a mount needs two
    mount(place, ["empty", *layers]).check_returncode()
    try:
        yield place / "merged"
    finally:
        subprocess.run(["umount", place / "merged"], check=True)


def served(merged: Path, layers: list[str]) -> dict[str, int]:
    """For each path of the mount, the layer, from 1, of whose directory it is: by inode."""
    found = {}
    for folder, folders, files in os.walk(merged):
        for path in (
            os.path.relpath(os.path.join(folder, name), merged) for name in folders + files
        ):
            inode = os.lstat(merged / path).st_ino
            for number, layer in enumerate(layers, 1):
                own = os.path.join(layer, path)
                if os.path.lexists(own) and os.lstat(own).st_ino == inode:
                    found[path] = number
    return found


@pytest.mark.usefixtures("kernel")
@pytest.mark.peer("dockerd", "docker", "skopeo")
def test_a_mount_serves_it_from_that_layer(
    docker: Docker, built: Path, imgkit: Said, tmp_path: Path
) -> None:
    """Mounted as Docker unpacked them, the layers serve every path from where `explore` says."""
    facts = imgkit.json("explore", f"oci:{built}")["paths"]
    layers = diffs(docker, "built")
    with mounted(tmp_path, layers) as merged:
        assert {path: found["layer"] for path, found in facts.items()} == served(merged, layers)


def second_minus_first(base: Path, full: Path, layer: Path) -> None:
    """A layer of what is in one root filesystem, and not, or otherwise, in another."""
    with tarfile.open(base) as first, tarfile.open(full) as second:
        known = {m.name: (m.size, m.type, m.mode, m.linkname) for m in first}
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as out:
            for m in second:
                if known.get(m.name) != (m.size, m.type, m.mode, m.linkname):
                    out.addfile(m, second.extractfile(m) if m.isreg() else None)


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
@pytest.mark.peer("dockerd", "docker", "skopeo", "umoci", "mmdebstrap")
def test_a_gigabyte_and_two_hundred_paths(docker: Docker, imgkit: Said, tmp_path: Path) -> None:
    """The same of 200 random paths of an image of a gigabyte."""
    layout = tmp_path / "layout"
    base, full, second = (tmp_path / f"{name}.tar" for name in ("base", "full", "second"))
    debootstrap = ["mmdebstrap", "--variant=minbase", "--mode=root"]
    more = "--include=python3-numpy,python3-scipy,python3-pip,git,nodejs"
    subprocess.run([*debootstrap, "bookworm", base], check=True)
    subprocess.run([*debootstrap, more, "bookworm", full], check=True)
    second_minus_first(base, full, second)
    subprocess.run(["umoci", "init", "--layout", layout], check=True)
    subprocess.run(["umoci", "new", "--image", f"{layout}:big"], check=True)
    for layer in (base, second):
        add = ["umoci", "raw", "add-layer", "--image", f"{layout}:big", layer]
        subprocess.run(add, check=True)
    docker.load(f"{layout}:big", "big:1")
    facts = imgkit.json("explore", f"oci:{layout}:big")
    assert facts["size"] > 500_000_000
    layers = diffs(docker, "big:1")
    with mounted(tmp_path, layers) as merged:
        there = served(merged, layers)
    assert sorted(there) == sorted(facts["paths"])
    for path in random.Random(5).sample(sorted(there), 200):
        assert facts["paths"][path]["layer"] == there[path], path
    docker.run("rmi", "--force", "big:1")

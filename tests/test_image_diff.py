"""`diff A B`: the files and settings in which two images differ."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from images import add_image
from test_explore import Said
from trees import listing

from imgkit import samples
from imgkit.comparison import Comparison
from imgkit.unpack import unpack

BASE: Final = {"etc/motd": b"hello", "etc/passwd": b"root", "bin/sh": b"sh"}

# The second image's layers, and what is said then: each path with its letter.
CASES: Final[dict[str, tuple[list[dict[str, bytes]], list[str]]]] = {
    "nothing": ([BASE], []),
    "nothing, in other layers": ([BASE, {"etc/motd": b"hello"}], []),
    "added": ([BASE, {"new": b"1234"}], ["A /new  (+4B)"]),
    "added below": ([BASE, {"a/b": b"1"}], ["A /a/", "A /a/b  (+1B)"]),
    "longer": ([BASE, {"etc/motd": b"hello, world"}], ["C /etc/motd  (5B -> 12B, content)"]),
    "as long": ([BASE, {"etc/motd": b"HELLO"}], ["C /etc/motd  (5B -> 5B, content)"]),
    "deleted": ([BASE, {"bin/.wh.sh": b""}], ["D /bin/sh  (-2B)"]),
    "never there": (
        [{"etc/motd": b"hello", "etc/passwd": b"root"}],
        ["D /bin/", "D /bin/sh  (-2B)"],
    ),
    "a file for a directory": (
        [BASE, {"bin": b"file"}],
        ["C /bin  (0B -> 4B, kind)", "D /bin/sh  (-2B)"],
    ),
}


@pytest.fixture
def imgkit(tmp_path: Path) -> Said:
    """Runs a command line; `base:1`, of one layer, is in the local repository."""
    said = Said(tmp_path / "home")
    add_image(said.bench.store, "base:1", [BASE])
    return said


@pytest.mark.parametrize("case", CASES)
def test_files(case: str, imgkit: Said) -> None:
    """A path is added, changed or deleted, as a container sees it, however the layers are cut."""
    layers, lines = CASES[case]
    add_image(imgkit.bench.store, "other:1", layers)
    said = imgkit("diff", "base:1", "other:1").splitlines()
    assert said[:-1] == lines
    letters = [line[0] for line in lines]
    counts = (
        f"{letters.count('A')} added, {letters.count('C')} changed, {letters.count('D')} deleted"
    )
    assert said[-1].startswith(counts)


def test_as_json(imgkit: Said) -> None:
    """The same facts for programs; sizes in bytes."""
    add_image(imgkit.bench.store, "other:1", [BASE, {"etc/motd": b"hello, world"}])
    found = imgkit.json("diff", "base:1", "other:1")
    assert found["files"] == [
        {
            "path": "etc/motd",
            "what": "changed",
            "kind": "file",
            "before": 5,
            "after": 12,
            "of": ["content"],
        }
    ]
    assert (found["bytes"], found["shared_layers"], found["settings"]) == (7, 1, [])


def test_settings(imgkit: Said) -> None:
    """Settings of the configs, too: lists of `NAME=value` by name."""
    said = imgkit("diff", "docker://redis:7.4", "docker://alpine")
    assert "S Env REDIS_VERSION: " in said
    assert "-> (not set)" in said
    assert "S Cmd: " in said


@pytest.mark.parametrize("name", samples.names())
def test_an_image_is_like_itself(name: str, tmp_path: Path) -> None:
    """And what is added one way round is deleted the other."""
    image, other = samples.image(name), samples.image("alpine")
    assert Comparison(image, samples.image(name)).files == ()
    there = {(d.path, d.before, d.after) for d in Comparison(image, other).files}
    back = {(d.path, d.after, d.before) for d in Comparison(other, image).files}
    assert there == back


PAIRS: Final = (
    ("alpine:3.19", "alpine:3.20"),
    ("alpine", "redis"),
    ("nigelpoulton/tu-demo:v1", "nigelpoulton/tu-demo:v2"),
    ("golftrack:1.5", "next/golftrack:1.5"),
    ("ubuntu:22.04", "ubuntu:24.04"),
)


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_what_differs_on_disk(pair: tuple[str, str], tmp_path: Path) -> None:
    """Unpacked, the two trees differ at just these paths: by kind, mode, owner or content."""
    images = [samples.image(name) for name in pair]
    trees = []
    for number, image in enumerate(images):
        unpack(image.layers, tmp_path / str(number), owners=False, devices=False)
        tree = listing(tmp_path / str(number))
        trees.append({path: facts._replace(mtime=None, same="") for path, facts in tree.items()})
    first, second = trees
    differ = {path for path in first | second if first.get(path) != second.get(path)} - {"."}
    found = {each.path: each for each in Comparison(*images).files}
    owners = {path for path, each in found.items() if each.of == ("owner",)}  # not kept on disk
    assert set(found) - owners == differ
    for path, each in found.items():
        assert (path in first, path in second) == (each.what != "added", each.what != "deleted")
        was_file = path in first and first[path].kind == "file"
        assert each.before == (first[path].size if was_file else 0)


def test_places_of_both_kinds(imgkit: Said, tmp_path: Path) -> None:
    """One image here, the other in a registry, a layout or an archive."""
    imgkit("save", "-o", tmp_path / "base.tar", "base:1")
    for other in (tmp_path / "base.tar", f"oci:{tmp_path / 'home'}", "base:1"):
        assert imgkit("diff", "base:1", other) == (
            "0 added, 0 changed, 0 deleted (+0B); 0 settings differ; 1 layers in common"
        )
    assert "no image 'nope'" in imgkit("diff", "base:1", "nope", status=1)
    assert imgkit.json("diff", "base:1", "docker://alpine")["shared_layers"] == 0


def test_one_word_is_a_container(imgkit: Said) -> None:
    """With one word, `diff` is Docker's, of a container."""
    said = imgkit("diff", "nope", status=1)
    assert said == "Error response from daemon: No such container: nope"

"""A directory a layer: what is in each, and that the kernel, mounting them, shows our merged tree.

The kernel is asked as root; and as an ordinary user, in a user namespace.
"""

from __future__ import annotations

import functools
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_overlay import stack
from trees import file, folder, hardlink, layer_of, listing, symlink

from imgkit import samples
from imgkit.cases import Case, cases
from imgkit.errors import InvalidLayer, StoreError
from imgkit.layer import OPAQUE, Layer
from imgkit.overlay.lowers import lowers
from imgkit.tar.entry import Entry
from imgkit.unpack import unpack, unpack_layers

BASE: Final = (
    folder("d", 0o750),
    file("d/old", b"old", uid=7, gid=8),
    folder("d/sub"),
    file("d/sub/deep", b"deep"),
    file("f", b"f"),
    hardlink("f2", "f"),
    folder("real", 0o711),
    file("real/r", b"r"),
    symlink("lnk", "real"),
)

# Second layers, and what is then in their directory: the paths, whiteouts marked so, and the
# directories that are opaque.
SECOND: Final[dict[str, tuple[tuple[tuple[Entry, bytes], ...], str, str]]] = {
    "nothing": ((), "", ""),
    "a file, and what leads to it": ((file("d/sub/new"),), "d d/sub d/sub/new", ""),
    "a whiteout, and what leads to it": ((file("d/.wh.old"),), "d wh:d/old", ""),
    "a whiteout of nothing": ((file("no/.wh.x"), file("d/.wh.x")), "", ""),
    "a whiteout of a directory": ((file(".wh.d"),), "wh:d", ""),
    "a directory made anew": ((file(".wh.d"), file("d/new")), "d d/new", "d"),
    "a directory made anew, and one in it": (
        (file(".wh.d"), file("d/sub/new")),
        "d d/sub d/sub/new",
        "d",
    ),
    "opaque": ((file(f"d/{OPAQUE}"), file("d/new")), "d d/new", "d"),
    "opaque, and nothing else": ((file(f"d/{OPAQUE}"),), "d", "d"),
    "opaque where nothing is": ((file(f"z/{OPAQUE}"),), "", ""),
    "an opaque new directory": ((folder("z"), file(f"z/{OPAQUE}")), "z", "z"),
    "an opaque root": (
        (file(OPAQUE), file("f", b"new")),
        "wh:d f wh:f2 wh:lnk wh:real",
        "",
    ),
    "a file in place of a directory": ((file("d"),), "d", ""),
    "a directory in place of a symlink": ((folder("lnk"),), "lnk", ""),
    "through a symlink": ((file("lnk/x"),), "real real/x", ""),
    "a whiteout through a symlink": ((file("lnk/.wh.r"),), "real wh:real/r", ""),
    "a hard link to a lower file": ((hardlink("d/x", "f"),), "d d/x f f2", ""),
    "attributes only": ((folder("d", 0o700),), "d", ""),
}

FEW: Final = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("name", SECOND)
def test_what_the_directory_of_a_layer_has(name: str) -> None:
    """Its own entries where they lead, whiteouts of what is gone, and what leads to them."""
    entries, paths, opaque = SECOND[name]
    _, second = lowers([layer_of(*BASE), layer_of(*entries)])
    found = [node.path for node in second.root.walk()] + [f"wh:{path}" for path in second.whiteouts]
    assert sorted(found, key=lambda path: path.removeprefix("wh:")) == paths.split()
    assert sorted(second.opaque) == opaque.split()


def test_what_leads_to_a_change_is_as_it_was_below() -> None:
    """A directory without an entry of its own keeps its mode and owner: the topmost one shows."""
    _, second = lowers([layer_of(*BASE), layer_of(file("d/x"))])
    assert second.root.children["d"].entry.mode == 0o750


def test_a_layer_that_contradicts_itself_is_refused() -> None:
    """The layers before it are given; nothing of any of them is left on disk."""
    with pytest.raises(InvalidLayer):
        list(lowers([layer_of(*BASE), layer_of(file("x"), file("x/y"))]))


OPAQUES: Final = ("trusted.overlay.opaque", "user.overlay.opaque")


def mark(path: Path, name: str) -> bytes:
    return os.getxattr(path, name) if name in os.listxattr(path) else b""


def marked(root: Path) -> tuple[set[str], set[str]]:
    """The whiteouts in a directory of a layer, and its opaque directories."""
    whiteouts, opaque = set(), set()
    for path in listing(root):
        found = (root / path).lstat()
        if stat.S_ISCHR(found.st_mode) and not found.st_rdev:
            whiteouts.add(path)
        elif stat.S_ISDIR(found.st_mode):
            opaque |= {path for name in OPAQUES if mark(root / path, name) == b"y"}
    return whiteouts, opaque


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("name", SECOND)
def test_the_marks_on_disk(name: str, tmp_path: Path) -> None:
    """A whiteout is a device 0:0, an opaque directory has the mark; the report counts them."""
    entries, paths, opaque = SECOND[name]
    reports = unpack_layers([layer_of(*BASE), layer_of(*entries)], tmp_path / "layers")
    _, second = reports
    whiteouts = {path[3:] for path in paths.split() if path.startswith("wh:")}
    assert marked(tmp_path / "layers" / second) == (whiteouts, set(opaque.split()))
    assert set(listing(tmp_path / "layers" / second)) == {
        ".",
        *(path.removeprefix("wh:") for path in paths.split()),
    }
    assert reports[second].whiteouts == len(whiteouts)
    assert reports[second].opaque == len(opaque.split())
    assert reports[second].unmarked == ()


def test_the_names_of_the_directories(tmp_path: Path) -> None:
    """Base first, each with its number and DiffID; what is in them is reported one by one."""
    layers = [layer_of(*BASE), layer_of(file("d/.wh.old")), layer_of(file("new", b"new"))]
    reports = unpack_layers(layers, tmp_path / "layers", owners=False)
    assert list(reports) == [
        f"{number:02}-{layer.diff_id.short}/diff" for number, layer in enumerate(layers)
    ]
    assert all((tmp_path / "layers" / name).is_dir() for name in reports)
    assert [report.files for report in reports.values()] == [4, 0, 1]
    assert stat.S_IMODE((tmp_path / "layers").stat().st_mode) == 0o700
    assert str([*reports.values()][1]).endswith("0 hard links, 1 whiteouts")


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """A layer that is refused, and a directory that is not empty."""
    with pytest.raises(InvalidLayer):
        unpack_layers([layer_of(*BASE), layer_of(file("x"), file("x/y"))], tmp_path / "layers")
    assert os.listdir(tmp_path) == []
    (tmp_path / "mine").touch()
    with pytest.raises(StoreError, match="not empty"):
        unpack_layers([layer_of(*BASE)], tmp_path)


# -- the kernel --------------------------------------------------------------------------------


@functools.cache
def refused() -> str:
    """Why overlays cannot be mounted here; "" if they can."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("a", "b", "merged"):
            os.mkdir(os.path.join(place, name))
        try:
            os.mknod(os.path.join(place, "b/whiteout"), stat.S_IFCHR)
        except PermissionError:
            return "this filesystem keeps no whiteouts (it is an overlay itself, perhaps)"
        done = mount(Path(place), ["a", "b"])
        if not done.returncode:
            subprocess.run(["umount", os.path.join(place, "merged")], check=True)
        return done.stderr.decode()


def mount(place: Path, lower: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Mount these directories of `place`, base first, at `merged` in it."""
    option = "lowerdir=" + ":".join(reversed(lower))
    command = ["mount", "-t", "overlay", "overlay", "-o", option, "merged"]
    return subprocess.run(command, cwd=place, check=False, capture_output=True)


@pytest.fixture
def kernel() -> None:
    if os.geteuid():
        pytest.skip("mounting directories as an overlay needs root")
    if reason := refused():
        pytest.skip(f"overlays cannot be mounted here: {reason}")


def assert_as_the_kernel_merges(layers: list[Layer], place: Path) -> None:
    """The kernel shows, of the unpacked layers, what `unpack` writes, fact for fact."""
    names = list(unpack_layers(layers, place / "layers", devices=True))
    unpack(layers, place / "ours", devices=True)
    (place / "layers/merged").mkdir()
    (place / "layers/empty").mkdir()  # a mount needs two
    mount(place / "layers", ["empty", *names]).check_returncode()
    try:
        assert listing(place / "layers/merged") == listing(place / "ours")
    finally:
        subprocess.run(["umount", place / "layers/merged"], check=True)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("name", SECOND)
def test_the_kernel_merges_them(name: str, tmp_path: Path) -> None:
    """Mounted, the directories show what the layers give; a third layer makes no difference."""
    layers = [layer_of(*BASE), layer_of(*SECOND[name][0])]
    third = layer_of(file("d/sub/third", b"3"), file("z/third", b"3"))
    (tmp_path / "two").mkdir()
    (tmp_path / "three").mkdir()
    assert_as_the_kernel_merges(layers, tmp_path / "two")
    assert_as_the_kernel_merges([*layers, third], tmp_path / "three")


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("one", [one for one in cases() if not one.refused], ids=str)
def test_the_kernel_shows_what_the_cases_give(one: Case, tmp_path: Path) -> None:
    """Also where Docker with overlay2 gets it wrong; but a device 0:0 is a whiteout to it."""
    if one.id == "ZA":
        with pytest.raises(AssertionError):
            assert_as_the_kernel_merges([*one.stack()], tmp_path)
    else:
        assert_as_the_kernel_merges([*one.stack()], tmp_path)


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    "name", ["nigelpoulton/k8sbook", "nigelpoulton/tu-demo:v1", "postgres:16", "demo/leaky"]
)
def test_the_kernel_shows_what_the_samples_are(name: str, tmp_path: Path) -> None:
    """Images with whiteouts and opaque directories, and what should not be in an image."""
    assert_as_the_kernel_merges([*samples.image(name).layers], tmp_path)


PATHS: Final = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
CHANGES: Final = st.dictionaries(
    PATHS, st.sampled_from(["file", "folder", "whiteout", "opaque"]), max_size=6
)


@pytest.mark.usefixtures("kernel")
@FEW
@given(st.lists(CHANGES, min_size=2, max_size=5))
def test_the_kernel_shows_any_stack(layers: list[dict[str, str]]) -> None:
    """Of stacks made at random, too."""
    made = [layer_of(*stack(changes)) for changes in layers]
    with tempfile.TemporaryDirectory() as place:
        try:
            list(lowers(made))
        except InvalidLayer:
            return
        assert_as_the_kernel_merges(made, Path(place))

"""Unpacking as an ordinary user: owners and devices as umoci has them, overlays in a namespace.

Run as root, these tests become the user nobody for it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from test_lowers import BASE as LOWER
from test_lowers import SECOND, marked
from test_unpack import NOBODY, ROOT, layers_in, layout_of
from trees import file, hardlink, layer_of, listing

from imgkit import samples
from imgkit.cases import Case, cases
from imgkit.layer import Layer, pack
from imgkit.tar.entry import Entry, Kind
from imgkit.unpack import marks, unpack, unpack_layers

OWNED: Final = (
    *ROOT,
    file("mine", b"m", uid=NOBODY, gid=NOBODY),
    file("group", b"g", gid=7),
    file("large", b"l", uid=1_000_000, gid=128),
    hardlink("mine2", "mine"),
    (Entry("dir", Kind.DIR, 0o755, 5, 6, mtime=2_000), b""),
    (Entry("locked", Kind.DIR, 0o555, 5, 6, mtime=2_000), b""),
    (Entry("disk", Kind.BLOCK, 0o660, 0, 6, major=8, minor=3), b""),
    hardlink("null2", "null"),
)

ODD: Final = {"secret", "locked", "link", "pipe", "bin/su", "bin/same"}
"""What umoci 0.4.7 records no owner of, because it takes the right to do so from itself first; or
what nobody can record it of; or where it keeps set-user-ID bits, and we do not."""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of an ordinary user; extended attributes can be kept there."""
    folder = Path(tempfile.mkdtemp())
    if not os.geteuid():
        os.chown(folder, NOBODY, NOBODY)
    try:
        os.setxattr(folder, "user.test", b"")
        yield folder
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"{folder} keeps no extended attributes of the user")
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)
        shutil.rmtree(folder)


class User:
    """While in a `with`, this process is an ordinary user; `run` starts another one as that."""

    def __enter__(self) -> None:
        self._before = os.geteuid(), os.getegid()
        if not self._before[0]:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)

    def __exit__(self, *error: object) -> None:
        os.seteuid(self._before[0])
        os.setegid(self._before[1])

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        become = {} if os.geteuid() else {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        home = {**os.environ, "HOME": "/nonexistent"}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, env=home, **become
        )


def owners(root: Path) -> dict[str, str]:
    """Of each path, the recorded owner in hexadecimal, as getfattr prints it; all gets readable."""
    found = {}
    for path in listing(root):
        if marks.OWNER in os.listxattr(root / path, follow_symlinks=False):
            os.chmod(root / path, 0o700)
            found[path] = os.getxattr(root / path, marks.OWNER).hex()
    return found


def by_umoci(place: Path, layers: list[bytes]) -> tuple[Path, Path]:
    """The layout of an image, and the bundle that umoci makes of it as an ordinary user."""
    with User():
        layout = layout_of(place / "layout", layers)
    done = User().run("umoci", "unpack", "--rootless", "--image", f"{layout}:it", place / "bundle")
    assert done.returncode == 0, done.stderr
    return layout, place / "bundle"


def test_the_record_of_an_owner() -> None:
    """Two numbers of a Protocol Buffers message; root is written as the largest number there is."""
    assert marks.owner(7, 8).hex() == "08071008"
    assert marks.owner(1001, 1001).hex() == "08e90710e907"
    assert marks.owner(0, 7).hex() == "08ffffffff0f1007"
    assert marks.owner(127, 128).hex() == "087f108001"


@pytest.mark.peer("umoci")
def test_owners_and_devices_as_umoci_has_them(place: Path) -> None:
    """The same tree and the same records, but for what umoci cannot record; then we do."""
    layout, bundle = by_umoci(place, [pack(OWNED)])
    with User():
        report = unpack(layers_in(layout), place / "ours", devices=True)
    theirs, ours = listing(bundle / "rootfs"), listing(place / "ours")
    for facts in (theirs, ours):
        for path in ("bin/su", "bin/same"):
            facts[path] = facts[path]._replace(mode=facts[path].mode & 0o777)
    assert ours == theirs
    recorded = owners(bundle / "rootfs")
    assert len(recorded) == 7
    assert owners(place / "ours") == recorded | {
        "secret": marks.owner(1000, 2000).hex(),
        "locked": marks.owner(5, 6).hex(),
    }
    assert report.skipped == ("disk", "null", "null2")
    assert report.unrecorded == ("link", "pipe")
    assert str(report).endswith("; the owners of 2 could not be recorded; 3 device nodes not made")


@pytest.mark.peer("umoci")
@pytest.mark.parametrize("changed", [False, True])
def test_umoci_reads_what_we_record(changed: bool, place: Path) -> None:
    """In its bundle our tree in place of its own is no change; without one record it would be."""
    layout, bundle = by_umoci(place, [pack(one for one in OWNED if one[0].path not in ODD)])
    with User():
        unpack(layers_in(layout), place / "ours", devices=True)
        if changed:
            os.removexattr(place / "ours/mine", marks.OWNER)
        shutil.rmtree(bundle / "rootfs")
        (place / "ours").rename(bundle / "rootfs")
    done = User().run("umoci", "repack", "--image", f"{layout}:new", bundle)
    assert done.returncode == 0, done.stderr
    index = json.loads((layout / "index.json").read_text())
    names = [one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]]
    digest = index["manifests"][names.index("new")]["digest"].removeprefix("sha256:")
    manifest = json.loads((layout / "blobs/sha256" / digest).read_text())
    assert len(manifest["layers"]) == 1 + changed


def test_where_no_owner_can_be_recorded_it_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a filesystem without such attributes all is unpacked; the report names the paths."""

    def refuse(*arguments: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(marks.os, "setxattr", refuse)
    entries = [file("plain"), file("owned", uid=1)]
    with User():
        report = unpack([layer_of(*entries)], place / "root")
        layers = [layer_of(*LOWER), layer_of(*SECOND["opaque"][0])]
        [*_, second] = unpack_layers(layers, place / "layers").values()
    assert report.unrecorded == ("owned",)
    assert sorted(os.listdir(place / "root")) == ["owned", "plain"]
    assert (second.opaque, second.unmarked) == (0, ("d",))
    assert "1 whiteouts or opaque directories could not be marked" in str(second)


def test_a_disk_error_is_no_lack_of_attributes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not a refusal stops the unpacking."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(marks.os, "setxattr", fail)
    with User(), pytest.raises(Exception, match="Input/output error"):
        unpack([layer_of(file("owned", uid=1))], place / "root")
    assert os.listdir(place) == []


# -- overlays without root ---------------------------------------------------------------------

MERGE: Final = 'mount -t overlay overlay -o "userxattr,lowerdir=$0" merged && cp -a merged copy'


def in_namespace(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return User().run("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, *words)


def assert_as_the_kernel_merges(layers: list[Layer], place: Path) -> None:
    """Mounted by an ordinary user, the unpacked layers show what `unpack` writes."""
    with User():
        reports = unpack_layers(layers, place / "layers")
        unpack(layers, place / "ours")
        for name in ("merged", "empty"):
            (place / "layers" / name).mkdir()
    lower = ":".join([*reversed(reports), "empty"])
    done = in_namespace(f"cd '{place}/layers' && {MERGE}", lower)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"an ordinary user cannot mount overlays here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert listing(place / "layers/copy") == listing(place / "ours")
    assert all(report.unmarked == () for report in reports.values())


@pytest.mark.parametrize("name", SECOND)
def test_the_kernel_merges_them_for_a_user(name: str, place: Path) -> None:
    """Marks in the user's namespace of attributes, and whiteouts that a user may make."""
    assert_as_the_kernel_merges([layer_of(*LOWER), layer_of(*SECOND[name][0])], place)


@pytest.mark.parametrize("one", [one for one in cases() if not one.refused], ids=str)
def test_the_kernel_shows_a_user_what_the_cases_give(one: Case, place: Path) -> None:
    """All of them; a device 0:0 is not made, so that not even that is a difference."""
    assert_as_the_kernel_merges([*one.stack()], place)


@pytest.mark.parametrize("name", ["nigelpoulton/k8sbook", "demo/leaky"])
def test_the_kernel_shows_a_user_what_the_samples_are(name: str, place: Path) -> None:
    """Whole images."""
    assert_as_the_kernel_merges([*samples.image(name).layers], place)


@pytest.mark.parametrize("name", ["a whiteout, and what leads to it", "an opaque root", "opaque"])
def test_whiteouts_where_no_device_may_be_made(
    name: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are empty files with an attribute, which a kernel from 6.8 on takes for whiteouts."""

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(marks.os, "mknod", refuse)
    assert_as_the_kernel_merges([layer_of(*LOWER), layer_of(*SECOND[name][0])], place)
    [last] = (place / "layers").glob("01-*/diff")
    assert marked(last)[0] == set()

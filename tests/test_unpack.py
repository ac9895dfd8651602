"""Unpacking: what is on disk afterwards, that nothing else is touched, and that umoci agrees."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from test_overlay import BASE, CASES
from trees import Victim, file, folder, hardlink, layer_from, layer_of, listing, symlink

from imgkit import unpack as module
from imgkit.config import Config
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import DigestMismatch, ImgkitError, StoreError
from imgkit.layer import Layer, pack
from imgkit.manifest import OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest, parse
from imgkit.overlay.tree import Node
from imgkit.platforms import Platform
from imgkit.tar.entry import Entry, Kind
from imgkit.unpack import unpack

Content = tuple[Entry, bytes]

NOBODY: Final = 65534

as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="owners and mounts need root"
)

ROOT: Final = (
    (Entry("", Kind.DIR, 0o711, 7, 8, mtime=1_000), b""),
    (Entry("bin", Kind.DIR, 0o555, mtime=2_000), b""),
    file("bin/su", b"#!", mode=0o4755, mtime=1_500_000_000, nanoseconds=123_456_789),
    (Entry("tmp", Kind.DIR, 0o1777), b""),
    file("secret", b"x" * 600_000, mode=0o000, uid=1000, gid=2000, mtime=-5),
    hardlink("bin/same", "bin/su"),
    (Entry("link", Kind.SYMLINK, 0o777, 3, 4, mtime=4_000, link="/nowhere"), b""),
    (Entry("pipe", Kind.FIFO, 0o640, 5, 6, mtime=3_000), b""),
    (Entry("null", Kind.CHAR, 0o666, major=1, minor=3), b""),
    file("caf\udce9", b"not UTF-8"),
)

# What tries to get out, or at what is beside, by the names of the directory unpacked to ("root")
# and of the victim. All is either refused, or harmless because it stays inside.
OUTWARD: Final[dict[str, tuple[tuple[Content, ...], ...]]] = {
    "through a relative symlink": ((symlink("out", "../victim"), file("out/hello", b"bad")),),
    "through an absolute symlink": ((symlink("out", "{victim}"), file("out/hello", b"bad")),),
    "through a symlink of a lower layer": (
        (symlink("out", "../victim"),),
        (file("out/hello", b"bad"),),
    ),
    "through a chain of symlinks": (
        (symlink("a", "b"), symlink("b", ".."), symlink("c", "a/victim"), file("c/hello", b"bad")),
    ),
    "through a symlink up and down": ((symlink("d/out", "../../victim"), file("d/out/new")),),
    "a directory's attributes through a symlink": (
        (symlink("out", "../victim"),),
        (folder("out/sub", 0o777),),
    ),
    "a directory in place of the symlink": (
        (symlink("out", "../victim"),),
        (folder("out", 0o777), file("out/hello", b"bad")),
    ),
    "a file in place of the symlink": (
        (symlink("out", "../victim/hello"),),
        (file("out", b"bad"),),
    ),
    "a hard link to a symlink, then written": (
        (symlink("out", "../victim/hello"), hardlink("h", "out")),
        (file("h", b"bad"),),
    ),
    "a hard link through a symlink": ((symlink("out", "../victim"), hardlink("h", "out/hello")),),
    "a hard link to a path outside": ((hardlink("h", "victim/hello"),),),
    "a whiteout through a symlink": ((symlink("out", "../victim"),), (file("out/.wh.hello"),)),
    "a whiteout of the parent": ((file("d/.wh..."),),),
    "opaque through a symlink": ((symlink("out", "../victim"),), (file("out/.wh..wh..opq"),)),
    "a fifo through a symlink": ((symlink("out", ".."), (Entry("out/victim/p", Kind.FIFO), b"")),),
    "a sibling with the root's name as prefix": ((symlink("s", "../root2"), file("s/x")),),
    "a symlink with a slash at the end": (
        (symlink("out", "../victim/"), file("out/hello", b"bad")),
    ),
    "a symlink to itself by the parent": ((symlink("out", "../root/../victim"), file("out/x")),),
}


def own(layer: tuple[Content, ...], victim: Path) -> tuple[Content, ...]:
    """The entries, with the place of the victim written into their links."""
    return tuple((replace(entry, link=entry.link.format(victim=victim)), x) for entry, x in layer)


@pytest.mark.parametrize("case", OUTWARD)
def test_nothing_gets_out(case: str, tmp_path: Path) -> None:
    """Whatever the links say, only the directory unpacked to is written."""
    victim = Victim(tmp_path)
    (tmp_path / "root2").mkdir()
    layers = [layer_of(*own(layer, victim.path)) for layer in OUTWARD[case]]
    try:
        unpack(layers, tmp_path / "root")
    except ImgkitError:
        assert sorted(os.listdir(tmp_path)) == ["root2", "victim"]
    else:
        assert sorted(os.listdir(tmp_path)) == ["root", "root2", "victim"]
    victim.assert_untouched()
    assert os.listdir(tmp_path / "root2") == []


@as_root
def test_everything_is_as_recorded_for_root(tmp_path: Path) -> None:
    """Kinds, modes, owners, times, contents and links are on disk as they are in the layer."""
    report = unpack([layer_of(*ROOT)], tmp_path / "root", devices=True)
    found = listing(tmp_path / "root", folder_times=True)
    entries = {entry.path or ".": entry for entry, _ in ROOT}
    assert set(found) == set(entries)
    for path, entry in entries.items():
        facts = found[path]
        recorded = entries["bin/su"] if path == "bin/same" else entry
        assert facts.kind == recorded.kind
        assert facts.owner == (recorded.uid, recorded.gid)
        assert facts.mtime == recorded.mtime_ns
        assert facts.mode == recorded.mode
    assert found["bin/su"].same == found["bin/same"].same == "bin/same"
    assert found["link"].content == "/nowhere"
    assert found["null"].content == "1:3"
    assert (tmp_path / "root/secret").read_bytes() == b"x" * 600_000
    assert str(report) == (
        "3 files (600011 bytes), 2 directories, 1 symlinks, 1 hard links, 2 device nodes"
    )


def test_devices_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """A device node is named in the report instead; so is a hard link to one."""
    layer = layer_of(*ROOT, hardlink("null2", "null"))
    report = unpack([layer], tmp_path / "root", owners=False)
    assert report.skipped == ("null", "null2")
    assert not (tmp_path / "root/null").exists()
    assert stat.S_ISFIFO((tmp_path / "root/pipe").lstat().st_mode)
    assert str(report).endswith("2 device nodes not made")


def test_without_owners_all_is_the_users(tmp_path: Path) -> None:
    """Everything belongs to who unpacks, and no program changes its user."""
    unpack([layer_of(*ROOT)], tmp_path / "root", owners=False)
    found = listing(tmp_path / "root")
    assert {facts.owner for facts in found.values()} == {(os.geteuid(), os.getegid())}
    assert found["bin/su"].mode == 0o755
    assert found["tmp"].mode == 0o1777


@pytest.fixture
def somebody() -> Iterator[Path]:
    """A directory of a user who is not root, and that user's rights."""
    folder = Path(tempfile.mkdtemp())
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        os.seteuid(0)
        shutil.rmtree(folder)


@as_root
def test_a_user_can_unpack_what_only_root_may_write(somebody: Path) -> None:
    """Directories without write permission are filled first; devices cannot be made."""
    layers = [layer_of(*ROOT), layer_of(file("bin/new", b"new"))]
    report = unpack(layers, somebody / "root", devices=True)
    assert report.skipped == ("null",)
    assert (somebody / "root/bin/new").read_bytes() == b"new"
    assert stat.S_IMODE((somebody / "root/bin").stat().st_mode) == 0o555


def broken() -> Layer:
    """A layer that unpacks to its end, where its DiffID turns out to be wrong."""
    tar = pack([file(f"late/{n}", b"x" * 3000) for n in range(30)])
    cut = tar[:-3000]
    return Layer(
        lambda: VerifyingReader(io.BytesIO(cut), Digest.of(cut)),
        Descriptor.of(cut, OCI_LAYER),
        Digest.of(tar),
    )


@as_root
def test_a_user_too_leaves_nothing_behind(somebody: Path) -> None:
    """What was stopped is removed, even from directories that may not be written."""
    places: list[int] = []

    def interrupt(node: Node) -> None:
        if node.path == "bin":
            [private] = os.listdir(somebody)
            places.append(stat.S_IMODE((somebody / private / "bin").stat().st_mode))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack([layer_of(*ROOT)], somebody / "root", on_entry=interrupt)
    assert places == [0o555]
    assert os.listdir(somebody) == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_nothing_behind(exists: bool, tmp_path: Path) -> None:
    """Half of a filesystem never has the true name: it is there whole, or not at all."""
    place = tmp_path / "root"
    if exists:
        place.mkdir(mode=0o750)
    for layers in ([layer_of(*ROOT), broken()], [layer_from(pack(ROOT), Digest.of(b"other"))]):
        with pytest.raises(ImgkitError):
            unpack(layers, place)
        assert os.listdir(tmp_path) == (["root"] if exists else [])
        if exists:
            assert (os.listdir(place), stat.S_IMODE(place.stat().st_mode)) == ([], 0o750)


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    """Control-C, too, removes what was written."""

    def interrupt(node: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack([layer_of(*ROOT)], tmp_path / "root", on_entry=interrupt)
    assert os.listdir(tmp_path) == []


def test_each_entry_is_told_of(tmp_path: Path) -> None:
    """`on_entry` hears of every path once it is there; directories last, when they are done."""
    told: list[str] = []
    unpack(
        [layer_of(*BASE)],
        tmp_path / "root",
        on_entry=lambda node: told.append(node.path),
    )
    assert sorted(told) == sorted(["", *(entry.path for entry, _ in BASE)])
    assert told[-1] == ""


def test_only_a_new_or_an_empty_directory_will_do(tmp_path: Path) -> None:
    """Anything that is already there is left as it is, and the error says why."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    (tmp_path / "file").write_text("mine")
    for name, reason in [
        ("full", "not empty"),
        ("file", "not a directory"),
        ("file/below", "irectory"),
        ("missing/below", "No such file"),
        ("x" * 300, "too long"),
    ]:
        with pytest.raises(StoreError, match=reason) as caught:
            unpack([layer_of(*BASE)], tmp_path / name)
        assert caught.value.path == tmp_path / name
    assert sorted(os.listdir(tmp_path)) == ["file", "full"]
    assert (tmp_path / "file").read_text() == "mine"


def test_an_empty_directory_may_be_named_by_a_symlink(tmp_path: Path) -> None:
    """The user's own symlink is followed, unlike any in the image."""
    (tmp_path / "real").mkdir()
    (tmp_path / "name").symlink_to("real")
    unpack([layer_of(*BASE)], tmp_path / "name")
    assert (tmp_path / "real/keep").read_bytes() == b"keep"


def test_a_write_error_names_the_place_and_the_reason(tmp_path: Path) -> None:
    """When the system refuses a write, the error says where and why, and nothing is left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(StoreError, match="File too large") as caught:
            unpack([layer_of(*ROOT)], tmp_path / "root")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.path == tmp_path / "root"
    assert str(tmp_path / "root") in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A mount point of 256 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


@as_root
def test_a_full_disk(small_disk: Path) -> None:
    """A disk that is full is said to be, and is as empty as before afterwards."""
    for place in (small_disk, small_disk / "root"):
        with pytest.raises(StoreError, match="No space left"):
            unpack([layer_of(*ROOT)], place)
        assert os.listdir(small_disk) == []


@as_root
def test_a_mount_point_is_filled_in_place(small_disk: Path) -> None:
    """A mount point cannot be replaced by another directory, so it is written itself."""
    unpack([layer_of(*BASE)], small_disk)
    assert (small_disk / "keep").read_bytes() == b"keep"
    assert os.path.ismount(small_disk)
    assert os.listdir(small_disk.parent) == ["disk"]


@as_root
def test_a_mount_point_that_does_not_look_like_one(tmp_path: Path) -> None:
    """A bind mount has its parent's device number; it is filled in place, too."""
    place = tmp_path / "bound"
    place.mkdir()
    (tmp_path / "elsewhere").mkdir()
    command = ["mount", "--bind", tmp_path / "elsewhere", place]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        unpack([layer_of(*BASE)], place)
        assert (tmp_path / "elsewhere/keep").read_bytes() == b"keep"
        assert sorted(os.listdir(tmp_path)) == ["bound", "elsewhere"]
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_system_that_cannot_do_it_safely_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot be opened below an open directory, nothing is unpacked."""
    monkeypatch.setattr(module.os, "supports_dir_fd", set())
    with pytest.raises(StoreError, match="WSL"):
        unpack([layer_of(*BASE)], tmp_path / "root")
    assert os.listdir(tmp_path) == []


def test_a_hard_link_keeps_content_that_its_other_name_lost(tmp_path: Path) -> None:
    """Links of several layers are one file on disk, as long as none was replaced."""
    layers = [
        layer_of(file("a", b"old"), file("z", b"z")),
        layer_of(hardlink("b", "a"), hardlink("c", "b"), hardlink("y", "z")),
        layer_of(file("a", b"new"), file(".wh.z")),
    ]
    report = unpack(layers, tmp_path / "root")
    found = listing(tmp_path / "root")
    assert found["b"].same == found["c"].same == "b"
    contents = {name: (tmp_path / "root" / name).read_bytes() for name in ("a", "b", "c", "y")}
    assert contents == {"a": b"new", "b": b"old", "c": b"old", "y": b"z"}
    assert (report.files, report.hard_links, report.size) == (3, 1, 7)


def test_deep_paths_are_no_trouble(tmp_path: Path) -> None:
    """A path of 3,000 bytes is longer, with what it is in, than some calls of the system take."""
    deep = "/".join(["directory" * 3] * 100)
    unpack([layer_of(file(f"{deep}/file", b"deep"))], tmp_path / "root")
    with pytest.raises(DigestMismatch):
        unpack([layer_from(pack([file(deep)]), Digest.of(b""))], tmp_path / "root2")
    assert os.listdir(tmp_path) == ["root"]


# -- umoci -------------------------------------------------------------------------------------


def layout_of(place: Path, layers: list[bytes]) -> Path:
    """An OCI layout with one image, "it", of these uncompressed layers."""
    blobs = place / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> Descriptor:
        (blobs / Digest.of(data).hex).write_bytes(data)
        return Descriptor.of(data, media_type)

    config = Config.make(Platform("linux", "amd64"), [Digest.of(tar) for tar in layers])
    packed = [put(gzip.compress(tar, 1, mtime=0), f"{OCI_LAYER}+gzip") for tar in layers]
    made = Manifest.make(put(config.raw, config.descriptor.media_type), packed)
    entry = put(made.raw, OCI_MANIFEST).to_json()
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (place / "index.json").write_text(json.dumps(index))
    (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return place


def layers_in(layout: Path) -> list[Layer]:
    """The layers of the only image of an OCI layout."""
    [entry] = json.loads((layout / "index.json").read_text())["manifests"]

    def path(digest: Digest) -> Path:
        return layout / "blobs" / digest.algorithm / digest.hex

    def layer(descriptor: Descriptor, diff_id: Digest) -> Layer:
        def source() -> VerifyingReader:
            stream = path(descriptor.digest).open("rb")
            return VerifyingReader(stream, descriptor.digest, descriptor.size)

        return Layer(source, descriptor, diff_id)

    manifest = parse(path(Digest(entry["digest"])).read_bytes())
    assert isinstance(manifest, Manifest)
    config = Config.parse(path(manifest.config.digest).read_bytes())
    return list(map(layer, manifest.layers, config.diff_ids))


def by_umoci(layout: Path, tag: str, tmp_path: Path) -> Path:
    """The root filesystem that umoci makes of an image."""
    command = ["umoci", "unpack", "--image", f"{layout}:{tag}", tmp_path / "umoci"]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "umoci/rootfs"


def assert_as_umoci(layout: Path, tmp_path: Path, tag: str = "it") -> None:
    unpack(layers_in(layout), tmp_path / "ours", devices=True)
    theirs = listing(by_umoci(layout, tag, tmp_path), folder_times=True)
    ours = listing(tmp_path / "ours", folder_times=True)
    assert ours == theirs


@as_root
@pytest.mark.peer("umoci")
@pytest.mark.parametrize("name", ["glibc-amd64", "glibc-arm64v8", "musl-amd64"])
def test_busybox_as_umoci_unpacks_it(name: str, shared_images: Path, tmp_path: Path) -> None:
    """The official BusyBox images: every fact of every path is the same."""
    layout = tmp_path / "layout"
    shutil.copytree(shared_images / f"busybox-latest-{name}", layout, copy_function=shutil.copyfile)
    index = json.loads((layout / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (layout / "index.json").unlink()
    (layout / "index.json").write_text(json.dumps(index))
    assert_as_umoci(layout, tmp_path)


@as_root
@pytest.mark.peer("umoci")
@pytest.mark.parametrize("name", ["3.19.4-x86_64", "3.20.3-x86_64", "3.20.3-aarch64"])
def test_alpine_as_umoci_unpacks_it(name: str, shared_images: Path, tmp_path: Path) -> None:
    """The official Alpine root filesystems, and a layer that changes, deletes and links."""
    packed = (shared_images / f"alpine-minirootfs-{name}.tar.gz").read_bytes()
    second = pack(
        [
            folder("etc", 0o700),
            file("etc/motd", b"changed", mtime=1_234_567_890, nanoseconds=5),
            file("etc/.wh.passwd"),
            hardlink("etc/issue2", "etc/issue"),
            file(".wh.media"),
            folder("var"),
            file("var/.wh..wh..opq"),
            file("var/new", uid=1000, gid=1000, mode=0o2750),
        ]
    )
    assert_as_umoci(layout_of(tmp_path / "layout", [gzip.decompress(packed), second]), tmp_path)


@as_root
@pytest.mark.peer("umoci")
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("P2")])
def test_second_layers_as_umoci_unpacks_them(case: str, tmp_path: Path) -> None:
    """On disk, the same tree as umoci's, but for times that it makes up.

    But umoci 0.4.7 goes through a symlink when the entry that replaces it comes later (P2).
    """
    entries, _ = CASES[case]
    layout = layout_of(tmp_path / "layout", [pack(BASE), pack(entries)])
    unpack(layers_in(layout), tmp_path / "ours", devices=True)
    theirs = listing(by_umoci(layout, "it", tmp_path))
    assert listing(tmp_path / "ours") == theirs

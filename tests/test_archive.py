"""Images in a tar: what Docker, podman and skopeo write is loaded, and they load what we save."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from docker_engine import Docker, docker
from images import add_image, add_index, tar_of
from test_explore import Said
from trees import Victim

from imgkit import samples
from imgkit.archive import Archive, load, save
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, LimitExceeded
from imgkit.image import Image, verify
from imgkit.limits import Limits
from imgkit.manifest import OCI_LAYER
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

__all__ = ["docker"]  # a fixture

Members = dict[str, bytes | tuple[str, str]]
"""The members of a tar by path: the content of a file, or the kind and the text of a link."""


@pytest.fixture
def imgkit(tmp_path: Path) -> Said:
    """Runs a command line on a local repository that is empty at first."""
    return Said(tmp_path / "home")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A local repository, empty at first."""
    return Store(tmp_path / "home")


def saved(*names: str) -> bytes:
    """An archive of these samples."""
    file = io.BytesIO()
    save(
        [(samples.image(name), [Reference.parse(name).with_default_tag()]) for name in names], file
    )
    return file.getvalue()


def archive_of(members: Mapping[str, bytes | tuple[str, str]]) -> bytes:
    """A tar with these members, written by Python's own tarfile."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members.items():
            member = tarfile.TarInfo(path)
            if isinstance(data, tuple):
                member.type = {"symlink": tarfile.SYMTYPE, "link": tarfile.LNKTYPE}[data[0]]
                member.linkname = data[1]
                archive.addfile(member)
            else:
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def classic(**changes: Any) -> Members:
    """An image as Docker before version 25 saved it: `it:1`, of two uncompressed layers."""
    layers = [tar_of({"etc/motd": b"hello"}), tar_of({"bin/sh": b"sh"})]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [Digest.of(layer) for layer in layers]},
    }
    raw = json.dumps(config).encode()
    entry = {
        "Config": f"{Digest.of(raw).hex}.json",
        "RepoTags": ["it:1"],
        "Layers": ["a/layer.tar", "b/layer.tar"],
    }
    entry |= changes.pop("entry", {})
    members: Members = {
        f"{Digest.of(raw).hex}.json": raw,
        "a/layer.tar": layers[0],
        "b/layer.tar": layers[1],
    }
    members |= {"manifest.json": json.dumps([entry]).encode()}
    return {**members, **changes.pop("members", {})}


def loaded(raw: bytes, store: Store) -> list[Image]:
    """The images of an archive, loaded; each is then sound in the store."""
    with Archive(io.BytesIO(raw), "test.tar") as archive:
        images = load(archive, store, Platform("linux", "amd64"))
    for row in store.records():
        assert verify(store.open_image(row)) == []
    return images


# -- what is saved ----------------------------------------------------------------------------


def test_the_same_images_give_the_same_bytes() -> None:
    """Nothing of the time, the user or the machine is in an archive."""
    assert saved("redis", "alpine") == saved("redis", "alpine")
    with tarfile.open(fileobj=io.BytesIO(saved("redis"))) as archive:
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in archive} == {(0, 0, 0, "")}


def test_shared_layers_are_in_it_once(store: Store) -> None:
    """So are images that are named twice."""
    base = {"etc/motd": b"hello"}
    add_image(store, "one:1", [base])
    add_image(store, "two:1", [base, {"bin/sh": b"sh"}])
    file = io.BytesIO()
    save([(store.image(name), [Reference.parse(name)]) for name in ("one:1", "two:1")], file)
    with tarfile.open(fileobj=io.BytesIO(file.getvalue())) as archive:
        names = archive.getnames()
    assert len(names) == len(set(names))
    layers = {layer.digest for name in ("one:1", "two:1") for layer in store.image(name).layers}
    assert len(layers) == 2
    assert len([name for name in names if name.startswith("blobs/sha256/")]) == 2 + 2 + 2


@pytest.mark.parametrize("name", samples.names())
def test_what_is_saved_is_loaded(name: str, store: Store) -> None:
    """Manifest, config and layers keep their digests; the name is kept in full."""
    sample = samples.image(name)
    (image,) = loaded(saved(name), store)
    assert (image.id, image.digest) == (sample.id, sample.digest)
    assert [row.name for row in store.records()] == [name]


def test_save_says_what_docker_says(imgkit: Said, tmp_path: Path) -> None:
    """The refusals are those of Docker 20.10, word for word (see the transcripts)."""
    add_image(imgkit.bench.store, "it:1")
    (tmp_path / "file").touch()
    for words, says in {
        ("it:1",): "cowardly refusing to save to a terminal. Use the -o flag or redirect",
        ("-o", "x.tar", "nope"): "Error response from daemon: No such image: nope",
        ("-o", "x.tar", "it:2"): "Error response from daemon: reference does not exist",
        ("-o", "x.tar", "IT"): (
            "Error response from daemon: invalid reference format: "
            "repository name must be lowercase"
        ),
        ("-o", "nope/x.tar", "it:1"): (
            "failed to save image: invalid output path: stat nope: no such file or directory"
        ),
        ("-o", str(tmp_path), "it:1"): "failed to save image: cannot write to a directory",
        ("-o", "/dev/null", "it:1"): (
            "failed to save image: cannot write to a character device file"
        ),
    }.items():
        assert imgkit("save", *words, status=1) == says
    assert not Path("x.tar").exists()


def test_a_name_without_a_tag_means_all_tags(imgkit: Said, tmp_path: Path) -> None:
    """`save it` saves every tag of the repository, an ID the image alone; a digest is no name."""
    store = imgkit.bench.store
    for name in ("it:1", "it:2", "other:1"):
        add_image(store, name)
    image = store.image("it:1")
    store.name(Reference.parse("it").with_digest(image.digest), image.descriptor, None)
    imgkit("save", "-o", tmp_path / "all.tar", "it")
    assert names_in(tmp_path / "all.tar") == [["it:1", "it:2"]]
    imgkit("save", "-o", tmp_path / "id.tar", store.image("it:1").id.short)
    assert names_in(tmp_path / "id.tar") == [None]


def names_in(path: Path) -> list[Any]:
    """The names in the manifest.json of an archive, as tar reads it."""
    done = subprocess.run(["tar", "xOf", path, "manifest.json"], check=True, capture_output=True)
    return [entry["RepoTags"] for entry in json.loads(done.stdout)]


def test_a_save_that_fails_leaves_nothing(imgkit: Said, tmp_path: Path) -> None:
    """A damaged blob is found on the way; the file of before is still there."""
    add_image(imgkit.bench.store, "it:1")
    layer = imgkit.bench.store.image("it:1").manifest.layers[0]
    blob = imgkit.bench.store.path(layer.digest)
    blob.chmod(0o600)
    blob.write_bytes(bytes(layer.size))
    out = tmp_path / "out.tar"
    out.write_bytes(b"before")
    assert "digest" in imgkit("save", "-o", out, "it:1", status=1)
    assert out.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.tar"]


# -- what is loaded ---------------------------------------------------------------------------


def test_the_classic_form(store: Store) -> None:
    """Layers stay as they are, uncompressed; the image ID is the digest of the same config."""
    (image,) = loaded(archive_of(classic()), store)
    entry = json.loads(classic()["manifest.json"])[0]  # type: ignore[arg-type]
    assert image.id.hex == entry["Config"].removesuffix(".json")
    assert [layer.digest for layer in image.layers] == [layer.diff_id for layer in image.layers]
    assert {layer.descriptor.media_type for layer in image.layers} == {OCI_LAYER}
    assert [row.name for row in store.records()] == ["docker.io/library/it:1"]


def test_links_between_members(store: Store) -> None:
    """Docker and skopeo write a shared layer once, and links to it."""
    members = classic()
    members["c.tar"] = members["a/layer.tar"]
    members["a/layer.tar"] = ("symlink", "../c.tar")
    members["d.tar"] = members["b/layer.tar"]
    members["b/layer.tar"] = ("link", "d.tar")
    (image,) = loaded(archive_of(members), store)
    assert image.overlay.read("etc/motd") == b"hello"


def test_compressed_layers_stay_compressed(store: Store) -> None:
    """As some builders write them; the DiffID is that of the tar inside."""
    members = classic()
    members["a/layer.tar"] = packed = gzip.compress(members["a/layer.tar"])  # type: ignore[arg-type]
    (image,) = loaded(archive_of(members), store)
    assert image.layers[0].digest == Digest.of(packed)
    assert image.layers[0].descriptor.media_type == OCI_LAYER + "+gzip"


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("pipe", [False, True], ids=["file", "pipe"])
def test_ways_in(pack: Callable[[bytes], bytes], pipe: bool, imgkit: Said, tmp_path: Path) -> None:
    """From a file or standard input, compressed or not."""
    raw = pack(saved("redis", "alpine"))
    (tmp_path / "in.tar").write_bytes(raw)
    words = ["--quiet"] if pipe else ["--input", str(tmp_path / "in.tar")]
    with contextlib.ExitStack() as stack:
        if pipe:
            cat = stack.enter_context(
                subprocess.Popen(["cat", tmp_path / "in.tar"], stdout=subprocess.PIPE)
            )
            imgkit.bench.stdin = cat.stdout  # type: ignore[assignment]
        said = imgkit("load", *words)
    assert said == "Loaded image: redis:latest\nLoaded image: alpine:latest"


def test_load_says_what_docker_says(imgkit: Said, tmp_path: Path) -> None:
    """Names, or the ID where there are none, and what became of the image that had a name."""
    old = add_image(imgkit.bench.store, "it:1")
    old_id = Image(imgkit.bench.store, old).id
    (tmp_path / "it.tar").write_bytes(archive_of(classic()))
    said = imgkit("load", "-i", tmp_path / "it.tar")
    assert said == (
        f"The image it:1 already exists, renaming the old one with ID {old_id} to empty string\n"
        "Loaded image: it:1"
    )
    assert imgkit("load", "-i", tmp_path / "it.tar") == "Loaded image: it:1"
    (tmp_path / "id.tar").write_bytes(archive_of(classic(entry={"RepoTags": None})))
    new_id = imgkit.bench.store.image("it:1").id
    assert imgkit("load", "-i", tmp_path / "id.tar") == f"Loaded image ID: {new_id}"
    assert imgkit("load", status=1) == "requested load from stdin, but stdin is empty"
    assert imgkit("load", "-i", "nope.tar", status=1) == (
        "open nope.tar: no such file or directory"
    )


def test_an_image_without_a_name_is_dangling(store: Store) -> None:
    """It has a row of its own, unless its image has one already."""
    loaded(archive_of(classic(entry={"RepoTags": None})), store)
    assert [row.name for row in store.records()] == [None]
    loaded(archive_of(classic(entry={"RepoTags": None})), store)
    assert [row.name for row in store.records()] == [None]


def test_an_index_of_which_one_platform_is_there(store: Store, tmp_path: Path) -> None:
    """As new engines save it: the index whole, the blobs of one platform."""
    other = Store(tmp_path / "other")
    platforms = [Platform("linux", "arm64", "v8"), Platform("linux", "s390x")]
    index = add_index(other, "many:1", platforms)
    wanted = Image.of(other, Reference.parse("many:1"), platforms[1])
    blobs = [index, wanted.descriptor, *wanted.manifest.children]
    row = {**index.to_json(), "annotations": {"io.containerd.image.name": "docker.io/a/many:1"}}
    members: Members = {
        f"blobs/sha256/{blob.digest.hex}": other.path(blob.digest).read_bytes() for blob in blobs
    }
    members["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [row]}).encode()
    (image,) = loaded(archive_of(members), store)
    assert image.id == wanted.id
    (record,) = store.records()
    assert (record.name, record.index) == ("docker.io/a/many:1", index.digest)


# -- hostile archives -------------------------------------------------------------------------


def without(name: str) -> Members:
    members = classic()
    del members[name]
    return members


def entry(**changes: Any) -> Members:
    return classic(entry=changes)


def member(path: str, data: bytes | tuple[str, str]) -> Members:
    return classic(members={path: data})


def layout(index: bytes, **members: bytes) -> Members:
    return {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index, **members}


def changed_blob() -> bytes:
    """An archive of ours in which one byte of the largest blob is another."""
    raw = bytearray(saved("redis"))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        largest = max(archive, key=lambda found: found.size)
    raw[largest.offset_data + 100] ^= 1
    return bytes(raw)


def one_json(**changes: Any) -> bytes:
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}
    return json.dumps(config | changes).encode()


HOSTILE: Final[dict[str, tuple[Callable[[], Members | bytes], str]]] = {
    "empty": (lambda: b"", "cut off"),
    "no tar": (lambda: b"this is no archive", "cut off"),
    "cut off": (lambda: saved("redis")[:-100_000][:20_000], "cut off"),
    "cut off, compressed": (lambda: gzip.compress(saved("redis"))[:-100], "cut off"),
    "damaged header": (
        lambda: b"x" + archive_of(classic())[1:],
        "at byte 0",
    ),
    "files alone": (lambda: {"etc/motd": b"hello"}, "no image"),
    "path above": (lambda: member("../victim/hello", b"x"), "could leave the root"),
    "config above": (lambda: entry(Config="../victim/hello"), "leads out of it"),
    "layer above": (lambda: entry(Layers=["../victim/hello", "b/layer.tar"]), "leads out of it"),
    "absolute layer": (lambda: entry(Layers=["/etc/passwd", "b/layer.tar"]), "leads out of it"),
    "link above": (lambda: member("a/layer.tar", ("symlink", "../../victim/hello")), "leads out"),
    "absolute link": (lambda: member("a/layer.tar", ("symlink", "/etc/passwd")), "leads out"),
    "hard link above": (lambda: member("a/layer.tar", ("link", "../victim/hello")), "root|out"),
    "link to itself": (lambda: member("a/layer.tar", ("symlink", "layer.tar")), "over 10 times"),
    "links in a circle": (
        lambda: classic(
            members={"a/layer.tar": ("symlink", "../x"), "x": ("symlink", "a/layer.tar")}
        ),
        "over 10 times",
    ),
    "no config": (lambda: entry(Config="nope.json"), "'nope.json', which it speaks of, is not in"),
    "no layer": (lambda: without("b/layer.tar"), "'b/layer.tar', which it speaks of, is not in"),
    "too few layers": (lambda: entry(Layers=["a/layer.tar"]), "1 layers .* has 2 DiffIDs"),
    "layers exchanged": (lambda: entry(Layers=["b/layer.tar", "a/layer.tar"]), "the DiffID"),
    "another layer": (lambda: member("a/layer.tar", tar_of({"evil": b"x"})), "the DiffID"),
    "another layer, compressed": (
        lambda: member("a/layer.tar", gzip.compress(tar_of({"evil": b"x"}))),
        "DiffID",
    ),
    "config of another name": (
        lambda: {
            **entry(Config="0" * 64 + ".json"),
            "0" * 64 + ".json": one_json(rootfs={"type": "layers", "diff_ids": []}),
        },
        "another digest",
    ),
    "config is no config": (lambda: {**entry(Config="c.json"), "c.json": b"[]"}, "JSON object"),
    "manifest.json is no list": (lambda: member("manifest.json", b"{}"), "list"),
    "manifest.json of numbers": (lambda: member("manifest.json", b"[1]"), "list"),
    "manifest.json is empty": (lambda: member("manifest.json", b"[]"), "holds 0 images"),
    "manifest.json is large": (lambda: member("manifest.json", b" " * (5 << 20)), "at most"),
    "a key twice": (
        lambda: member("manifest.json", b'[{"Config":"a","Config":"b"}]'),
        "occurs twice",
    ),
    "a name that is none": (lambda: entry(RepoTags=["../../x"]), "not an image name"),
    "a name that is a number": (lambda: entry(RepoTags=[1]), "not an image name"),
    "a digest as a name": (lambda: entry(RepoTags=[f"it@sha256:{'0' * 64}"]), "no tag"),
    "a terminal in a name": (lambda: entry(RepoTags=["a\x1b[2J"]), "not an image name"),
    "layout of the future": (
        lambda: {**layout(b"{}"), "oci-layout": b'{"imageLayoutVersion":"9"}'},
        "version '9'",
    ),
    "index lists what is not there": (
        lambda: layout(
            json.dumps(
                {
                    "schemaVersion": 2,
                    "manifests": [
                        {
                            "mediaType": "application/vnd.oci.image.manifest.v1+json",
                            "digest": f"sha256:{'0' * 64}",
                            "size": 3,
                        }
                    ],
                }
            ).encode()
        ),
        "is not in it",
    ),
    "digest as a path": (
        lambda: layout(
            b'{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"../../x","size":3}]}'
        ),
        "no valid digest",
    ),
    "a blob was changed": (changed_blob, "have the digest"),
    "a layer that leads out": (
        lambda: with_layer(archive_of({"../victim/hello": b"x"})),
        "could leave the root",
    ),
    "the same file twice": (lambda: twice("manifest.json"), "'manifest.json' is in it twice"),
}


def twice(path: str) -> bytes:
    """An archive that was appended to: readers that take the first, or the last, differ."""
    file = io.BytesIO(archive_of(classic()))
    with tarfile.open(fileobj=file, mode="a") as archive:
        archive.addfile(tarfile.TarInfo(path), io.BytesIO())
    return file.getvalue()


def with_layer(layer: bytes) -> Members:
    """An honest archive of one layer, which is this one."""
    config = one_json(rootfs={"type": "layers", "diff_ids": [Digest.of(layer)]})
    named = {"Config": "c.json", "RepoTags": ["it:1"], "Layers": ["l.tar"]}
    return {"c.json": config, "l.tar": layer, "manifest.json": json.dumps([named]).encode()}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused(case: str, imgkit: Said, tmp_path: Path) -> None:
    """Each is refused in one sentence; nothing of it is kept, nothing outside is touched."""
    victim = Victim(tmp_path)
    made, says = HOSTILE[case]
    found = made()
    path = tmp_path / "test.tar"
    path.write_bytes(found if isinstance(found, bytes) else archive_of(found))
    with pytest.raises(ImgkitError, match=says), Archive.of(path) as archive:
        load(archive, imgkit.bench.store)
    said = imgkit("load", "-i", path, status=1)
    assert "\n" not in said
    assert imgkit.bench.store.records() == []
    assert list((tmp_path / "home/blobs/sha256").iterdir()) == []
    victim.assert_untouched()


def test_a_bomb_is_refused_early(store: Store, tmp_path: Path) -> None:
    """A small archive that unpacks to more than an honest one is not unpacked to its end."""
    bomb = io.BytesIO(gzip.compress(bytes(16 << 20)))
    with pytest.raises(LimitExceeded, match="decompression bomb"):
        Archive(bomb, "bomb.tar", limits=Limits(ratio_from=1 << 20))
    with pytest.raises(LimitExceeded, match="entries"):
        Archive(io.BytesIO(archive_of(classic())), "many.tar", limits=Limits(entries=3))


def test_no_byte_of_an_archive_can_be_another(tmp_path: Path) -> None:
    """Whichever byte is changed: refused, or the image is the same, by its digests."""
    raw = saved("alpine")
    image = samples.image("alpine")
    rng = random.Random(7)
    for number in range(150):
        place = rng.randrange(len(raw))
        other = raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :]
        store = Store(tmp_path / str(number))
        try:
            images = loaded(other, store)
        except ImgkitError:
            assert store.records() == []
        else:
            assert [(found.id, found.digest) for found in images] == [(image.id, image.digest)]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says it in /proc")
def test_memory(tmp_path: Path) -> None:
    """An archive of 300 MB is saved and loaded, from a pipe too, in far less memory."""
    store = Store(tmp_path / "home")
    add_image(store, "large:1", [{"file": os.urandom(300 << 20)}])
    call = (
        "import re, sys; from imgkit.__main__ import main; status = main();"
        "most = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1];"
        "assert int(most) < 150_000, most; sys.exit(status)"
    )
    with (tmp_path / "large.tar").open("wb") as out:
        save_it = [sys.executable, "-c", call, "save", "large:1", "--home", store.home]
        subprocess.run(save_it, check=True, stdout=out)
    load_it = [sys.executable, "-c", call, "load", "--home", tmp_path / "other"]
    with subprocess.Popen(["cat", tmp_path / "large.tar"], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(load_it, check=True, stdin=cat.stdout, capture_output=True)
    assert done.stdout == b"Loaded image: large:1\n"


# -- Docker, podman, skopeo -------------------------------------------------------------------


@pytest.fixture
def podman() -> Iterator[Callable[..., str]]:
    """Runs podman, as root, with images of its own."""
    if os.geteuid():
        pytest.skip("podman with a store of its own is run as root here")
    with tempfile.TemporaryDirectory(prefix="podman-") as short:  # 50 characters at most
        place = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--tmpdir", f"{short}/t"]

        def call(*words: str | Path) -> str:
            command = ["podman", *place, "--storage-driver", "vfs", *words]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        yield call
        call("rmi", "--all", "--force")


@pytest.fixture
def ours(imgkit: Said, tmp_path: Path) -> Path:
    """What `imgkit save` writes of two images, one of which has two names."""
    imgkit("pull", "redis")
    imgkit("pull", "alpine")
    store = imgkit.bench.store
    other = Reference.parse("ghcr.io/it/redis:7")
    store.name(other, store.image("redis").descriptor, None)
    imgkit("save", "-o", tmp_path / "ours.tar", "redis:latest", "alpine", other.familiar)
    return tmp_path / "ours.tar"


NAMED: Final = {"redis:latest": "redis", "ghcr.io/it/redis:7": "redis", "alpine:latest": "alpine"}
"""The names in `ours`, and the sample that each is of."""


@pytest.mark.peer("dockerd", "docker")
def test_docker_loads_what_we_save(docker: Docker, ours: Path) -> None:
    """All names, with the image IDs that they have here."""
    said = docker.run("load", "--quiet", "--input", ours).stdout
    assert sorted(said.splitlines()) == sorted(f"Loaded image: {name}" for name in NAMED)
    for name, sample in NAMED.items():
        found = docker.run("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()
        assert found == samples.image(sample).id
    docker.run("rmi", "--force", *NAMED)


@pytest.mark.peer("podman")
def test_podman_loads_what_we_save(podman: Callable[..., str], ours: Path) -> None:
    """The same; it calls names without a registry its own."""
    podman("load", "--input", ours)
    listed = podman("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.Id}}")
    found = dict(line.rsplit(" ", 1) for line in listed.splitlines())
    for name, sample in NAMED.items():
        known = [found.get(before + name) for before in ("", "localhost/", "docker.io/library/")]
        assert samples.image(sample).id.removeprefix("sha256:") in [
            str(identifier).removeprefix("sha256:") for identifier in known
        ]


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("name", NAMED)
def test_skopeo_reads_what_we_save(name: str, ours: Path, tmp_path: Path) -> None:
    """As an OCI archive with the digest of the manifest, as Docker's with that of the config."""
    sample = samples.image(NAMED[name])
    full = Reference.parse(name).canonical
    for place in (f"oci-archive:{ours}:{full}", f"docker-archive:{ours}:{name}"):
        out = tmp_path / place.partition(":")[0]
        subprocess.run(["skopeo", "copy", "--quiet", place, f"dir:{out}"], check=True)
        manifest = (out / "manifest.json").read_bytes()
        assert json.loads(manifest)["config"]["digest"] == sample.id
        if place.startswith("oci"):
            assert Digest.of(manifest) == sample.digest


@pytest.fixture
def busybox(shared_images: Path) -> Path:
    """The layout of a real image."""
    return shared_images / "busybox-latest-glibc-amd64"


@pytest.mark.peer("dockerd", "docker", "skopeo")
def test_we_load_what_docker_saves(
    docker: Docker, busybox: Path, imgkit: Said, tmp_path: Path
) -> None:
    """The classic form: names, or none, IDs as Docker has them, layers shared by two images."""
    docker.load(busybox, "busybox:1")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox:1\nCOPY Dockerfile /\nENV A=b\nCOPY . /x\n")
    docker.run("build", "--quiet", "--network=none", "--tag", "app:1", context)
    docker.run("tag", "app:1", "ghcr.io/it/app:2")
    identifier = docker.run("image", "inspect", "--format", "{{.Id}}", "app:1").stdout.strip()
    docker.run("save", "-o", tmp_path / "it.tar", "app:1", "busybox:1", "ghcr.io/it/app:2")
    docker.run("save", "-o", tmp_path / "id.tar", identifier)
    docker.run("rmi", "--force", "app:1", "ghcr.io/it/app:2", "busybox:1")
    assert imgkit("load", "-i", tmp_path / "id.tar") == f"Loaded image ID: {identifier}"
    said = sorted(imgkit("load", "-i", tmp_path / "it.tar").splitlines())
    names = ["app:1", "busybox:1", "ghcr.io/it/app:2"]
    assert said == [f"Loaded image: {name}" for name in names]
    store = imgkit.bench.store
    assert store.image("app:1").id == store.image("ghcr.io/it/app:2").id == identifier
    assert len(store.image("app:1").layers) == 3
    for name in names:
        assert verify(store.image(name)) == []


@pytest.mark.peer("podman", "skopeo")
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_we_load_what_podman_saves(
    form: str, podman: Callable[..., str], busybox: Path, imgkit: Said, tmp_path: Path
) -> None:
    """Both of its forms, and several images in one."""
    podman("pull", "--quiet", f"oci:{busybox}")
    (identifier,) = podman("images", "--no-trunc", "--quiet").split()
    podman("tag", identifier.removeprefix("sha256:"), "localhost/box:1", "quay.io/it/box:2")
    podman("save", "--quiet", "--format", form, "-o", tmp_path / "it.tar", "localhost/box:1")
    assert imgkit("load", "-i", tmp_path / "it.tar") == "Loaded image: localhost/box:1"
    image = imgkit.bench.store.image("localhost/box:1")
    assert verify(image) == []
    assert form == "oci-archive" or image.id == identifier
    names = ["localhost/box:1", "quay.io/it/box:2"]
    podman("save", "--quiet", "--multi-image-archive", "-o", tmp_path / "both.tar", *names)
    said = imgkit("load", "-i", tmp_path / "both.tar")
    assert sorted(said.splitlines()) == [f"Loaded image: {name}" for name in names]


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_we_load_what_skopeo_writes(
    form: str, pack: Callable[[bytes], bytes], busybox: Path, imgkit: Said, tmp_path: Path
) -> None:
    """Both of its forms, as they are and compressed: the image ID is the one published."""
    tar = tmp_path / "it.tar"
    copy = ["skopeo", "copy", "--quiet", f"oci:{busybox}", f"{form}:{tar}:quay.io/it/box:1"]
    subprocess.run(copy, check=True)
    tar.write_bytes(pack(tar.read_bytes()))
    assert imgkit("load", "-i", tar) == "Loaded image: quay.io/it/box:1"
    image = imgkit.bench.store.image("quay.io/it/box:1")
    row = json.loads((busybox / "index.json").read_bytes())["manifests"][0]
    assert form == "docker-archive" or image.digest == row["digest"]
    manifest = (busybox / "blobs/sha256" / row["digest"].partition(":")[2]).read_bytes()
    assert image.id == json.loads(manifest)["config"]["digest"]
    assert verify(image) == []

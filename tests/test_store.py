"""The local repository: an OCI image layout that never holds half a blob under a true name."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
from images import AMD64, add_image, add_index

from imgkit.container.containers import Containers
from imgkit.digest import Digest
from imgkit.errors import DigestMismatch, NotFound, SizeMismatch, StoreError
from imgkit.image import Image, verify
from imgkit.inventory import holdings
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.place import Gone
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.removal import Removal
from imgkit.store import Store

REDIS = Reference.parse("redis:7")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def leftovers(store: Store) -> list[Path]:
    return list((store.home / "ingest").iterdir())


def test_a_new_store_is_an_empty_layout(store: Store) -> None:
    """The two files that the specification asks for are there from the start."""
    assert json.loads((store.home / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((store.home / "index.json").read_bytes())["manifests"] == []
    assert store.records() == []


def test_it_is_found_again(store: Store) -> None:
    """What was put under a name is there for the next process."""
    made = add_image(store, "redis:7")
    again = Store(store.home)
    assert again.resolve(REDIS).digest == made.digest
    assert verify(again.image("redis:7")) == []


def test_a_blob_has_the_name_of_its_digest(store: Store) -> None:
    """blobs/sha256/<hex> holds exactly the bytes with that digest."""
    descriptor = store.put_bytes(b"hello", "text/plain")
    path = store.home / "blobs" / "sha256" / Digest.of(b"hello").hex
    assert path.read_bytes() == b"hello"
    assert store.has(descriptor)
    store.put_bytes(b"hello", "text/plain")  # once more changes nothing
    assert leftovers(store) == []


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"hellx", DigestMismatch), (b"hell", SizeMismatch), (b"hello!", SizeMismatch)],
)
def test_false_bytes_get_no_name(store: Store, data: bytes, error: type[Exception]) -> None:
    """What does not match its descriptor leaves nothing behind, aside or in place."""
    descriptor = Descriptor.of(b"hello", "text/plain")
    with pytest.raises(error):
        store.put(descriptor, io.BytesIO(data))
    assert not store.has(descriptor)
    assert not store.path(descriptor.digest).exists()
    assert leftovers(store) == []


def test_an_interrupted_put_leaves_nothing(store: Store) -> None:
    """A source that breaks off, by whatever error, leaves no file."""

    class Broken:
        def read(self, size: int = -1, /) -> bytes:
            raise KeyboardInterrupt

    descriptor = Descriptor.of(b"hello", "text/plain")
    with pytest.raises(KeyboardInterrupt):
        store.put(descriptor, Broken())
    assert not store.path(descriptor.digest).exists()
    assert leftovers(store) == []


def test_damage_is_noticed_when_it_is_read(store: Store) -> None:
    """A byte changed on disk is an error that names the file, and never an answer."""
    descriptor = store.put_bytes(b"hello", "text/plain")
    path = store.path(descriptor.digest)
    path.chmod(0o600)
    path.write_bytes(b"hellx")
    with pytest.raises(DigestMismatch, match=str(path)), store.open(descriptor) as stream:
        stream.read(2)


def test_a_cut_off_blob_is_fetched_again(store: Store) -> None:
    """A file of the wrong size does not count as the blob, and `put` mends it."""
    descriptor = store.put_bytes(b"hello", "text/plain")
    store.path(descriptor.digest).chmod(0o600)
    store.path(descriptor.digest).write_bytes(b"he")
    assert not store.has(descriptor)
    store.put(descriptor, io.BytesIO(b"hello"))
    assert store.has(descriptor)


def test_a_link_is_not_a_blob(store: Store, tmp_path: Path) -> None:
    """A symlink among the blobs is not followed out of the repository."""
    (tmp_path / "secret").write_bytes(b"hello")
    descriptor = Descriptor.of(b"hello", "text/plain")
    store.path(descriptor.digest).symlink_to(tmp_path / "secret")
    assert not store.has(descriptor)
    with pytest.raises(NotFound):
        store.open(descriptor)


def test_names_move_and_leave_a_dangling_image(store: Store) -> None:
    """A name points at one image; the one that lost its last name stays, with none."""
    old = add_image(store, "redis:7", [{"a": b"1"}])
    add_image(store, "redis:6", [{"b": b"1"}])
    new = add_image(store, "redis:7", [{"a": b"2"}])
    rows = [(r.name, r.descriptor.digest) for r in store.records()]
    assert ("docker.io/library/redis:7", new.digest) in rows
    assert (None, old.digest) in rows
    assert len(rows) == 3


def test_a_name_that_moves_away_from_a_tagged_image_leaves_no_row(store: Store) -> None:
    """An image that has another name is not dangling."""
    old = add_image(store, "redis:7", [{"a": b"1"}])
    store.name(Reference.parse("redis:old"), old, None)
    add_image(store, "redis:7", [{"a": b"2"}])
    assert sorted(r.name or "" for r in store.records()) == [
        "docker.io/library/redis:7",
        "docker.io/library/redis:old",
    ]


def test_images_are_found_by_name_id_and_digest(store: Store) -> None:
    """Name, short name, config digest, manifest digest, or the beginning of either."""
    made = add_image(store, "redis:7")
    image = store.image("redis:7")
    texts = [image.id, image.id.hex, image.id.short, image.id.short[:4], made.digest]
    texts += ["docker.io/library/redis:7", f"redis@{made.digest}"]
    assert {store.image(text).digest for text in texts} == {made.digest}


@pytest.mark.parametrize("text", ["redis", "redis:8", "ffff", "sha256:" + "f" * 64, "x@y"])
def test_what_is_not_there_is_said_so(store: Store, text: str) -> None:
    """An unknown or illegal name is an error of ours that repeats it."""
    add_image(store, "redis:7")
    with pytest.raises(Exception, match=r"(?s).+") as caught:
        store.image(text)
    assert type(caught.value).__module__ == "imgkit.errors"


def test_a_sparse_index_gives_the_platforms_it_has(store: Store) -> None:
    """A name may point at an index; then the platform decides."""
    arm = Platform("linux", "arm64")
    add_index(store, "multi", [AMD64, arm])
    image = Image.of(store, Reference.parse("multi"), arm)
    assert image.config.platform == arm
    assert verify(image) == []


@pytest.mark.parametrize("content", ["stray.txt", "index.json"])
def test_a_foreign_directory_is_not_touched(tmp_path: Path, content: str) -> None:
    """A directory with something else in it is refused, and stays as it was."""
    (tmp_path / content).write_text("mine")
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [content]
    assert (tmp_path / content).read_text() == "mine"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("oci-layout", "{}"),
        ("oci-layout", "nonsense"),
        ("oci-layout", '{"imageLayoutVersion": "9.9.9"}'),
        ("index.json", ""),
        ("index.json", '{"schemaVersion": 2, "manifests": [5]}'),
    ],
)
def test_a_damaged_layout_is_refused_and_kept(store: Store, file: str, text: str) -> None:
    """A layout that cannot be read is an error that names it; it is not overwritten."""
    add_image(store, "redis:7")
    (store.home / file).write_text(text)
    with pytest.raises(StoreError, match=str(store.home)):
        Store(store.home)
    assert (store.home / file).read_text() == text


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    """A file where the repository should be is said so."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file")
    with pytest.raises(StoreError, match="file"):
        Store(tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else(tmp_path: Path) -> None:
    """No permission is an error that names the directory."""
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match=str(tmp_path)):
        Store(tmp_path / "home")


def test_a_full_disk(small_disk: Path) -> None:
    """When the disk takes no more, the blob is not there, and nothing else was lost."""
    store = Store(small_disk / "home")
    made = add_image(store, "redis:7")
    data = os.urandom(2 << 20)
    with pytest.raises(StoreError, match="No space left"):
        store.put_bytes(data, "application/octet-stream")
    assert store.size_of(Digest.of(data)) is None
    assert leftovers(store) == []
    assert store.resolve(REDIS).digest == made.digest
    assert verify(store.image("redis:7")) == []


def test_the_unpacked_size_is_remembered(store: Store) -> None:
    """It is the sum of the files; the second time, the layers are not read for it."""
    add_image(store, "redis:7", [{"a": b"x" * 700}, {"b": b"y" * 42}])
    assert store.unpacked_size(store.image("redis:7")) == 742
    for layer in store.image("redis:7").manifest.layers:
        store.path(layer.digest).unlink()
    assert store.unpacked_size(Store(store.home).image("redis:7")) == 742


def test_read_only(store: Store) -> None:
    """A repository opened to read refuses to write, and is not changed by reading."""
    add_image(store, "redis:7")
    shown = Store(store.home, read_only=True)
    assert verify(shown.image("redis:7")) == []
    with pytest.raises(StoreError):
        shown.put_bytes(b"x", OCI_LAYER)
    with pytest.raises(StoreError):
        shown.unname(REDIS)


def test_many_threads_name_at_once(store: Store) -> None:
    """No name is lost when several are given at the same time."""
    made = add_image(store, None)
    names = [Reference.parse(f"many:{n}") for n in range(40)]
    threads = [Thread(target=Store(store.home).name, args=(name, made, None)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {r.name for r in store.records()} == {str(name) for name in names}


@pytest.mark.peer("skopeo", "umoci")
def test_skopeo_and_umoci_open_it_as_it_is(store: Store) -> None:
    """Two tools that we did not write read the same digest and layers from our files."""
    made = add_image(store, "redis:7")
    where = f"{store.home}:docker.io/library/redis:7"
    raw = subprocess.run(
        ["skopeo", "inspect", "--raw", f"oci:{where}"], check=True, capture_output=True
    ).stdout
    assert Digest.of(raw) == made.digest
    stat = subprocess.run(
        ["umoci", "stat", "--json", "--image", where], check=True, capture_output=True
    ).stdout
    layers = [step["layer"]["digest"] for step in json.loads(stat)["history"]]
    assert layers == [layer.digest for layer in store.image("redis:7").manifest.layers]


@pytest.mark.peer("skopeo")
def test_a_name_that_another_tool_wrote_and_that_is_none(store: Store) -> None:
    """Its image is listed without a name, and can be removed by its ID."""
    add_image(store, "redis:7")
    there = f"{store.home}:docker.io/library/redis:7"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{there}", f"oci:{store.home}:Mine"], check=True)
    assert [row.name for row in store.records()] == ["docker.io/library/redis:7", None]
    store.unname(REDIS)
    [dangling] = holdings(store)
    assert dangling.names == []
    Removal(store, Containers(store)).remove(dangling.id)
    assert store.records() == []


def test_a_name_for_what_was_dangling(tmp_path: Path) -> None:
    """An image that nothing named has one row: without a name first, then with it."""
    store = Store(tmp_path / "home")
    image = Image(store, add_image(store, "first"))
    store.unname(Reference.parse("first").with_default_tag())
    for _ in range(2):
        store.keep(image.descriptor)
        assert [record.name for record in store.records()] == [None]
    store.name(Reference.parse("second:1"), image.descriptor, None)
    store.keep(image.descriptor)
    assert [record.name for record in store.records()] == ["docker.io/library/second:1"]


def test_no_row_is_kept_of_half_an_image(store: Store) -> None:
    """An image without a name that lost a layer meanwhile gets no row."""
    manifest = add_image(store, None)
    store.path(Image(store, manifest).manifest.layers[0].digest).unlink()
    with pytest.raises(Gone, match="would be incomplete"):
        store.keep(manifest)
    assert store.records() == []


def test_a_blob_that_comes_and_goes(store: Store) -> None:
    """While others put and remove it, it is there, whole, or it is not: nothing else is said."""
    data, ended = b"here and gone", Event()
    blob = Descriptor.of(data, OCI_LAYER)

    def others() -> None:
        while not ended.is_set():
            store.path(blob.digest).unlink(missing_ok=True)
            store.path(blob.digest).write_bytes(data)

    store.put(blob, io.BytesIO(data))
    thread, before = Thread(target=others), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    try:
        sizes = {store.size_of(blob.digest) for _ in range(5000)}
        for _ in range(5000):
            with contextlib.suppress(NotFound):
                store.open(blob).close()
    finally:
        sys.setswitchinterval(before)
        ended.set()
        thread.join()
    assert sizes <= {None, 0, blob.size}

"""A byte that flips in any stored file is found, named and mended, and what it says never told."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from conftest import NIGHTLY

from imgkit.audit import Audit
from imgkit.commands import run
from imgkit.commands.bench import Bench
from imgkit.digest import Digest
from imgkit.errors import DigestMismatch, ImgkitError, NotFound, SizeMismatch, StoreError
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.manifest import Descriptor
from imgkit.store import Store

FLIPS: Final = 200 if NIGHTLY else 8
"""Bytes that are flipped of each kind of file, one after another."""
NAME: Final = "nigelpoulton/k8sbook"

KINDS: Final[dict[str, Callable[[Bench], Path]]] = {
    "layer": lambda b: b.store.path(b.store.image(NAME).manifest.layers[1].digest),
    "config": lambda b: b.store.path(b.store.image(NAME).id),
    "manifest": lambda b: b.store.path(b.store.image(NAME).digest),
    "index": lambda b: b.store.path(named(b).digest),
    "index.json": lambda b: b.home / "index.json",
    "oci-layout": lambda b: b.home / "oci-layout",
    "size": lambda b: next((b.home / "stored-sizes").iterdir()),
    "cache": lambda b: next((b.home / "cache").iterdir()),
    "container": lambda b: next((b.home / "containers").glob("*.json")),
    "writable layer": lambda b: next((b.home / "containers").glob("*.tar")),
}
PULLED: Final = ("layer", "config", "manifest", "index")


def named(bench: Bench) -> Descriptor:
    found = bench.store.image(NAME).index
    assert found
    return found


@pytest.fixture
def bench() -> Bench:
    """A repository with an image, its index, a build, a container with a file, and sizes."""
    there = Lab().bench(lambda line: None, lambda line: None)
    assert run(there, ["pull", "-q", NAME]) == 0
    assert run(there, ["create", "--name", "box", NAME]) == 0
    there.stdin = None
    assert run(there, ["images"]) == 0
    built = Lab.newest
    assert built
    cache = there.home / "cache"
    assert not cache.exists()
    there.store.write(cache / f"{'0' * 64}.json", cached(there))
    return there


def cached(bench: Bench) -> bytes:
    from imgkit import document

    return document.seal({"config": bench.store.image(NAME).manifest.config.to_json()})


def flip(path: Path, rng: random.Random) -> bytes:
    """Afterwards one bit of the file is another; returns what it was."""
    good = path.read_bytes()
    at = rng.randrange(len(good))
    path.write_bytes(good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :])
    return good


def found(bench: Bench) -> str:
    """What an audit says of the repository, or why there cannot be one."""
    try:
        return "\n".join(Audit.of(Store(bench.home)).broken)
    except StoreError as error:
        return str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flip_is_found_and_named(
    kind: str, bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    """Whichever byte it is; once the good ones are back, all is sound."""
    path, rng = KINDS[kind](bench), random.Random(kind)
    assert found(bench) == ""
    for _ in range(FLIPS):
        good = flip(path, rng)
        assert path.name in found(bench) or path.parent.parent.name in found(bench)
        path.write_bytes(good)
        assert found(bench) == ""
    record_property("flips", FLIPS)


@pytest.mark.parametrize("kind", PULLED)
def test_the_next_pull_mends_it(
    kind: str, bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    """What was found damaged is fetched, and nothing else; it is aside until it is swept."""
    path, rng = KINDS[kind](bench), random.Random(kind)
    for _ in range(FLIPS):
        good = flip(path, rng)
        assert path.name in found(bench)
        assert not path.exists()
        assert run(bench, ["pull", "-q", NAME]) == 0
        assert path.read_bytes() == good
        assert verify(bench.store.image(NAME)) == []
    record_property("flips", FLIPS)
    assert [one.name for one in (bench.home / "damaged").iterdir()] == [f"sha256-{path.name}"]
    bench.store.sweep(beginnings=True)
    assert not list((bench.home / "damaged").iterdir())


@pytest.mark.parametrize("kind", PULLED)
def test_it_is_never_served(kind: str, bench: Bench) -> None:
    """Reading it ends in an error, the first time and the next."""
    path = KINDS[kind](bench)
    digest = Digest(f"sha256:{path.name}")
    size = path.stat().st_size
    flip(path, random.Random(kind))
    with (
        pytest.raises(DigestMismatch, match=path.name),
        bench.store.open(Descriptor("", digest, size)) as stream,
    ):
        stream.read(1)
    with pytest.raises(NotFound, match="Pull its image again"):
        bench.store.open(Descriptor("", digest, size))


def test_a_damaged_manifest_is_mended_by_the_pull_alone(bench: Bench) -> None:
    """A pull reads the documents before it gives the name, so it needs no audit first."""
    path = KINDS["manifest"](bench)
    good = flip(path, random.Random(1))
    assert run(bench, ["pull", "-q", NAME]) == 0
    assert path.read_bytes() == good


def test_a_lie_about_a_size_takes_no_sound_blob(bench: Bench) -> None:
    """A false descriptor is refused, and the file that others need stays where it is."""
    layer = bench.store.image(NAME).manifest.layers[0]
    lie = Descriptor(layer.media_type, layer.digest, layer.size + 1)
    with pytest.raises(SizeMismatch, match="is sound"), bench.store.open(lie) as stream:
        stream.read()
    assert verify(bench.store.image(NAME)) == []


def test_a_repository_that_can_only_be_read_stays_as_it_is(bench: Bench) -> None:
    """There the damaged file is named, and left."""
    path = KINDS["layer"](bench)
    flip(path, random.Random(1))
    found = verify(Store(bench.home, read_only=True).image(NAME))
    assert str(path) in found[0]
    assert path.exists()


def test_a_wrong_size_is_counted_anew(bench: Bench) -> None:
    """A damaged entry of what was derived is not believed."""
    image = bench.store.image(NAME)
    before = bench.store.unpacked_size(image)
    for path in (bench.home / "stored-sizes").iterdir():
        path.write_bytes(path.read_bytes().replace(b"1", b"2"))
    assert bench.store.unpacked_size(image) == before


@pytest.mark.parametrize("file", ["index.json", "oci-layout"])
def test_a_layout_without_one_file(file: str, bench: Bench) -> None:
    """As the error for a damaged one says: put it aside, pull again, and no blob is fetched."""
    path = bench.home / file
    path.write_bytes(b"{")
    with pytest.raises(StoreError, match="put it aside"):
        Store(bench.home)
    path.unlink()
    said: list[str] = []
    lab = Lab.newest
    assert lab
    before = len(lab.exchanges)
    there = Bench(bench.home, bench.client, said.append, platform=bench.platform, jobs=1)
    assert run(there, ["pull", NAME]) == 0
    assert not [e for e in lab.exchanges[before:] if "/blobs/" in e.url]
    assert Audit.of(Store(bench.home)).broken == []


def test_the_verb(bench: Bench) -> None:
    """`verify --all` is 0 for a sound repository; else 1, with a line for what is broken."""
    said: list[str] = []
    bench.say = bench.warn = said.append
    assert run(bench, ["verify", "--all"]) == 0
    assert said == ["1 images and 1 containers are sound, byte by byte"]
    path = KINDS["writable layer"](bench)
    flip(path, random.Random(1))
    assert run(bench, ["verify", "--all"]) == 1
    assert str(path) in said[1]
    with pytest.raises(ImgkitError, match="damaged"):
        bench.containers.get("box")


def test_no_byte_of_the_names_can_be_another(bench: Bench) -> None:
    """Every byte of `index.json` counts, in whatever way it is damaged."""
    path, rng = bench.home / "index.json", random.Random(0)
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :])
        try:
            assert not Store(bench.home).sealed, at
        except StoreError as error:
            assert "index.json" in str(error)  # noqa: PT017

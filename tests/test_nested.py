"""Indexes that list indexes: the way to the image, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from images import AMD64, add_image, add_index
from recorder import hurried

from imgkit.client import Client
from imgkit.errors import LimitExceeded, NoMatchingPlatform, NotFound
from imgkit.image import Image, copy, verify
from imgkit.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Index
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

ARM = Platform("linux", "arm64")
NAME = Reference.parse("nested:latest")


class Bench:
    """A registry's store, in which indexes are laid, and pulls from it."""

    def __init__(self, tmp_path: Path) -> None:
        self.remote = Store(tmp_path / "remote")
        self.local = Store(tmp_path / "local")
        self.client = Client(mirror=EMBEDDED, patience=hurried())
        transport.mount(self.client.session, Registry([self.remote]))

    def index(self, *entries: Descriptor) -> Descriptor:
        return self.remote.put_bytes(Index.make(entries).raw, OCI_INDEX)

    def image(self, platform: Platform = AMD64) -> Descriptor:
        made = add_image(self.remote, None, [{"etc/is": str(platform).encode()}], platform)
        return Descriptor(made.media_type, made.digest, made.size, platform)

    def pull(self, top: Descriptor, platform: Platform = AMD64) -> Any:
        self.remote.name(NAME, top, None)
        return copy(self.client.repository(NAME), self.local, NAME, platform=platform)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_one_in_another(bench: Bench) -> None:
    """The image of an inner index is found, and all indexes on the way are kept."""
    wanted = bench.image()
    inner = bench.index(wanted)
    top = bench.index(bench.image(ARM), inner)
    done = bench.pull(top)
    assert (done.manifest.digest, done.target.digest) == (wanted.digest, top.digest)
    assert bench.local.has(inner)
    assert verify(bench.local.image("nested")) == []


def test_the_outer_comes_first(bench: Bench) -> None:
    """What an index lists itself is preferred to what the ones in it list."""
    wanted = bench.image()
    other = add_image(bench.remote, None, [{"other": b""}])
    inner = bench.index(Descriptor(OCI_MANIFEST, other.digest, other.size, AMD64))
    assert bench.pull(bench.index(inner, wanted)).manifest.digest == wanted.digest


def test_an_index_for_one_platform(bench: Bench) -> None:
    """An index that stands for a platform is the only one that is looked into for it."""
    wanted = bench.image()
    inner = bench.index(wanted)
    marked = Descriptor(OCI_INDEX, inner.digest, inner.size, AMD64)
    decoy = bench.index(bench.image(ARM))
    assert bench.pull(bench.index(decoy, marked)).manifest.digest == wanted.digest
    with pytest.raises(NoMatchingPlatform):
        bench.pull(bench.index(Descriptor(OCI_INDEX, decoy.digest, decoy.size, AMD64)))


def test_one_that_is_missing(bench: Bench) -> None:
    """An inner index that the registry does not have is passed over, unless it is the one."""
    wanted = bench.image()
    missing = Descriptor.of(Index.make([]).raw + b" ", OCI_INDEX)
    assert bench.pull(bench.index(missing, bench.index(wanted))).manifest.digest == wanted.digest
    marked = Descriptor(OCI_INDEX, missing.digest, missing.size, AMD64)
    with pytest.raises(NotFound):
        bench.pull(bench.index(marked))


def test_nothing_for_this_platform(bench: Bench) -> None:
    """The error is the one of an index that lists others for other machines."""
    top = bench.index(bench.image(ARM), bench.index(bench.image(ARM)))
    with pytest.raises(NoMatchingPlatform, match="linux/arm64"):
        bench.pull(top, Platform("linux", "s390x"))


@pytest.mark.parametrize(("depth", "found"), [(1, True), (8, True), (9, False), (30, False)])
def test_depth(bench: Bench, depth: int, found: bool) -> None:
    """Eight indexes deep is enough for anybody."""
    at = bench.image()
    for _ in range(depth):
        at = bench.index(Descriptor(at.media_type, at.digest, at.size, at.platform))
    if found:
        assert verify(Image.of(bench.remote, *named(bench, at), AMD64)) == []
        return
    with pytest.raises(LimitExceeded, match="8 deep"):
        bench.pull(at)


def named(bench: Bench, top: Descriptor) -> tuple[Reference]:
    bench.remote.name(NAME, top, None)
    return (NAME,)


def test_width(bench: Bench) -> None:
    """Many indexes are read once each, and no more than a hundred of them."""
    many = [bench.index(*[bench.image(ARM)] * (n + 1)) for n in range(101)]
    with pytest.raises(LimitExceeded, match="100 in all"):
        bench.pull(bench.index(*many))
    twice = bench.index(*[many[0]] * 500, bench.index(bench.image()))
    assert bench.pull(twice).target.digest == twice.digest


def test_an_index_as_before(bench: Bench) -> None:
    """An ordinary index has nothing between it and its image."""
    add_index(bench.remote, "multi", [ARM, AMD64])
    name = Reference.parse("multi:latest")
    assert Image.of(bench.client.repository(name), name, ARM).between == ()

"""What honest images never meet: each limit from both sides, as docs/limits.md has it."""

from __future__ import annotations

import gzip
import importlib
import io
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest
from images import AMD64, tar_of

from imgkit import document, manifest, place, tar
from imgkit.config import Config
from imgkit.errors import ImgkitError, LimitExceeded
from imgkit.image import Image
from imgkit.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, Descriptor, Index, Manifest
from imgkit.reference import Reference
from imgkit.store import Store

TABLE: Final = Path(__file__).parents[1] / "docs" / "limits.md"
PLAIN: Final = tar_of({"a": b"x" * 5000, "b": b""})


def read(data: bytes, **limits: int) -> None:
    most = tar.Limits(**limits)
    for _ in tar.read(tar.decompress(io.BytesIO(data), most), most):
        pass


def named(path: str) -> bytes:
    """A tar of one file, whose name needs an extended header if it is long."""
    return tar_of({path: b""})


def linked() -> bytes:
    """A tar with one PAX header of 600 bytes or so for each of two files."""
    return tar_of({"a/" * 200 + "x": b"", "a/" * 200 + "y": b""})


LAYERS: Final[dict[str, tuple[Callable[[int], None], int]]] = {
    "unpacked": (lambda most: read(gzip.compress(PLAIN), unpacked=most), len(PLAIN)),
    "ratio": (lambda most: read(gzip.compress(bytes(1 << 20)), ratio=most, ratio_from=1), 1100),
    "ratio_from": (lambda most: read(gzip.compress(PLAIN), ratio=1, ratio_from=most), len(PLAIN)),
    "entries": (lambda most: read(PLAIN, entries=most), 2),
    "extended": (lambda most: read(linked(), extended=most), 1024),
    "extended_total": (lambda most: read(linked(), extended_total=most), 2048),
    "path": (lambda most: read(named("p" * 200 + "/" + "q" * 100), path=most), 301),
    "component": (lambda most: read(named("p" * 90), component=most), 90),
    "depth": (lambda most: read(named("a/b/c"), depth=most), 3),
}
"""Of each limit of a layer: what reads one with that limit, and a value at which it may be read."""


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str) -> None:
    """At the limit a layer is read; far below what it needs, it is refused."""
    reads, enough = LAYERS[name]
    reads(enough)
    with pytest.raises((LimitExceeded, ImgkitError), match=r"refused|most|attack|too|more than"):
        reads(enough // 3)


def test_every_limit_of_a_layer_is_tested() -> None:
    """None is forgotten."""
    assert set(LAYERS) == {field.name for field in fields(tar.Limits)}


def layers_of(count: int) -> bytes:
    layer = Descriptor.of(b"x", OCI_LAYER)
    return Manifest.make(Descriptor.of(b"{}", OCI_CONFIG), [layer] * count).raw


def entries_of(count: int) -> bytes:
    return Index.make(
        [
            Descriptor.of(
                b"x",
                manifest.OCI_MANIFEST,
            )
        ]
        * count
    ).raw


def padded(size: int) -> bytes:
    raw = Config.make(AMD64, [], [], {}, None).raw
    return raw + b" " * (size - len(raw))


@pytest.mark.parametrize(
    ("reads", "most"),
    [
        (lambda n: manifest.parse(layers_of(n)), manifest.LAYER_LIMIT),
        (lambda n: manifest.parse(entries_of(n)), manifest.INDEX_LIMIT),
        (lambda n: Config.parse(padded(n)), document.LIMIT),
    ],
    ids=["layers", "manifests", "bytes"],
)
def test_a_document(reads: Callable[[int], Any], most: int) -> None:
    """So many are read, and one more is not."""
    reads(most)
    with pytest.raises(LimitExceeded, match=str(most)):
        reads(most + 1)


def nested(store: Store, depth: int) -> Reference:
    """An image in an index in an index."""
    from images import add_image

    made = add_image(store, None)
    inner = Descriptor(made.media_type, made.digest, made.size, AMD64)
    for _ in range(depth):
        inner = store.put_bytes(Index.make([inner]).raw, OCI_INDEX)
    name = Reference.parse("deep:1")
    store.name(name, inner, None)
    return name


def test_depth(tmp_path: Path) -> None:
    """An index may list one that lists one, to that depth."""
    store = Store(tmp_path)
    assert Image.of(store, nested(store, place.DEPTH), AMD64).layers
    with pytest.raises(LimitExceeded, match=str(place.DEPTH)):
        Image.of(store, nested(store, place.DEPTH + 1), AMD64)


def test_the_table() -> None:
    """docs/limits.md has every limit with its value."""
    found = re.findall(r"^\| `([\w.]+)` \| (\d+) \|", TABLE.read_text(), re.MULTILINE)
    for name, value in found:
        module, _, last = name.replace("Limits", "LIMITS").rpartition(".")
        if module.endswith("LIMITS"):
            assert getattr(tar.LIMITS, last) == int(value), name
        else:
            assert getattr(importlib.import_module(f"imgkit.{module}"), last) == int(value), name
    assert len(found) == len(fields(tar.Limits)) + 6


BOMB: Final = """
import io, resource, sys, time
from imgkit import tar
from imgkit.errors import LimitExceeded
begun = time.monotonic()
with open(sys.argv[1], "rb") as file:
    try:
        for entry, content in tar.read(tar.decompress(file)):
            while content.read(1 << 20): pass
    except LimitExceeded as error:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{time.monotonic() - begun:.2f} s, {peak} MB at the peak: {error}")
"""


@pytest.mark.slow
@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_a_bomb_of_ten_gigabytes(form: str, tmp_path: Path) -> None:
    """It is refused in 200 MB; how long that took is printed (`-s`)."""
    header = tarfile.TarInfo("zeros")
    header.size = 10 << 30
    path = tmp_path / "bomb"
    program = [form, "-c"] if form == "gzip" else [form, "-c", "-q"]
    with path.open("wb") as out:
        packing = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=out)
        assert packing.stdin
        packing.stdin.write(header.tobuf())
        for _ in range(10 << 4):
            packing.stdin.write(bytes(1 << 26))
        packing.stdin.close()
        assert packing.wait() == 0
    done = subprocess.run(
        [sys.executable, "-c", BOMB, path], check=True, capture_output=True, text=True
    )
    print(form, done.stdout)  # noqa: T201
    assert "bomb" in done.stdout
    assert int(done.stdout.split(", ")[1].split()[0]) < 200

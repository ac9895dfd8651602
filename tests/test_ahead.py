"""Reading ahead: the same bytes, the same errors, and nothing left running."""

from __future__ import annotations

import gzip
import io
import threading
from functools import partial
from typing import Final

import pytest
from trees import file

from imgkit import tar
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import DigestMismatch
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.tar.ahead import AHEAD, PIECE, ahead

DATA: Final = bytes(range(256)) * (PIECE * (AHEAD + 3) // 256) + b"the end"


class Broken(io.BytesIO):
    """A stream that ends with an error."""

    def read(self, size: int | None = -1, /) -> bytes:
        if data := super().read(size):
            return data
        raise OSError("broken off")


@pytest.mark.parametrize("size", [-1, 1000, PIECE - 1, PIECE, PIECE * 2])
def test_the_bytes_are_the_same(size: int) -> None:
    """Whatever is asked for at once, all of it comes, and then nothing."""
    with ahead(io.BytesIO(DATA)) as stream:
        found = b"".join(iter(lambda: stream.read(size), b""))
        assert (found, stream.read(size)) == (DATA, b"")


def test_an_error_comes_in_its_turn() -> None:
    """What was read before an error is given out before it."""
    with ahead(Broken(DATA)) as stream:
        found: list[bytes] = []
        with pytest.raises(OSError, match="broken off"):
            found.extend(iter(partial(stream.read, PIECE), b""))
        assert b"".join(found) == DATA


def test_nothing_is_left_running() -> None:
    """Who reads only the beginning leaves no thread behind."""
    before = threading.active_count()
    with ahead(io.BytesIO(DATA)) as stream:
        assert stream.read(3) == DATA[:3]
    assert threading.active_count() == before


def test_only_a_plain_blob_is_vouched_for_by_its_own_digest() -> None:
    """A compressed layer whose DiffID is said to be its digest is refused."""
    blob = gzip.compress(tar.write([file("f", b"x")]))
    descriptor = Descriptor.of(blob, OCI_LAYER + "+gzip")
    layer = Layer(
        lambda: VerifyingReader(io.BytesIO(blob), descriptor.digest, len(blob)),
        descriptor,
        Digest.of(blob),
    )
    with pytest.raises(DigestMismatch):
        _ = layer.entries


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_a_blob_that_changes_between_two_readings_is_found(pack: type[bytes]) -> None:
    """The DiffID is computed once; the blob's own digest, each time."""
    first, second = (pack(tar.write([file("f", data)])) for data in (b"x" * 9000, b"y" * 9000))
    blobs = iter([first, second])
    descriptor = Descriptor.of(first, OCI_LAYER)
    layer = Layer(
        lambda: VerifyingReader(io.BytesIO(next(blobs)), descriptor.digest),
        descriptor,
        Digest.of(tar.write([file("f", b"x" * 9000)])),
    )
    assert [entry.path for entry in layer.entries] == ["f"]
    with pytest.raises(DigestMismatch):
        _ = list(layer.walk())

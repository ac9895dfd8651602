"""Compressed layers: told by their first bytes, read as a stream, and refused when damaged."""

from __future__ import annotations

import gzip
import io
import random
import sys
import zlib
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.errors import InvalidLayer, LimitExceeded
from imgkit.limits import Limits
from imgkit.tar import compression
from imgkit.tar.compression import decompress

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

DATA: Final = random.Random(0).randbytes(300_000) + bytes(2_000_000) + b"end"
GZIP: Final = gzip.compress(DATA, mtime=0)
ZSTD: Final = zstd.compress(DATA)
CHECKED: Final = zstd.compress(DATA, options={zstd.CompressionParameter.checksum_flag: 1})
SKIPPED: Final = b"\x5a\x2a\x4d\x18\x05\0\0\0hello"

GOOD: Final = {
    "plain": (DATA, 1),
    "nothing": (b"", 0),
    "gzip": (GZIP, 1),
    "two gzip members": (GZIP + GZIP, 2),
    "many gzip members": (gzip.compress(b"") * 1000 + GZIP, 1),
    "zeros after gzip": (GZIP + bytes(512), 1),
    "many zeros after gzip": (GZIP + bytes(3_000_000), 1),
    "zstd": (ZSTD, 1),
    "two zstd frames": (ZSTD + ZSTD, 2),
    "skippable zstd frames": (SKIPPED + ZSTD + SKIPPED + ZSTD + SKIPPED, 2),
}

BAD: Final = {
    "gzip, cut off in its data": (GZIP[:1000], "cut off"),
    "gzip, cut off in its checksum": (GZIP[:-9], "cut off"),
    "gzip, cut off before the last byte": (GZIP[:-1], "cut off"),
    "gzip, only its first bytes": (GZIP[:3], "cut off"),
    "gzip, damaged": (GZIP[:500] + b"damaged" + GZIP[507:], "damaged"),
    "gzip, with a wrong checksum": (GZIP[:-8] + b"\0\0\0\0" + GZIP[-4:], "damaged"),
    "gzip, with a wrong length": (GZIP[:-4] + b"\1\0\0\0", "damaged"),
    "gzip, then something else": (GZIP + b"something else", "follows"),
    "gzip, then zeros, then something else": (GZIP + bytes(200_000) + b"x", "follows"),
    "gzip, then zstd": (GZIP + ZSTD, "follows"),
    "gzip, then half of the next member": (GZIP + GZIP[:50], "cut off"),
    "zstd, cut off": (ZSTD[:-1], "cut off"),
    "zstd, only its first bytes": (ZSTD[:5], "cut off"),
    "zstd, with a wrong checksum": (CHECKED[:-4] + b"\0\0\0\0", "damaged"),
    "zstd, damaged": (CHECKED[:200] + b"damaged" + CHECKED[207:], "damaged"),
    "zstd, then zeros": (ZSTD + bytes(4), "follows"),
    "zstd, then something else": (ZSTD + b"x", "follows"),
    "zstd, half a skippable frame": (ZSTD + SKIPPED[:-1], "cut off"),
}


class Trickle:
    """A stream that gives one to `most` bytes at a time, as a socket does."""

    def __init__(self, data: bytes, most: int) -> None:
        self._stream = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(min(size, self._most) if size >= 0 else self._most)


@pytest.fixture(params=["igzip", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this holds with igzip, and with zlib where there is no igzip."""
    if request.param == "zlib":
        monkeypatch.setattr(compression, "_zlib", zlib)


@pytest.mark.parametrize("case", GOOD)
def test_compression_is_told_by_the_first_bytes(case: str) -> None:
    """gzip, zstd and plain tars come out as they went in, all members and frames of them."""
    blob, times = GOOD[case]
    assert decompress(io.BytesIO(blob)).read() == DATA * times


@pytest.mark.parametrize("case", BAD)
def test_damaged_data_is_refused(case: str) -> None:
    """Whatever is cut off, damaged or followed by something else ends in `InvalidLayer`."""
    blob, reason = BAD[case]
    with pytest.raises(InvalidLayer, match=reason) as caught:
        decompress(io.BytesIO(blob)).read()
    assert 0 <= caught.value.offset <= len(DATA) * 2


@pytest.mark.parametrize("blob", [GZIP + GZIP, ZSTD + ZSTD, DATA + DATA])
def test_pieces_may_be_of_any_size(blob: bytes) -> None:
    """The stream below may give as little as it likes, and the reader may take as it likes."""
    stream = decompress(Trickle(blob, 997))
    pieces = []
    while piece := stream.read(40_000):
        assert len(piece) <= 40_000
        pieces.append(piece)
    assert b"".join(pieces) == DATA * 2
    assert (stream.read(10), stream.read()) == (b"", b"")


@given(st.data())
def test_any_cut_is_noticed(data: st.DataObject) -> None:
    """A compressed stream is whole or refused, wherever it is cut."""
    blob = data.draw(st.sampled_from([GZIP, ZSTD]))
    cut = data.draw(st.integers(4, len(blob) - 1))
    with pytest.raises(InvalidLayer):
        decompress(io.BytesIO(blob[:cut])).read()


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_bomb_is_stopped_early(pack: Callable[[bytes], bytes]) -> None:
    """Small data that unpacks to very much is given up, not unpacked."""
    limits = Limits(ratio=200, ratio_from=1 << 20)
    blob = pack(bytes(64 << 20))
    stream = decompress(io.BytesIO(blob), limits)
    with pytest.raises(LimitExceeded, match="bomb"):
        stream.read()
    assert decompress(io.BytesIO(blob)).read() == bytes(64 << 20)


@pytest.mark.parametrize("blob", [GZIP, ZSTD])
def test_output_has_a_limit(blob: bytes) -> None:
    """One layer unpacks to so many bytes and no more, however it is packed."""
    with pytest.raises(LimitExceeded, match="1000000 bytes"):
        decompress(io.BytesIO(blob), Limits(unpacked=1_000_000)).read()


def test_a_zstd_window_has_a_limit() -> None:
    """A frame that asks for more memory than 128 MiB is refused before it gets it."""
    parameter = zstd.CompressionParameter
    packer = zstd.ZstdCompressor(
        options={parameter.window_log: 28, parameter.enable_long_distance_matching: 1}
    )
    blob = packer.compress(bytes(1 << 20)) + packer.flush()
    with pytest.raises(LimitExceeded, match="window"):
        decompress(io.BytesIO(blob)).read()


def test_without_zstd_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python without zstd reads everything else."""
    missing: Any = None
    monkeypatch.setattr(compression, "_zstd", missing)
    assert decompress(io.BytesIO(GZIP)).read() == DATA
    with pytest.raises(InvalidLayer, match=r"backports\.zstd"):
        decompress(io.BytesIO(ZSTD))

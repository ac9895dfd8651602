"""A digest cannot be wrong, and reading is where bytes are checked."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.digest import Digest, Digester, VerifyingReader
from imgkit.errors import DigestMismatch, InvalidDigest, SizeMismatch

GOOD = [
    "sha256:" + "0" * 64,
    "sha256:" + "0123456789abcdef" * 4,
    "sha512:" + "f" * 128,
]

BAD = [
    "",
    "sha256",
    "sha256:",
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,  # upper case is another text for the same number
    "sha256:" + "0" * 64 + "\n",
    "SHA256:" + "0" * 64,
    "md5:" + "0" * 32,
    "sha256:../../../../etc/passwd",
    "sha256:" + "\N{ARABIC-INDIC DIGIT ZERO}" * 64,  # a digit, but not an ASCII one
    "0" * 64,
]


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    """A digest prints as what it was made from, and is a string all the same."""
    assert Digest(text) == text
    assert f"{Digest(text).algorithm}:{Digest(text).hex}" == text
    assert isinstance(Digest(text), str)


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    """Whatever is not exactly a digest is refused before it can be used as a file name."""
    with pytest.raises(InvalidDigest) as caught:
        Digest(text)
    assert caught.value.text == text


@given(st.binary())
def test_of_agrees_with_hashlib(data: bytes) -> None:
    """The digest of bytes is what hashlib computes, in one piece or in several."""
    assert Digest.of(data) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert Digest.of(data, "sha512") == "sha512:" + hashlib.sha512(data).hexdigest()
    digester = Digester()
    for byte in data:
        digester.update(bytes([byte]))
    assert digester.digest() == Digest.of(data)


def reader(data: bytes, named: bytes, size: int | None = None) -> VerifyingReader:
    return VerifyingReader(io.BytesIO(data), Digest.of(named), len(named) if size is None else size)


def test_true_bytes_pass() -> None:
    """A reader of true bytes is an ordinary stream."""
    with reader(b"hello", b"hello") as stream:
        assert stream.read(2) + stream.read() == b"hello"
        assert stream.read() == b""


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"hellx", DigestMismatch), (b"hell", SizeMismatch), (b"hello!", SizeMismatch)],
)
def test_false_bytes_are_refused(data: bytes, error: type[Exception]) -> None:
    """One changed byte, one too few or one too many: reading does not end well."""
    with pytest.raises(error):
        reader(data, b"hello").read()


def test_leaving_early_still_verifies() -> None:
    """Who stops after two bytes is told of a lie in the fifth."""
    with pytest.raises(DigestMismatch), reader(b"hellx", b"hello") as stream:
        stream.read(2)


def test_an_error_inside_the_block_is_the_one_that_is_seen() -> None:
    """Verification does not replace the error that made the reader leave."""
    with pytest.raises(ZeroDivisionError), reader(b"hellx", b"hello") as stream:
        stream.read(2 // 0)


def test_too_many_bytes_are_noticed_before_they_are_all_read() -> None:
    """An endless stream under a small size is refused at once."""

    class Endless:
        def read(self, size: int = -1, /) -> bytes:
            return b"x" * size

    with pytest.raises(SizeMismatch) as caught:
        VerifyingReader(Endless(), Digest.of(b"hello"), 5).read()
    assert caught.value.expected == 5


def test_the_message_says_what_was_asked_and_what_came() -> None:
    """Both digests stand in the message, and in the error's facts."""
    with pytest.raises(DigestMismatch) as caught:
        reader(b"hellx", b"hello").read()
    assert str(Digest.of(b"hello")) in str(caught.value)
    assert caught.value.actual == Digest.of(b"hellx")


def test_a_watcher_hears_every_chunk() -> None:
    """`watch` is told how many bytes have come by, in order."""
    heard: list[int] = []
    stream = reader(b"hello", b"hello")
    stream.watch = heard.append
    assert stream.read(3) + stream.read(3) + stream.read(3) == b"hello"
    assert heard == [3, 5]

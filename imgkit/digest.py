"""A digest names bytes by what they are, and reading is where it is checked.

Grammar (OCI image-spec, descriptor.md, "Digests")::

    digest  ::= algorithm ":" encoded
    sha256  ::= 64 lower-case hex digits        (the one every registry must support)
    sha512  ::= 128 lower-case hex digits

This is the only module that names `hashlib`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol, Self

from imgkit.errors import DigestMismatch, InvalidDigest, SizeMismatch

CHUNK: Final = 1 << 18
"""How many bytes are read at a time; no step holds more of a blob in memory."""

_HEX_DIGITS: Final = {"sha256": 64, "sha512": 128}


class Digest(str):
    """A digest that cannot be wrong: validated when made, and still a `str`.

    >>> Digest.of(b"hello")
    Digest('sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824')
    >>> Digest.of(b"hello").short
    '2cf24dba5fb0'
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Raise `InvalidDigest` unless `text` is a digest of a known algorithm."""
        algorithm, _, encoded = text.partition(":")
        digits = _HEX_DIGITS.get(algorithm)
        if digits is None:
            known = " or ".join(_HEX_DIGITS)
            raise InvalidDigest(
                f"{text!r} is not a digest: it must begin with {known}, then a colon", text=text
            )
        if not re.fullmatch(r"[0-9a-f]*", encoded, re.ASCII) or len(encoded) != digits:
            raise InvalidDigest(
                f"{text!r} is not a digest: after {algorithm}: there must be exactly "
                f"{digits} lower-case hex digits",
                text=text,
            )
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return f"Digest({str(self)!r})"

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of these bytes."""
        digester = Digester(algorithm)
        digester.update(data)
        return digester.digest()

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The part after the colon."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve hex digits, as Docker prints them."""
        return self.hex[:12]


class Digester:
    """Hashes bytes as they come by."""

    def __init__(self, algorithm: str = "sha256") -> None:
        if algorithm not in _HEX_DIGITS:
            raise InvalidDigest(
                f"{algorithm!r} is not a digest algorithm known here", text=algorithm
            )
        self.algorithm = algorithm
        self.size = 0
        self._hash = hashlib.new(algorithm, usedforsecurity=False)

    def update(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.size += len(data)

    def digest(self) -> Digest:
        """The digest of everything seen so far."""
        return Digest(f"{self.algorithm}:{self._hash.hexdigest()}")


class Readable(Protocol):
    """Anything with `read(n)`: a file, a socket's body, another reader of this package."""

    def read(self, size: int = -1, /) -> bytes: ...


class VerifyingReader:
    """A stream that refuses to end well when its bytes are not the ones named.

    Reading past `size`, ending before it, or ending with another digest raises. Leaving the
    `with` block reads whatever is left first, so a reader who stops early still verifies.
    Sizes are of the stream as stored (a compressed blob counts compressed bytes).
    """

    def __init__(
        self,
        stream: Readable,
        digest: Digest,
        size: int | None = None,
        what: str = "blob",
        advice: str | Callable[[], str] = (
            "They were changed or damaged on the way; nothing of them was kept."
        ),
    ) -> None:
        self._stream = stream
        self._digester = Digester(digest.algorithm)
        self._ended = False
        self.expected = digest
        self.size = size
        self.what = what
        self._advice = advice
        self.begun = 0
        self.watch: Callable[[int], None] | None = None

    @classmethod
    def of(cls, stream: Readable, digest: Digest, size: int) -> VerifyingReader:
        """A reader that verifies `stream`: the stream itself if it does so already."""
        if isinstance(stream, cls) and (stream.expected, stream.size) == (digest, size):
            return stream
        return cls(stream, digest, size)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all that is left if negative); raises at the end if they lie."""
        if size < 0:
            return b"".join(self)
        if size == 0 or self._ended:
            return b""
        data = self._stream.read(size)
        self._digester.update(data)
        if self.size is not None and self._digester.size > self.size:
            self._refuse_size("at least ")
        if not data:
            self._ended = True
            self._verify()
        elif self.watch is not None:
            self.watch(self._digester.size)
        return data

    def go_on(self, begun: Readable) -> bool:
        """Whether it now goes on after `begun`, its beginning, as if that had been read from it.

        Then those bytes count for the digest, and are not read from the stream below; False, and
        nothing changed, where that cannot begin in its middle (it has no `seek`).
        """
        seek = getattr(self._stream, "seek", None)
        if seek is None:
            return False
        while chunk := begun.read(CHUNK):
            self._digester.update(chunk)
        self.begun = self._digester.size
        seek(self.begun)
        return True

    def through(self, wrap: Callable[[Readable], Readable]) -> None:
        """Afterwards the bytes below come by way of what `wrap` makes of them, still verified."""
        self._stream = wrap(self._stream)

    def stop(self) -> None:
        """Whoever reads, in another thread, soon gets an error, be it waiting or reading."""
        stop = getattr(self._stream, "stop", None)
        if stop is not None:
            stop()

    def rewind(self) -> bool:
        """Whether it can be read once more, and now is at its start; False without a `seek`."""
        seek = getattr(self._stream, "seek", None)
        if seek is not None:
            seek(0)
            self._digester, self._ended = Digester(self._digester.algorithm), False
            self.begun = 0
        return seek is not None

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                for _chunk in self:
                    pass
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the stream below, without a word about what was not read."""
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()

    @property
    def advice(self) -> str:
        """What has become of the bytes, and what to do; asked once it is known that they lie."""
        return self._advice if isinstance(self._advice, str) else self._advice()

    def _verify(self) -> None:
        if self.size is not None and self._digester.size != self.size:
            self._refuse_size("only ")
        actual = self._digester.digest()
        if actual != self.expected:
            raise DigestMismatch(
                f"{self.what}: asked for {self.expected}, but the bytes that came have the digest "
                f"{actual}. {self.advice}",
                expected=self.expected,
                actual=actual,
                what=self.what,
            )

    def _refuse_size(self, found: str) -> None:
        raise SizeMismatch(
            f"{self.what}: {self.expected} must have {self.size} bytes, but {found}"
            f"{self._digester.size} came. {self.advice}",
            expected=self.size,
            actual=self._digester.size,
            what=self.what,
        )


def digest_of_stream(stream: IO[bytes] | Readable, algorithm: str = "sha256") -> Digest:
    """The digest of everything that is left in `stream`."""
    digester = Digester(algorithm)
    while chunk := stream.read(CHUNK):
        digester.update(chunk)
    return digester.digest()

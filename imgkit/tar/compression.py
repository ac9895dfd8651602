"""How a layer is compressed: told by its first bytes, undone as a stream (layer.md, media types).

1f 8b                      gzip: one member after another, then perhaps zeros (RFC 1952)
28 b5 2f fd, 5x 2a 4d 18   zstd: one frame after another, some to be skipped (RFC 8878)
anything else              a plain tar
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

from imgkit.digest import CHUNK, Readable
from imgkit.errors import InvalidLayer, LimitExceeded
from imgkit.limits import Limits, current

_zlib: Any = zlib
with suppress(ImportError):  # no wheel for this machine, or a browser
    from isal import isal_zlib

    _zlib = isal_zlib

_zstd: Any = None
with suppress(ImportError):
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    _zstd = zstd


WINDOW_LOG: Final = 27
"""A zstd window above 2**27 bytes (128 MiB) is refused, as the `zstd` program does unasked."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
_INPUT: Final = CHUNK
_DAMAGED: Final = (zlib.error, _zlib.error, *((_zstd.ZstdError,) if _zstd else ()))


class _Decoder(Protocol):
    """One gzip member or zstd frame being undone."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decompress(stream: Readable, limits: Limits | None = None) -> Readable:
    """The uncompressed tar in `stream`, whichever way it is compressed.

    Reading raises `InvalidLayer` where the compressed data is damaged, cut off or followed by
    something else, and `LimitExceeded` as soon as more comes out than an honest layer holds.
    """
    limits = limits or current()
    head = b""
    while len(head) < 4 and (more := stream.read(_INPUT)):
        head += more
    if _is_gzip(head):
        return _Members(stream, head, "gzip", _Gzip, limits)
    if _is_zstd(head):
        if _zstd is None:
            raise _no_zstd()
        return _Members(stream, head, "zstd", _frame, limits)
    return Plain(stream, head, limits)


def form(head: bytes) -> str:
    """How a stream is compressed that begins with these bytes: "gzip", "zstd", or "" for a tar."""
    return "gzip" if _is_gzip(head) else "zstd" if _is_zstd(head) else ""


def _is_gzip(head: bytes) -> bool:
    return head.startswith(_GZIP)


def _is_zstd(head: bytes) -> bool:
    return head.startswith(_ZSTD) or (head[1:4] == _SKIPPABLE and head[0] >> 4 == 5)


class Plain:
    """A stream that was not compressed, with its first bytes put back."""

    def __init__(self, stream: Readable, head: bytes, limits: Limits) -> None:
        self._stream = stream
        self._head = head
        self._limits = limits
        self._given = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; all that is left if negative; nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        data = self._head[:size] or self._stream.read(size)
        self._head = self._head[size:]
        self._given += len(data)
        self._limits.check(self._given, self._given)
        return data


class _Members:
    """What comes out of one gzip member, or zstd frame, after another."""

    def __init__(
        self,
        stream: Readable,
        head: bytes,
        name: str,
        decoder: Callable[[], _Decoder],
        limits: Limits,
    ) -> None:
        self._stream = stream
        self._input = head
        self._name = name
        self._new = decoder
        self._decoder: _Decoder | None = decoder()
        self._limits = limits
        self._taken = len(head)
        self._given = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes; all that is left if negative; nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        while size and self._decoder is not None:
            data = self._step(self._decoder, size)
            if data:
                self._given += len(data)
                self._limits.check(self._given, self._taken)
                return data
        return b""

    def _step(self, decoder: _Decoder, size: int) -> bytes:
        if decoder.eof:
            self._input = decoder.unused_data
            self._begin_next()
            return b""
        ended = decoder.needs_input and not self._input and not self._more()
        data, self._input = self._input, b""
        try:
            out = decoder.decompress(data, size)
        except _DAMAGED as error:
            raise self._refused(error) from None
        if ended and not out and not decoder.eof:
            raise self._broken(f"its {self._name} data is cut off")
        return out

    def _begin_next(self) -> None:
        """Begin the next member, or end; zeros may follow the last gzip member, nothing else."""
        again, padding = (_is_gzip, b"\0") if self._name == "gzip" else (_is_zstd, b"")
        while True:
            while len(self._input) < 4 and self._more():
                pass
            if again(self._input):
                self._decoder = self._new()
                return
            if rest := self._input.lstrip(padding) if padding else self._input:
                found = rest[:8].hex(" ")
                raise self._broken(f"something else ({found}) follows its {self._name} data")
            self._input = b""
            if not self._more():
                self._decoder = None
                return

    def _more(self) -> bool:
        data = self._stream.read(_INPUT)
        self._taken += len(data)
        self._input += data
        return bool(data)

    def _refused(self, error: Exception) -> Exception:
        if "memory" in str(error):
            return LimitExceeded(
                f"this layer's zstd data asks for a window of more than {1 << WINDOW_LOG} bytes",
                limit=1 << WINDOW_LOG,
                actual=None,
            )
        return self._broken(f"its {self._name} data is damaged ({error})")

    def _broken(self, reason: str) -> InvalidLayer:
        return InvalidLayer(
            f"this layer cannot be read: after {self._given} uncompressed bytes, {reason}.",
            offset=self._given,
            path=None,
            reason=reason,
        )


class _Gzip:
    """One gzip member, by igzip where it is installed: twice as fast as zlib."""

    def __init__(self) -> None:
        self._inner = _zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return bool(self._inner.eof)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        data: bytes = self._inner.unused_data
        return data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out: bytes = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        return out


def _frame() -> _Decoder:
    options = {_zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
    decoder: _Decoder = _zstd.ZstdDecompressor(options=options)
    return decoder


def _no_zstd() -> InvalidLayer:
    return InvalidLayer(
        "this layer is compressed with zstd, which this Python cannot read. "
        "Install the package backports.zstd.",
        offset=0,
        path=None,
    )

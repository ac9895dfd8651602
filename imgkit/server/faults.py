"""Faults on purpose: what a registry does when a lesson, or a test, wants to see it go wrong.

flip       one bit is another one               truncate   the body ends early, under its length
length     the last byte is not announced       digest     Docker-Content-Digest is another one
slow       `rate` bytes each second             stall      silence of `seconds`, then the rest
drop       the connection breaks                status     `status` is the answer
expired    the token is no longer good          redirect   the bytes are elsewhere, at `to`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from werkzeug.wrappers import Response

from imgkit.digest import Digest

What = Literal[
    "flip",
    "truncate",
    "length",
    "digest",
    "slow",
    "stall",
    "drop",
    "status",
    "expired",
    "redirect",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the next `times` good answers to a `method` whose path contains `match`.

    `at` is the byte of the body where it happens; in the middle, if that is not said, and a `drop`
    at 0 comes before any answer. A `status` of 429 says when to come back, unless `retry_after` is
    None. A `redirect` without `to` leads to another path here, which needs no token and works.
    """

    what: What
    match: str = ""
    times: int = 1
    status: int = 500
    method: str = "GET"
    at: int | None = None
    rate: int = 1 << 16
    seconds: float = 60
    retry_after: str | None = "1"
    to: str = ""

    def spoil(self, response: Response) -> Response:
        """The response, with this fault in it."""
        if self.what in ("status", "redirect"):
            response.close()
            return self._instead()
        size = response.content_length or 0
        if self.what == "digest":
            response.headers["Docker-Content-Digest"] = Digest.of(b"something else")
        else:
            response.call_on_close(getattr(response.response, "close", lambda: None))
            at = size // 2 if self.at is None else self.at
            if self.what == "length":
                response.content_length = at = max(size - 1, 0)
            response.response = self._body()(response.iter_encoded(), at)
            response.direct_passthrough = False
        return response

    def _instead(self) -> Response:
        if self.what == "redirect":
            return Response(status=307, headers={"Location": self.to})
        later = self.retry_after if self.status == 429 else None
        return Response(status=self.status, headers={"Retry-After": later} if later else None)

    def _body(self) -> Callable[[Iterable[bytes], int], Iterator[bytes]]:
        bodies = {
            "flip": _flip,
            "truncate": _cut,
            "length": _cut,
            "slow": lambda body, _: _slow(body, self.rate),
            "stall": lambda body, at: _stall(body, at, self.seconds),
            "drop": _drop,
        }
        return bodies[self.what]


def take(faults: list[Fault], method: str, path: str) -> Fault | None:
    """The first fault that is for this request; it has one time less left."""
    for position, fault in enumerate(faults):
        if fault.match in path and fault.method in ("", method):
            left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
            faults[position : position + 1] = left
            return fault
    return None


def _flip(body: Iterable[bytes], at: int) -> Iterator[bytes]:
    for chunk in body:
        if 0 <= at < len(chunk):
            chunk = chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
        at -= len(chunk)
        yield chunk


def _cut(body: Iterable[bytes], at: int) -> Iterator[bytes]:
    for chunk in body:
        if at > 0:
            yield chunk[:at]
        at -= len(chunk)
        if at <= 0:
            return


def _drop(body: Iterable[bytes], at: int) -> Iterator[bytes]:
    yield from _cut(body, at)
    raise ConnectionResetError("dropped on purpose")


def _slow(body: Iterable[bytes], rate: int) -> Iterator[bytes]:
    piece = max(rate // 10, 1)
    for chunk in body:
        for begin in range(0, len(chunk), piece):
            time.sleep(piece / rate)
            yield chunk[begin : begin + piece]


def _stall(body: Iterable[bytes], at: int, seconds: float) -> Iterator[bytes]:
    for chunk in body:
        if 0 <= at < len(chunk):
            yield chunk[:at]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                time.sleep(0.02)
                yield b""  # nothing is sent; but whoever reads may look at the clock, or stop
            chunk, at = chunk[at:], 0
        at -= len(chunk)
        yield chunk

"""Faults on purpose: what a registry does when a lesson, or a test, wants to see it go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from werkzeug.wrappers import Response


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the next `times` good answers to a GET whose path contains `match`.

    "flip" turns over one bit in the middle of the body, "truncate" sends only its first half under
    the old Content-Length, "status" answers with `status` instead.
    """

    what: Literal["flip", "truncate", "status"]
    match: str = ""
    times: int = 1
    status: int = 500

    def spoil(self, response: Response) -> Response:
        """The response, with this fault in it."""
        if self.what == "status":
            response.close()
            headers = {"Retry-After": "1"} if self.status == 429 else None
            return Response(status=self.status, headers=headers)
        spoil = _flip if self.what == "flip" else _cut
        response.call_on_close(getattr(response.response, "close", lambda: None))
        response.response = spoil(response.iter_encoded(), (response.content_length or 0) // 2)
        response.direct_passthrough = False
        return response


def take(faults: list[Fault], path: str, response: Response) -> Response:
    """The response, spoilt by the first fault that matches; that fault has one time less left."""
    for position, fault in enumerate(faults):
        if fault.match in path:
            left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
            faults[position : position + 1] = left
            return fault.spoil(response)
    return response


def _flip(body: Iterable[bytes], at: int) -> Iterator[bytes]:
    for chunk in body:
        if 0 <= at < len(chunk):
            chunk = chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
        at -= len(chunk)
        yield chunk


def _cut(body: Iterable[bytes], at: int) -> Iterator[bytes]:
    for chunk in body:
        yield chunk[:at]
        at -= len(chunk)
        if at <= 0:
            return

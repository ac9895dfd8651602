"""One blob on its way into a repository (distribution-spec, "Push").

POST  /v2/<name>/blobs/uploads/                    202, Location: an upload of one's own
POST  ...?mount=<digest>&from=<other repository>   201: it was in the registry already
PUT   <location>?digest=<digest>                   the whole blob at once, or
PATCH <location>   Content-Range: 0-8388607        ... piece after piece, each 202 with the
                                                   location of the next, then an empty PUT
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

import requests

from imgkit.client import origins
from imgkit.digest import CHUNK, Digest, Readable
from imgkit.errors import RegistryError
from imgkit.manifest import Descriptor

BINARY: Final = {"Content-Type": "application/octet-stream"}
MOST: Final = 64 << 20
"""Bytes that a piece may have; a registry that wants longer ones gets the blob at once."""


class Call(Protocol):
    """Asks the repository something; raises what an answer means that is not `good`."""

    def __call__(
        self,
        what: str,
        *,
        url: str,
        method: str,
        headers: dict[str, str],
        data: bytes | Sending | None = None,
        good: tuple[int, ...],
        doing: str,
    ) -> requests.Response: ...


class Sending:
    """A stream of known length, as `requests` sends it: with a Content-Length, a piece a time."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(CHUNK), b"")

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(size)


def upload(
    call: Call,
    address: Callable[..., str],
    descriptor: Descriptor,
    stream: Readable,
    *,
    piece: int | None = None,
    siblings: tuple[str, ...] = (),
) -> None:
    """Afterwards the repository has the blob, or an error was raised.

    It is mounted from one of the `siblings` (other repositories of the registry) if one has it,
    else sent: at once, or in pieces of so many bytes.
    """
    location = ""
    for sibling in siblings:
        query = {"mount": descriptor.digest, "from": sibling}
        answer = _post(call, address("blobs/uploads/", **query))
        if answer.status_code == 201:
            return
        location = _location(answer)
    answer = answer if location else _post(call, address("blobs/uploads/"))
    location = location or _location(answer)
    least = answer.headers.get("OCI-Chunk-Min-Length", "0")
    if piece and least.isdecimal() and len(least) < 12:
        piece = max(piece, int(least))
    if piece and piece <= MOST and descriptor.size > piece:
        location = _pieces(call, location, stream, piece)
        _put(call, location, descriptor.digest, None)
    else:
        body = Sending(stream, descriptor.size) if descriptor.size else stream.read(CHUNK)
        _put(call, location, descriptor.digest, body)


def _post(call: Call, url: str) -> requests.Response:
    answer = call("upload", url=url, method="POST", headers={}, good=(201, 202), doing="write")
    answer.close()
    return answer


def _pieces(call: Call, location: str, stream: Readable, size: int) -> str:
    """Where to end the upload, all pieces of which were taken."""
    first = 0
    while data := _full(stream, size):
        headers = {**BINARY, "Content-Range": f"{first}-{first + len(data) - 1}"}
        answer = call(
            "upload",
            url=location,
            method="PATCH",
            headers=headers,
            data=data,
            good=(202,),
            doing="write",
        )
        answer.close()
        first += len(data)
        taken = answer.headers.get("Range", f"0-{first - 1}").rpartition("-")[2]
        if taken != str(first - 1):
            raise RegistryError(
                f"{urlsplit(location).hostname} was sent {first} bytes, but says that it has "
                f"bytes up to {taken[:20]!r}",
                status=answer.status_code,
                code=None,
                url=location,
            )
        location = _location(answer)
    return location


def _full(stream: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    parts: list[bytes] = []
    while size > 0 and (data := stream.read(min(size, CHUNK))):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


def _put(call: Call, location: str, digest: Digest, body: bytes | Sending | None) -> None:
    query = urlencode({"digest": digest}, safe=":")
    url = f"{location}{'&' if urlsplit(location).query else '?'}{query}"
    answer = call(
        "upload",
        url=url,
        method="PUT",
        headers=BINARY,
        data=body or b"",
        good=(201,),
        doing="write",
    )
    answer.close()


def _location(answer: requests.Response) -> str:
    """Where to go on: an address within the rules, relative ones of the registry itself."""
    location = answer.headers.get("Location")
    if not location:
        raise RegistryError(
            f"{urlsplit(answer.url).hostname} takes an upload, but does not say where",
            status=answer.status_code,
            code=None,
            url=answer.url,
        )
    return origins.follow(answer.url, location)

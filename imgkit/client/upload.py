"""One blob on its way into a repository (distribution-spec, "Push").

POST  /v2/<name>/blobs/uploads/                    202, Location: an upload of one's own
POST  ...?mount=<digest>&from=<other repository>   201: it was in the registry already
PUT   <location>?digest=<digest>                   the whole blob at once, or
PATCH <location>   Content-Range: 0-8388607        ... piece after piece, each 202 with the
                                                   location of the next, then an empty PUT
GET   <location>                                   204, Range: 0-8388607: what was taken, after
                                                   something broke
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol
from urllib.parse import urlencode, urlsplit

import requests

from imgkit.client import origins
from imgkit.client.patience import AGAIN, Patience
from imgkit.client.wire import Question
from imgkit.digest import CHUNK, Readable, VerifyingReader
from imgkit.errors import NotFound, RegistryError, Unreachable
from imgkit.manifest import Descriptor

BINARY: Final = {"Content-Type": "application/octet-stream"}
MOST: Final = 64 << 20
"""Bytes that a piece may have; a registry that wants longer ones gets the blob at once."""


class Place(Protocol):
    """The repository that a blob goes to."""

    def call(
        self, what: str, question: Question, good: Sequence[int], doing: str
    ) -> requests.Response:
        """Asks it something; raises what an answer means that is not `good`."""
        ...

    def url(self, what: str, **query: str) -> str:
        """The address of /v2/<name>/<what>."""
        ...

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the blob is there."""
        ...


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


class Upload:
    """A blob on its way into a repository; what broke off is gone on with.

    `wait` pauses for so many seconds, and says why. The blob is sent at once, or in pieces of
    `piece` bytes. It can be gone on with if its stream can be read from its start again.
    """

    def __init__(
        self,
        place: Place,
        descriptor: Descriptor,
        stream: VerifyingReader,
        patience: Patience,
        wait: Callable[[float, str], None],
        piece: int | None = None,
    ) -> None:
        self.place = place
        self.blob = descriptor
        self.stream = stream
        self.patience = patience
        self.wait = wait
        self._wanted = piece
        self._piece = 0
        self._location = ""
        self._sent = 0  # bytes that the registry has taken

    def run(self, siblings: Sequence[str] = ()) -> None:
        """Afterwards the repository has the blob, or an error was raised.

        It is mounted from one of the `siblings` (other repositories of the registry) if one has
        it, else sent.
        """
        for sibling in siblings:
            if self._post(mount=self.blob.digest, **{"from": sibling}):
                return
        if not self._location:
            self._post()
        again = 0
        while True:
            again += 1
            try:
                self._send()
            except RegistryError as error:
                pause = self._pause(error, again)
                if pause is None or not self.stream.rewind():
                    raise
                self.wait(pause, f"{urlsplit(self._location).hostname} broke off an upload")
            else:
                return
            if self.place.has(self.blob):  # only the answer was lost
                return
            self._go_on()

    def _post(self, **query: str) -> bool:
        """Whether the registry has the blob already; else, afterwards an upload is begun."""
        answer = self._ask(
            "POST", self.place.url("blobs/uploads/", **query), (201, 202), again=True
        )
        if answer.status_code == 201 and query:
            return True
        self._location, self._sent = _location(answer), 0
        least = answer.headers.get("OCI-Chunk-Min-Length", "0")
        self._piece = self._wanted or 0
        if self._piece and least.isdecimal() and len(least) < 12:
            self._piece = max(self._piece, int(least))
        return False

    def _send(self) -> None:
        """What the registry has not taken yet, then the end of the upload."""
        left = self.blob.size - self._sent
        if self._piece and self._piece <= MOST and left > self._piece:
            while data := _full(self.stream, self._piece):
                self._patch(data)
        elif self._sent and left:
            self._patch(Sending(self.stream, left))
        elif left:
            self._put(Sending(self.stream, left))
            return
        self.stream.read(CHUNK)  # its end, where it is verified
        self._put(b"")

    def _patch(self, data: bytes | Sending) -> None:
        last = self._sent + len(data) - 1
        span = f"{self._sent}-{last}"
        answer = self._ask("PATCH", self._location, (202,), data=data, span=span)
        taken = answer.headers.get("Range", f"0-{last}").rpartition("-")[2]
        if taken != str(last):
            raise RegistryError(
                f"{urlsplit(self._location).hostname} was sent {last + 1} bytes, but says that it "
                f"has bytes up to {taken[:20]!r}",
                status=answer.status_code,
                code=None,
                url=self._location,
            )
        self._location, self._sent = _location(answer), last + 1

    def _put(self, body: bytes | Sending) -> None:
        query = urlencode({"digest": self.blob.digest}, safe=":")
        url = f"{self._location}{'&' if urlsplit(self._location).query else '?'}{query}"
        self._ask("PUT", url, (201,), data=body)

    def _pause(self, error: RegistryError, again: int) -> float | None:
        """The pause after which it makes sense to go on; None if it does not."""
        if again >= self.patience.tries:
            return None
        if error.status is None:
            return self.patience.before(again) if isinstance(error, Unreachable) else None
        if error.status == 401:  # a token that died on the way; a new one has been got
            return 0.0 if again == 1 else None
        asked = getattr(error, "retry_after", None)
        pause = self.patience.before(again) if asked is None else asked
        return pause if error.status in AGAIN and pause <= self.patience.longest else None

    def _go_on(self) -> None:
        """Afterwards the stream is where the registry wants it (spec: GET <location>, 204)."""
        try:
            answer = self._ask("GET", self._location, (204,))
        except (NotFound, RegistryError):
            self._post()
            return
        found = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", answer.headers.get("Range", ""))
        taken = int(found[1]) + 1 if found and found[1] != "0" else 0  # 0-0 is none, mostly
        if "Location" in answer.headers:
            self._location = _location(answer)
        if taken > self.blob.size:
            self._post()
            return
        self._sent = taken
        while taken > 0:
            taken -= len(self.stream.read(min(taken, CHUNK)))

    def _ask(
        self,
        method: str,
        url: str,
        good: tuple[int, ...],
        data: bytes | Sending | None = None,
        *,
        again: bool = False,
        span: str = "",
    ) -> requests.Response:
        headers = {} if data is None else BINARY
        headers = headers | ({"Content-Range": span} if span else {})
        question = Question(url, method, headers, data, again)
        answer = self.place.call("upload", question, good, doing="write")
        answer.close()
        return answer


def _full(stream: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    parts: list[bytes] = []
    while size > 0 and (data := stream.read(min(size, CHUNK))):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)


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

"""Bytes on their way from a server: given up on when they stall, gone on with when cut off.

The rest of a blob is asked for by a closed range (RFC 9110, section 14.2)::

    Range: bytes=1000-4999            what is missing of 5000 bytes
    206, Content-Range: bytes 1000-4999/5000

Some registries answer an open range (`bytes=1000-`) with an error, and many never announce
`Accept-Ranges` though they know ranges, so neither is relied on. Whatever comes, the digest is of
the whole: pieces that do not belong together are refused at the end.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from typing import Final

import requests
import urllib3

from imgkit.client.patience import Patience, duration
from imgkit.client.refusals import reason
from imgkit.digest import CHUNK
from imgkit.errors import NotFound, RegistryError, Stopped, Unreachable
from imgkit.limits import current

_GATHER: Final = 0.25
"""Seconds for which bytes that trickle in are gathered before they are handed on."""

Ask = Callable[[str | None], requests.Response]
"""Asks for a blob, or for a range of it; raises what a bad answer means."""


class Body:
    """The body of an answer as it came over the wire; network faults become `Unreachable`."""

    def __init__(
        self, answer: requests.Response, host: str, patience: Patience, whole: float | None = None
    ) -> None:
        self.count = 0
        self._answer = answer
        self._host = host
        self._patience = patience
        self._whole = whole
        self._waited = 0.0
        self._window = (0.0, 0)  # when it began, in time spent waiting, and the count then
        self._error: Unreachable | None = None

    def read(self, size: int = CHUNK, /) -> bytes:
        """At most `size` bytes, none at the end. What came before a fault is handed on first."""
        parts: list[bytes] = []
        start = self._waited
        while size > 0 and self._waited - start < _GATHER and (part := self._next(size)):
            parts.append(part)
            size -= len(part)
        if self._error and not parts:
            raise self._error
        return b"".join(parts)

    def close(self) -> None:
        self._answer.close()

    def stop(self) -> None:
        """Whoever waits for more, in another thread, gets no more."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # no socket, or no more
            self._answer.raw.shutdown()

    def _next(self, size: int) -> bytes:
        """What comes next; nothing at the end, or with the fault remembered."""
        if self._error:
            return b""
        began = self._patience.clock()
        try:
            data: bytes = self._answer.raw.read1(size, decode_content=False) or b""
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._error = self._broken(f"stopped in the middle of an answer ({reason(error)})")
            self._error.__cause__ = error
            return b""
        self._waited += self._patience.clock() - began
        self.count += len(data)
        if data:
            self._error = self._too_slow()
        return data

    def _too_slow(self) -> Unreachable | None:
        """The error, if the bytes of this window came too slowly, or the whole takes too long."""
        patience, (began, before) = self._patience, self._window
        if self._whole is not None and self._waited > self._whole:
            return self._broken(f"did not end its answer within {duration(self._whole)}")
        span, came = self._waited - began, self.count - before
        if span < patience.window:
            return None
        self._window = (self._waited, self.count)
        if came >= patience.rate * span:
            return None
        return self._broken(
            f"sends too slowly: {came} bytes in {duration(span)}, where at least {patience.rate} "
            "a second are expected"
        )

    def _broken(self, what: str) -> Unreachable:
        self._answer.close()
        return Unreachable(
            f"{self._host} {what}, after {self.count} bytes. What was whole has been kept: "
            "try again.",
            status=None,
            code=None,
            url=self._answer.url,
            found=True,
        )


def read_all(
    answer: requests.Response, host: str, patience: Patience, limit: str, what: str
) -> bytes:
    """The whole body of an answer, of at most as many bytes as the limit of that name."""
    most: int = getattr(current(), limit)
    with answer:
        body = Body(answer, host, patience, patience.whole)
        raw = b"".join(iter(lambda: body.read(min(CHUNK, most + 1 - body.count)), b""))
    if len(raw) > most:
        said = f"the {what} from {host} has more than {most} bytes; none is that long"
        current().refuse(limit, said, len(raw))
    return raw


class Download:
    """A blob of `size` bytes; when its body is cut off, the rest is asked for.

    Nothing is asked for before the first read; `seek` says where that begins. Reads to the end
    that the server gives it, be that too early or too late: whoever verifies the bytes says so.
    `stopped` ends it from another thread, also while `ask` or `wait` are pausing, which look at
    it too.
    """

    def __init__(
        self,
        ask: Ask,
        size: int,
        host: str,
        patience: Patience,
        wait: Callable[[float, str], None],
        stopped: threading.Event | None = None,
    ) -> None:
        self.size = size
        self.count = 0
        self._ask = ask
        self._host = host
        self._patience = patience
        self._wait = wait
        self._stopped = stopped or threading.Event()
        self._skip = 0  # bytes to throw away, because they came before
        self._tries = 1
        self._mark = 0  # the count when it was last cut off
        self._restarted = False
        self._body: Body | None = None

    def seek(self, count: int, /) -> None:
        """Afterwards the next byte read is the one after `count` others."""
        self.close()
        self._body, self.count, self._mark = None, count, count

    def read(self, size: int = CHUNK, /) -> bytes:
        """Some bytes, none at the end; raises `Unreachable` when all tries were in vain."""
        if self._body is None:
            if self.count and self.count >= self.size:
                return b""
            self._body = self._rest()
        while True:
            try:
                data = self._body.read(min(size, self._skip) if self._skip else size)
            except Unreachable as error:
                if self.count >= self.size:
                    return b""
                self._go_on(error)
                continue
            if data and self._skip:
                self._skip -= len(data)
            elif data or self.count >= self.size or not self._is_worth_a_try():
                self.count += len(data)
                return data
            else:
                self._go_on(None)

    def close(self) -> None:
        if self._body is not None:
            self._body.close()

    def stop(self) -> None:
        """Whoever reads, in another thread, soon gets an error."""
        self._stopped.set()
        if self._body is not None:
            self._body.stop()

    def _is_worth_a_try(self) -> bool:
        """Whether a body that ended well, but early, may have been cut off by somebody."""
        return self._tries == 1 or self.count > self._mark

    def _go_on(self, error: Unreachable | None) -> None:
        """Afterwards the body is one that holds the rest; raises `error` when tries are used up."""
        if self._stopped.is_set():
            raise Stopped("given up, because another layer could not be copied")
        if self.count - self._mark >= self._patience.progress:
            self._tries = 1
        self._mark = self.count
        if error and self._tries >= self._patience.tries:
            raise error
        self.close()
        if error:
            why = f"{self._host} broke off after {self.count} of {self.size} bytes"
            self._wait(self._patience.before(self._tries), why)
        self._tries += 1
        self._body = self._rest()

    def _rest(self) -> Body:
        if self.count and not self._restarted:
            try:
                answer = self._ask(f"bytes={self.count}-{self.size - 1}")
            except (RegistryError, NotFound) as error:
                if error.status not in (400, 404, 405, 412, 416):
                    raise
            else:
                if answer.status_code == 200 or self._fits(answer):
                    return self._open(answer)
                answer.close()
            self._restarted = True
        return self._open(self._ask(None))

    def _fits(self, answer: requests.Response) -> bool:
        """Whether a 206 holds exactly what is missing."""
        said = answer.headers.get("Content-Range", "")
        found = re.fullmatch(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", said.strip())
        return (
            answer.status_code == 206
            and found is not None
            and (tuple(map(int, found.groups())) == (self.count, self.size - 1, self.size))
        )

    def _open(self, answer: requests.Response) -> Body:
        self._skip = 0 if answer.status_code == 206 else self.count
        return Body(answer, self._host, self._patience)

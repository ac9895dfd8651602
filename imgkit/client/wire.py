"""Requests as they go over the wire: each one seen, sent on within the rules, and tried again.

`requests` carries the bytes; what it would do by itself (follow redirects with our credentials,
read ~/.netrc, decode bodies) is switched off, because each of these breaks a promise made here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Final, ParamSpec

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from imgkit import __version__
from imgkit.client import origins
from imgkit.client.patience import Patience, Quota
from imgkit.client.refusals import unreachable
from imgkit.errors import RegistryError, Unreachable

REDIRECTS: Final = 5
"""How often one request may be sent on to another address."""

Data = bytes | Iterable[bytes] | None
"""The body of a request: all of it, or in chunks."""

_P = ParamSpec("_P")

_MOVED: Final = (301, 302, 303, 307, 308)
_HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": f"imgkit/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered; `size` is the announced length in bytes, if any."""

    method: str
    url: str
    status: int
    size: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One request that is to be made.

    A GET or HEAD may be made several times; what changes something is asked once, unless it does no
    harm `again`. `stopped` ends the pauses between its tries from another thread.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    data: Data = None
    again: bool = False
    stopped: threading.Event | None = None

    @property
    def only_reads(self) -> bool:
        """Whether it changes nothing on the server."""
        return self.method in ("GET", "HEAD")


class Wire:
    """A connection pool that keeps our rules.

    `on_exchange` is told of every answer, redirects and failures included. `on_wait` is told,
    every second of a pause, how many seconds are left and why; it may raise to end the pause.
    Both are called from whatever thread asks.
    """

    def __init__(
        self,
        session: requests.Session | None = None,
        *,
        patience: Patience | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        self.session = session or requests.Session()
        self.patience = patience or Patience()
        self.on_exchange = on_exchange or (lambda exchange: None)
        self.on_wait = on_wait or (lambda seconds, why: None)
        self._answered: set[origins.Origin] = set()
        self.session.trust_env = False  # or requests would add what ~/.netrc says
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if session is None:
            self.session.mount("https://", HTTPAdapter(pool_maxsize=16))
            self.session.mount("http://", HTTPAdapter(pool_maxsize=16))

    @contextmanager
    def listening(
        self,
        on_exchange: Callable[[Exchange], None] = lambda exchange: None,
        on_wait: Callable[[float, str], None] = lambda seconds, why: None,
    ) -> Iterator[None]:
        """Inside the block these are told, too, what those of the connection are told."""
        before = self.on_exchange, self.on_wait
        self.on_exchange = _both(before[0], on_exchange)
        self.on_wait = _both(before[1], on_wait)
        try:
            yield
        finally:
            self.on_exchange, self.on_wait = before

    def send(self, question: Question, authorization: str | None = None) -> requests.Response:
        """The answer to one request, its body not read yet.

        The authorization is for the origin of its address alone. What only reads is sent on where a
        server sends it. Raises `Unreachable`, or `RegistryError` for an address that may not be
        asked, or `Stopped`.
        """
        tries = self.patience.tries if question.again or question.only_reads else 1
        count = 0
        while True:
            count += 1
            try:
                answer = self._follow(question, authorization)
            except Unreachable as error:
                if count >= tries or not error.found:
                    raise
                host = origins.origin(question.url)[1]
                pause, why = self.patience.before(count), f"{host} hung up"
            else:
                status = answer.status_code
                wanted = self.patience.after(status, answer.headers, count) if tries > 1 else None
                if wanted is None:
                    return answer
                answer.close()
                pause, why = wanted, f"{origins.origin(answer.url)[1]} {_REASONS.get(status, '')}"
                if allows := str(Quota.of(answer.headers)):
                    why += f". {allows}"
            self.wait(pause, why, question.stopped)

    def wait(self, seconds: float, why: str, stopped: threading.Event | None = None) -> None:
        """Returns after that time, counted down second by second; raises `Stopped` before."""
        while seconds > 0:
            self.on_wait(seconds, why)
            self.patience.rest(min(seconds, 1.0), stopped)
            seconds -= 1.0

    def _follow(self, question: Question, authorization: str | None) -> requests.Response:
        """The answer to a request, sent on where a server sends it, if it only reads."""
        url, home = question.url, origins.origin(question.url)
        for _ in range(REDIRECTS + 1):
            at_home = authorization is not None and origins.origin(url) == home
            more = {"Authorization": authorization} if at_home else {}
            headers = {**_HEADERS, **question.headers, **more}
            answer = self._ask(question.method, url, headers, question.data)
            moved = answer.status_code in _MOVED and "Location" in answer.headers
            if not (moved and question.only_reads):
                return answer
            answer.close()
            url = origins.follow(url, answer.headers["Location"])
        raise RegistryError(
            f"{home[1]} sent us on {REDIRECTS + 1} times without an answer",
            status=answer.status_code,
            code=None,
            url=url,
        )

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str | None], data: Data
    ) -> requests.Response:
        where = origins.origin(url)
        try:
            answer = self.session.request(
                method,
                url,
                headers=headers,
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=(self.patience.connect, self.patience.silence),
                proxies={} if origins.is_loopback(where[1]) else get_environ_proxies(url),
                verify=_authorities(),
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            problem = unreachable(where[1], error)
            # Who answered a moment ago is there: asking again makes sense, whatever the fault.
            problem.facts["found"] |= where in self._answered
            raise problem from error
        self._answered.add(where)
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        self.on_exchange(Exchange(method, url, answer.status_code, size))
        return answer


def _both(first: Callable[_P, None], second: Callable[_P, None]) -> Callable[_P, None]:
    def tell(*args: _P.args, **kwargs: _P.kwargs) -> None:
        first(*args, **kwargs)
        second(*args, **kwargs)

    return tell


def _authorities() -> str | bool:
    """The file of certificate authorities that the environment names, or those of `requests`."""
    env = os.environ
    return env.get("REQUESTS_CA_BUNDLE") or env.get("SSL_CERT_FILE") or True


_REASONS: Final = {
    408: "took too long to read what we asked (408)",
    429: "asks us to wait (429)",
    499: "lost us on the way (499)",
    500: "failed (500)",
    502: "could not reach the server behind it (502)",
    503: "is not available (503)",
    504: "waited too long for the server behind it (504)",
    522: "could not reach the server behind it (522)",
}

"""A remote repository over the registry protocol (OCI distribution-spec 1.1, "Pull").

One pull asks for:

    GET /v2/                               is there a registry, and what does it want? (401)
    GET <realm>?scope=repository:...:pull  a token, without a name or password
    GET /v2/<name>/manifests/<tag>         an index or a manifest, by name
    GET /v2/<name>/manifests/<digest>      the manifest for our platform
    GET /v2/<name>/blobs/<digest>          the config, then each layer

`requests` carries the bytes; what it would do by itself (follow redirects with our credentials,
read ~/.netrc, decode bodies) is switched off, because each of these breaks a promise made here.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Final, NoReturn
from urllib.parse import urlencode

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from imgkit import __version__, challenge, document, origins
from imgkit.challenge import Challenge, Token
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import (
    ImgkitError,
    LimitExceeded,
    NotFound,
    RateLimited,
    RegistryError,
    Unauthorized,
    Unreachable,
)
from imgkit.manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, parse
from imgkit.reference import Reference

REDIRECTS: Final = 5
"""How often one request may be sent on to another address."""
TIMEOUT: Final = (10.0, 30.0)
"""Seconds to wait for a connection, and for the next bytes of an answer."""
ERROR_LIMIT: Final = 64 << 10
"""Bytes that are read of an answer that only says what went wrong."""

_MOVED: Final = (301, 302, 303, 307, 308)
_DOCUMENT_TYPES: Final = (*INDEX_TYPES, *MANIFEST_TYPES)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and how it was answered; `size` is the announced length in bytes, if any."""

    method: str
    url: str
    status: int
    size: int | None = None
    note: str = ""


class Client:
    """Talks to registries: one connection pool, and the tokens got so far.

    `mirror` is the address of a registry that answers for all others (the embedded one, say); it
    is told which one was meant (`?ns=docker.io`). Registries named with a port, or `localhost`,
    are always asked themselves.
    """

    def __init__(
        self,
        *,
        session: requests.Session | None = None,
        mirror: str | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
    ) -> None:
        self.session = session or requests.Session()
        self.mirror = mirror
        self.on_exchange = on_exchange or (lambda exchange: None)
        self.session.trust_env = False  # or requests would add what ~/.netrc says
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if session is None:
            self.session.mount("https://", HTTPAdapter(pool_maxsize=16))
            self.session.mount("http://", HTTPAdapter(pool_maxsize=16))

    def repository(self, reference: Reference) -> Repository:
        """The repository that a name belongs to."""
        return Repository(self, reference)

    def send(self, url: str, authorization: str | None, accept: str = "*/*") -> requests.Response:
        """The answer to one GET, after any redirects, its body not read yet.

        The authorization is for the origin of `url` alone. Raises `Unreachable` or, for an
        address that may not be asked, `RegistryError`.
        """
        home = origins.origin(url)
        for _ in range(REDIRECTS + 1):
            headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": _AGENT}
            if authorization and origins.origin(url) == home:
                headers["Authorization"] = authorization
            answer = self._get(url, headers)
            if answer.status_code not in _MOVED or "Location" not in answer.headers:
                return answer
            answer.close()
            url = origins.follow(url, answer.headers["Location"])
        raise RegistryError(
            f"{home[1]} sent us on {REDIRECTS + 1} times without an answer",
            status=answer.status_code,
            code=None,
            url=url,
        )

    def _get(self, url: str, headers: dict[str, str]) -> requests.Response:
        host = origins.origin(url)[1]
        loopback = origins.is_loopback(host)
        try:
            answer = self.session.get(
                url,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=TIMEOUT,
                proxies={} if loopback else get_environ_proxies(url),
                verify=os.environ.get("REQUESTS_CA_BUNDLE") or True,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(host, error) from error
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        self.on_exchange(Exchange("GET", url, answer.status_code, size))
        return answer


class Repository:
    """One repository of one registry, as a `Source`: resolve a name, open a digest."""

    def __init__(self, client: Client, reference: Reference) -> None:
        self.client = client
        self.domain = reference.registry
        self.path = reference.path
        self._mirrored = client.mirror is not None and not asks_itself(self.domain)
        host = origins.origin(f"http://{reference.registry_host}")[1]
        scheme = "http" if origins.is_loopback(host) else "https"
        own = f"{scheme}://{reference.registry_host}"
        self.base = (client.mirror or own).rstrip("/") if self._mirrored else own
        self._lock = threading.Lock()
        self._challenges: list[Challenge] | None = None
        self._token: tuple[Token, float] | None = None
        self._documents: dict[Digest, bytes] = {}

    def __repr__(self) -> str:
        return f"<Repository {self.domain}/{self.path} at {self.base}>"

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest or index of that tag or digest, fetched and, for a digest, checked."""
        target = reference.with_default_tag().target
        answer = self._ask(f"manifests/{target}", ", ".join(_DOCUMENT_TYPES))
        raw = self._body(answer, document.LIMIT, "manifest")
        digest = Digest.of(raw, reference.digest.algorithm if reference.digest else "sha256")
        if reference.digest:
            VerifyingReader(io.BytesIO(raw), reference.digest, None, "manifest").read()
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        generic = media_type in ("", "application/json", "application/octet-stream", "text/plain")
        found = parse(raw, None if generic else media_type)
        announced = answer.headers.get("Docker-Content-Digest", str(digest))
        if announced.startswith(f"{digest.algorithm}:") and announced != digest:
            note = f"its header says {announced}, but the bytes are {digest}"
            self.client.on_exchange(Exchange("GET", answer.url, answer.status_code, None, note))
        self._documents[digest] = raw
        return Descriptor(found.media_type, digest, len(raw))

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The bytes of a manifest or blob, checked against the descriptor while they are read."""
        known = self._documents.get(descriptor.digest)
        what = f"{descriptor.media_type} from {self.domain}"
        if known is not None:
            return VerifyingReader(io.BytesIO(known), descriptor.digest, descriptor.size, what)
        if descriptor.media_type in _DOCUMENT_TYPES:
            answer = self._ask(f"manifests/{descriptor.digest}", descriptor.media_type)
        else:
            answer = self._ask(f"blobs/{descriptor.digest}")
        return VerifyingReader(_Body(answer, self.domain), descriptor.digest, descriptor.size, what)

    def tags(self) -> list[str]:
        """The tags of this repository, as the registry lists them (first page)."""
        answer = self._ask("tags/list")
        listed = document.load(self._body(answer, document.LIMIT, "list of tags"), "list of tags")
        return document.strings(listed, "tags") if listed.get("tags") else []

    # -- asking -----------------------------------------------------------------------------

    def _ask(self, what: str, accept: str = "*/*") -> requests.Response:
        """A good answer to GET /v2/<name>/<what>; one new token is tried when it is a 401."""
        query = f"?{urlencode({'ns': self.domain})}" if self._mirrored else ""
        url = f"{self.base}/v2/{self.path}/{what}{query}"
        answer = self.client.send(url, self._authorization(), accept)
        if answer.status_code == 401:
            self._forget(answer)
            answer = self.client.send(url, self._authorization(), accept)
        if answer.status_code != 200:
            self._refuse(answer, what)
        if answer.headers.get("Content-Encoding", "identity") not in ("identity", ""):
            answer.close()
            raise RegistryError(
                f"{self.domain} sent {what} encoded once more "
                f"({answer.headers['Content-Encoding']}), so its digest cannot be checked",
                status=answer.status_code,
                code=None,
                url=url,
            )
        return answer

    def _authorization(self) -> str | None:
        """The header that the registry wants: none, or an anonymous bearer token still alive."""
        with self._lock:
            if self._challenges is None:
                self._challenges = self._check_version()
            bearer = next((c for c in self._challenges if c.scheme == "bearer"), None)
            if bearer is None:
                return None
            if self._token is None or time.monotonic() >= self._token[1]:
                token = self._fetch_token(bearer)
                self._token = (token, time.monotonic() + token.life - 5)
            return f"Bearer {self._token[0].text}"

    def _check_version(self) -> list[Challenge]:
        """GET /v2/: is there a registry, and what does it ask for? (spec: "Determining Support")"""
        answer = self.client.send(f"{self.base}/v2/", None)
        answer.close()
        if answer.status_code == 200:
            return []
        if answer.status_code == 401:
            return challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        if answer.status_code in (404, 405):
            raise RegistryError(
                f"{self.base} answers, but not as a registry: GET /v2/ gave {answer.status_code}. "
                "Check the name before the first slash.",
                status=answer.status_code,
                code=None,
                url=answer.url,
            )
        self._refuse(answer, "")

    def _fetch_token(self, bearer: Challenge) -> Token:
        url = bearer.token_url(f"{self.base}/v2/", f"repository:{self.path}:pull")
        origins.follow(self.base, url)
        answer = self.client.send(url, None)
        if answer.status_code != 200:
            self._refuse(answer, "token")
        return Token.parse(self._body(answer, challenge.TOKEN_LIMIT, "token"), url)

    def _forget(self, answer: requests.Response) -> None:
        """Drop the token that was refused, and take up the challenge that came instead."""
        header = answer.headers.get("WWW-Authenticate")
        answer.close()
        with self._lock:
            self._token = None
            self._challenges = challenge.parse(header) if header else self._challenges

    def _body(self, answer: requests.Response, limit: int, what: str) -> bytes:
        """The whole body, of at most `limit` bytes."""
        with answer:
            body = _Body(answer, self.domain)
            raw = b"".join(iter(lambda: body.read(limit + 1 - body.count), b""))
        if len(raw) > limit:
            raise LimitExceeded(
                f"the {what} from {self.domain} has more than {limit} bytes; none is that long",
                limit=limit,
                actual=len(raw),
            )
        return raw

    def _refuse(self, answer: requests.Response, what: str) -> NoReturn:
        """Raise the error that this answer means, with what the registry says of it."""
        status, url = answer.status_code, answer.url
        name = f"{self.domain}/{self.path}"
        try:
            said = _Body(answer, self.domain).read(ERROR_LIMIT)
        except ImgkitError:
            said = b""
        answer.close()
        code, message = _complaint(said)
        facts = {"status": status, "code": code, "url": url}
        says = f" It says: {message}." if message else ""
        if status == 404 and what.startswith("manifests/"):
            wanted = what.removeprefix("manifests/")
            raise NotFound(
                f"{self.domain} has no {wanted!r} in {self.path}.{says} "
                "Check the name and the tag.",
                name=f"{name}:{wanted}",
            )
        if status == 404:
            raise NotFound(f"{self.domain} has no {what} in {self.path}.{says}", name=name)
        if status in (401, 403):
            raise Unauthorized(
                f"{self.domain} does not let us read {self.path} ({status}).{says} The repository "
                "does not exist, or it is private.",
                **facts,
            )
        if status == 429:
            raise RateLimited(
                f"{self.domain} has been asked too often (429).{says} Wait, then try again.",
                retry_after=answer.headers.get("Retry-After"),
                **facts,
            )
        raise RegistryError(f"{self.domain} answered {status} to {url}.{says}", **facts)


class _Body:
    """The body of an answer as it came over the wire; network faults become `Unreachable`."""

    def __init__(self, answer: requests.Response, host: str) -> None:
        self._answer = answer
        self._host = host
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        try:
            data: bytes = self._answer.raw.read(None if size < 0 else size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unreachable(
                f"{self._host} stopped in the middle of an answer, after {self.count} bytes "
                f"({_reason(error)}). What was whole has been kept: try again.",
                status=None,
                code=None,
                url=self._answer.url,
            ) from error
        self.count += len(data)
        return data

    def close(self) -> None:
        self._answer.close()


_AGENT: Final = f"imgkit/{__version__}"


def asks_itself(domain: str) -> bool:
    """Whether a registry of that name is asked itself, whatever mirror there is."""
    return ":" in domain or domain == "localhost"


def _complaint(body: bytes) -> tuple[str | None, str]:
    """Code and message of a registry's error body (spec: "Error Codes"), if it is one."""
    try:
        first = document.sequence(document.load(body, "error"), "errors")[0]
        code, message = first.get("code"), first.get("message")
    except (ImgkitError, IndexError, AttributeError):
        return None, ""
    message = "".join(c for c in str(message or code or "") if c.isprintable())[:300]
    return (code if isinstance(code, str) else None), message.rstrip(".")


def _unreachable(host: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"{host} cannot be reached: {_reason(error)}. Check the name and the network; without "
        "--live, the embedded registry answers and no network is needed.",
        status=None,
        code=None,
        url=None,
    )


def _reason(error: BaseException) -> str:
    """The innermost cause, in a few words."""
    while isinstance(inner := error.__cause__ or error.__context__, BaseException):
        error = inner
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(reason).split())[:200].rstrip(".")

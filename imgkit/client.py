"""A remote repository over the registry protocol (OCI distribution-spec 1.1, "Pull").

One pull asks for:

    GET /v2/                               is there a registry, and what does it want? (401)
    GET <realm>?scope=repository:...:pull  a token, without a name or password
    GET /v2/<name>/manifests/<tag>         an index or a manifest, by name
    GET /v2/<name>/manifests/<digest>      the manifest for our platform
    GET /v2/<name>/blobs/<digest>          the config, then each layer
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Final, NoReturn
from urllib.parse import urlencode

import requests

from imgkit import challenge, document, origins
from imgkit.challenge import Challenge, Token
from imgkit.digest import CHUNK, Digest, VerifyingReader
from imgkit.download import Body, Download
from imgkit.errors import ImgkitError, LimitExceeded, RegistryError, Unreachable
from imgkit.manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, parse
from imgkit.patience import Patience
from imgkit.reference import Reference
from imgkit.refusals import ERROR_LIMIT, refuse
from imgkit.wire import Exchange, Wire

__all__ = ["Client", "Exchange", "Repository", "asks_itself"]

_DOCUMENT_TYPES: Final = (*INDEX_TYPES, *MANIFEST_TYPES)


class Client(Wire):
    """Talks to registries: one connection pool for all of them.

    `mirror` is the address of a registry that answers for all others (the embedded one, say); it
    is told which one was meant (`?ns=docker.io`). Registries named with a port, or `localhost`,
    are always asked themselves.
    """

    def __init__(
        self,
        *,
        session: requests.Session | None = None,
        mirror: str | None = None,
        patience: Patience | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        super().__init__(session, patience=patience, on_exchange=on_exchange, on_wait=on_wait)
        self.mirror = mirror

    def repository(self, reference: Reference) -> Repository:
        """The repository that a name belongs to."""
        return Repository(self, reference)


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
        answer, raw = self._fetch(f"manifests/{target}", ", ".join(_DOCUMENT_TYPES))
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
            path, accept = f"manifests/{descriptor.digest}", descriptor.media_type
        else:
            path, accept = f"blobs/{descriptor.digest}", "*/*"
        download = Download(
            lambda span: self._ask(path, accept, span),
            descriptor.size,
            self.domain,
            self.client.patience,
            self.client.wait,
        )
        return VerifyingReader(download, descriptor.digest, descriptor.size, what)

    def tags(self) -> list[str]:
        """The tags of this repository, as the registry lists them (first page)."""
        _, raw = self._fetch("tags/list")
        listed = document.load(raw, "list of tags")
        return document.strings(listed, "tags") if listed.get("tags") else []

    # -- asking -----------------------------------------------------------------------------

    def _fetch(self, what: str, accept: str = "*/*") -> tuple[requests.Response, bytes]:
        """The answer to GET /v2/<name>/<what> and its whole body, a document."""
        patience, again = self.client.patience, 0
        until = patience.clock() + patience.whole
        while True:
            again += 1
            answer = self._ask(what, accept)
            try:
                return answer, self._body(answer, document.LIMIT, what)
            except Unreachable:
                if again >= patience.tries or patience.clock() >= until:
                    raise
                why = f"{self.domain} broke off in the middle of a document"
                self.client.wait(patience.before(again), why)

    def _ask(self, what: str, accept: str = "*/*", span: str | None = None) -> requests.Response:
        """A good answer to GET /v2/<name>/<what>; one new token is tried when it is a 401.

        With a `span` (the value of a `Range` header) it may be a 206.
        """
        query = f"?{urlencode({'ns': self.domain})}" if self._mirrored else ""
        url = f"{self.base}/v2/{self.path}/{what}{query}"
        answer = self.client.send(url, self._authorization(), accept, span)
        if answer.status_code == 401:
            self._forget(answer)
            answer = self.client.send(url, self._authorization(), accept, span)
        if answer.status_code not in ((200, 206) if span else (200,)):
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
            if self._token is None or self.client.patience.clock() >= self._token[1]:
                token = self._fetch_token(bearer)
                self._token = (token, self.client.patience.clock() + token.life - 5)
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
            patience = self.client.patience
            body = Body(answer, self.domain, patience, patience.whole)
            raw = b"".join(iter(lambda: body.read(min(CHUNK, limit + 1 - body.count)), b""))
        if len(raw) > limit:
            raise LimitExceeded(
                f"the {what} from {self.domain} has more than {limit} bytes; none is that long",
                limit=limit,
                actual=len(raw),
            )
        return raw

    def _refuse(self, answer: requests.Response, what: str) -> NoReturn:
        """Raise the error that this answer means, with what the registry says of it."""
        try:
            body = Body(answer, self.domain, self.client.patience).read(ERROR_LIMIT)
        except ImgkitError:
            body = b""
        answer.close()
        refuse(answer, body, f"{self.domain}/{self.path}", what)


def asks_itself(domain: str) -> bool:
    """Whether a registry of that name is asked itself, whatever mirror there is."""
    return ":" in domain or domain == "localhost"

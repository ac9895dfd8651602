"""The way into one repository: what its registry asks for, and the tokens got so far.

    GET /v2/                                 401, with challenges: what is asked for
    GET <realm>?service=..&scope=..          a token, without a login or with one (Basic)
    POST <realm> grant_type=refresh_token    a token for an identity token

A login is for one registry. It goes to that registry itself or to the token service that the
registry names, which must be asked over https if the registry is; and to nobody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Final, NoReturn
from urllib.parse import urlencode, urlsplit

import requests

from imgkit.client import challenge, origins
from imgkit.client.challenge import Challenge, Token
from imgkit.client.credentials import Login
from imgkit.client.download import Body, read_all
from imgkit.client.refusals import ERROR_LIMIT, refuse
from imgkit.client.wire import Question, Wire
from imgkit.errors import RegistryError, Unreachable

EARLY: Final = 5
"""Seconds before its end when a token is not used any more."""


class Access:
    """What to send to `base`, as `Authorization`, to be let into the repository `name`.

    `name` is the registry's name and the path: docker.io/library/redis. `find` looks for a login.
    """

    def __init__(self, wire: Wire, base: str, name: str, find: Callable[[], Login | None]) -> None:
        self._find = find
        self._wire = wire
        self._base = base
        self._name = name
        self._path = name.partition("/")[2]
        self._lock = threading.Lock()
        self._challenges: list[Challenge] | None = None
        self._scopes = [f"repository:{self._path}:pull"]
        self._token: tuple[str, float] | None = None

    @cached_property
    def login(self) -> Login | None:
        """The login to use, looked for when the registry first asks."""
        return self._find()

    def header(self) -> str | None:
        """The value of the header, with a token that is alive; None where nothing is asked for."""
        with self._lock:
            if self._challenges is None:
                self._challenges = self._check_version()
            offers = {offer.scheme: offer for offer in reversed(self._challenges)}
            if "bearer" in offers:
                return f"Bearer {self._living_token(offers['bearer'])}"
            return self.login.basic if "basic" in offers and self.login else None

    def need(self, scope: str) -> None:
        """From now on, tokens are asked for with this scope too."""
        with self._lock:
            merged = challenge.merge(scope, self._scopes)
            if merged != self._scopes:
                self._scopes, self._token = merged, None

    def learn(self, answer: requests.Response, sent: str | None) -> bool:
        """Whether, after this refusal of what was `sent`, it makes sense to ask once more.

        The challenge of another host, to which we were sent on, is not taken up.
        """
        header = answer.headers.get("WWW-Authenticate", "")
        if origins.origin(answer.url) != origins.origin(self._base):
            return False
        offers = challenge.parse(header) if answer.status_code in (401, 403) else []
        bearer = next((offer for offer in offers if offer.scheme == "bearer"), None)
        if bearer and bearer.params.get("error") == "insufficient_scope":
            before = self._scopes
            for scope in bearer.params.get("scope", "").split():
                self.need(scope)
            if self._scopes != before:
                return True
        if answer.status_code != 401:
            return False
        with self._lock:
            if self._token and sent == f"Bearer {self._token[0]}":
                self._token = None
            self._challenges = offers or self._challenges
        return bearer is not None or (sent or "").startswith("Bearer ") or self.header() != sent

    def refuse(self, answer: requests.Response, what: str, doing: str = "read") -> NoReturn:
        """Raise what an answer about `what` means that is no good, with what its body says."""
        with answer:
            try:
                patience = self._wire.patience
                body = Body(answer, self._name, patience, patience.whole).read(ERROR_LIMIT)
            except Unreachable:
                body = b""
        who = "without a login"
        if what != "token" and origins.origin(answer.url) != origins.origin(self._base):
            who = f"{urlsplit(answer.url).netloc} without a login, because we were sent there"
        elif answer.status_code in (401, 403) and self.login:
            who = f"as {self.login.user!r}" if self.login.user else "with an identity token"
        refuse(answer, body, self._name, what, doing, who)

    def _check_version(self) -> list[Challenge]:
        """GET /v2/: is there a registry, and what does it ask for? (spec: "Determining Support")"""
        answer = self._wire.send(Question(f"{self._base}/v2/"))
        if answer.status_code == 200:
            answer.close()
            return []
        if answer.status_code == 401:
            answer.close()
            return challenge.parse(answer.headers.get("WWW-Authenticate", ""))
        if answer.status_code in (404, 405):
            answer.close()
            raise RegistryError(
                f"{self._base} answers, but not as a registry: GET /v2/ gave {answer.status_code}. "
                "Check the name before the first slash.",
                status=answer.status_code,
                code=None,
                url=answer.url,
            )
        self.refuse(answer, "")

    def _living_token(self, bearer: Challenge) -> str:
        clock = self._wire.patience.clock
        if self._token is None or clock() >= self._token[1]:
            token = self._fetch_token(bearer)
            self._token = (token.text, clock() + token.life - EARLY)
        return self._token[0]

    def _fetch_token(self, bearer: Challenge) -> Token:
        realm = bearer.realm_url(f"{self._base}/v2/")
        origins.follow(self._base, realm)
        answer = self._ask_token(bearer, realm)
        if answer.status_code != 200:
            self.refuse(answer, "token")
        host = origins.origin(realm)[1]
        raw = read_all(answer, host, self._wire.patience, "token", "token")
        token = Token.parse(raw, realm)
        if token.identity and self.login and self.login.identity:
            self.login = replace(self.login, identity=token.identity)
        return token

    def _ask_token(self, bearer: Challenge, realm: str) -> requests.Response:
        if self.login and self.login.identity:
            form = {
                "grant_type": "refresh_token",
                "service": bearer.params.get("service", ""),
                "client_id": "imgkit",
                "scope": " ".join(self._scopes),
                "refresh_token": self.login.identity,
            }
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            data = urlencode(form).encode()
            answer = self._wire.send(Question(realm, "POST", headers, data, again=True))
            if answer.status_code not in (404, 405):
                return answer
            answer.close()  # an older service, which knows GET only
        url = bearer.token_url(f"{self._base}/v2/", *self._scopes)
        basic = self.login.basic if self.login and self.login.user else None
        return self._wire.send(Question(url), basic)

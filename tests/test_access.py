"""Who gets in, with what, and that nobody else learns of it: two servers, one of them evil."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from images import add_image
from recorder import Answer, Recorder, Request, answering, hurried

from benchmarks.registry import registry
from imgkit.client import Client, Repository
from imgkit.client.credentials import Credentials, Login
from imgkit.errors import ImgkitError, RegistryError, Unauthorized
from imgkit.image import copy
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

TAGS = "/v2/app/tags/list"
SOME: Answer = (200, {}, b'{"tags":["a"]}')
LOGIN = Login("me", "secret")
IDENTITY = Login("", identity="refresh-me")


class Gate(Recorder):
    """What a registry answers that lets in only who says the right word; and its token service."""

    def __init__(self, host: str, challenge: str, right: str) -> None:
        super().__init__(host, {"/v2/": self.enter, TAGS: self.enter, "/token": self.token})
        self.challenge = challenge.replace("HOST", f"http://{host}")
        self.right = right
        self.tokens: list[dict[str, Any]] = []
        self.posts = 200

    def enter(self, request: Request) -> Answer:
        if request.headers.get("Authorization") == self.right:
            return SOME
        return 401, {"WWW-Authenticate": self.challenge}, b""

    def token(self, request: Request) -> Answer:
        if request.method == "POST" and self.posts != 200:
            return self.posts, {}, b""
        found = self.tokens.pop(0) if self.tokens else {"token": "t1"}
        return 200, {}, json.dumps(found).encode()

    def asked(self, path: str) -> list[Request]:
        return [r for r in self.received if urlsplit(r.path).path == path]


@contextmanager
def gate(challenge: str, right: str) -> Iterator[Gate]:
    with answering({}) as server:
        made = Gate(server.host, challenge, right)
        server.answers = made.answers
        made.received = server.received
        yield made


@contextmanager
def asking(host: str, login: Login | None = None, **more: Any) -> Iterator[Repository]:
    credentials = Credentials({host: login} if login else {})
    client = Client(credentials=credentials, patience=hurried(), **more)
    try:
        yield client.repository(Reference.parse(f"{host}/app"))
    finally:
        client.session.close()


BEARER = 'Bearer realm="HOST/token",service="s"'

LET_IN: list[tuple[str, Login | None, str]] = [
    ("Basic realm=x", LOGIN, LOGIN.basic),
    (BEARER, None, "Bearer t1"),
    (BEARER, LOGIN, "Bearer t1"),
    (BEARER, IDENTITY, "Bearer t1"),
    (f"Basic realm=x, {BEARER}", LOGIN, "Bearer t1"),
    (f"{BEARER}, Basic realm=x", LOGIN, "Bearer t1"),
    (f"Negotiate, Basic realm=x, {BEARER}", None, "Bearer t1"),
    ('Bearer realm="/token"', None, "Bearer t1"),
]


@pytest.mark.parametrize(("challenge", "login", "right"), LET_IN)
def test_let_in(challenge: str, login: Login | None, right: str) -> None:
    """Of several challenges a bearer's is taken; a login goes to its token service."""
    with gate(challenge, right) as server, asking(server.host, login) as repository:
        assert repository.tags() == ["a"]
        assert len(server.asked(TAGS)) == 1


def test_a_token_is_asked_for_with_the_login() -> None:
    """By GET, for this repository, with user and password as Basic."""
    with gate(BEARER, "Bearer t1") as server, asking(server.host, LOGIN) as repository:
        repository.tags()
        (asked,) = server.asked("/token")
        assert asked.headers["Authorization"] == LOGIN.basic
        assert parse_qs(urlsplit(asked.path).query) == {
            "service": ["s"],
            "scope": ["repository:app:pull"],
        }


def test_an_identity_token_is_posted() -> None:
    """By OAuth2; the new identity token that comes with the answer is used the next time."""
    with gate(BEARER, "Bearer t2") as server, asking(server.host, IDENTITY) as repository:
        server.tokens = [
            {"access_token": "t1", "refresh_token": "refresh-again"},
            {"access_token": "t2"},
        ]
        repository.tags()
        first, second = server.asked("/token")
        form = parse_qs(first.body.decode())
        assert first.method == "POST"
        assert "Authorization" not in first.headers
        assert form == {
            "grant_type": ["refresh_token"],
            "service": ["s"],
            "client_id": ["imgkit"],
            "scope": ["repository:app:pull"],
            "refresh_token": ["refresh-me"],
        }
        assert parse_qs(second.body.decode())["refresh_token"] == ["refresh-again"]


def test_a_token_service_without_post() -> None:
    """An older service that knows GET only is asked so."""
    login = Login("me", "secret", "refresh-me")
    with gate(BEARER, "Bearer t1") as server, asking(server.host, login) as repository:
        server.posts = 404
        repository.tags()
        assert [r.method for r in server.asked("/token")] == ["POST", "GET"]
        assert server.asked("/token")[1].headers["Authorization"] == LOGIN.basic


@pytest.mark.parametrize("status", [401, 403])
def test_a_scope_is_widened_when_the_registry_asks(status: int) -> None:
    """`insufficient_scope` leads to one more token, with the scope that the registry names."""
    with gate(BEARER, "Bearer t1") as server, asking(server.host) as repository:
        wider = "repository:app:pull,metadata"
        server.tokens = [{"token": "t1"}, {"token": "t2"}]

        def tags(request: Request) -> Answer:
            if request.headers["Authorization"] == "Bearer t2":
                return SOME
            said = f'{server.challenge},scope="{wider}",error="insufficient_scope"'
            return status, {"WWW-Authenticate": said}, b""

        server.answers[TAGS] = tags
        assert repository.tags() == ["a"]
        assert parse_qs(urlsplit(server.asked("/token")[1].path).query)["scope"] == [wider]


def test_a_scope_that_is_never_wide_enough() -> None:
    """The same refusal again is an error, not a circle."""
    with gate(BEARER, "Bearer t1") as server, asking(server.host) as repository:
        said = f'{server.challenge},scope="repository:app:push",error="insufficient_scope"'
        server.answers[TAGS] = (403, {"WWW-Authenticate": said}, b"")
        with pytest.raises(Unauthorized):
            repository.tags()
        assert len(server.asked(TAGS)) == 2


@pytest.mark.parametrize(
    ("challenge", "login", "words"),
    [
        ("Basic realm=x", None, r"401.*without a login"),
        ("Basic realm=x", Login("me", "wrong"), r"401.*as 'me'"),
        (BEARER, None, "401"),
        ("Negotiate", LOGIN, "401"),
        ("", LOGIN, "401"),
    ],
)
def test_kept_out(challenge: str, login: Login | None, words: str) -> None:
    """After a try or two; the message says as whom we came, and no secret."""
    with gate(challenge, "nobody") as server, asking(server.host, login) as repository:
        with pytest.raises(Unauthorized, match=words) as caught:
            repository.tags()
        assert len(server.asked(TAGS)) <= 3
        assert "wrong" not in str(caught.value)


def test_a_token_lives_as_long_as_it_says() -> None:
    """A token is used until shortly before its end; then a new one is fetched, unasked."""
    now = [0.0]
    with gate(BEARER, "Bearer t1") as server, asking(server.host) as repository:
        repository.client.patience = type(repository.client.patience)(clock=lambda: now[0])
        server.tokens = [{"token": "t1", "expires_in": 100}, {"token": "t1"}]
        for moment, count in ((0.0, 1), (94.0, 1), (95.0, 2)):
            now[0] = moment
            repository.tags()
            assert len(server.asked("/token")) == count
        assert len(server.asked(TAGS)) == 3


# -- nobody else learns of it -----------------------------------------------------------------

SECRETS = [
    LOGIN.password,
    LOGIN.basic.removeprefix("Basic "),
    "refresh-me",
    "Bearer",
    "Authorization",
]


def leaked(evil: Recorder) -> list[str]:
    """The secrets that the evil host was told."""
    return [s for s in SECRETS if any(s in str(request) for request in evil.received)]


@pytest.mark.parametrize("login", [None, LOGIN, IDENTITY])
@pytest.mark.parametrize("challenge", ["Basic realm=x", BEARER])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_is_taken_along(login: Login | None, challenge: str, status: int) -> None:
    """Sent on to another origin, we come without token and login; even if it asks for them."""
    right = "Bearer t1" if "Bearer" in challenge else LOGIN.basic
    with answering({}) as evil, gate(challenge, right) as server:
        evil.answers["/"] = (401, {"WWW-Authenticate": f'Bearer realm="{evil.url}/token"'}, b"")
        evil.answers["/token"] = (200, {}, b'{"token": "t1"}')
        server.answers[TAGS] = (status, {"Location": f"{evil.url}/"}, b"")
        with asking(server.host, login) as repository, pytest.raises(ImgkitError):
            repository.tags()
        assert [r.path for r in evil.received] == ["/"]
        assert leaked(evil) == []


def test_a_login_is_for_one_registry() -> None:
    """Another registry, on another port of the same host, is told nothing."""
    with answering({}) as evil, gate("Basic realm=x", LOGIN.basic) as server:
        evil.answers["/v2/"] = (401, {"WWW-Authenticate": "Basic realm=x"}, b"")
        credentials = Credentials({server.host: LOGIN})
        client = Client(credentials=credentials, patience=hurried())
        with pytest.raises(ImgkitError):
            client.repository(Reference.parse(f"{evil.host}/app")).tags()
        client.session.close()
        assert evil.received
        assert leaked(evil) == []


def test_a_mirror_is_told_no_login() -> None:
    """A login for docker.io stays at home when a mirror answers for it."""
    with gate("Basic realm=x", LOGIN.basic) as server:
        server.answers["/v2/library/app/tags/list"] = server.enter
        asked: list[str] = []

        class Curious(Credentials):
            def find(self, domain: str, path: str) -> Login | None:
                asked.append(domain)
                return LOGIN

        client = Client(mirror=server.url, credentials=Curious(), patience=hurried())
        with pytest.raises(Unauthorized):
            client.repository(Reference.parse("app")).tags()
        client.session.close()
        assert asked == []
        assert leaked(server) == []


def test_the_token_service_sends_us_on() -> None:
    """Neither the login of a GET nor the form of a POST goes with us to another origin."""
    for login in (LOGIN, IDENTITY):
        with answering({}) as evil, gate(BEARER, "Bearer t1") as server:
            evil.answers["/token"] = (200, {}, b'{"token": "t1"}')
            server.answers["/token"] = (307, {"Location": f"{evil.url}/token"}, b"")
            with asking(server.host, login) as repository:
                if login is IDENTITY:
                    with pytest.raises(RegistryError, match="307"):
                        repository.tags()
                else:
                    repository.tags()
            assert leaked(evil) == []


# -- real registries --------------------------------------------------------------------------


@pytest.mark.peer("docker-registry")
def test_docker_registry_with_a_password(tmp_path: Path) -> None:
    """The CNCF registry with htpasswd lets in who knows the password, and nobody else."""
    hashed = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
    (tmp_path / "htpasswd").write_text(f"me:{hashed}\n")
    more = f"auth:\n  htpasswd: {{realm: test, path: {tmp_path / 'htpasswd'}}}\n"
    with registry(which("docker-registry") or "", tmp_path, more) as host:
        with asking(host) as repository, pytest.raises(Unauthorized):
            repository.tags()
        with asking(host, Login("me", "wrong")) as repository, pytest.raises(Unauthorized):
            repository.tags()
        with asking(host, LOGIN) as repository, pytest.raises(ImgkitError, match="has no tags"):
            repository.tags()


def test_the_embedded_registry(tmp_path: Path) -> None:
    """Its bearer tokens are had without a login, too."""
    remote = Store(tmp_path / "remote")
    made = add_image(remote, "app")
    with transport.serve(Registry([remote], auth=True)) as served, asking(served.host) as source:
        name = Reference.parse(f"{served.host}/library/app:latest")
        client = source.client
        done = copy(client.repository(name), Store(tmp_path / "local"), name)
        assert done.manifest.digest == made.digest


def test_basic_is_base64_of_utf8() -> None:
    """A password beyond ASCII travels as UTF-8."""
    login = Login("me", "pässword")
    assert base64.b64decode(login.basic[6:]).decode() == "me:pässword"

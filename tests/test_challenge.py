"""Challenges by the grammar, and addresses by the one policy."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.client import challenge, origins
from imgkit.client.challenge import Token
from imgkit.errors import RegistryError

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"'

GOOD = [
    ("", []),
    (
        HUB,
        [("bearer", {"realm": "https://auth.docker.io/token", "service": "registry.docker.io"})],
    ),
    ("Basic", [("basic", {})]),
    ('BASIC realm="a b"', [("basic", {"realm": "a b"})]),
    ('Basic realm="a", Bearer realm="b"', [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
    ("Bearer realm=bare,service=words", [("bearer", {"realm": "bare", "service": "words"})]),
    (r'Basic realm="say \"hi\" \\ there"', [("basic", {"realm": r'say "hi" \ there'})]),
    ('Basic realm = "spaces"', [("basic", {"realm": "spaces"})]),
    ('Basic ,, realm="a",', [("basic", {"realm": "a"})]),
    ('Bearer REALM="a"', [("bearer", {"realm": "a"})]),
    ('Bearer realm="a,b=c"', [("bearer", {"realm": "a,b=c"})]),
    ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
    ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
]

BAD = [
    'Bearer realm="unclosed',
    'Bearer realm="a\\',
    '="x"',
    'realm="no scheme"',
    "Basic \x00",
    "é",
]


@pytest.mark.parametrize(("header", "expected"), GOOD)
def test_good(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    """Several challenges, bare and quoted values, escapes: all by the grammar."""
    assert [(c.scheme, dict(c.params)) for c in challenge.parse(header)] == expected


@pytest.mark.parametrize("header", BAD)
def test_bad(header: str) -> None:
    """A header that breaks the grammar is an error that shows it."""
    with pytest.raises(RegistryError):
        challenge.parse(header)


@given(st.text())
def test_any_text_is_read_or_refused(header: str) -> None:
    """No header makes the parser fail in any other way."""
    with contextlib.suppress(RegistryError):
        challenge.parse(header)


def test_the_token_request() -> None:
    """Service and scope go into the realm's query; a relative realm is the registry's own."""
    (bearer,) = challenge.parse(HUB)
    scope = "repository:library/redis:pull"
    assert bearer.token_url("https://registry-1.docker.io/v2/", scope) == (
        "https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/redis:pull"
    )
    (relative,) = challenge.parse('Bearer realm="/token?a=b"')
    assert relative.token_url("http://127.0.0.1:5000/v2/", "s") == (
        "http://127.0.0.1:5000/token?a=b&scope=s"
    )


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"token": "a"}', Token("a", 60)),
        (b'{"access_token": "b", "expires_in": 300}', Token("b", 300)),
        (b'{"token": "a", "expires_in": 1}', Token("a", 60)),
        (b'{"token": "a", "expires_in": "soon"}', Token("a", 60)),
    ],
)
def test_tokens(body: bytes, token: Token) -> None:
    """Either field holds the token; a life shorter than a minute is not believed."""
    assert Token.parse(body, "https://auth") == token


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 5}', b'{"token": "a\\r\\nX: y"}'])
def test_no_token(body: bytes) -> None:
    """An answer without a token, or with one that would break a header, is an error."""
    with pytest.raises(RegistryError):
        Token.parse(body, "https://auth")


FOLLOWED = [
    ("https://a/x", "/y", "https://a/y"),
    ("https://a/x", "https://cdn.example.com/y", "https://cdn.example.com/y"),
    ("http://127.0.0.1:5000/x", "https://b/y", "https://b/y"),
    ("http://127.0.0.1:5000/x", "http://127.0.0.1:5001/y", "http://127.0.0.1:5001/y"),
    ("https://10.0.0.5/x", "https://10.0.0.5/y", "https://10.0.0.5/y"),
    ("https://a/x", "https://8.8.8.8/y", "https://8.8.8.8/y"),
    ("https://a/x", "https://s3.example.com/y", "https://s3.example.com/y"),
    ("https://a/x", "https://a.b2/y", "https://a.b2/y"),
]

NOT_FOLLOWED = [
    ("https://a/x", "http://a/y"),
    ("https://a/x", "http://127.0.0.1/y"),
    ("https://a/x", "https://127.0.0.1/y"),
    ("https://a/x", "https://localhost:5000/y"),
    ("https://a/x", "https://10.0.0.5/y"),
    ("https://a/x", "https://192.168.1.1/y"),
    ("https://a/x", "https://169.254.169.254/latest/meta-data"),
    ("https://a/x", "https://[::1]/y"),
    ("https://a/x", "https://[::ffff:10.0.0.1]/y"),
    ("https://a/x", "https://0.0.0.0/y"),
    ("https://a/x", "https://10.0.0.1./y"),
    ("https://a/x", "https://2130706433/y"),
    ("https://a/x", "https://0x7f.1/y"),
    ("https://a/x", "https://0x/y"),
    ("https://a/x", "https://127.1/y"),
    ("https://a/x", "https://010.0.0.1/y"),
    ("https://a/x", "https://256.0.0.1/y"),
    ("https://a/x", "https://[2002:a00:1::]/y"),
    ("https://a/x", "https://[64:ff9b::10.0.0.1]/y"),
    ("https://a/x", "https://[fe80::1%25eth0]/y"),
    ("https://a/x", "//localhost./y"),
    ("https://a/x", "file:///etc/passwd"),
    ("https://a/x", "ftp://a/y"),
    ("https://a/x", "https://user:secret@b/y"),
    ("https://a/x", "https://b:99999/y"),
    ("http://127.0.0.1:5000/x", "http://b/y"),
]


@pytest.mark.parametrize(("current", "location", "url"), FOLLOWED)
def test_followed(current: str, location: str, url: str) -> None:
    """A server may send us on, to https or within this machine."""
    assert origins.follow(current, location) == url


@pytest.mark.parametrize(("current", "location"), NOT_FOLLOWED)
def test_not_followed(current: str, location: str) -> None:
    """Never from https to http, never into a private network, never with a user name."""
    with pytest.raises(RegistryError):
        origins.follow(current, location)

"""A name taken apart, and the widget that shows it."""

from __future__ import annotations

import re
import string
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.address import ABSENT, ASSUMED, NONE, TYPED, Address
from imgkit.client import Client
from imgkit.errors import InvalidReference
from imgkit.reference import Reference
from imgkit.widgets import NameExplorer
from imgkit.widgets.name_explorer import EXAMPLES, page

SHA: Final = "sha256:" + "0123456789abcdef" * 4

# What is typed; registry, user or organization, repository, tag, each with how it got there.
PARTS: Final = [
    ("redis", "docker.io?", "library?", "redis", "latest?"),
    ("mongo:7.0.5", "docker.io?", "library?", "mongo", "7.0.5"),
    ("library/redis", "docker.io?", "library", "redis", "latest?"),
    ("docker.io/redis", "docker.io", "library?", "redis", "latest?"),
    ("index.docker.io/redis", "docker.io", "library?", "redis", "latest?"),
    ("nigelpoulton/tu-demo:v2", "docker.io?", "nigelpoulton", "tu-demo", "v2"),
    ("ghcr.io/regclient/regsync:latest", "ghcr.io", "regclient", "regsync", "latest"),
    ("mcr.microsoft.com/powershell", "mcr.microsoft.com", NONE, "powershell", "latest?"),
    ("quay.io/a/b/c:1", "quay.io", "a/b", "c", "1"),
    ("localhost:5000", "docker.io?", "library?", "localhost", "5000"),
    ("localhost:5000/x", "localhost:5000", NONE, "x", "latest?"),
    ("library", "docker.io?", "library?", "library", "latest?"),
    (f"alpine@{SHA}", "docker.io?", "library?", "alpine", NONE),
    (f"alpine:3.20@{SHA}", "docker.io?", "library?", "alpine", "3.20"),
]

URLS: Final = [
    ("redis", "https://registry-1.docker.io/v2/library/redis/manifests/latest"),
    ("ghcr.io/a/b:c", "https://ghcr.io/v2/a/b/manifests/c"),
    ("localhost:5000/x", "http://localhost:5000/v2/x/manifests/latest"),
    ("[::1]:5000/x:y", "http://[::1]:5000/v2/x/manifests/y"),
    (f"alpine:3.20@{SHA}", f"https://registry-1.docker.io/v2/library/alpine/manifests/{SHA}"),
]

ILLEGAL: Final = [
    ("", "empty"),
    ("Redis", "uppercase"),
    ("a" * 300, "too long"),
    ("alpine@sha256:" + "a" * 34, "bad digest length"),
    (f"alpine@md9:{'a' * 64}", "unsupported digest"),
    ("redis ", "bad format"),
]


@pytest.mark.parametrize(("text", "registry", "namespace", "repository", "tag"), PARTS)
def test_parts(text: str, registry: str, namespace: str, repository: str, tag: str) -> None:
    """Each part has its value, and is said to be typed, assumed ("?") or absent."""
    parts = Address.of(text).parts
    shown = [part.value + "?" * (part.state == ASSUMED) for part in parts]
    assert shown[:4] == [registry, namespace, repository, tag]
    for part in parts:
        assert (part.value == NONE) == (part.state == ABSENT)
        if part.state == TYPED and part.role not in ("registry", "digest"):
            assert part.value in text


@pytest.mark.parametrize(("text", "url"), URLS)
def test_the_address_that_is_asked(text: str, url: str) -> None:
    """The address is the one that the client would ask."""
    assert Address.of(text).url == url
    assert url.startswith(Client().repository(Reference.parse(text)).base + "/v2/")


@pytest.mark.parametrize(("text", "reason"), ILLEGAL)
def test_an_illegal_name(text: str, reason: str) -> None:
    """It has a reason and a sentence, no parts, and nobody is asked."""
    address = Address.of(text)
    assert address.reason == reason
    assert address.parts == ()
    assert address.url == ""
    assert f"Reason: {reason}" in repr(address)
    assert address.problem in repr(NameExplorer(text))


def test_a_port_that_cannot_be() -> None:
    """The grammar allows any number; that nobody can be asked there is said, not raised."""
    assert Address.of("example.com:99999/x").url.startswith("nobody: ")


NAMES: Final = st.text(string.ascii_letters + string.digits + "./:@-_[] \n<é", max_size=40)


@given(NAMES)
def test_any_text_has_an_answer(text: str) -> None:
    """Whatever is typed, there are parts exactly if `Reference` takes the text."""
    address = Address.of(text)
    try:
        legal = bool(Reference.parse(text))
    except InvalidReference:
        legal = False
    assert bool(address.parts) == legal
    assert "<script" not in page(address).replace("<style", "")


def test_the_widget_follows_the_field() -> None:
    """Typing and choosing an example show the same; the field is the truth."""
    explorer = NameExplorer()
    assert "library" in explorer.view.value
    explorer.example.value = "Redis"
    assert explorer.text.value == "Redis"
    assert "lower case" in explorer.view.value
    explorer.text.value = "ghcr.io/regclient/regsync"
    assert "https://ghcr.io/v2/regclient/regsync/manifests/latest" in explorer.view.value
    assert "<strong>assumed</strong>" in explorer.view.value
    explorer.example.value = ""
    assert explorer.text.value == "ghcr.io/regclient/regsync"


def test_what_is_typed_is_not_html() -> None:
    """The name is shown, never run."""
    value = NameExplorer("<img src=x onerror=alert(1)>").view.value
    assert "<img" not in value
    assert "&lt;img" in value


def test_the_examples_show_every_kind() -> None:
    """Legal and illegal, short and long, with and without registry, tag and digest."""
    states = {(part.role, part.state) for example in EXAMPLES for part in Address.of(example).parts}
    for role in ("registry", "user or org", "tag"):
        assert {state for r, state in states if r == role} >= {TYPED, ASSUMED}
    assert any(Address.of(example).problem for example in EXAMPLES)
    assert all(re.search(re.escape(e), repr(NameExplorer(e))) for e in EXAMPLES)

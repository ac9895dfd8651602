"""Image names, by the tables of distribution/reference and the OCI specifications."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgkit.digest import Digest
from imgkit.errors import InvalidReference
from imgkit.reference import Reference

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX * 2}"

GOOD = [
    # text, domain, path, tag, digest
    ("redis", "docker.io", "library/redis", None, None),
    ("redis:7.2", "docker.io", "library/redis", "7.2", None),
    ("docker.io/redis", "docker.io", "library/redis", None, None),
    ("index.docker.io/redis", "docker.io", "library/redis", None, None),
    ("index.docker.io/library/redis", "docker.io", "library/redis", None, None),
    ("docker.io/library/redis:7.2", "docker.io", "library/redis", "7.2", None),
    ("nigelpoulton/tu-demo:v2", "docker.io", "nigelpoulton/tu-demo", "v2", None),
    ("ghcr.io/regclient/regsync", "ghcr.io", "regclient/regsync", None, None),
    ("gcr.io/google-containers/git-sync:v3", "gcr.io", "google-containers/git-sync", "v3", None),
    (f"redis@{SHA256}", "docker.io", "library/redis", None, SHA256),
    (f"redis@{SHA512}", "docker.io", "library/redis", None, SHA512),
    (f"redis:7@{SHA256}", "docker.io", "library/redis", "7", SHA256),
    # without a "/" there is no registry
    ("localhost", "docker.io", "library/localhost", None, None),
    ("localhost:5000", "docker.io", "library/localhost", "5000", None),
    ("test.com:5000", "docker.io", "library/test.com", "5000", None),
    ("192.168.0.1:80", "docker.io", "library/192.168.0.1", "80", None),
    # what makes the first part a registry
    ("localhost/x", "localhost", "x", None, None),
    ("localhost:5000/x", "localhost:5000", "x", None, None),
    ("test_com/foo", "docker.io", "test_com/foo", None, None),
    ("LOCALDOMAIN/x", "LOCALDOMAIN", "x", None, None),
    ("Foo/bar", "Foo", "bar", None, None),
    ("UPPER/x:t", "UPPER", "x", "t", None),
    ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080", None),
    ("xn--n3h.com/x", "xn--n3h.com", "x", None, None),
    ("test.com:0/x", "test.com:0", "x", None, None),
    ("test.com:99999999/x", "test.com:99999999", "x", None, None),
    ("[::1]:5000/repo", "[::1]:5000", "repo", None, None),
    ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", None, None),
    ("[fc00::1]:5000/docker", "[fc00::1]:5000", "docker", None, None),
    # only docker.io has a library
    ("test.com/library/x", "test.com", "library/x", None, None),
    # separators, case, length
    ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase", None),
    ("dock__er/docker", "docker.io", "dock__er/docker", None, None),
    ("docker---rules/docker", "docker.io", "docker---rules/docker", None, None),
    (f"docker.io/{HEX}", "docker.io", f"library/{HEX}", None, None),
    (f"{HEX}:tag", "docker.io", f"library/{HEX}", "tag", None),
    (HEX[1:], "docker.io", f"library/{HEX[1:]}", None, None),
    ("example.com/" + "a" * 255, "example.com", "a" * 255, None, None),
    ("a/" * 127 + "a:tag", "docker.io", "a/" * 127 + "a", "tag", None),
    ("name:" + "t" * 128, "docker.io", "library/name", "t" * 128, None),
]

BAD = [
    # text, reason, something the message says
    ("", "empty", "Write a name such as"),
    ("docker/Docker", "uppercase", "Write 'docker/docker'"),
    ("test:5000/Upper/x", "uppercase", "Write 'upper/x'"),
    ("Uppercase:tag", "uppercase", "Write 'uppercase:tag'"),
    ("Uppercase", "uppercase", "lower case"),
    ("dock..er", "bad format", "'dock..er' in the path"),
    ("dock_.er", "bad format", "only between them one '.'"),
    ("dock-.er", "bad format", "in the path"),
    ("docker-/x", "bad format", "'docker-' in the path"),
    ("-docker", "bad format", "'-docker' in the path"),
    ("a___b", "bad format", "two '_'"),
    ("____/____", "bad format", "in the path"),
    ("docker///docker", "bad format", "Write one '/'"),
    ("docker/", "bad format", "none at the end"),
    ("/docker", "bad format", "is empty"),
    ("[fc00::1]", "bad format", "'[fc00' in the path"),
    ("[fc00::1]:5000", "bad format", "in the path"),
    ("fc00::1:5000/debian", "bad format", "registry"),
    ("[fe80::1%eth0]:5000/repo", "bad format", "registry"),
    ("[::ffff:1.2.3.4]/repo", "bad format", "registry"),
    ("https://github.com/docker/docker", "bad format", "Drop the scheme 'https://': write 'github"),
    ("HTTP://GitHub.com/x", "bad format", "Drop the scheme"),
    (":justtag", "bad format", "before ':' is missing"),
    (f"@{SHA256}", "bad format", "before '@' is missing"),
    (f"repo@sha256:{HEX[:34]}", "bad digest length", "exactly 64"),
    (f"repo@sha512:{HEX}", "bad digest length", "exactly 128"),
    (f"repo@sha256:{HEX.upper()}", "bad format", "lower-case hex"),
    (f"repo:1@sha256:{HEX.upper()}", "bad format", "lower-case hex"),
    (f"repo@sha256:{HEX[:31]}", "bad format", "after the '@' is no digest"),
    ("repo@", "bad format", "after the '@' is no digest"),
    ("x/y@notadigest", "bad format", "no digest"),
    (f"repo@{SHA256}@{SHA256}", "bad format", "no digest"),
    (f"name@invaliddigest:{HEX}", "unsupported digest", "'invaliddigest'"),
    (f"name@blake3:{HEX}", "unsupported digest", "'sha256' and 'sha512'"),
    (HEX, "bad format", f"its ID '{SHA256}'"),
    ("example.com/" + "a" * 256, "too long", "256 characters"),
    ("a" * 248, "too long", "256 characters"),
    ("name:" + "t" * 129, "too long", "129 characters"),
    ("foo.com:http/bar", "bad format", "port number"),
    ("foo.com:/bar", "bad format", "registry"),
    ("foo.com./bar", "bad format", "registry"),
    ("foo..com/bar", "bad format", "registry"),
    ("-foo.com/bar", "bad format", "registry"),
    ("foo_bar.com/x", "bad format", "registry"),
    ("aa/asdf$$^/aa", "bad format", "'asdf$$^' in the path"),
    ("redis:", "bad format", "tag after ':' is missing"),
    ("redis:-x", "bad format", "the tag '-x'"),
    ("redis:a/b", "bad format", "'redis:a', is read as a registry"),
    ("docker.io/redis:a/b", "bad format", "the tag 'a/b'"),
    ("redis:a:b", "bad format", "the tag 'a:b'"),
    ("alpine\n", "bad format", "a blank at position 6"),
    ("foo bar baz", "bad format", "a blank at position 3"),
    ("rédis", "bad format", "'é' at position 1"),
    ("redis:\u0663", "bad format", "ASCII"),
    ("a//b", "bad format", "empty"),
    ("::foo", "bad format", "missing"),
]

FAMILIAR = [
    # text, familiar, canonical
    ("redis", "redis:latest", "docker.io/library/redis:latest"),
    (f"redis@{SHA256}", f"redis@{SHA256}", f"docker.io/library/redis@{SHA256}"),
    (f"redis:7@{SHA256}", f"redis:7@{SHA256}", f"docker.io/library/redis:7@{SHA256}"),
    ("docker.io/a/b:1", "a/b:1", "docker.io/a/b:1"),
    ("docker.io/library/a/b", "library/a/b:latest", "docker.io/library/a/b:latest"),
    ("library/library", "library:latest", "docker.io/library/library:latest"),
    ("ghcr.io/a/b", "ghcr.io/a/b:latest", "ghcr.io/a/b:latest"),
    ("docker.io/localhost/x", "docker.io/localhost/x:latest", "docker.io/localhost/x:latest"),
    ("docker.io/a.b/x:1", "docker.io/a.b/x:1", "docker.io/a.b/x:1"),
    (f"docker.io/{HEX}", f"{HEX}:latest", f"docker.io/library/{HEX}:latest"),
]

components = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}", fullmatch=True)
hosts = st.from_regex(
    r"([A-Z][A-Za-z0-9]{0,3}|localhost|[a-z0-9]{1,5}(\.[A-Za-z0-9]{1,3}){1,2}|\[[0-9a-f]{0,4}:1\])"
    r"(:[0-9]{1,5})?|[a-z]{1,4}:[0-9]{1,5}",
    fullmatch=True,
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True)
digests = st.binary().map(Digest.of)


@st.composite
def names(draw: st.DrawFn) -> str:
    """Text that is an image name by construction."""
    text = "/".join(draw(st.lists(components, min_size=1, max_size=4)))
    host = draw(st.none() | st.just("docker.io") | hosts)
    if host is None and "." in text:  # or its first part might be read as a registry
        host = "docker.io"
    text = f"{host}/{text}" if host else text
    tag, digest = draw(st.none() | tags), draw(st.none() | digests)
    return text + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def whole_grammar() -> re.Pattern[str]:
    """The grammar as one expression, written down a second time."""
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    domain = rf"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
    part = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    digest = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
    tag = r"[0-9A-Z_a-z][-.0-9A-Z_a-z]{0,127}"
    return re.compile(rf"{domain}/{part}(?:/{part})*(?::{tag})?(?:@{digest})?")


GRAMMAR = whole_grammar()


@pytest.mark.parametrize(("text", "domain", "path", "tag", "digest"), GOOD)
def test_a_name_has_four_parts(
    text: str, domain: str, path: str, tag: str | None, digest: str | None
) -> None:
    """Every accepted spelling names one registry, path, tag and digest."""
    found = Reference.parse(text)
    assert (found.domain, found.path, found.tag, found.digest) == (domain, path, tag, digest)
    assert found.repository == f"{domain}/{path}"


@pytest.mark.parametrize(("text", "reason", "says"), BAD)
def test_a_refusal_says_what_is_wrong(text: str, reason: str, says: str) -> None:
    """What is no name is refused with its reason, and with a way to mend it."""
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert (caught.value.text, caught.value.reason) == (text, reason)
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "familiar", "canonical"), FAMILIAR)
def test_the_long_and_the_short_form(text: str, familiar: str, canonical: str) -> None:
    """The short form leaves out what Docker Hub implies, but never so much as to mean another."""
    found = Reference.parse(text)
    assert (found.familiar, found.canonical, str(found)) == (familiar, canonical, canonical)
    assert Reference.parse(familiar) == Reference.parse(canonical) == found.with_default_tag()


def test_the_default_tag_is_added_to_bare_names_only() -> None:
    """`latest` is meant where there is neither tag nor digest."""
    assert Reference.parse("redis").with_default_tag().tag == "latest"
    assert Reference.parse("redis:7").with_default_tag().tag == "7"
    assert Reference.parse(f"redis@{SHA256}").with_default_tag().tag is None


def test_the_digest_is_the_target_if_there_is_one() -> None:
    """A registry is asked for the digest, else for the tag, else for `latest`."""
    assert Reference.parse(f"redis:7@{SHA256}").target == SHA256
    assert Reference.parse("redis:7").target == "7"
    assert Reference.parse("redis").target == "latest"


def test_docker_hub_answers_under_another_host() -> None:
    """`docker.io` is a name; the registry behind it is `registry-1.docker.io`."""
    assert Reference.parse("redis").registry_host == "registry-1.docker.io"
    assert Reference.parse("ghcr.io/a/b").registry_host == "ghcr.io"


def test_moving_to_another_tag_or_digest() -> None:
    """A new tag drops the digest; a digest is put beside the tag; a wrong tag is refused."""
    pinned = Reference.parse("redis:7").with_digest(Digest(SHA256))
    assert str(pinned) == f"docker.io/library/redis:7@{SHA256}"
    assert str(pinned.with_tag("8")) == "docker.io/library/redis:8"
    with pytest.raises(InvalidReference, match="the tag 'a b'"):
        pinned.with_tag("a b")


def test_the_facts_are_json() -> None:
    """`imgkit reference` prints six facts; the path stands without its registry."""
    assert json.loads(json.dumps(Reference.parse("redis").facts())) == {
        "registry": "docker.io",
        "repository": "library/redis",
        "tag": "latest",
        "digest": None,
        "canonical": "docker.io/library/redis:latest",
        "familiar": "redis:latest",
    }
    pinned = Reference.parse(f"localhost:5000/a/b@{SHA256}").facts()
    assert (pinned["registry"], pinned["tag"], pinned["digest"]) == ("localhost:5000", None, SHA256)


@given(names())
@example("docker.io/localhost/x")
@example(f"docker.io/{HEX}")
def test_names_survive_being_printed(text: str) -> None:
    """Both printed forms are read back as the same name."""
    found = Reference.parse(text).with_default_tag()
    assert Reference.parse(found.canonical) == found
    assert Reference.parse(found.familiar) == found


@given(st.text() | st.text(alphabet="aZ0.:/@_-[]", max_size=12))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    """No text at all raises anything but `InvalidReference`; the rest fits the grammar."""
    try:
        found = Reference.parse(text)
    except InvalidReference:
        return
    assert GRAMMAR.fullmatch(found.canonical)


@given(st.text(alphabet="ab0.:/@_-[]", min_size=1, max_size=10))
def test_what_the_grammar_accepts_is_accepted(text: str) -> None:
    """Part by part or as a whole: the grammar says the same of every short text."""
    full = f"ghcr.io/{text}"
    try:
        Reference.parse(full)
        accepted = True
    except InvalidReference:
        accepted = False
    assert accepted == bool(GRAMMAR.fullmatch(full))

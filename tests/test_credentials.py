"""Logins from the files and helpers of Docker and Podman, and which one a repository gets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from imgkit.client.credentials import HUB_KEY, Credentials, Login
from imgkit.errors import StoreError


def auth(text: str = "me:secret") -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


ME = Login("me", "secret")
YOU = Login("you", "hidden")

FOUND: list[tuple[dict[str, Any], tuple[str, str], Login | None]] = [
    ({}, ("ghcr.io", "a/b"), None),
    ({"auths": {}}, ("ghcr.io", "a/b"), None),
    ({"auths": {"ghcr.io": auth()}}, ("ghcr.io", "a/b"), ME),
    ({"auths": {"ghcr.io": auth()}}, ("quay.io", "a/b"), None),
    ({"auths": {"ghcr.io": auth()}}, ("ghcr.io:5000", "a/b"), None),
    ({"auths": {"ghcr.io": auth()}}, ("evil-ghcr.io", "a/b"), None),
    ({"auths": {"ghcr.io": auth(), "ghcr.io/a/b": auth("you:hidden")}}, ("ghcr.io", "a/b"), YOU),
    ({"auths": {"ghcr.io": auth(), "ghcr.io/a": auth("you:hidden")}}, ("ghcr.io", "a/b"), YOU),
    ({"auths": {"ghcr.io": auth(), "ghcr.io/a": auth("you:hidden")}}, ("ghcr.io", "ab"), ME),
    ({"auths": {"ghcr.io/other": auth()}}, ("ghcr.io", "a/b"), None),
    ({"auths": {"https://ghcr.io": auth()}}, ("ghcr.io", "a/b"), ME),
    ({"auths": {"https://ghcr.io/v2/": auth()}}, ("ghcr.io", "a/b"), ME),
    ({"auths": {HUB_KEY: auth()}}, ("docker.io", "library/redis"), ME),
    ({"auths": {"docker.io": auth()}}, ("docker.io", "library/redis"), ME),
    ({"auths": {HUB_KEY: auth()}}, ("ghcr.io", "library/redis"), None),
    ({"auths": {"ghcr.io": auth("me:se:cret")}}, ("ghcr.io", "a"), Login("me", "se:cret")),
    ({"auths": {"ghcr.io": auth("me:pä\0")}}, ("ghcr.io", "a"), Login("me", "pä")),
    ({"auths": {"ghcr.io": {"username": "me", "password": "secret"}}}, ("ghcr.io", "a"), ME),
    ({"auths": {"ghcr.io": {"identitytoken": "i"}}}, ("ghcr.io", "a"), Login("", identity="i")),
    (
        {"auths": {"ghcr.io": auth("me:") | {"identitytoken": "i"}}},
        ("ghcr.io", "a"),
        Login("me", "", "i"),
    ),
    ({"auths": {"ghcr.io": {}}}, ("ghcr.io", "a"), None),
    ({"auths": {"ghcr.io": "text"}}, ("ghcr.io", "a"), None),
    ({"credsStore": "not-installed", "auths": {"ghcr.io": auth()}}, ("ghcr.io", "a"), ME),
    ({"credsStore": "not-installed"}, ("ghcr.io", "a"), None),
    ({"credsStore": "test"}, ("ghcr.io", "a"), Login("helped", "for ghcr.io")),
    ({"credsStore": "test"}, ("docker.io", "library/a"), Login("helped", f"for {HUB_KEY}")),
    ({"credsStore": "test"}, ("unknown.io", "a"), None),
    ({"credsStore": "test"}, ("identity.io", "a"), Login("", identity="for identity.io")),
    ({"credHelpers": {"ghcr.io": "test"}}, ("ghcr.io", "a"), Login("helped", "for ghcr.io")),
    ({"credHelpers": {"ghcr.io": "test"}}, ("quay.io", "a"), None),
    (
        {"credHelpers": {"ghcr.io": "test"}, "auths": {"ghcr.io": auth()}},
        ("ghcr.io", "a"),
        Login("helped", "for ghcr.io"),
    ),
]

HELPER = """#!/bin/sh
read -r server || true
case $server in
unknown.io) echo "credentials not found in native keychain"; exit 1;;
broken.io) echo "the keychain is locked" >&2; exit 1;;
nonsense.io) echo "hello";;
identity.io) printf '{"ServerURL":"x","Username":"<token>","Secret":"for %s"}' "$server";;
*) printf '{"ServerURL":"x","Username":"helped","Secret":"for %s"}' "$server";;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential helper `test` on PATH."""
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(HELPER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")


def written(folder: Path, data: Any) -> Path:
    path = folder / "config.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


@pytest.mark.parametrize(("data", "asked", "login"), FOUND)
def test_found(
    tmp_path: Path, helper: None, data: dict[str, Any], asked: tuple[str, str], login: Login | None
) -> None:
    """The most exact key wins; helpers come before what stands in the file."""
    assert Credentials(files=[written(tmp_path, data)]).find(*asked) == login


BAD: list[tuple[Any, str, str]] = [
    ("{", "ghcr.io", "not JSON"),
    ("[]", "ghcr.io", "must be a JSON object"),
    ('{"auths": 5}', "ghcr.io", "auths must be an object"),
    ({"auths": {"ghcr.io": {"auth": "%%%"}}}, "ghcr.io", "not base64"),
    ({"credsStore": "../evil"}, "ghcr.io", "not the name of a credential helper"),
    ({"credHelpers": {"ghcr.io": "a/b"}}, "ghcr.io", "not the name of a credential helper"),
    ({"credHelpers": {"ghcr.io": 5}}, "ghcr.io", "must be strings"),
    ({"credsStore": "test"}, "broken.io", "keychain is locked"),
    ({"credsStore": "test"}, "nonsense.io", "no login"),
]


@pytest.mark.parametrize(("data", "domain", "words"), BAD)
def test_of_no_use(tmp_path: Path, helper: None, data: Any, domain: str, words: str) -> None:
    """A file that is broken is named, and so is what is wrong with it; secrets are not."""
    path = written(tmp_path, data)
    with pytest.raises(StoreError, match=words) as caught:
        Credentials(files=[path]).find(domain, "a")
    assert str(path) in str(caught.value)


def test_where_they_are_kept(tmp_path: Path) -> None:
    """The environment names the files; without it they are in the user's home."""
    environ = {
        "DOCKER_CONFIG": "/d",
        "REGISTRY_AUTH_FILE": "/r.json",
        "XDG_RUNTIME_DIR": "/x",
        "XDG_CONFIG_HOME": "/c",
    }
    files = ["/d/config.json", "/r.json", "/x/containers/auth.json", "/c/containers/auth.json"]
    assert [path.as_posix() for path in Credentials.of_user(environ, tmp_path).files] == files
    assert Credentials.of_user({}, tmp_path).files == (
        tmp_path / ".docker" / "config.json",
        tmp_path / ".config" / "containers" / "auth.json",
    )


def test_the_first_file_that_has_one(tmp_path: Path) -> None:
    """Files that are not there are passed over, and those without that key."""
    for name, data in (
        ("1", {"auths": {"quay.io": auth()}}),
        ("2", {"auths": {"ghcr.io": auth()}}),
    ):
        (tmp_path / name).mkdir()
        written(tmp_path / name, data)
    files = [tmp_path / name / "config.json" for name in ("0", "1", "2")]
    assert Credentials(files=files).find("ghcr.io", "a") == ME
    given = Credentials({"ghcr.io": YOU}, files)
    assert given.find("ghcr.io", "a") == YOU
    assert given.find("quay.io", "a") == ME


def test_secrets_do_not_print() -> None:
    """A login shown by accident shows its user alone."""
    assert repr(Login("me", "secret", "token")) == "Login(user='me')"
    assert ME.basic == "Basic bWU6c2VjcmV0"

"""Who may do what in our registry: tokens and passwords, private repositories, closed doors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from asker import LAYER, REDIS, Asker, codes, fill

from imgkit.digest import Digest
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.transport import mount
from imgkit.store import Store

USERS = {"ada": "pässword", "bob": ""}
ADA = (b"ada", "pässword".encode())
SECRET = "/v2/library/secret"
BLOB = Digest.of(LAYER)

# User, request, status: of a registry with users and one private repository.
RULES = [
    (None, "GET", f"{REDIS}/manifests/7", 200),
    (None, "HEAD", f"{REDIS}/blobs/{BLOB}", 200),
    (None, "GET", f"{REDIS}/tags/list", 200),
    (None, "POST", f"{REDIS}/blobs/uploads/", 401),
    (None, "DELETE", f"{REDIS}/manifests/7", 401),
    (None, "GET", f"{SECRET}/manifests/1", 401),
    (None, "GET", f"{SECRET}/blobs/{BLOB}", 401),
    (None, "GET", f"{SECRET}/referrers/{BLOB}", 401),
    (None, "GET", "/v2/secret/manifests/1", 401),
    (ADA, "GET", f"{SECRET}/manifests/1", 200),
    (ADA, "GET", "/v2/secret/manifests/1", 200),
    (ADA, "POST", f"{REDIS}/blobs/uploads/", 202),
    (ADA, "DELETE", f"{REDIS}/manifests/7", 202),
]


def guarded(folder: Path, **more: Any) -> tuple[Registry, Asker]:
    """A registry with users, an image that all may see, and one that only they may."""
    store = Store(folder)
    fill(store, "redis:7", "secret:1")
    registry = Registry([store], users=USERS, private=["secret"], **more)
    asker = Asker(EMBEDDED)
    mount(asker, registry)
    return registry, asker


def login(asker: Asker, user: Any, *scopes: str) -> requests.Response:
    """Ask for a token with that password, and show it from now on if there is one."""
    answer = asker.get("/token", params={"scope": list(scopes)}, auth=user)
    if answer.ok:
        asker.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return answer


@pytest.mark.parametrize(("user", "method", "path", "status"), RULES)
@pytest.mark.parametrize("basic", [False, True])
def test_who_may_do_what(
    tmp_path: Path, basic: bool, user: Any, method: str, path: str, status: int
) -> None:
    """By token and by password, the same rules."""
    registry, asker = guarded(tmp_path, basic=basic)
    name = path.partition("/v2/")[2].rsplit("/", 3 if "uploads" in path else 2)[0]
    name = name.removesuffix("/blobs")
    if basic:
        answer = asker.request(method, path, auth=user)
    else:
        assert login(asker, user, f"repository:{name}:pull,push,delete").ok
        answer = asker.request(method, path)
    assert answer.status_code == status
    if status == 401:
        scheme = "Basic" if basic else "Bearer"
        assert answer.headers["WWW-Authenticate"].startswith(f"{scheme} realm=")
    registry.close()


@pytest.mark.parametrize("user", [("ada", "wrong"), ("eve", ""), ("", "x"), ("ada", "")])
def test_a_wrong_password(tmp_path: Path, user: Any) -> None:
    """It gets no token, not even for what everybody may do, and opens nothing by itself."""
    for basic in (False, True):
        _, asker = guarded(tmp_path / str(basic), basic=basic)
        for path in ("/token", "/v2/", f"{REDIS}/manifests/7"):
            if basic or path != "/token":
                answer = asker.get(path, auth=user)
                assert (answer.status_code, codes(answer)) == (401, ["UNAUTHORIZED"])
    _, asker = guarded(tmp_path / "again")
    answer = login(asker, user, "repository:library/redis:pull")
    assert (answer.status_code, codes(answer)) == (401, ["UNAUTHORIZED"])


def test_an_empty_password_is_none(tmp_path: Path) -> None:
    """No name and no password, shown all the same, are nobody: who may pull what is open."""
    _, asker = guarded(tmp_path, basic=True)
    assert asker.get(f"{REDIS}/manifests/7", auth=("", "")).status_code == 200
    assert asker.get(f"{SECRET}/manifests/1", auth=("", "")).status_code == 401


def test_basic_is_announced(tmp_path: Path) -> None:
    """GET /v2/ tells a client that it may show a password; with one, it is let in."""
    _, asker = guarded(tmp_path, basic=True)
    told = asker.get("/v2/")
    assert (told.status_code, told.headers["WWW-Authenticate"]) == (401, 'Basic realm="imgkit"')
    assert asker.get("/v2/", auth=ADA).status_code == 200


@pytest.mark.parametrize("scope", ["repository:library/redis:*", "repository:library/redis:delete"])
def test_a_scope_of_everything(tmp_path: Path, scope: str) -> None:
    """A star is every action, as skopeo asks for it to delete."""
    _, asker = guarded(tmp_path)
    login(asker, ADA, scope)
    assert asker.delete(f"{REDIS}/manifests/7").status_code == 202


@pytest.mark.parametrize("query", [{"from": "library/secret"}, {"from": "secret"}, {}])
@pytest.mark.parametrize("basic", [False, True])
def test_a_mount_opens_no_door(tmp_path: Path, basic: bool, query: dict[str, str]) -> None:
    """A blob that only a closed repository has is not mounted from there, named or not."""
    registry, asker = guarded(tmp_path, basic=basic)
    store = registry.stores[0]
    hidden = Digest.of(b"hidden")
    with store.ingest() as blob:
        blob.write(b"hidden")
        blob.commit(hidden)
    registry.repositories.add(Reference.parse("secret"), hidden)
    path, params = "/v2/library/new/blobs/uploads/", query | {"mount": hidden}
    for user, status in ((None, 401), (ADA, 201)):
        if not basic:
            scopes = ["repository:library/new:pull,push"]
            scopes += ["repository:library/secret:pull", "repository:secret:pull"]
            login(asker, user, *scopes)
        answer = asker.post(path, params=params, auth=user if basic else None)
        assert answer.status_code == status
    if not basic:
        login(asker, ADA, "repository:library/other:pull,push")
        other = asker.post("/v2/library/other/blobs/uploads/", params=params)
        assert other.status_code == 202
    registry.close()


@pytest.mark.parametrize("name", ["one", "library/one", "team/one"])
@pytest.mark.parametrize("target", ["two", "library/two", "team/two"])
def test_a_mount_by_the_name_that_the_client_uses(tmp_path: Path, name: str, target: str) -> None:
    """A name of one word is mounted from as it was pushed to: the token is for that word."""
    registry, asker = guarded(tmp_path)
    digest = Digest.of(b"shared")
    login(asker, ADA, f"repository:{name}:pull,push", f"repository:{target}:pull,push")
    posted = asker.post(f"/v2/{name}/blobs/uploads/", params={"digest": digest}, data=b"shared")
    assert posted.status_code == 201
    params = {"mount": digest, "from": name}
    assert asker.post(f"/v2/{target}/blobs/uploads/", params=params).status_code == 201
    assert asker.get(f"/v2/{target}/blobs/{digest}").content == b"shared"
    registry.close()


def test_a_digest_opens_no_door(tmp_path: Path) -> None:
    """Who knows the digest of a blob gets it only where it was pushed."""
    registry, asker = guarded(tmp_path)
    hidden = Digest.of(b"hidden")
    login(asker, ADA, "repository:library/secret:pull,push")
    posted = asker.post(f"{SECRET}/blobs/uploads/", params={"digest": hidden}, data=b"hidden")
    assert posted.status_code == 201
    login(asker, None, "repository:library/redis:pull")
    assert asker.get(f"{REDIS}/blobs/{hidden}").status_code == 404
    registry.close()

"""The embedded registry, spoken to over a real port and without a socket, by us and by skopeo."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from asker import CONFIG, LAYER, NOWHERE, REDIS, Asker, codes, fill

from imgkit.digest import Digest
from imgkit.manifest import (
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.faults import Fault
from imgkit.server.tokens import Tokens
from imgkit.server.transport import Served, mount, serve
from imgkit.server.uploads import MOST
from imgkit.store import Store

ERRORS = [
    # method, path, status, code
    ("GET", f"{REDIS}/manifests/nope", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/library/nope/manifests/latest", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"{REDIS}/manifests/{NOWHERE}", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"{REDIS}/manifests/{Digest.of(LAYER)}", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"{REDIS}/manifests/{Digest.of(CONFIG)}", 404, "MANIFEST_UNKNOWN"),
    ("GET", f"{REDIS}/manifests/sha256:abc", 400, "DIGEST_INVALID"),
    ("GET", f"{REDIS}/manifests/-bad-tag", 400, "NAME_INVALID"),
    ("GET", "/v2/Redis/manifests/latest", 400, "NAME_INVALID"),
    ("GET", "/v2/a/../../b/manifests/latest", 404, "UNSUPPORTED"),
    ("GET", "/v2/x/y/manifests/latest?ns=nodomain", 400, "NAME_INVALID"),
    ("GET", f"{REDIS}/blobs/{NOWHERE}", 404, "BLOB_UNKNOWN"),
    ("GET", f"{REDIS}/blobs/sha256:..%2f..%2fetc", 404, "UNSUPPORTED"),
    ("GET", f"{REDIS}/blobs/md5:00", 400, "DIGEST_INVALID"),
    ("GET", "/v2/library/nope/tags/list", 404, "NAME_UNKNOWN"),
    ("GET", f"{REDIS}/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"),
    ("GET", f"{REDIS}/tags/list?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
    ("GET", "/v3/", 404, "UNSUPPORTED"),
    ("PATCH", f"{REDIS}/manifests/7", 405, "UNSUPPORTED"),
    ("DELETE", f"{REDIS}/manifests/nope", 404, "MANIFEST_UNKNOWN"),
    ("DELETE", f"{REDIS}/manifests/{NOWHERE}", 404, "MANIFEST_UNKNOWN"),
    ("DELETE", f"{REDIS}/blobs/{NOWHERE}", 404, "BLOB_UNKNOWN"),
    ("DELETE", f"{REDIS}/blobs/sha256:abc", 400, "DIGEST_INVALID"),
    ("GET", f"{REDIS}/referrers/latest", 400, "DIGEST_INVALID"),
    ("PATCH", f"{REDIS}/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", f"{REDIS}/blobs/uploads/none?digest={NOWHERE}", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("PUT", f"{REDIS}/blobs/uploads/none", 400, "DIGEST_INVALID"),
]

RANGES = [
    # Range, status, Content-Range, body
    ("bytes=0-9", 206, f"bytes 0-9/{len(LAYER)}", LAYER[:10]),
    (f"bytes=1000-{len(LAYER) - 1}", 206, f"bytes 1000-1279999/{len(LAYER)}", LAYER[1000:]),
    ("bytes=1279990-", 206, f"bytes 1279990-1279999/{len(LAYER)}", LAYER[-10:]),
    ("bytes=-4", 206, f"bytes 1279996-1279999/{len(LAYER)}", LAYER[-4:]),
    ("bytes=1279999-9999999", 206, f"bytes 1279999-1279999/{len(LAYER)}", LAYER[-1:]),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def registry(store: Store) -> Iterator[Registry]:
    """Open to everybody, with one image under two tags."""
    fill(store, "redis:7", "redis:latest")
    registry = Registry([store], auth=False)
    yield registry
    registry.close()


@pytest.fixture
def served(registry: Registry) -> Iterator[Served]:
    with serve(registry) as served:
        yield served


@pytest.fixture
def asker(served: Served) -> Iterator[Asker]:
    with Asker(served.url) as asker:
        yield asker


def challenge(answer: requests.Response) -> dict[str, str]:
    """The parameters of the challenge in a 401."""
    assert answer.status_code == 401
    assert codes(answer) == ["UNAUTHORIZED"]
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    return dict(re.findall(r'(\w+)="([^"]*)"', rest))


# -- pull -------------------------------------------------------------------------------------


def test_a_manifest_comes_with_its_type_and_digest(asker: Asker, store: Store) -> None:
    """By tag and by digest, the same bytes come, with type, digest and length."""
    descriptor = store.lookup("docker.io/library/redis:7")
    assert descriptor
    for target in ("7", "latest", descriptor.digest):
        got = asker.get(f"{REDIS}/manifests/{target}")
        assert got.status_code == 200
        assert Digest.of(got.content) == descriptor.digest
        head = asker.head(f"{REDIS}/manifests/{target}")
        for answer in (got, head):
            assert answer.headers["Content-Type"] == OCI_MANIFEST
            assert answer.headers["Docker-Content-Digest"] == descriptor.digest
            assert answer.headers["Content-Length"] == str(descriptor.size)
        assert head.content == b""


def test_a_blob_comes_as_it_is(asker: Asker) -> None:
    """The bytes, and for HEAD only their length and digest."""
    path = f"{REDIS}/blobs/{Digest.of(LAYER)}"
    assert asker.get(path).content == LAYER
    head = asker.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(LAYER))
    assert head.headers["Docker-Content-Digest"] == Digest.of(LAYER)
    assert head.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(("asked", "status", "content_range", "body"), RANGES)
def test_a_range_of_a_blob(
    asker: Asker, asked: str, status: int, content_range: str, body: bytes
) -> None:
    """A client that lost the connection may go on where it was."""
    got = asker.get(f"{REDIS}/blobs/{Digest.of(LAYER)}", headers={"Range": asked})
    assert (got.status_code, got.headers["Content-Range"]) == (status, content_range)
    assert got.content == body


@pytest.mark.parametrize("asked", ["bytes=1280000-", "bytes=9-3", "lines=1-2", "bytes=0-1,5-6"])
def test_a_range_that_cannot_be(asker: Asker, asked: str) -> None:
    """What lies behind the end, or is not one range of bytes, is answered 416."""
    got = asker.get(f"{REDIS}/blobs/{Digest.of(LAYER)}", headers={"Range": asked})
    assert (got.status_code, codes(got)) == (416, ["RANGE_INVALID"])
    assert got.headers["Content-Range"] == f"bytes */{len(LAYER)}"


def test_an_empty_blob_is_a_blob(asker: Asker) -> None:
    """Nothing at all has a digest too."""
    got = asker.get(push(asker, b"").headers["Location"])
    assert (got.status_code, got.headers["Content-Length"], got.content) == (200, "0", b"")


@pytest.mark.parametrize(("method", "path", "status", "code"), ERRORS)
def test_errors_say_which(asker: Asker, method: str, path: str, status: int, code: str) -> None:
    """Every error has its status, its code, a message and a detail."""
    answer = asker.request(method, path)
    assert (answer.status_code, codes(answer)) == (status, [code])


def test_tags_come_in_pages(asker: Asker, store: Store) -> None:
    """Sorted, `n` at a time, with a link to the next page while there is one."""
    fill(store, "redis:6", "redis:8", "other:1", f"redis:pinned@{NOWHERE}")
    everything = asker.get(f"{REDIS}/tags/list")
    assert everything.json() == {"name": "library/redis", "tags": ["6", "7", "8", "latest"]}
    assert "Link" not in everything.headers
    pages, url = [], f"{REDIS}/tags/list?n=3"
    while url:
        answer = asker.get(url)
        pages.append(answer.json()["tags"])
        url = answer.links.get("next", {}).get("url", "")
    assert pages == [["6", "7", "8"], ["latest"]]
    assert asker.get(f"{REDIS}/tags/list?last=7").json()["tags"] == ["8", "latest"]
    nothing = asker.get(f"{REDIS}/tags/list?n=0")
    assert nothing.json()["tags"] == []
    assert "Link" not in nothing.headers


def test_a_mirror_is_told_the_registry(store: Store) -> None:
    """With `ns`, the repository is one of another registry; without, of docker.io."""
    fill(store, "ghcr.io/regclient/regsync:v1", "localhost:5000/a/b:1", "redis:7")
    with serve(Registry([store], auth=False)) as served, Asker(served.url) as asker:
        path = "/v2/regclient/regsync/manifests/v1"
        assert asker.get(path).status_code == 404
        assert asker.get(f"{path}?ns=ghcr.io").status_code == 200
        assert asker.get("/v2/a/b/manifests/1?ns=localhost:5000").status_code == 200
        assert asker.get("/v2/redis/manifests/7?ns=docker.io").status_code == 200
        listed = asker.get("/v2/regclient/regsync/tags/list?ns=ghcr.io&n=1").json()
        assert listed == {"name": "regclient/regsync", "tags": ["v1"]}


def test_all_stores_are_searched(tmp_path: Path) -> None:
    """The first store that knows a name answers for it; blobs and tags come from all."""
    own, samples = Store(tmp_path / "own"), Store(tmp_path / "samples")
    fill(samples, "redis:7", "redis:8")
    other = Manifest.make(own.put_bytes(CONFIG, OCI_CONFIG), [])
    own.put_bytes(other.raw, other.media_type)
    own.name(Reference.parse("redis:7"), other.descriptor, None)
    with serve(Registry([own, samples], auth=False)) as served, Asker(served.url) as asker:
        assert asker.get(f"{REDIS}/manifests/7").content == other.raw
        assert asker.get(f"{REDIS}/tags/list").json()["tags"] == ["7", "8"]
        assert asker.get(f"{REDIS}/blobs/{Digest.of(LAYER)}").content == LAYER


def test_a_tag_that_moves_leaves_what_it_named(tmp_path: Path) -> None:
    """Pushed over a tag that came with the registry, an image is added; the old has its digest."""
    samples = Store(tmp_path / "samples")
    old = fill(samples, "redis:7")
    with serve(Registry([Store(tmp_path / "own"), samples], auth=False)) as served:
        asker = Asker(served.url)
        new = Manifest.make(old.config, [*old.layers, *old.layers])
        done = asker.put(
            f"{REDIS}/manifests/7", data=new.raw, headers={"Content-Type": new.media_type}
        )
        assert done.status_code == 201
        assert asker.get(f"{REDIS}/manifests/7").content == new.raw
        assert asker.get(f"{REDIS}/manifests/{old.digest}").content == old.raw
        assert asker.get(f"/v2/library/other/manifests/{old.digest}").status_code == 404
        asker.close()


def test_the_index_is_what_a_name_is_of(store: Store) -> None:
    """An image that was chosen from an index is served as that index."""
    manifest = fill(store)
    index = Index.make([manifest.descriptor])
    store.put_bytes(index.raw, index.media_type)
    store.name(Reference.parse("redis:7"), manifest.descriptor, index.descriptor)
    with serve(Registry([store], auth=False)) as served, Asker(served.url) as asker:
        got = asker.get(f"{REDIS}/manifests/7")
    assert (got.headers["Content-Type"], got.content) == (OCI_INDEX, index.raw)


def test_a_damaged_manifest_is_an_unknown_one(asker: Asker, store: Store) -> None:
    """What no longer has its digest is not handed on under it."""
    descriptor = store.lookup("docker.io/library/redis:7")
    assert descriptor
    path = store.path(descriptor.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"layers", b"lawyer"))
    answer = asker.get(f"{REDIS}/manifests/7")
    assert (answer.status_code, codes(answer)) == (404, ["MANIFEST_UNKNOWN"])


def test_a_damaged_blob_is_an_unknown_one(asker: Asker, store: Store) -> None:
    """One bit that flips, before or after it was handed on, and it is not handed on any more."""
    url, path = f"{REDIS}/blobs/{Digest.of(LAYER)}", store.path(Digest.of(LAYER))
    for _ in range(2):
        assert asker.get(url).content == LAYER
        path.chmod(0o644)
        path.write_bytes(LAYER[:640_000] + bytes([LAYER[640_000] ^ 1]) + LAYER[640_001:])
        for verb in ("HEAD", "GET"):
            assert asker.request(verb, url).status_code == 404
        assert codes(asker.get(url)) == ["BLOB_UNKNOWN"]
        store.put_bytes(LAYER, "")


# -- tokens -----------------------------------------------------------------------------------


def test_the_token_dance(store: Store) -> None:
    """Who comes without a token is told where to get one, gets it, and comes in."""
    fill(store, "redis:7")
    with serve(Registry([store])) as served, Asker(served.url) as asker:
        assert set(challenge(asker.get("/v2/"))) == {"realm", "service"}
        told = challenge(asker.get(f"{REDIS}/manifests/7"))
        assert told["realm"] == f"{served.url}/token"
        assert told["scope"] == "repository:library/redis:pull"
        given = asker.get(told["realm"], params={key: told[key] for key in ("service", "scope")})
        facts = given.json()
        assert facts["token"] == facts["access_token"]
        assert facts["expires_in"] == 300
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", facts["issued_at"])
        asker.headers["Authorization"] = f"Bearer {facts['token']}"
        assert asker.get("/v2/").json() == {}
        assert asker.get(f"{REDIS}/manifests/7").status_code == 200


@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Bearer wrong", "invalid_token"),
        ("Bearer", "invalid_token"),
        ("Basic dTpw", None),
        ("nonsense", None),
    ],
)
def test_a_wrong_token(store: Store, header: str, error: str | None) -> None:
    """A token that nobody handed out lets nobody in; other ways to come in are not known."""
    with serve(Registry([store])) as served, Asker(served.url) as asker:
        asker.headers["Authorization"] = header
        told = challenge(asker.get(f"{REDIS}/manifests/7"))
        assert told.get("error") == error


def test_a_token_is_good_for_its_scope_only(store: Store) -> None:
    """Another repository, or another action, needs another token."""
    fill(store, "redis:7", "nginx:1")
    with serve(Registry([store])) as served, Asker(served.url) as asker:
        asker.login("repository:library/redis:pull repository:library/other:pull,push")
        assert asker.get(f"{REDIS}/manifests/7").status_code == 200
        told = challenge(asker.get("/v2/library/nginx/manifests/1"))
        assert told["error"] == "insufficient_scope"
        told = challenge(asker.post(f"{REDIS}/blobs/uploads/"))
        assert told["error"] == "insufficient_scope"
        assert told["scope"] == "repository:library/redis:pull,push"


def test_a_token_ends(store: Store) -> None:
    """A token that has outlived its time is as good as none."""
    with serve(Registry([store], token_life=0)) as served, Asker(served.url) as asker:
        asker.login("repository:library/redis:pull")
        assert challenge(asker.get("/v2/"))["error"] == "invalid_token"


def test_tokens_that_are_handed_out_at_once_are_all_good() -> None:
    """Clients that ask for tokens at the same time do not take each other's away."""
    tokens, before = Tokens(300), sys.getswitchinterval()

    def issue(_: int) -> str:
        return str(tokens.issue(["repository:a:pull"], lambda *_: True)["token"])

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            given = list(pool.map(issue, range(1000)))
    finally:
        sys.setswitchinterval(before)
    assert [token for token in given if not tokens.allows(token, "a", "pull")] == []


# -- push -------------------------------------------------------------------------------------


def push(asker: Asker, data: bytes, *chunks: bytes) -> requests.Response:
    """A blob, as it is pushed: POST, PATCH for each chunk, PUT."""
    begun = asker.post("/v2/library/new/blobs/uploads/")
    assert begun.status_code == 202
    location, offset = begun.headers["Location"], 0
    for chunk in chunks:
        offset += len(chunk)
        headers = {"Content-Range": f"{offset - len(chunk)}-{offset - 1}"}
        answer = asker.patch(location, data=chunk, headers=headers)
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{offset - 1}")
        location = answer.headers["Location"]
    return asker.put(location, params={"digest": Digest.of(data)}, data=data[offset:])


@pytest.mark.parametrize(
    "chunks", [(), (LAYER,), (LAYER[:5], LAYER[5:900_000]), (LAYER[:5], LAYER[5:])]
)
def test_a_blob_is_pushed(asker: Asker, store: Store, chunks: tuple[bytes, ...]) -> None:
    """At once or in chunks: at the end, the blob is there under its digest."""
    data = LAYER if chunks else b"small"
    answer = push(asker, data, *chunks)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, Digest.of(data))
    assert asker.get(answer.headers["Location"]).content == data
    assert left_over(store) == []


def test_a_blob_is_pushed_by_one_request(asker: Asker, store: Store) -> None:
    """POST with the digest is the whole upload; sha512 is as good as sha256."""
    for algorithm in ("sha256", "sha512"):
        digest = Digest.of(b"at once", algorithm)
        path = f"/v2/library/new/blobs/uploads/?digest={digest}"
        assert asker.post(path, data=b"at once").status_code == 201
        assert store.path(digest).read_bytes() == b"at once"


def test_a_stream_of_unknown_length_is_pushed(asker: Asker, store: Store) -> None:
    """Docker sends a layer while it packs it, and knows its length at the end only."""
    location = asker.post("/v2/library/new/blobs/uploads/").headers["Location"]
    answer = asker.patch(location, data=iter([b"one ", b"two ", b"three"]))
    assert (answer.status_code, answer.headers["Range"]) == (202, "0-12")
    digest = Digest.of(b"one two three")
    assert asker.put(f"{location}?digest={digest}").status_code == 201
    assert store.path(digest).read_bytes() == b"one two three"


def test_wrong_bytes_get_no_name(asker: Asker, store: Store) -> None:
    """A blob that has not the digest said is refused, and nothing of it stays."""
    location = asker.post("/v2/library/new/blobs/uploads/").headers["Location"]
    answer = asker.put(f"{location}?digest={NOWHERE}", data=b"others")
    assert (answer.status_code, codes(answer)) == (400, ["DIGEST_INVALID"])
    assert asker.head(f"/v2/library/new/blobs/{NOWHERE}").status_code == 404
    assert asker.get(location).status_code == 404
    assert left_over(store) == []


def test_uploads_that_are_left_behind_make_room(asker: Asker, store: Store) -> None:
    """Each has a file open: the ones that nothing was heard of for longest are forgotten."""
    begun = [asker.post("/v2/library/new/blobs/uploads/").headers["Location"] for _ in range(2)]
    for _ in range(MOST - 1):
        asker.patch(begun[0], data=b"on and ")
        asker.post("/v2/library/new/blobs/uploads/")
    assert len(left_over(store)) == MOST
    assert [asker.get(location).status_code for location in begun] == [204, 404]


def test_chunks_come_in_order(asker: Asker, store: Store) -> None:
    """A chunk that leaves a gap is refused, and the answer says where to go on."""
    location = asker.post("/v2/library/new/blobs/uploads/").headers["Location"]
    asker.patch(location, data=b"12345", headers={"Content-Range": "0-4"})
    answer = asker.patch(location, data=b"9", headers={"Content-Range": "8-8"})
    assert (answer.status_code, codes(answer)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert answer.headers["Range"] == "0-4"
    status = asker.get(location)
    assert (status.status_code, status.headers["Range"]) == (204, "0-4")
    assert asker.delete(location).status_code == 204
    assert asker.get(location).status_code == 404
    assert left_over(store) == []


def test_a_manifest_comes_last(asker: Asker, store: Store) -> None:
    """A manifest is taken when all that it points at is there, and its bytes are not touched."""
    config = Descriptor.of(b'{"os": "linux"}', OCI_CONFIG)
    raw = json.dumps(json.loads(Manifest.make(config, []).raw), indent=3).encode()
    put = {"data": raw, "headers": {"Content-Type": OCI_MANIFEST}}
    early = asker.put("/v2/library/new/manifests/1", **put)
    assert (early.status_code, codes(early)) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    assert early.json()["errors"][0]["detail"] == {"digest": config.digest}
    assert push(asker, b'{"os": "linux"}').status_code == 201
    done = asker.put("/v2/library/new/manifests/1", **put)
    assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, Digest.of(raw))
    assert asker.get(done.headers["Location"]).content == raw
    assert asker.get("/v2/library/new/manifests/1").content == raw
    assert store.lookup("docker.io/library/new:1") is not None


def test_a_manifest_without_a_name(asker: Asker, store: Store) -> None:
    """Pushed by digest it has no tag; by another digest than its own, it is refused."""
    raw = Manifest.make(Descriptor.of(CONFIG, OCI_CONFIG), []).raw
    put = {"data": raw, "headers": {"Content-Type": OCI_MANIFEST}}
    assert asker.put(f"{REDIS}/manifests/{Digest.of(raw)}", **put).status_code == 201
    assert asker.get(f"{REDIS}/manifests/{Digest.of(raw)}").content == raw
    wrong = asker.put(f"{REDIS}/manifests/{NOWHERE}", **put)
    assert (wrong.status_code, codes(wrong)) == (400, ["DIGEST_INVALID"])
    assert len(asker.get(f"{REDIS}/tags/list").json()["tags"]) == 2


@pytest.mark.parametrize(
    ("raw", "media_type", "status"),
    [
        (b"not json", OCI_MANIFEST, 400),
        (b'{"schemaVersion":1}', "application/vnd.docker.distribution.manifest.v1+json", 400),
        (Manifest.make(Descriptor.of(CONFIG, OCI_CONFIG), []).raw, DOCKER_MANIFEST, 400),
        (b" " * (4 << 20) + b"{}", OCI_MANIFEST, 413),
    ],
)
def test_what_is_no_manifest(asker: Asker, raw: bytes, media_type: str, status: int) -> None:
    """Bytes that are no manifest, another kind than announced, or too many, are refused."""
    answer = asker.put(f"{REDIS}/manifests/bad", data=raw, headers={"Content-Type": media_type})
    assert (answer.status_code, codes(answer)) == (status, ["MANIFEST_INVALID"])
    assert asker.get(f"{REDIS}/manifests/bad").status_code == 404


def test_a_push_to_a_mirrored_registry(asker: Asker, store: Store) -> None:
    """With `ns`, every address that is answered leads to the repository of that registry."""
    begun = asker.post("/v2/a/b/blobs/uploads/?ns=ghcr.io")
    sent = asker.patch(begun.headers["Location"], data=b"x")
    done = asker.put(sent.headers["Location"], params={"digest": Digest.of(b"x")})
    assert (done.status_code, asker.get(done.headers["Location"]).content) == (201, b"x")
    assert asker.get(f"/v2/a/b/blobs/{Digest.of(b'x')}").status_code == 404


def test_what_can_only_be_read_stays(tmp_path: Path) -> None:
    """A tag of a read-only store is not deleted, and the answer says so."""
    fill(Store(tmp_path / "samples"), "redis:7")
    samples = Store(tmp_path / "samples", read_only=True)
    with (
        serve(Registry([Store(tmp_path / "own"), samples], auth=False)) as served,
        Asker(served.url) as asker,
    ):
        answer = asker.delete(f"{REDIS}/manifests/7")
        assert (answer.status_code, codes(answer)) == (405, ["UNSUPPORTED"])
        assert asker.get(f"{REDIS}/manifests/7").status_code == 200


def test_an_index_of_itself_many_times(asker: Asker, store: Store) -> None:
    """Forty indexes, each listing the one below twice, are looked at once each."""
    below = fill(store).descriptor
    for _ in range(40):
        index = Index.make([below, below])
        below = store.put_bytes(index.raw, index.media_type)
    store.name(Reference.parse("redis:deep"), below, None)
    assert asker.get(f"{REDIS}/blobs/{NOWHERE}").status_code == 404
    assert asker.get(f"{REDIS}/blobs/{Digest.of(LAYER)}").status_code == 200


def test_a_blob_is_mounted(store: Store) -> None:
    """A blob of another repository need not be sent again, if the token can read it there."""
    fill(store, "redis:7")
    layer = Digest.of(LAYER)
    path = f"/v2/library/new/blobs/uploads/?mount={layer}&from=library/redis"
    with serve(Registry([store])) as served, Asker(served.url) as asker:
        asker.login("repository:library/new:pull,push", "repository:library/redis:pull")
        mounted = asker.post(path)
        assert mounted.status_code == 201
        assert mounted.headers["Location"] == f"/v2/library/new/blobs/{layer}"
        for scopes, mount in [
            (["repository:library/new:pull,push"], layer),
            (["repository:library/new:pull,push", "repository:library/redis:pull"], NOWHERE),
        ]:
            asker.login(*scopes)
            instead = asker.post(path.replace(layer, mount))
            assert instead.status_code == 202
            assert asker.delete(instead.headers["Location"]).status_code == 204


@pytest.mark.parametrize("read_only", [True, False])
def test_a_registry_that_only_gives(tmp_path: Path, read_only: bool) -> None:
    """Nothing can be pushed to a registry that does not allow it, or whose store is read-only."""
    fill(Store(tmp_path), "redis:7")
    registry = Registry([Store(tmp_path, read_only=read_only)], push=read_only)
    with serve(registry) as served, Asker(served.url) as asker:
        asker.login("repository:library/redis:pull,push")
        answer = asker.post(f"{REDIS}/blobs/uploads/")
        assert (answer.status_code, codes(answer)) == (403, ["DENIED"])
        assert asker.get(f"{REDIS}/manifests/7").status_code == 200


def test_an_upload_that_is_never_finished(registry: Registry, asker: Asker, store: Store) -> None:
    """It leaves nothing behind when the registry is closed."""
    location = asker.post("/v2/library/new/blobs/uploads/").headers["Location"]
    asker.patch(location, data=b"half a blo")
    assert len(left_over(store)) == 1
    registry.close()
    assert left_over(store) == []


def left_over(store: Store) -> list[Path]:
    """The files of unfinished uploads."""
    return list((store.home / "ingest").iterdir())


# -- faults and the log -----------------------------------------------------------------------


def test_faults_happen_as_often_as_said(registry: Registry, asker: Asker) -> None:
    """Each fault spoils the next good answers that match, then no more."""
    path = f"{REDIS}/blobs/{Digest.of(LAYER)}"
    registry.faults += [
        Fault("flip", "/blobs/"),
        Fault("truncate", "/blobs/"),
        Fault("status", "/blobs/", times=2, status=429),
    ]
    assert asker.get(f"{REDIS}/manifests/7").status_code == 200
    assert asker.get(f"{REDIS}/blobs/{NOWHERE}").status_code == 404
    flipped = asker.get(path).content
    assert [i for i, (a, b) in enumerate(zip(LAYER, flipped, strict=True)) if a != b] == [640_000]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        asker.get(path)
    for _ in range(2):
        answer = asker.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert asker.get(path).content == LAYER
    assert registry.faults == []


def test_the_log_tells_what_was_asked(registry: Registry, asker: Asker) -> None:
    """Method, path with query, status and length of every exchange, oldest first."""
    asker.head(f"{REDIS}/manifests/7")
    asker.get(f"{REDIS}/blobs/{Digest.of(LAYER)}?ns=docker.io")
    asker.get("/v2/")
    assert [(e.method, e.path, e.status, e.bytes) for e in registry.log] == [
        ("HEAD", f"{REDIS}/manifests/7", 200, 0),
        ("GET", f"{REDIS}/blobs/{Digest.of(LAYER)}?ns=docker.io", 200, len(LAYER)),
        ("GET", "/v2/", 200, 3),
    ]


def test_many_ask_at_once(served: Served) -> None:
    """Requests are answered side by side, each with its own bytes."""
    path = f"{served.url}{REDIS}/blobs/{Digest.of(LAYER)}"

    def ask(_: int) -> bool:
        with requests.get(path, timeout=30) as answer:
            return answer.content == LAYER

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(ask, range(20)))


def test_the_same_without_a_socket(store: Store) -> None:
    """Mounted on a session, the registry answers alike: challenge, token, range, push, faults."""
    fill(store, "redis:7")
    registry = Registry([store])
    with Asker(EMBEDDED) as asker:
        mount(asker, registry)
        told = challenge(asker.get(f"{REDIS}/manifests/7"))
        assert told["realm"] == f"{EMBEDDED}/token"
        asker.login(told["scope"], "repository:library/new:pull,push")
        assert asker.head(f"{REDIS}/manifests/7").headers["Content-Type"] == OCI_MANIFEST
        layer = f"{REDIS}/blobs/{Digest.of(LAYER)}"
        assert asker.get(layer, headers={"Range": "bytes=5-8"}).content == LAYER[5:9]
        assert push(asker, b"new" + LAYER, b"new" + LAYER[:7]).status_code == 201
        registry.faults.append(Fault("truncate", "/blobs/"))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            asker.get(layer)
    assert [exchange.status for exchange in registry.log][:4] == [401, 200, 200, 206]


# -- a peer -----------------------------------------------------------------------------------


def skopeo(*words: str) -> str:
    """What skopeo prints; it fails loudly."""
    command = ["skopeo", "--insecure-policy", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("name", ["glibc-amd64", "glibc-arm64v8", "musl-amd64"])
def test_skopeo_pushes_and_pulls(
    store: Store, shared_images: Path, tmp_path: Path, name: str
) -> None:
    """An official image goes through the registry and comes out byte for byte as it was."""
    layout = shared_images / f"busybox-latest-{name}"
    digest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    with serve(Registry([store])) as served:
        remote = f"docker://{served.host}/library/busybox:{name}"
        plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        system = ["--override-arch", "arm64" if "arm64" in name else "amd64"]
        skopeo(*system, "copy", *plain, f"oci:{layout}", remote)
        facts = json.loads(skopeo(*system, "inspect", "--tls-verify=false", remote))
        skopeo(*system, "copy", *plain, remote, f"oci:{tmp_path / 'back'}:it")
    assert facts["Digest"] == digest
    assert facts["RepoTags"] == [name]
    blobs = {path.name: path.read_bytes() for path in (layout / "blobs/sha256").iterdir()}
    back = {p.name: p.read_bytes() for p in (tmp_path / "back/blobs/sha256").iterdir()}
    assert back == blobs
    kept = store.lookup(f"docker.io/library/busybox:{name}")
    assert kept is not None
    assert kept.digest == digest

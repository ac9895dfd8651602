"""What goes wrong on purpose: the same over a port and without a socket, and seen in the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from asker import LAYER, REDIS, Asker, codes, fill

from imgkit.client import Client
from imgkit.digest import Digest
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.faults import Fault
from imgkit.server.transport import mount, serve
from imgkit.store import Store

BLOB = f"{REDIS}/blobs/{Digest.of(LAYER)}"
HALF = len(LAYER) // 2

# What breaks an answer, how many bytes come before, and what `requests` makes of it.
BREAKS = [
    (Fault("truncate"), HALF, requests.exceptions.ChunkedEncodingError),
    (Fault("truncate", at=5), 5, requests.exceptions.ChunkedEncodingError),
    (Fault("truncate", at=0), 0, requests.exceptions.ChunkedEncodingError),
    (Fault("drop"), HALF, requests.exceptions.ChunkedEncodingError),
    (Fault("drop", at=1), 1, requests.exceptions.ChunkedEncodingError),
    (Fault("drop", at=len(LAYER) - 1), len(LAYER) - 1, requests.exceptions.ChunkedEncodingError),
    (Fault("stall"), HALF, requests.exceptions.ConnectionError),
    (Fault("stall", at=700_000), 700_000, requests.exceptions.ConnectionError),
]


@pytest.fixture(params=["port", "process"])
def asker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Asker]:
    """Asks a registry with one image and nothing wrong with it yet, both ways."""
    store = Store(tmp_path)
    fill(store, "redis:7")
    registry = Registry([store], auth=False)
    if request.param == "port":
        with serve(registry) as served, Asker(served.url) as asker:
            asker.registry = registry
            yield asker
    else:
        with Asker(EMBEDDED) as asker:
            mount(asker, registry)
            asker.registry = registry
            yield asker


@pytest.mark.parametrize(("fault", "size", "error"), BREAKS)
def test_an_answer_that_breaks(
    asker: Asker, fault: Fault, size: int, error: type[Exception]
) -> None:
    """So many bytes come, then an error; the next answer is whole."""
    asker.registry.faults.append(fault)
    with asker.get(BLOB, stream=True, timeout=(5, 0.3)) as answer:
        assert answer.headers["Content-Length"] == str(len(LAYER))
        came = answer.raw.read(size) if size else b""
        assert came == LAYER[:size]
        with pytest.raises(error):
            list(answer.iter_content(1 << 16))
    assert asker.get(BLOB).content == LAYER
    assert [exchange.fault for exchange in asker.registry.log] == [fault.what, ""]


def test_a_connection_that_drops_before_the_answer(asker: Asker) -> None:
    """No status, no header: the same error as from a server that hung up."""
    asker.registry.faults.append(Fault("drop", at=0))
    with pytest.raises(requests.ConnectionError) as caught:
        asker.get(BLOB)
    assert type(caught.value) is requests.ConnectionError
    assert asker.get(BLOB).content == LAYER


def test_a_silence_that_ends(asker: Asker) -> None:
    """Who is patient gets everything."""
    asker.registry.faults.append(Fault("stall", seconds=0.2))
    start = time.monotonic()
    assert asker.get(BLOB, timeout=5).content == LAYER
    assert time.monotonic() - start >= 0.2


def test_a_slow_answer(asker: Asker) -> None:
    """It comes whole, at about the speed that was asked for."""
    asker.registry.faults.append(Fault("slow", rate=len(LAYER) * 2))
    start = time.monotonic()
    assert asker.get(BLOB, timeout=5).content == LAYER
    assert 0.4 < time.monotonic() - start < 5


@pytest.mark.parametrize("at", [None, 0, 17, len(LAYER) - 1])
def test_a_flipped_bit(asker: Asker, at: int | None) -> None:
    """One byte is another one, and nothing else tells of it."""
    asker.registry.faults.append(Fault("flip", at=at))
    came = asker.get(BLOB).content
    differ = [n for n, (a, b) in enumerate(zip(LAYER, came, strict=True)) if a != b]
    assert differ == [HALF if at is None else at]


def test_a_wrong_length(asker: Asker) -> None:
    """One byte less is announced, and comes; the connection ends as if that were all."""
    asker.registry.faults.append(Fault("length"))
    answer = asker.get(BLOB)
    assert answer.headers["Content-Length"] == str(len(LAYER) - 1)
    assert answer.content == LAYER[:-1]
    assert [exchange.fault for exchange in asker.registry.log] == ["length"]
    assert asker.get(BLOB).content == LAYER


def test_a_wrong_length_is_noticed(tmp_path: Path) -> None:
    """Our client trusts the descriptor, not the header: it asks for the byte that is missing."""
    store = Store(tmp_path)
    fill(store, "redis:7")
    registry = Registry([store], auth=False)
    registry.faults.append(Fault("length", "/blobs/"))
    with serve(registry) as served:
        client = Client()
        remote = client.repository(Reference.parse(f"{served.host}/library/redis:7"))
        assert remote.open(Descriptor.of(LAYER, OCI_LAYER)).read() == LAYER
        client.session.close()
    blobs = [e for e in registry.log if "/blobs/" in e.path]
    assert [(e.fault, e.status) for e in blobs] == [("length", 200), ("", 206)]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_wrong_digest_header(asker: Asker, method: str) -> None:
    """The bytes are right, what is said of them is not."""
    asker.registry.faults.append(Fault("digest", method=method))
    answer = asker.request(method, BLOB)
    assert answer.headers["Docker-Content-Digest"] != Digest.of(LAYER)
    assert answer.content == (LAYER if method == "GET" else b"")


@pytest.mark.parametrize(
    ("fault", "status", "later"),
    [
        (Fault("status", status=429), 429, "1"),
        (Fault("status", status=429, retry_after="120"), 429, "120"),
        (Fault("status", status=429, retry_after=None), 429, None),
        (Fault("status"), 500, None),
        (Fault("status", status=503), 503, None),
    ],
)
def test_another_status(asker: Asker, fault: Fault, status: int, later: str | None) -> None:
    """The answer is that status, with or without a word on when to come back."""
    asker.registry.faults.append(fault)
    answer = asker.get(BLOB)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, later)


def test_a_redirect_that_works(asker: Asker) -> None:
    """To an address that needs no token, and whose key is all it takes; a wrong key is 404."""
    asker.registry.guard.auth = True
    asker.login("repository:library/redis:pull")
    asker.registry.faults += [Fault("redirect", "/blobs/", times=2)]
    answer = asker.get(BLOB, allow_redirects=False)
    assert answer.status_code == 307
    del asker.headers["Authorization"]
    there = answer.headers["Location"]
    assert asker.get(there).content == LAYER
    assert asker.get(there, headers={"Range": "bytes=3-5"}).content == LAYER[3:6]
    assert asker.get(f"{there}x").status_code == 404
    assert asker.head(there).headers["Content-Length"] == str(len(LAYER))


def test_a_redirect_to_anywhere(asker: Asker) -> None:
    """Where to is said as it was given; an address of another host of ours gets its key."""
    asker.registry.faults += [
        Fault("redirect", to="http://evil.example/x"),
        Fault("redirect", to="http://other.example/moved/"),
    ]
    evil = asker.get(BLOB, allow_redirects=False)
    assert evil.headers["Location"] == "http://evil.example/x"
    other = asker.get(BLOB, allow_redirects=False).headers["Location"]
    assert other.startswith("http://other.example/moved/")
    assert asker.get(other.removeprefix("http://other.example")).content == LAYER


def test_an_expired_token(asker: Asker) -> None:
    """A token that was good is good no more; a new one is."""
    asker.registry.guard.auth = True
    asker.login("repository:library/redis:pull")
    assert asker.get(BLOB).status_code == 200
    asker.registry.faults.append(Fault("expired", "/blobs/"))
    for _ in range(2):
        answer = asker.get(BLOB)
        assert (answer.status_code, codes(answer)) == (401, ["UNAUTHORIZED"])
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    asker.login("repository:library/redis:pull")
    assert asker.get(BLOB).status_code == 200


def test_a_fault_waits_for_its_request(asker: Asker) -> None:
    """Another path, another method and a bad answer leave it as it is; so do the times done."""
    fault = Fault("status", "/blobs/", times=2, method="HEAD")
    asker.registry.faults.append(fault)
    assert asker.get(BLOB).status_code == 200
    assert asker.head(f"{REDIS}/manifests/7").status_code == 200
    assert asker.head(f"{REDIS}/blobs/{Digest.of(b'')}").status_code == 404
    assert asker.registry.faults == [fault]
    assert [asker.head(BLOB).status_code for _ in range(3)] == [500, 500, 200]
    assert [exchange.fault for exchange in asker.registry.log][3:] == ["status", "status", ""]

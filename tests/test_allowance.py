"""An allowance of pulls: counted, told, and refused with 429 when it is used up."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from imgkit import samples
from imgkit.client import Client
from imgkit.errors import RateLimited
from imgkit.image import copy
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.server.allowance import WINDOW
from imgkit.store import Store

HOME = "http://registry.localhost:5000"
MANIFEST = f"{HOME}/v2/library/alpine/manifests/latest"


@pytest.fixture
def session(registry: Registry) -> requests.Session:
    session = requests.Session()
    transport.mount(session, registry, HOME)
    return session


@pytest.fixture
def registry() -> Registry:
    return Registry([samples.store()], auth=False, allowance=2)


def test_each_manifest_counts(session: requests.Session) -> None:
    """The headers have the limit and what is left; the third GET is refused, in the usual form."""
    told = []
    for _ in range(3):
        answer = session.get(MANIFEST)
        told.append((answer.status_code, answer.headers["RateLimit-Remaining"]))
    assert told == [(200, f"1;w={WINDOW}"), (200, f"0;w={WINDOW}"), (429, f"0;w={WINDOW}")]
    assert answer.json()["errors"][0]["code"] == "TOOMANYREQUESTS"


def test_looking_does_not_count(session: requests.Session, registry: Registry) -> None:
    """HEAD says what is left and takes nothing; blobs and tags are not counted at all."""
    config = session.get(MANIFEST).json()["manifests"][0]["digest"]
    for _ in range(3):
        assert session.head(MANIFEST).headers["RateLimit-Remaining"] == f"1;w={WINDOW}"
        session.get(f"{HOME}/v2/library/alpine/blobs/{config}")
        assert "RateLimit-Limit" not in session.get(f"{HOME}/v2/library/alpine/tags/list").headers
    assert registry.allowance.left == 1


def test_the_client_says_it(session: requests.Session, tmp_path: Path) -> None:
    """A pull beyond the allowance is an error with the limit in it, and nothing has the name."""
    client = Client(session=session, mirror=HOME)
    store = Store(tmp_path / "local")
    names = [Reference.parse(name) for name in ("alpine:3.18", "alpine:3.19")]
    copy(client.repository(names[0]), store, names[0])
    with pytest.raises(RateLimited, match="2") as caught:
        copy(client.repository(names[1]), store, names[1])
    assert (caught.value.limit, caught.value.remaining) == (2, 0)
    assert [record.name for record in store.records()] == [names[0].canonical]


def test_without_a_limit_nothing_is_said(session: requests.Session, registry: Registry) -> None:
    """The registry as it usually is counts nothing."""
    registry.allowance.limit = None
    for _ in range(3):
        assert "RateLimit-Limit" not in session.get(MANIFEST).headers

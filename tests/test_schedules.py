"""Pulls through any weather: a random schedule of faults ends well or in a clear error.

Whatever happened, the local repository is sound, and the next pull, in good weather, completes
the image without fetching again what was whole. `make nightly` tries 2,000 schedules.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st
from recorder import hurried

from imgkit import samples
from imgkit.client import Client, Exchange
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import copy, verify
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

NAME: Final = Reference.parse("redis:latest")
AMD64: Final = Platform("linux", "amd64")
MANY: Final = 100
"""Requests that no pull needs, whatever happens."""


@dataclass(frozen=True)
class Spoil:
    """What happens to one answer; `at` says where in its body, from 0 to 1."""

    what: str
    at: float = 0.5
    status: int = 500
    headers: tuple[tuple[str, str], ...] = ()


FAIR: Final = Spoil("nothing")

STATUSES = st.builds(
    Spoil,
    st.just("status"),
    status=st.sampled_from([400, 401, 403, 404, 408, 416, 418, 429, 500, 502, 503, 504]),
    headers=st.sampled_from(
        [
            (),
            (("Retry-After", "1"),),
            (("Retry-After", "9999"),),
            (("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),),
            (("ratelimit-remaining", "0;w=60"), ("ratelimit-limit", "1;w=60")),
            (("WWW-Authenticate", 'Bearer realm="/token",service="imgkit"'),),
            (("WWW-Authenticate", "Basic realm=x"),),
            (("WWW-Authenticate", 'Bearer realm="unclosed'),),
        ]
    ),
)
BODIES = st.builds(
    Spoil,
    st.sampled_from(["drop", "short", "flip", "longer", "other part", *["nothing"] * 5]),
    st.floats(0, 1),
)
SENT_ON = st.builds(
    Spoil,
    st.just("status"),
    status=st.sampled_from([301, 302, 307]),
    headers=st.sampled_from(
        [
            (("Location", "http://10.0.0.1/"),),
            (("Location", "/v2/"),),
            (("Location", ""),),
            (("Location", "//"),),
        ]
    ),
)
SPOILS = st.one_of(BODIES, BODIES, STATUSES, SENT_ON)
DROPS = st.builds(Spoil, st.just("drop"), st.floats(0, 1))


@st.composite
def schedules(draw: st.DrawFn) -> list[Spoil]:
    """Good answers first, so that a pull comes to its blobs; then bad ones, also in a row."""
    found = [FAIR] * draw(st.integers(0, 7))
    for spoils in draw(
        st.lists(st.one_of(SPOILS.map(lambda s: [s]), DROPS.map(_often)), max_size=9)
    ):
        found += spoils
    return found


def _often(spoil: Spoil) -> list[Spoil]:
    """More often than a client asks again."""
    return [spoil] * 4


SIZES: Final = {
    path.name: path.stat().st_size for path in (samples.store().home / "blobs" / "sha256").iterdir()
}
"""Of each blob, in bytes."""


class Weather:
    """A registry whose first answers are spoilt, one spoil each."""

    def __init__(self, app: Any, schedule: Iterable[Spoil]) -> None:
        self.app = app
        self.schedule = iter(schedule)

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        spoil = next(self.schedule, FAIR)
        if spoil.what == "status":
            start_response(f"{spoil.status} SPOILT", [("Content-Length", "0"), *spoil.headers])
            return []
        said: list[Any] = []
        answer = self.app(environ, lambda *words: said.extend(words))
        body = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        start_response(said[0], self.spoilt_headers(spoil, said[1]))
        return self.spoilt(spoil, body)

    def spoilt_headers(self, spoil: Spoil, headers: list[tuple[str, str]]) -> list[Any]:
        if spoil.what in ("short", "longer"):  # as if that were the whole
            return [(key, value) for key, value in headers if key != "Content-Length"]
        if spoil.what == "other part":
            return [(k, "bytes 1-2/3" if k == "Content-Range" else v) for k, v in headers]
        return headers

    def spoilt(self, spoil: Spoil, body: bytes) -> Iterator[bytes]:
        at = int(len(body) * spoil.at)
        if spoil.what in ("drop", "short"):
            yield body[:at]
            if spoil.what == "drop":
                raise ConnectionResetError("dropped")
        elif spoil.what == "flip" and at < len(body):
            yield body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        else:
            yield body + (b"more" if spoil.what == "longer" else b"")


def pull(registry: Registry, schedule: Iterable[Spoil], store: Store) -> list[Exchange]:
    """What was asked; raises what the pull raises, after at most so many requests."""
    asked: list[Exchange] = []
    client = Client(mirror=EMBEDDED, patience=hurried(), on_exchange=asked.append)
    transport.mount(client.session, Weather(registry, schedule))
    try:
        copy(client.repository(NAME), store, NAME, platform=AMD64, jobs=1)
    finally:
        client.session.close()
        assert len(asked) < MANY
    return asked


def blobs(store: Store) -> set[str]:
    """The digests of all blobs; each is what its name says, and nothing else lies about.

    But for beginnings of blobs, which are not under their names.
    """
    found = set()
    for path in (store.home / "blobs" / "sha256").iterdir():
        assert Digest.of(path.read_bytes()).hex == path.name
        found.add(path.name)
    ingest = store.home / "ingest"
    assert not ingest.exists() or not list(ingest.glob("[!s]*"))
    return found


def beginnings(store: Store) -> dict[str, int]:
    """How many bytes are there of blobs that were broken off; by digest."""
    ingest = store.home / "ingest"
    return {
        path.name.removeprefix("sha256-"): path.stat().st_size for path in ingest.glob("sha256-*")
    }


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry([Store(tmp_path_factory.mktemp("empty")), samples.store()])


@given(schedules())
@example([FAIR] * 4 + [Spoil("drop")] * 2)
@example([FAIR] * 6 + [Spoil("drop")] * 4)
@example([FAIR] * 6 + [Spoil("flip", 0.2), *[Spoil("drop", 0.5)] * 3])
@example([Spoil("status", status=503)] * 14)
@example([FAIR] * 3 + [Spoil("drop", at) for at in (0, 0.1, 0.5, 0.9, 1)])
def test_any_weather(registry: Registry, schedule: list[Spoil]) -> None:
    """Success or one of our errors; a sound repository; and a good end the next time."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "store"))
        failed = None
        try:
            pull(registry, schedule, store)
        except ImgkitError as error:
            failed = error
        event(type(failed).__name__)
        if failed:
            assert len(str(failed)) > 20
            assert store.records() == []
        else:
            assert verify(store.image(NAME.canonical)) == []
        whole, begun = blobs(store), beginnings(store)
        asked = [e for e in pull(registry, [], store) if "/blobs/" in e.url]
        assert [e.url for e in asked if any(digest in e.url for digest in whole)] == []
        for digest, size in begun.items():  # the rest of it alone; all of it, if that was false
            first, *more = [e.size for e in asked if digest in e.url]
            event("gone on with" if not more else "begun anew")
            assert (first, more) in (
                (SIZES[digest] - size, []),
                (SIZES[digest] - size, [SIZES[digest]]),
            )
        blobs(store)
        assert beginnings(store) == {}
        index = store.image(NAME.canonical).index
        assert index is not None
        assert index.digest == samples.store().resolve(NAME).digest

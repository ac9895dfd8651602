"""What a client survives: busy servers, cut-off blobs, stalls; and when it gives up."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from recorder import HANG_UP, Answer, Answers, Recorder, Request, answering, hurried

from imgkit.client import Client
from imgkit.client.patience import Patience, Quota, duration, retry_after
from imgkit.errors import (
    ImgkitError,
    NotFound,
    RateLimited,
    RegistryError,
    SizeMismatch,
    Unreachable,
    VerificationError,
)
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.reference import Reference

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)
DATA = random.Random(4).randbytes(5000)
BLOB = Descriptor.of(DATA, OCI_LAYER)
PATH = f"/v2/app/blobs/{BLOB.digest}"
OK: Answers = {"/v2/": (200, {}, b"{}")}
TAGS = "/v2/app/tags/list"
SOME: Answer = (200, {}, b'{"tags":["a"]}')
WHOLE: Answer = (200, {}, DATA)


class Asked:
    """A client of one scripted server: its pauses, and what it was told of them."""

    def __init__(self, server: Recorder, patience: Patience | None = None) -> None:
        self.server = server
        self.pauses: list[float] = []
        self.waits: list[tuple[float, str]] = []
        self.client = Client(
            patience=patience or hurried(self.pauses),
            on_wait=lambda seconds, why: self.waits.append((seconds, why)),
        )
        self.repository = self.client.repository(Reference.parse(f"{server.host}/app"))

    def blob(self) -> bytes:
        with self.repository.open(BLOB) as stream:
            return stream.read()

    def spans(self) -> list[str | None]:
        """The `Range` of each request for the blob."""
        return [r.headers.get("Range") for r in self.server.received if r.path == PATH]


@contextmanager
def asking(answers: Answers, patience: Patience | None = None) -> Iterator[Asked]:
    with answering(OK | answers) as server:
        asked = Asked(server, patience)
        try:
            yield asked
        finally:
            asked.client.session.close()


# -- asking again -----------------------------------------------------------------------------

PASSING: list[tuple[Answer, list[float]]] = [
    ((503, {}, b""), [1.0]),
    ((500, {}, b"oops"), [1.0]),
    ((408, {}, b""), [1.0]),
    ((429, {}, b""), [1.0]),
    ((429, {"Retry-After": "3"}, b""), [1.0, 1.0, 1.0]),
    ((503, {"Retry-After": "2"}, b""), [1.0, 1.0]),
    ((503, {"Retry-After": "0"}, b""), []),
    ((503, {"Retry-After": "soon"}, b""), [1.0]),
    ((429, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""), [1.0]),
    (HANG_UP, [1.0]),
    ((200, {"Content-Length": "99"}, b'{"tags":'), [1.0]),
]


@pytest.mark.parametrize("status", range(400, 600))
def test_what_passes(status: int) -> None:
    """These few are worth asking again; every other answer is taken as it is."""
    passes = status in (408, 429, 499, 500, 502, 503, 504, 522)
    assert (Patience().after(status, {}, 1) is not None) == passes


@pytest.mark.parametrize(("answer", "pauses"), PASSING)
def test_asked_again(answer: Answer, pauses: list[float]) -> None:
    """What passes is waited for, as long as the server says, and a second answer is taken."""
    with asking({TAGS: [answer, SOME]}) as asked:
        assert asked.repository.tags() == ["a"]
        assert asked.pauses == pauses
        assert asked.server.paths().count(TAGS) == 2


FINAL: list[tuple[Answer, type[ImgkitError], int]] = [
    ((404, {}, b""), NotFound, 1),
    ((400, {}, b""), RegistryError, 1),
    ((501, {}, b""), RegistryError, 1),
    ((503, {}, b""), RegistryError, 4),
    ((429, {"Retry-After": "1"}, b""), RateLimited, 4),
    ((429, {"Retry-After": "3600"}, b""), RateLimited, 1),
    ((429, {"ratelimit-remaining": "0;w=21600"}, b""), RateLimited, 1),
    (HANG_UP, Unreachable, 4),
    ((200, {"Content-Length": "99"}, b'{"tags":'), Unreachable, 4),
]


@pytest.mark.parametrize(("answer", "error", "count"), FINAL)
def test_given_up(answer: Answer, error: type[ImgkitError], count: int) -> None:
    """What does not pass is asked once; what might, four times; neither is asked for ever."""
    with asking({TAGS: answer}) as asked:
        with pytest.raises(error):
            asked.repository.tags()
        assert asked.server.paths().count(TAGS) == count


def test_the_pause_doubles() -> None:
    """One second, two, four: and never more than the longest."""
    with asking({TAGS: (503, {}, b"")}) as asked:
        with pytest.raises(RegistryError):
            asked.repository.tags()
        assert sum(asked.pauses) == 7
    assert [Patience(longest=5).before(again) for again in (1, 2, 3, 4, 50)] == [1, 2, 4, 5, 5]


def test_a_pause_is_counted_down() -> None:
    """Whoever listens hears each second how many are left, and why."""
    with asking({TAGS: [(429, {"Retry-After": "3"}, b""), SOME]}) as asked:
        asked.repository.tags()
        assert [seconds for seconds, _ in asked.waits] == [3, 2, 1]
        assert {why for _, why in asked.waits} == {"127.0.0.1 asks us to wait (429)"}


def test_a_pause_says_what_is_allowed() -> None:
    """Where the registry says how many requests it allows, so does the pause."""
    headers = {"Retry-After": "1", "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0"}
    with asking({TAGS: [(429, headers, b""), SOME]}) as asked:
        asked.repository.tags()
        assert asked.waits[0][1] == (
            "127.0.0.1 asks us to wait (429). It allows 100 requests in 6 hours, and 0 are left."
        )


def test_a_pause_can_be_ended() -> None:
    """A listener that raises, as Ctrl-C does, ends the pause at once."""
    with asking({TAGS: (503, {"Retry-After": "50"}, b"")}) as asked:

        def enough(seconds: float, why: str) -> None:
            raise KeyboardInterrupt

        asked.client.on_wait = enough
        with pytest.raises(KeyboardInterrupt):
            asked.repository.tags()
        assert asked.pauses == []


def test_a_rate_limit_is_explained() -> None:
    """The message and the facts say how many requests are allowed, and when to come back."""
    headers = {
        "Retry-After": "7200",
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "0;w=21600",
    }
    body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}'
    with asking({TAGS: (429, headers, body)}) as asked:
        with pytest.raises(RateLimited) as caught:
            asked.repository.tags()
        assert str(caught.value) == (
            f"{asked.server.host} has been asked too often (429). It says: slow down. "
            "It allows 100 requests in 6 hours, and 0 are left. Try again in 2 hours."
        )
        error = caught.value
        assert (error.retry_after, error.limit, error.remaining) == (7200, 100, 0)
        assert error.code == "TOOMANYREQUESTS"


def test_nobody_there_is_said_at_once() -> None:
    """A port where nobody listens is not asked again, unless somebody answered before."""
    asked = Asked(Recorder("127.0.0.1:1", {}))
    with pytest.raises(Unreachable):
        asked.repository.tags()
    assert asked.pauses == []
    asked.client._answered.add(("http", "127.0.0.1", 1))
    with pytest.raises(Unreachable):
        asked.repository.tags()
    assert sum(asked.pauses) == 7
    asked.client.session.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("-5", None),
        ("1.5", None),
        ("9" * 5000, None),
        ("٣", None),
        ("soon", None),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), None),
        ("Wed, 21 Oct 2026 07:28:10 -0000", 10),
        ("Wed, 99 Oct 2026 07:28:10 GMT", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds or a date; a date gone by, or nonsense, is as if nothing was said."""
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    ("limit", "remaining", "sentence"),
    [
        (None, None, ""),
        ("100;w=21600", "0;w=21600", "It allows 100 requests in 6 hours, and 0 are left."),
        ("10", None, "It allows 10 requests."),
        ("10;w=60", "3", "It allows 10 requests in 60 seconds, and 3 are left."),
        ("many", "0", ""),
    ],
)
def test_quotas(limit: str | None, remaining: str | None, sentence: str) -> None:
    """The headers of a rate limit, as one sentence."""
    given = {"ratelimit-limit": limit, "ratelimit-remaining": remaining}
    assert str(Quota.of({key: value for key, value in given.items() if value})) == sentence


def test_durations() -> None:
    """A time is told in the largest unit that is exact."""
    assert [duration(s) for s in (1, 120, 119, 7200, 3601)] == [
        "1 second",
        "2 minutes",
        "119 seconds",
        "2 hours",
        "3601 seconds",
    ]


# -- blobs cut off in the middle --------------------------------------------------------------


def part(first: int, last: int = 4999, total: int | str = 5000, **more: str) -> Answer:
    """A 206 of these bytes."""
    header = {"Content-Range": f"bytes {first}-{last}/{total}"} | more
    return 206, header, DATA[first : last + 1]


def cut(at: int) -> Answer:
    """The blob under its whole length, but cut off."""
    return 200, {"Content-Length": "5000"}, [DATA[:at]]


REST = "bytes=2000-4999"

GONE_ON: list[tuple[list[Answer], list[str | None]]] = [
    ([WHOLE], [None]),
    ([cut(2000), part(2000)], [None, REST]),
    ([cut(2000), WHOLE], [None, REST]),  # 200: what came before is thrown away
    ([cut(2000), (416, {}, b""), WHOLE], [None, REST, None]),
    ([cut(2000), (400, {}, b""), WHOLE], [None, REST, None]),
    ([cut(2000), (404, {}, b""), WHOLE], [None, REST, None]),
    ([cut(2000), part(1999), WHOLE], [None, REST, None]),
    ([cut(2000), part(2001), WHOLE], [None, REST, None]),
    ([cut(2000), part(2000, total=5001), WHOLE], [None, REST, None]),
    ([cut(2000), part(2000, total="*"), WHOLE], [None, REST, None]),
    ([cut(2000), part(2000, last=4998), WHOLE], [None, REST, None]),
    ([cut(2000), (206, {}, DATA[2000:]), WHOLE], [None, REST, None]),
    ([cut(2000), (*part(2000)[:2], DATA[2000:3000]), part(3000)], [None, REST, "bytes=3000-4999"]),
    ([cut(0), WHOLE], [None, None]),
    ([cut(2000), cut(1000), part(2000)], [None, REST, REST]),
    ([(200, {}, [DATA[:2000]]), part(2000)], [None, REST]),  # no length: a silent end
    ([(200, {}, DATA[:2000]), part(2000)], [None, REST]),  # a false length
    ([cut(2000), (503, {}, b""), part(2000)], [None, REST, REST]),
    ([cut(2000), HANG_UP, part(2000)], [None, REST, REST]),
    (
        [cut(1000), cut(1000), cut(3000), part(3000)],
        [None] + ["bytes=1000-4999"] * 2 + ["bytes=3000-4999"],
    ),
    ([(200, {"Content-Length": "6000"}, [DATA])], [None]),  # all is there: who cares
]


@pytest.mark.parametrize(("answers", "spans"), GONE_ON)
def test_gone_on_with(answers: list[Answer], spans: list[str | None]) -> None:
    """Only what is missing is asked for, and taken only if it is exactly that."""
    with asking({PATH: answers}) as asked:
        assert asked.blob() == DATA
        assert asked.spans() == spans


FALSE = bytes(3000)

NOT_GONE_ON: list[tuple[list[Answer], type[ImgkitError]]] = [
    ([cut(2000), (206, part(2000)[1], FALSE)], VerificationError),
    ([cut(2000), (200, {}, DATA[:2000] + FALSE)], VerificationError),
    ([cut(2000), (200, {}, DATA + b"more")], SizeMismatch),
    ([(200, {}, DATA + b"more")], SizeMismatch),
    ([(200, {}, DATA[:2000])], SizeMismatch),
    ([(200, {}, b"")], SizeMismatch),
    ([cut(2000)], Unreachable),
    ([cut(2000), (416, {}, b"")], RegistryError),
    ([cut(2000), (404, {}, b"")], NotFound),
    ([cut(2000), (429, {"Retry-After": "999"}, b"")], RateLimited),
    ([part(0)], RegistryError),  # a part, though the whole was asked for
]


@pytest.mark.parametrize(("answers", "error"), NOT_GONE_ON)
def test_not_gone_on_with(answers: list[Answer], error: type[ImgkitError]) -> None:
    """What never becomes whole, or is not the blob in the end, is an error after a few tries."""
    with asking({PATH: answers}) as asked:
        with pytest.raises(error):
            asked.blob()
        assert len(asked.spans()) <= 4


def test_progress_gives_new_tries() -> None:
    """A long blob over a bad line arrives, as long as each piece of it is worth the trouble."""

    def answer(request: Request) -> Answer:
        first = int(request.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        status, headers, _ = part(first)
        end = min(first + 600, 5000)
        return (
            200 if not first else status,
            headers | {"Content-Length": str(5000 - first)},
            [DATA[first:end]],
        )

    patience = replace(hurried(), progress=600)
    with asking({PATH: answer}, patience) as asked:
        assert asked.blob() == DATA
        assert len(asked.spans()) == 9
    with (
        asking({PATH: answer}, replace(patience, progress=601)) as asked,
        pytest.raises(Unreachable, match="after 600 bytes"),
    ):
        asked.blob()


# -- servers that stall -----------------------------------------------------------------------


def trickle(data: bytes, pause: float) -> Iterator[bytes | float]:
    for byte in data:
        yield bytes([byte])
        yield pause


def test_a_stall_is_gone_on_with() -> None:
    """When nothing comes for a while, the rest is asked for on a new connection."""
    stalled: Answer = (200, {"Content-Length": "5000"}, [DATA[:2000], 1.0])
    with asking({PATH: [stalled, part(2000)]}, replace(hurried(), silence=0.1)) as asked:
        assert asked.blob() == DATA
        assert asked.spans() == [None, REST]


def test_a_server_that_stalls_for_ever_is_given_up_on() -> None:
    """The message says how far it came."""
    stalled: Answer = (200, {"Content-Length": "5000"}, [DATA[:2000], 0.6])
    with (
        asking({PATH: stalled}, replace(hurried(), silence=0.05)) as asked,
        pytest.raises(Unreachable, match="stopped in the middle"),
    ):
        asked.blob()


def test_a_server_that_trickles_is_given_up_on() -> None:
    """A byte now and then keeps no connection: the rate is measured."""

    def answer(request: Request) -> Answer:
        return 200, {"Content-Length": "5000"}, trickle(DATA[:100], 0.02)

    with (
        asking({PATH: answer}, replace(hurried(), window=0.3, tries=2)) as asked,
        pytest.raises(Unreachable, match=r"too slowly: .* at least 1024 a second"),
    ):
        asked.blob()


def test_a_document_has_a_deadline() -> None:
    """A list that never ends its answer is given up on, however regularly it comes."""

    def answer(request: Request) -> Answer:
        return 200, {"Content-Length": "5000"}, trickle(b" " * 100, 0.02)

    with (
        asking({TAGS: answer}, replace(hurried(), whole=0.3)) as asked,
        pytest.raises(Unreachable, match="did not end its answer"),
    ):
        asked.repository.tags()


def test_a_slow_reader_is_no_slow_server() -> None:
    """Time that we take ourselves between two reads does not count."""
    ticks = iter(range(10**9))
    patience = replace(hurried(), clock=lambda: next(ticks) / 1000, window=0.0101, rate=1)
    with asking({PATH: WHOLE}, patience) as asked, asked.repository.open(BLOB) as stream:
        chunks = []
        while chunk := stream.read(100):
            chunks.append(chunk)
            for _ in range(1000):
                next(ticks)
        assert b"".join(chunks) == DATA

"""The two ways to reach an application: a port of this machine, and no socket at all."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from urllib3.exceptions import HTTPError

from imgkit.errors import ImgkitError
from imgkit.place import EMBEDDED
from imgkit.server.transport import mount, serve

CHUNK = b"x" * 100_000


class Closing:
    """A body that counts what was taken of it, and notes that it was closed."""

    def __init__(self, count: int, fail: bool = False) -> None:
        self.count, self.fail = count, fail
        self.taken, self.closed = 0, False

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.taken += 1
            yield CHUNK
        if self.fail:
            raise OSError("the disk is gone")

    def close(self) -> None:
        self.closed = True


class App:
    """Answers with its body, and remembers what it was asked."""

    def __init__(self, body: Any = (b"hello",), length: int | None = None) -> None:
        self.body, self.length = body, length
        self.asked: dict[str, Any] = {}
        self.received = b""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.asked = environ
        if environ["PATH_INFO"] == "/fail":
            raise RuntimeError("a bug")
        if environ["REQUEST_METHOD"] in ("POST", "PUT", "PATCH"):
            self.received = environ["wsgi.input"].read()
        headers = [("X-Twice", "1"), ("X-Twice", "2")]
        if self.length is not None:
            headers.append(("Content-Length", str(self.length)))
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else self.body


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_a_mounted_application_answers(session: requests.Session) -> None:
    """Path, query and headers arrive as they were sent; no host of that name is needed."""
    app = App()
    mount(session, app)
    answer = session.get(f"{EMBEDDED}/a%20b/c?d=e&f=%2F", headers={"X-One": "1"})
    assert (answer.status_code, answer.reason, answer.content) == (200, "OK", b"hello")
    assert answer.headers["X-Twice"] == "1, 2"
    assert (app.asked["PATH_INFO"], app.asked["QUERY_STRING"]) == ("/a b/c", "d=e&f=%2F")
    assert (app.asked["HTTP_HOST"], app.asked["HTTP_X_ONE"]) == ("imgkit.localhost", "1")


def test_only_that_prefix_is_mounted(session: requests.Session) -> None:
    """A host whose name merely begins alike is another host, and so is https."""
    mount(session, App(), "http://a.test")
    mounted = session.get_adapter("http://a.test/")
    assert session.get_adapter("http://a.test/v2/") is mounted
    for url in ("http://a.test.evil.test/", "http://a.tests/", "https://a.test/"):
        assert session.get_adapter(url) is not mounted


@pytest.mark.parametrize(
    "body", [b"some bytes", "some bytes", io.BytesIO(b"some bytes"), [b"some ", b"bytes"]]
)
def test_every_kind_of_body_is_sent(session: requests.Session, body: Any) -> None:
    """Bytes, text, a file or an iterator: the application reads the same."""
    app = App()
    mount(session, app)
    session.post(f"{EMBEDDED}/", data=iter(body) if isinstance(body, list) else body)
    assert app.received == b"some bytes"
    session.post(f"{EMBEDDED}/")
    assert app.received == b""


def test_a_body_is_made_while_it_is_read(session: requests.Session) -> None:
    """Reading a little of a large body makes only a little of it; closing closes it."""
    body = Closing(1000)
    mount(session, App(body, 1000 * len(CHUNK)))
    answer = session.get(f"{EMBEDDED}/", stream=True)
    assert answer.raw.read(10, decode_content=False) == b"x" * 10
    assert answer.raw.read(150_000, decode_content=False) == b"x" * 150_000
    assert body.taken <= 4
    assert not body.closed
    answer.close()
    assert body.closed


def test_head_has_a_length_and_no_body(session: requests.Session) -> None:
    """HEAD says how long the body would be."""
    mount(session, App(length=5))
    answer = session.head(f"{EMBEDDED}/")
    assert (answer.headers["Content-Length"], answer.content) == ("5", b"")


def test_a_short_body_is_noticed(session: requests.Session) -> None:
    """A body that ends before its length is a broken connection, as on a socket."""
    mount(session, App([b"only this"], 100))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(f"{EMBEDDED}/")


def test_an_application_that_fails(session: requests.Session) -> None:
    """Before the answer it is a 500; within the body it is a broken connection."""
    mount(session, App(Closing(2, fail=True), 300_000))
    assert session.get(f"{EMBEDDED}/fail").status_code == 500
    answer = session.get(f"{EMBEDDED}/", stream=True)
    with pytest.raises(HTTPError, match="the disk is gone"):
        answer.raw.read(decode_content=False)


def test_a_served_application_answers(session: requests.Session) -> None:
    """On a free port of this machine, under the address given, until it is closed."""
    with serve(App()) as served:
        assert served.url == f"http://{served.host}"
        assert served.host.startswith("127.0.0.1:")
        assert session.get(served.url).content == b"hello"
    with pytest.raises(requests.ConnectionError):
        session.get(served.url)


def test_a_served_application_that_fails(
    session: requests.Session, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client sees a 500, and the terminal nothing."""
    with serve(App()) as served:
        assert session.get(f"{served.url}/fail").status_code == 500
        with socket.create_connection(("127.0.0.1", int(served.host.partition(":")[2]))) as half:
            half.sendall(b"GET / HT")
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_taken() -> None:
    """The error names the port, and says what to do."""
    with serve(App()) as served:
        port = int(served.host.partition(":")[2])
        with pytest.raises(ImgkitError, match=f"port {port}.*Choose another port") as caught:
            serve(App(), port=port)
        assert caught.value.port == port
    with pytest.raises(ImgkitError, match="port 70000"):
        serve(App(), port=70000)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", ""])
def test_only_this_machine_is_served(host: str) -> None:
    """A registry that asks for no password is not offered to the network."""
    with pytest.raises(ImgkitError, match="this machine"):
        serve(App(), host=host)

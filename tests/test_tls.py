"""Does a port speak TLS? What is asked, what is told, and how often."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorder import answering, hurried

from imgkit.client import Client, tls
from imgkit.client.credentials import Credentials, Login
from imgkit.errors import Unreachable
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store


@contextlib.contextmanager
def saying(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A port where everybody is answered this, and what each said."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        heard.append(connection.recv(1 << 16))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


ANSWERS = [
    (b"\x16\x03\x03\x00\x02..", True),  # a handshake goes on
    (b"\x15\x03\x01\x00\x02\x02\x28", True),  # an alert: no version or cipher in common
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", False),
    (b"<html>", False),
    (b"", False),
]


@pytest.mark.parametrize(("answer", "spoken"), ANSWERS)
def test_what_the_answer_says(answer: bytes, spoken: bool) -> None:
    """The first two bytes tell; nothing goes out but a message that names the host."""
    with saying(answer) as (port, heard):
        assert tls.is_spoken("127.0.0.1", port) is spoken
    assert heard[0].startswith(b"\x16\x03")


def test_nobody_answers() -> None:
    """Where no port is open, or nothing comes, nothing is known."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert tls.is_spoken("127.0.0.1", port, 0.05) is None
    assert tls.is_spoken("127.0.0.1", port) is None


@pytest.mark.peer("openssl")
def test_an_openssl_server(tmp_path: Path) -> None:
    """TLS of another make, with a certificate that nobody vouches for."""
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(
        [*new, "-keyout", "key", "-out", "crt"], cwd=tmp_path, check=True, capture_output=True
    )
    serve = ["openssl", "s_server", "-accept", "0", "-key", "key", "-cert", "crt", "-www"]
    with subprocess.Popen(serve, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = next(line for line in server.stdout if line.startswith("ACCEPT"))
        assert tls.is_spoken("localhost", int(line.rpartition(":")[2]))
        server.terminate()


def test_plain_http_is_asked_once(tmp_path: Path) -> None:
    """Our own registry and others speak http; a client asks each of them once, then knows."""
    with transport.serve(Registry([Store(tmp_path)])) as served, answering({}) as other:
        client = Client(patience=hurried())
        for host in (served.host, other.host):
            for path in ("a", "b"):
                repository = client.repository(Reference.parse(f"{host}/{path}"))
                assert repository.base == f"http://{host}"
        assert other.received == []
    with saying(b"HTTP/1.1 400 \r\n\r\n") as (port, heard):
        for path in ("a", "b"):
            client.repository(Reference.parse(f"127.0.0.1:{port}/{path}"))
        assert len(heard) == 1


def test_a_registry_in_this_process_has_no_port(tmp_path: Path) -> None:
    """One that is mounted on the session is not looked for on the network."""
    with saying(b"\x16\x03") as (port, heard):
        client = Client()
        transport.mount(client.session, Registry([Store(tmp_path)]), f"http://localhost:{port}")
        repository = client.repository(Reference.parse(f"localhost:{port}/a"))
        assert repository.base == f"http://localhost:{port}"
    assert heard == []


def test_no_login_goes_over_http_to_who_spoke_tls() -> None:
    """What spoke TLS once is not asked over http any more, whatever listens there later."""
    with saying(b"\x15\x03\x03\x00\x02\x02\x28") as (port, heard):
        host = f"127.0.0.1:{port}"
        client = Client(credentials=Credentials({host: Login("me", "pw")}), patience=hurried())
        name = Reference.parse(f"{host}/a:b")
        with pytest.raises(Unreachable):
            client.repository(name).resolve(name)
    listener = socket.create_server(("127.0.0.1", port))
    with listener:
        assert client.repository(name).base == f"https://{host}"
    client.session.close()
    assert not any(b"HTTP" in said or b"Basic" in said for said in heard)

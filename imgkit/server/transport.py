"""Two ways to reach a WSGI application: on a port of this machine, or with no socket at all."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict, HTTPResponse
from urllib3.exceptions import ProtocolError
from werkzeug.datastructures import Headers
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import create_environ, run_wsgi_app

from imgkit.errors import ImgkitError
from imgkit.place import EMBEDDED

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Served:
    """An application that answers on a port of this machine until it is closed."""

    def __init__(self, server: ThreadedWSGIServer) -> None:
        self._server = server
        host, port = server.server_address[:2]
        self.host = f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
        self.url = f"http://{self.host}"
        work = {"poll_interval": 0.05}  # seconds until `close` is noticed
        self._thread = threading.Thread(target=server.serve_forever, kwargs=work, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Returns when the server was closed, or by an exception such as Ctrl-C."""
        while self._thread.is_alive():
            self._thread.join(1)  # seconds; an endless join cannot be interrupted on Windows

    def close(self) -> None:
        """Afterwards the port is free."""
        self._server.shutdown()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(app: WSGIApplication, host: str = "127.0.0.1", port: int = 0) -> Served:
    """The application, answering on this port (0: a free one) of this machine, and only of it.

    Raises `ImgkitError` when the port is taken, or the host is not a loopback address.
    """
    _refuse_network(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        if not 0 <= port <= 65535:
            raise OSError("ports are numbered up to 65535")
        # Bound here, because werkzeug prints and exits when a port is taken.
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ImgkitError(
            f"cannot listen on {host} port {port}: {error}. Choose another port, or 0 for any "
            "that is free.",
            port=port,
        ) from None
    with listener:
        return Served(_Server(host, port, app, _Quiet, fd=listener.fileno()))


def mount(session: requests.Session, app: WSGIApplication, prefix: str = EMBEDDED) -> None:
    """Afterwards what the session asks under `prefix` is answered by `app`, in this process."""
    # The slash matters: without it, the prefix of http://a.b would be one of http://a.b.evil.com.
    session.mount(prefix.rstrip("/") + "/", _InProcess(app))


def _refuse_network(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ImgkitError(
            f"{host} is not an address of this machine alone, and a registry that lets everybody "
            "in must not be reachable from elsewhere. Use 127.0.0.1.",
            host=host,
        )


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """The application keeps a log; nothing is written to the terminal."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:  # noqa: ARG002
        """The client went away, or the application broke the connection: nobody waits for more."""
        self.close_connection = True


class _Server(ThreadedWSGIServer):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """As above."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no news."""


class _InProcess(HTTPAdapter):
    """Calls the application instead of sending the request."""

    def __init__(self, app: WSGIApplication) -> None:
        super().__init__()
        self._app = app

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the body is made while it is read, in any case
        timeout: Any = None,
        *_: Any,
        **__: Any,
    ) -> requests.Response:
        """The application's answer; its body is read from it as the caller asks for more.

        A connection that the application breaks, or leaves silent for longer than `timeout` (in
        seconds; the second of two is of the body), raises what it would over a socket.
        """
        body: Iterable[bytes]
        try:
            body, status, headers = run_wsgi_app(self._call, _environ(request))
        except ConnectionError as error:
            raise requests.ConnectionError(
                ProtocolError("hung up", error), request=request
            ) from error
        except Exception:  # noqa: BLE001 - whatever it was, a server says 500
            body, status, headers = (), "500 INTERNAL SERVER ERROR", Headers({"Content-Length": 0})
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        length = headers.get("Content-Length", type=int)
        code, reason = (status + " ").split(" ", 1)
        response = HTTPResponse(
            body=cast(IO[bytes], io.BufferedReader(_Chunks(body, length, patience))),
            headers=HTTPHeaderDict(list(headers.items())),
            status=int(code),
            reason=reason.strip(),
            preload_content=False,
            decode_content=False,
            request_method=request.method,
            request_url=request.url,
        )
        return self.build_response(request, response)

    def _call(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        """The body, which is closed by whatever ends it, also before the first chunk."""
        body = self._app(environ, start_response)
        try:
            yield from body
        finally:
            getattr(body, "close", lambda: None)()


def _environ(request: requests.PreparedRequest) -> dict[str, Any]:
    """The request as WSGI has it (PEP 3333)."""
    address = urlsplit(cast(str, request.url))
    environ: dict[str, Any] = create_environ(
        path=request.path_url,
        base_url=f"{address.scheme}://{address.netloc}",
        method=request.method or "GET",
        headers=dict(request.headers),
    )
    environ["CONTENT_LENGTH"] = request.headers.get("Content-Length", "")
    environ["wsgi.input"] = _readable(request.body)
    environ["wsgi.input_terminated"] = True  # it ends by itself, with or without a length
    return environ


def _readable(body: Any) -> IO[bytes]:
    """The body of a request, whatever `requests` was given."""
    if hasattr(body, "read"):
        return cast(IO[bytes], body)
    if body is None or isinstance(body, (str, bytes)):
        return io.BytesIO(body.encode() if isinstance(body, str) else body or b"")
    return io.BufferedReader(_Chunks(body))


class _Chunks(io.RawIOBase):
    """An iterable of chunks, read as a file; no more than one chunk is held.

    It ends after `length` bytes, whatever comes then. Chunks of nothing are silence, of which at
    most `patience` seconds are borne.
    """

    def __init__(
        self, chunks: Iterable[bytes], length: int | None = None, patience: float | None = None
    ) -> None:
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._held = memoryview(b"")
        self._length, self._patience = length, patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        heard = time.monotonic()
        while not self._held and self._length != 0:
            try:
                chunk = next(self._iterator, None)
            except Exception as error:  # seen from here, the connection broke
                raise ProtocolError(f"the application failed: {error}", error) from error
            if chunk is None:
                return 0
            if not chunk and self._patience and time.monotonic() - heard > self._patience:
                raise TimeoutError("timed out")
            self._held = memoryview(chunk)[: self._length]
        size = min(len(buffer), len(self._held))
        buffer[:size], self._held = self._held[:size], self._held[size:]
        if self._length is not None:
            self._length -= size
        return size

    def close(self) -> None:
        if not self.closed:
            getattr(self._chunks, "close", lambda: None)()
        super().close()

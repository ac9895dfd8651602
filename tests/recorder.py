"""A server that answers by a table, however badly, and records what it was sent."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, NamedTuple

from imgkit.client.patience import Patience


class Request(NamedTuple):
    """What came in; the path has its query."""

    path: str
    headers: dict[str, str]
    method: str
    body: bytes


Body = bytes | Iterable[bytes | float]
"""Pieces; a number is a pause in seconds. The connection is closed after them."""
Answer = tuple[int, dict[str, str], Body]
Answers = dict[str, Answer | list[Answer] | Callable[[Request], Answer]]
"""By path; of a list, one each time, and the last one for ever."""

HANG_UP: Final[Answer] = (0, {}, b"")
"""No answer at all: the connection is closed."""


class Recorder:
    """Where the server is, what it answers, and what it was asked."""

    def __init__(self, host: str, answers: Answers, scheme: str = "http") -> None:
        self.host = host
        self.url = f"{scheme}://{host}"
        self.answers = answers
        self.received: list[Request] = []

    def paths(self) -> list[str]:
        return [request.path.partition("?")[0] for request in self.received]

    def answer(self, request: Request) -> Answer:
        self.received.append(request)
        found = self.answers.get(request.path.partition("?")[0], (404, {}, b""))
        if callable(found):
            return found(request)
        if isinstance(found, list):
            return found.pop(0) if len(found) > 1 else found[0]
        return found


@contextlib.contextmanager
def answering(answers: Answers, context: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    """A server in a thread, on a port of its own, while the block runs; over TLS if so wanted."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Request(self.path, dict(self.headers), self.command, body)
            with contextlib.suppress(OSError):  # a client that goes away is no news
                self.send(*recorder.answer(request))

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        def send(self, status: int, headers: dict[str, str], body: Body) -> None:
            if not status:
                return
            self.send_response(status)
            length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
            for key, value in (length | headers).items():
                self.send_header(key, value)
            self.end_headers()
            for piece in [body] if isinstance(body, bytes) else body:
                if isinstance(piece, bytes):
                    self.wfile.write(piece if self.command != "HEAD" else b"")
                else:
                    time.sleep(piece)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = f"127.0.0.1:{server.server_address[1]}"
    recorder = Recorder(host, answers, "https" if context else "http")
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hurried(pauses: list[float] | None = None) -> Patience:
    """A client's patience that remembers its pauses and takes no time for them."""
    return Patience(sleep=(pauses if pauses is not None else []).append)

"""An internet with registries only: every host name leads to one application, over real TLS.

A proxy (HTTPS_PROXY) takes the place of the network, and a certificate that is made on the spot
(SSL_CERT_FILE) that of the authorities: so `docker pull redis` asks registry-1.docker.io, and
`ghcr.io/...` ghcr.io, and what a program prints is what it prints on the open internet.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

DOCKER_HUB: Final = "registry-1.docker.io"
HOSTS: Final = (DOCKER_HUB, "ghcr.io", "gcr.io", "mcr.microsoft.com")


class Internet:
    """`app` answers for every host of `HOSTS`; `env` is what a program needs to believe it."""

    def __init__(self, folder: Path, app: Callable[..., Any]) -> None:
        self.app = app
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        names = ",".join(f"DNS:{host}" for host in HOSTS)
        openssl = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=internet"
        files = ["-keyout", str(key), "-out", str(certificate)]
        command = [*openssl.split(), "-addext", f"subjectAltName={names}", *files]
        subprocess.run(command, check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = ThreadedWSGIServer("127.0.0.1", 0, self._answer, _Quiet, ssl_context=context)
        self._proxy = _Proxy(("127.0.0.1", 0), _Tunnel)
        self._proxy.target = self._server.server_address[:2]
        host, port = self._proxy.server_address[:2]
        self.env = {
            "HTTPS_PROXY": f"http://{host!s}:{port}",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "NO_PROXY": "",
            "SSL_CERT_FILE": str(certificate),
        }

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        host = environ["HTTP_HOST"].partition(":")[0]
        if host != DOCKER_HUB:
            environ["QUERY_STRING"] += f"&ns={quote(host)}"
        return self.app(environ, start_response)

    @contextmanager
    def open(self) -> Iterator[None]:
        """While it lasts, the hosts answer."""
        servers = [self._server, self._proxy]
        threads = [threading.Thread(target=s.serve_forever, args=[0.05]) for s in servers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for server in servers:
                server.shutdown()
            for thread in threads:
                thread.join()
            for server in servers:
                server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Nothing is written to the terminal."""


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    target: Any = None


class _Tunnel(socketserver.StreamRequestHandler):
    """`CONNECT host:443`, answered with a connection to the one server there is."""

    def handle(self) -> None:
        asked = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        if asked[:1] != ["CONNECT"] or asked[1].partition(":")[0] not in HOSTS:
            self.wfile.write(b"HTTP/1.1 502 No such host\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        target = self.server.target  # type: ignore[attr-defined]
        with socket.create_connection(target) as there:
            back = threading.Thread(target=_pour, args=[there, self.connection], daemon=True)
            back.start()
            _pour(self.connection, there)
            back.join()


def _pour(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            drain.sendall(chunk)
    with suppress(OSError):
        drain.shutdown(socket.SHUT_WR)

"""What stands before a registry in the world: nginx with TLS, a private CA, a token service.

`registry.example` is reached as it is from behind a firewall: by a proxy, which the environment
names (`HTTPS_PROXY`), and which knows that name and no other.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Final

from werkzeug.wrappers import Request, Response

HOST: Final = "registry.example"
_NGINX: Final = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/tls ssl;
        ssl_certificate {ca.folder}/host.crt;
        ssl_certificate_key {ca.folder}/host.key;
        proxy_set_header Host {host};
        proxy_set_header X-Forwarded-Proto https;
        location / {{ proxy_pass http://{registry}; }}
        location /token {{ proxy_pass http://{tokens}; }}
    }}
}}
"""


class Authority:
    """A private CA: its certificate `ca.crt` in `folder`, and one for our host and this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.crt"
        new = ["req", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        own = ["-x509", "-subj", "/CN=A CA of our own", "-keyout", "ca.key", "-out", "ca.crt"]
        self.openssl(*new, *own)
        self.openssl(*new, "-subj", f"/CN={HOST}", "-keyout", "host.key", "-out", "host.csr")
        (folder / "names").write_text(f"subjectAltName=DNS:{HOST},DNS:localhost,IP:127.0.0.1")
        signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"]
        self.openssl(
            *["x509", "-req", "-in", "host.csr", *signer, "-extfile", "names", "-out", "host.crt"]
        )

    def openssl(self, *words: str, given: bytes = b"") -> bytes:
        """What the program answers, in our folder."""
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, input=given, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def token(self, claims: Mapping[str, Any]) -> str:
        """The claims as a JSON Web Token (RFC 7519), signed by the CA (RS256)."""
        lines = self.certificate.read_text().split("-----")[2]
        head = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines.split())]}
        said = ".".join(_base64(json.dumps(part).encode()) for part in (head, claims))
        signed = self.openssl("dgst", "-sha256", "-sign", "ca.key", given=said.encode())
        return f"{said}.{_base64(signed)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class TokenService:
    """Gives whoever knows a password a token for all that was asked for, and others for nothing.

    The registry knows it as `issuer`, and itself as `service` (distribution, "token.md").
    """

    authority: Authority
    users: Mapping[str, str]
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    def configuration(self, realm: str) -> str:
        """What docker-registry has to be told."""
        return (
            f"auth:\n  token: {{realm: '{realm}', service: registry, issuer: issuer, "
            f"rootcertbundle: {self.authority.certificate}}}\n"
        )

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = Request(environ)
        login, scopes = request.authorization, request.args.getlist("scope")
        name = str(login.username) if login is not None else ""
        self.asked.append((name, scopes))
        if login is not None and self.users.get(name) != login.password:
            return Response(status=401)(environ, start_response)
        now = int(time.time())
        parts = [scope.split(":") for scope in scopes if login is not None]
        claims = {
            "iss": "issuer",
            "sub": name,
            "aud": request.args.get("service", ""),
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": str(len(self.asked)),
            "access": [
                {"type": kind, "name": path, "actions": actions.split(",")}
                for kind, path, actions in parts
            ],
        }
        body = json.dumps({"token": self.authority.token(claims)})
        return Response(body, content_type="application/json")(environ, start_response)


@contextlib.contextmanager
def nginx(authority: Authority, registry: str, tokens: str) -> Iterator[Path]:
    """The socket where nginx speaks TLS for the registry at that `host:port`."""
    folder = Path(tempfile.mkdtemp(prefix="imgkit-nginx-"))  # sockets take 107 characters at most
    config = folder / "nginx.conf"
    where = {"folder": folder, "registry": registry, "tokens": tokens, "host": HOST}
    config.write_text(_NGINX.format(ca=authority, **where))
    command = ["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _await(process, folder)
        yield folder / "tls"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _await(process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as attempt:
            attempt.connect(str(folder / "tls"))
            return
        assert process.poll() is None, (folder / "error.log").read_text()
        time.sleep(0.05)
    raise TimeoutError((folder / "error.log").read_text())


@contextlib.contextmanager
def proxy(there: Path) -> Iterator[str]:
    """The address of a proxy that connects to our host, at that socket (RFC 9110, 9.3.6)."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            wanted = self.rfile.readline().decode().split(" ")
            while self.rfile.readline().strip():
                pass
            if wanted[:2] != ["CONNECT", f"{HOST}:443"]:
                self.wfile.write(b"HTTP/1.1 502 Unknown\r\n\r\n")
                return
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            with socket.socket(socket.AF_UNIX) as onward:
                onward.connect(str(there))
                back = threading.Thread(target=_pump, args=(onward, self.connection))
                back.start()
                _pump(self.connection, onward)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Whatever comes from one side goes to the other, until it ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)

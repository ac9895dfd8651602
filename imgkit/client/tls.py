"""Does a port speak TLS? Asked once, before anything else, of registries on this machine.

As with Docker, a registry on a loopback address is spoken to over https if it can do that, and
over http if not. Nothing is told to it to find out: only the first message of a TLS handshake goes
out (RFC 8446, 4.1.2), and the first two bytes of the answer are looked at. Whether a certificate
is good is seen by the requests that follow, which never fall back.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

_RECORDS: Final = (b"\x16\x03", b"\x15\x03")  # a handshake or an alert, of TLS 1.x (RFC 8446, 5.1)
_END: Final = b"\r\n\r\n"
"""Without a line end, a server of plain http would wait for more of what it takes for a line."""


def is_spoken(host: str, port: int, seconds: float = 2.0) -> bool | None:
    """Whether TLS is spoken there; None if nobody answers in that time."""
    with contextlib.suppress(OSError, ImportError):
        hello = _hello(host)
        with socket.create_connection((host, port), seconds) as there:
            there.sendall(hello + _END)
            return there.recv(1 << 16)[:2] in _RECORDS
    return None


def _hello(host: str) -> bytes:
    """The first message of a client that will take any certificate."""
    import ssl  # noqa: PLC0415  a browser (Pyodide) has none

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    sent = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return sent.read()

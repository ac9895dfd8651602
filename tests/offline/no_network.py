"""No network: connections to other machines fail at once, as if it were unplugged."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_look_up = socket.getaddrinfo


def is_here(host: str | bytes | None) -> bool:
    """Whether a host is this machine itself."""
    name = host.decode() if isinstance(host, bytes) else host or "localhost"
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def _leaves(connection: socket.socket, address: Any) -> bool:
    return connection.family in (socket.AF_INET, socket.AF_INET6) and not is_here(address[0])


def connect(self: socket.socket, address: Any, /) -> None:
    """Connect, but only to this machine."""
    if _leaves(self, address):
        raise OSError(errno.ENETUNREACH, f"tests have no network: {address[0]}")
    _connect(self, address)


def connect_ex(self: socket.socket, address: Any, /) -> int:
    """Connect, but only to this machine; an error number instead of an exception."""
    return errno.ENETUNREACH if _leaves(self, address) else _connect_ex(self, address)


def look_up(host: Any, *more: Any, **options: Any) -> Any:
    """The addresses of a name, if it is this machine's."""
    if not is_here(host):
        raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {host}")
    return _look_up(host, *more, **options)


def block() -> None:
    """From now on, this process reaches nothing but this machine."""
    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = look_up

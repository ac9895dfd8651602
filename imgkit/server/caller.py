"""Whose program is at the other end of a connection within this machine, as Linux knows it.

The kernel is asked over netlink, as `ss` does (sock_diag(7), linux/inet_diag.h), for the one socket
that has these two ends. Ports and addresses are in network order, all else in the machine's.
"""

from __future__ import annotations

import functools
import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

_SOCK_DIAG: Final = 4
_BY_FAMILY: Final = 20
_HEAD: Final = struct.Struct("=IHHII")
_ASKED: Final = struct.Struct("=BBBBI")
_ENDS: Final = struct.Struct("!HH16s16s")
_ANY: Final = struct.pack("=IQ", 0, 2**64 - 1)
"""On any interface, with any cookie."""
_OWNER: Final = struct.Struct("=II")
_OWNER_AT: Final = _HEAD.size + 4 + _ENDS.size + len(_ANY) + 12

End = tuple[str, int]
"""Address and port."""


def is_own(environ: Mapping[str, Any]) -> bool:
    """Whether a request came from this process, this user, or root; True where nobody can tell."""
    if "REMOTE_PORT" not in environ or not can_tell():
        return True
    far = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])
    near = environ["SERVER_NAME"], int(environ["SERVER_PORT"])
    return user_of(far, near) in (0, os.geteuid())


@functools.cache
def can_tell() -> bool:
    """Whether this system says whose a connection is: seen on one that is made for it."""
    try:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            socket.create_connection(server.getsockname(), timeout=5) as client,
        ):
            return user_of(client.getsockname(), server.getsockname()) == os.geteuid()
    except (OSError, AttributeError):  # a system without netlink, or a sandbox that forbids it
        return False


def user_of(near: End, far: End) -> int | None:
    """The number of the user whose program holds the socket at `near` that leads to `far`.

    None if there is no such socket, or its program has closed it: it then seems to be root's.
    """
    family = socket.AF_INET6 if ":" in near[0] else socket.AF_INET
    addresses = [socket.inet_pton(family, host) for host, _ in (near, far)]
    asked = _ASKED.pack(family, socket.IPPROTO_TCP, 0, 0, 2**32 - 1)
    asked += _ENDS.pack(near[1], far[1], *addresses) + _ANY
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _SOCK_DIAG) as kernel:
        kernel.settimeout(5)
        kernel.send(_HEAD.pack(_HEAD.size + len(asked), _BY_FAMILY, 1, 0, 0) + asked)
        answer = kernel.recv(4096)
    if _HEAD.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    user, inode = _OWNER.unpack_from(answer, _OWNER_AT)
    return user if inode else None

"""One policy for every address that a server hands us: may it be asked, and with what?

A credential belongs to one origin (scheme, host, port) and goes to no other. A server may send us
on to another address, but never from https down to http, and never into our private network.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urljoin, urlsplit

from imgkit.errors import RegistryError

Origin = tuple[str, str, int]

_PORTS: Final = {"http": 80, "https": 443}


def origin(url: str) -> Origin:
    """Scheme, host and port of an address; raises `RegistryError` unless it is http or https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(url, "it is not an address") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _refused(url, "only http and https are spoken here")
    if parts.username is not None or parts.password is not None:
        raise _refused(url, "it carries a user name")
    return parts.scheme, parts.hostname.lower(), _PORTS[parts.scheme] if port is None else port


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def follow(current: str, location: str) -> str:
    """The address that `location`, handed to us by `current`, means; or why it is not asked."""
    url = urljoin(current, location)
    before, after = origin(current), origin(url)
    if after == before:
        return url
    if before[0] == "https" and after[0] == "http":
        raise _refused(url, f"{before[1]} sent us there, from https down to http")
    if after[0] == "http" and not is_loopback(after[1]):
        raise _refused(url, f"{before[1]} sent us there, over http to another machine")
    if _is_private(after[1]) and not (is_loopback(after[1]) and is_loopback(before[1])):
        raise _refused(url, f"{before[1]} sent us there, into a private network")
    return url


def _is_private(host: str) -> bool:
    if is_loopback(host):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _refused(url: str, reason: str) -> RegistryError:
    return RegistryError(
        f"the address {url[:200]!r} is not asked: {reason}", status=None, code=None, url=url
    )

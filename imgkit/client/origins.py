"""One policy for every address that a server hands us: may it be asked, and with what?

A credential belongs to one origin (scheme, host, port) and goes to no other. A server may send us
on to another address, but never from https down to http, and never into our private network.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urljoin, urlsplit

from imgkit.errors import RegistryError

Origin = tuple[str, str, int]

_PORTS: Final = {"http": 80, "https": 443}
# Resolvers take 2130706433, 0x7f.1 and 127.1 for 127.0.0.1; no name ends in a number.
_NUMBER: Final = re.compile(r"(?:^|\.)(?:0x[0-9a-f]*|[0-9]+)\.?$")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


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
    host = parts.hostname.lower()
    if _NUMBER.search(host) and _address(host) is None:
        raise _refused(url, "its host is a number; write an address in full, as 192.0.2.1")
    return parts.scheme, host, _PORTS[parts.scheme] if port is None else port


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this very machine."""
    host = host.strip("[]").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and address.is_loopback


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
    address = _address(host)
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return not (inner or address).is_global
    return address is not None and not address.is_global


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").rstrip("."))
    except ValueError:
        return None


def _refused(url: str, reason: str) -> RegistryError:
    return RegistryError(
        f"the address {url[:200]!r} is not asked: {reason}", status=None, code=None, url=url
    )

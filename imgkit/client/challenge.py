"""What a registry asks for before it serves, and where to get it: protocol logic, no sockets.

A registry answers 401 with a challenge (RFC 9110, section 11.6.1)::

    WWW-Authenticate: Bearer realm="https://auth.example.com/token",service="registry.example.com"

and the client asks the realm for a token that is good for one scope
(distribution: token authentication specification)::

    GET https://auth.example.com/token?service=registry.example.com&scope=repository:redis:pull
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

from imgkit import document
from imgkit.errors import ImgkitError, RegistryError

MIN_LIFE: Final = 60
"""Seconds that a token lives when its service does not say, or says less."""
MAX_LIFE: Final = 86400
"""Seconds after which a new one is asked for, whatever its service says."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[ \t]*=[ \t]*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s,\"]+))")
_GAP: Final = re.compile(r"[ \t,]*")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a registry offers: a scheme (`bearer`, `basic`) and its parameters."""

    scheme: str
    params: Mapping[str, str]

    @property
    def realm(self) -> str:
        return self.params.get("realm", "")

    def realm_url(self, registry: str) -> str:
        """Whom to ask for a token; a relative realm is one of the registry itself."""
        return urljoin(registry, self.realm)

    def token_url(self, registry: str, *scopes: str) -> str:
        """The GET for a token that is good for these scopes."""
        realm = self.realm_url(registry)
        asked = [("service", self.params.get("service", "")), *(("scope", s) for s in scopes)]
        query = urlencode([(key, value) for key, value in asked if value], safe=":/,")
        return f"{realm}{'&' if urlsplit(realm).query else '?'}{query}"


@dataclass(frozen=True, slots=True)
class Token:
    """What the realm gave: good for `life` seconds; perhaps with a new identity token."""

    text: str
    life: int
    identity: str = ""

    @classmethod
    def parse(cls, raw: bytes, url: str) -> Token:
        """The token in the service's answer; raises `RegistryError` if there is none."""
        try:
            answer = document.load(raw, "answer")
        except ImgkitError as error:
            raise RegistryError(
                f"the token service {url} did not answer with a token: {error}",
                status=200,
                code=None,
                url=url,
            ) from None
        text = answer.get("token") or answer.get("access_token")
        if not isinstance(text, str) or not re.fullmatch(r"[\x21-\x7e]+", text):
            raise RegistryError(
                f"the token service {url} answered, but without a token",
                status=200,
                code=None,
                url=url,
            )
        life = answer.get("expires_in")
        identity = answer.get("refresh_token")
        return cls(
            text,
            min(max(life, MIN_LIFE), MAX_LIFE) if isinstance(life, int) else MIN_LIFE,
            identity if isinstance(identity, str) else "",
        )


def parse(header: str) -> list[Challenge]:
    """Every challenge of a `WWW-Authenticate` header, in order.

    >>> parse('Basic realm="a", Bearer realm="https://b/token", service=c')[1].params["service"]
    'c'

    Raises `RegistryError` for a header that breaks the grammar.
    """
    found: list[tuple[str, dict[str, str]]] = []
    position = _skip(header, 0)
    while position < len(header):
        word = _TOKEN.match(header, position)
        if word is None:
            raise _unreadable(header, position)
        value = _VALUE.match(header, word.end())
        if value and found:
            text = re.sub(r"\\(.)", r"\1", value[1]) if value[1] is not None else value[2]
            found[-1][1].setdefault(word[0].lower(), text)
            position = value.end()
            if position < len(header) and header[position] not in " \t,":
                raise _unreadable(header, position)
        elif value or header[word.end() : word.end() + 1] not in ("", " ", "\t", ","):
            raise _unreadable(header, word.end())
        else:
            found.append((word[0].lower(), {}))
            position = word.end()
        position = _skip(header, position)
    return [Challenge(scheme, params) for scheme, params in found]


def merge(scope: str, scopes: Sequence[str]) -> list[str]:
    """The scopes with one more; what is asked of one repository stands together.

    >>> merge("repository:app:pull,push", ["repository:app:pull", "repository:base:pull"])
    ['repository:app:pull,push', 'repository:base:pull']
    """
    whole: dict[str, dict[str, None]] = {}
    for each in (*scopes, scope):
        name, _, actions = each.rpartition(":")
        whole.setdefault(name, {}).update(dict.fromkeys(actions.split(",")))
    return [f"{name}:{','.join(actions)}" for name, actions in whole.items()]


def _skip(header: str, position: int) -> int:
    gap = _GAP.match(header, position)
    return gap.end() if gap else position


def _unreadable(header: str, position: int) -> RegistryError:
    return RegistryError(
        f"the registry asks for authentication in a way that cannot be read, at character "
        f"{position}: {header[:200]!r}",
        status=401,
        code=None,
        url=None,
    )

"""Bearer tokens: what a registry hands out instead of asking for a password every time.

A client without a token is answered 401 and told where to get one (Docker's token specification)::

    WWW-Authenticate: Bearer realm="http://.../token",service="imgkit",
                             scope="repository:library/redis:pull"

A scope is `repository:` path `:` actions, separated by commas. Tokens here are random, and mean
something to this process only.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

SERVICE: Final = "imgkit"
ACTIONS: Final = ("pull", "push", "delete")
"""What a scope may ask for; "*" is all of them."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """What one token allows: pairs of repository and action, until a moment."""

    scopes: frozenset[tuple[str, str]]
    ends: float


class Tokens:
    """The tokens that one registry has handed out, each good for `life` seconds."""

    def __init__(self, life: float) -> None:
        self.life = life
        self._grants: dict[str, _Grant] = {}
        self._issuing = threading.Lock()

    def issue(self, scopes: Iterable[str], allowed: Callable[[str, str], bool]) -> dict[str, Any]:
        """A new token, as the JSON that a client expects, for what is `allowed` of the scopes."""
        now, token = time.monotonic(), secrets.token_urlsafe(24)
        wanted = frozenset(pair for scope in scopes for pair in _pairs(scope) if allowed(*pair))
        with self._issuing:
            self._grants = {old: it for old, it in self._grants.items() if it.ends > now}
            self._grants[token] = _Grant(wanted, now + self.life)
        return {
            "token": token,
            "access_token": token,
            "expires_in": int(self.life),
            "issued_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def forget(self, token: str | None) -> None:
        """Afterwards this token is as good as one that has outlived its time."""
        with self._issuing:
            self._grants.pop(token or "", None)

    def allows(self, token: str | None, path: str, action: str) -> bool:
        """Whether the token is good for doing this to that repository."""
        return self.problem(token, path, action) is None

    def problem(self, token: str | None, path: str, action: str) -> str | None:
        """What is wrong with a token, in the words of RFC 6750; None if it is good.

        No token at all is the problem "". An empty path asks for any good token.
        """
        if token is None:
            return ""
        grant = self._grants.get(token)
        if grant is None or grant.ends <= time.monotonic():
            return "invalid_token"
        if path and (path, action) not in grant.scopes:
            return "insufficient_scope"
        return None


def challenge(realm: str, path: str, action: str, problem: str) -> str:
    """The `WWW-Authenticate` header that tells a client which token to get, and where."""
    facts = {"realm": realm, "service": SERVICE}
    if path:
        actions = "pull" if action == "pull" else f"pull,{action}"
        facts["scope"] = f"repository:{path}:{actions}"
    if problem:
        facts["error"] = problem
    return "Bearer " + ",".join(f'{key}="{value}"' for key, value in facts.items())


def _pairs(scope: str) -> Iterator[tuple[str, str]]:
    kind, _, rest = scope.partition(":")
    path, _, actions = rest.rpartition(":")
    if kind == "repository":
        for action in actions.replace("*", ",".join(ACTIONS)).split(","):
            yield path, action

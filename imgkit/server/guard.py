"""Who may come in to a registry, and do what: anybody, or users with a password.

    Bearer   the client gets a token first, with or without a password, good for what it asked for
    Basic    the client shows its password with every request

Where there are users, everybody else may pull what is not private, and nothing more. Where there
are none, only programs of the user who serves it (and root's, as Docker's is) come in by a port, as
far as the system can tell whose they are. Passwords are compared in constant time; they are as safe
as the memory and the wire that they are in.
"""

from __future__ import annotations

import contextlib
import hmac
from collections.abc import Collection, Mapping

from werkzeug.wrappers import Response

from imgkit.errors import InvalidReference, RegistryError
from imgkit.reference import DOCKER_HUB, Reference
from imgkit.server import caller
from imgkit.server.answers import Asked, json_answer, refused
from imgkit.server.tokens import Tokens, challenge


class Guard:
    """The rules of one registry. Without `users`, whoever comes in is allowed what it can do.

    `private` are the repositories that only users may pull from.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        auth: bool,
        push: bool,
        basic: bool = False,
        users: Mapping[str, str] | None = None,
        private: Collection[str] = (),
    ) -> None:
        self.tokens = tokens
        self.auth, self.push, self.basic = auth, push, basic
        self.users = users
        self.private = {_normal(path) for path in private}

    def admit(self, request: Asked) -> None:
        """Raise unless the name is one, and whoever asks may do this to it."""
        if not self.users and not caller.is_own(request.environ):
            message = "this registry is for the user who serves it, and has no passwords for others"
            raise refused(403, "DENIED", message)
        if request.name:
            request.repository  # noqa: B018 - parsed here, so that no wrong name gets further
        if request.action != "pull" and not self.push:
            raise refused(403, "DENIED", "nothing can be pushed to this registry, or deleted")
        if self.auth and self.basic:
            self._admit_user(request)
        elif self.auth:
            self._admit_token(request)

    def token(self, request: Asked) -> Response:
        """A token for what of the scopes is allowed (Docker's token specification, not OCI's)."""
        user = self._user(request)
        scopes = [scope for value in request.args.getlist("scope") for scope in value.split()]
        return json_answer(
            self.tokens.issue(scopes, lambda path, action: self._allows(user, path, action))
        )

    def may_pull(self, request: Asked, path: str) -> bool:
        """Whether what came with a request is also good for pulling from there."""
        if not self.auth:
            return True
        if self.basic:
            return self._allows(self._user(request), path, "pull")
        return self.tokens.allows(request.token, path, "pull")

    def _allows(self, user: str | None, path: str, action: str) -> bool:
        if action != "pull" and not self.push:
            return False
        if user or not self.users:
            return True
        return action == "pull" and _normal(path) not in self.private

    def _user(self, request: Asked) -> str | None:
        """Who asks, None if that is not said; raises when name and password do not go together."""
        given = request.authorization
        if not self.users or given is None or given.type != "basic":
            return None
        name, password = str(given.username), str(given.password)
        if not name and not password:
            return None  # what skopeo shows for want of a password
        known = self.users.get(name, "")
        if name in self.users and hmac.compare_digest(known.encode(), password.encode()):
            return name
        raise _who(f"{name} has another password, or is not known here")

    def _admit_user(self, request: Asked) -> None:
        user = self._user(request)
        # A client learns from /v2/ whether to show a password at all, so nobody else is let in.
        if user is None and self.users and not request.name:
            raise _who("a password is needed to push here")
        if not self._allows(user, request.name, request.action):
            raise _who(f"a password is needed to {request.action} here")

    def _admit_token(self, request: Asked) -> None:
        problem = self.tokens.problem(request.token, request.name, request.action)
        if problem is not None:
            realm = f"{request.host_url}token"
            header = challenge(realm, request.name, request.action, problem)
            message = f"a token is needed; get one from {realm}"
            headers = {"WWW-Authenticate": header}
            raise refused(401, "UNAUTHORIZED", message, {"error": problem}, headers)


def _who(message: str) -> RegistryError:
    headers = {"WWW-Authenticate": 'Basic realm="imgkit"'}
    return refused(401, "UNAUTHORIZED", message, None, headers)


def _normal(path: str) -> str:
    """The repository's one name: of `redis` and `library/redis`, the longer."""
    with contextlib.suppress(InvalidReference):
        return Reference.parse(f"{DOCKER_HUB}/{path}").path
    return path

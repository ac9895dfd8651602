"""The embedded registry: the OCI distribution-spec (version 1.1) as a WSGI application.

    GET     /v2/                              is there a registry, and may I come in?
    GET     /v2/<name>/tags/list              the tags of a repository
    GET     /v2/<name>/manifests/<target>     a manifest or index, by tag or digest
    GET     /v2/<name>/blobs/<digest>         a config or layer
    GET     /v2/<name>/referrers/<digest>     what refers to a manifest: signatures, SBOMs
    POST    /v2/<name>/blobs/uploads/         begin to push a blob, or mount it from elsewhere
    PATCH   /v2/<name>/blobs/uploads/<id>     here is more of it
    PUT     /v2/<name>/blobs/uploads/<id>     that was all, and this is its digest
    PUT     /v2/<name>/manifests/<target>     push a manifest, after all that it points at
    DELETE  /v2/<name>/manifests/<target>     the tag is gone, or the manifest and all its tags
    DELETE  /v2/<name>/blobs/<digest>         the repository no longer has this blob
    GET     /token                            a token, for whoever may have one

`<name>` is a repository of `docker.io`, or of the registry in the query `ns`: so a mirror is asked
(distribution-spec, "Registry Proxying"). HEAD is answered like GET, without the body.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response

from imgkit.errors import ImgkitError, NotFound
from imgkit.server.allowance import Allowance
from imgkit.server.answers import Asked, failure, http_failure, json_answer
from imgkit.server.blobs import Blobs
from imgkit.server.catalog import Catalog
from imgkit.server.faults import Fault, take
from imgkit.server.guard import Guard
from imgkit.server.repositories import Repositories
from imgkit.server.tokens import Tokens
from imgkit.server.uploads import Uploads
from imgkit.store import Store

_NAME: Final = "/v2/<path:name>"
_MOVED: Final = "/moved/"
_RULES: Final = (
    ("/token", "get", "guard.token"),
    (f"{_MOVED}<key>", "get", "moved"),
    ("/v2/", "get", "version"),
    (f"{_NAME}/tags/list", "get", "catalog.tags"),
    (f"{_NAME}/referrers/<text>", "get", "catalog.referrers"),
    (f"{_NAME}/manifests/<target>", "get put delete", "catalog"),
    (f"{_NAME}/blobs/<text>", "get delete", "blobs"),
    (f"{_NAME}/blobs/uploads/", "post", "uploads"),
    (f"{_NAME}/blobs/uploads/<key>", "get patch put delete", "uploads"),
)
"""Path, methods, and who answers: a method of that noun, named as the request's if not here."""

_ROUTES: Final = Map(
    [
        Rule(path, endpoint=who if verbs == "get" else f"{who}.{verb}", methods=[verb])
        for path, verbs, who in _RULES
        for verb in verbs.split()
    ],
    merge_slashes=False,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of a registry's log, with what went wrong on purpose.

    `bytes` is the length of the body that was announced.
    """

    method: str
    path: str
    status: int
    bytes: int
    fault: str = ""


class Registry:
    """A registry over stores: all are searched for what is asked, the first takes what is pushed.

    With `auth`, every request needs a token, and anybody gets one (good for `token_life` seconds).
    With `users` (passwords by name), only they get one to push and delete with, or to pull from
    repositories that are `private`; if `basic`, they show the password itself. Without `push`,
    nothing can be written; with `sparse`, manifests may come before what they point at. With an
    `allowance`, so many manifests may be pulled in six hours.

    `faults` is what goes wrong on purpose, `log` what was asked and answered, oldest first.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        *,
        auth: bool = True,
        push: bool = True,
        sparse: bool = False,
        token_life: float = 300,
        basic: bool = False,
        users: Mapping[str, str] | None = None,
        private: Collection[str] = (),
        allowance: int | None = None,
    ) -> None:
        self.stores = tuple(stores)
        self.tokens = Tokens(token_life)
        self.guard = Guard(
            self.tokens,
            auth=auth,
            push=push and not stores[0].read_only,
            basic=basic,
            users=users,
            private=private,
        )
        self.allowance = Allowance(allowance)
        self.faults: list[Fault] = []
        self.log: deque[Exchange] = deque(maxlen=1000)
        self.repositories = Repositories(self.stores)
        self.blobs = Blobs(self.repositories)
        self.catalog = Catalog(self.repositories, sparse)
        self.uploads = Uploads(self.repositories, self.guard.may_pull)
        self._moved: dict[str, dict[str, str]] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request = Asked(environ)
        response = self._answer(request)
        fault = None
        if response.status_code < 300:
            with self._lock:
                fault = take(self.faults, request.method, request.path)
        if fault:
            response = self._spoilt(fault, request, response)
        response.headers["Docker-Distribution-API-Version"] = "registry/2.0"
        size = 0 if request.method == "HEAD" else response.content_length or 0
        path = request.full_path.removesuffix("?")
        what = fault.what if fault else ""
        self.log.append(Exchange(request.method, path, response.status_code, size, what))
        return response(environ, start_response)

    def close(self) -> None:
        """Afterwards nothing is left of uploads that were never finished."""
        self.uploads.close()

    def _answer(self, request: Asked) -> Response:
        """The answer to a request, or to what is wrong with it."""
        try:
            return self._routed(request)
        except HTTPException as error:
            return http_failure(error, request)
        except ImgkitError as error:
            return failure(error)

    def _routed(self, request: Asked, admit: bool = True) -> Response:
        """The answer of the method that the path leads to."""
        method, found = _ROUTES.bind_to_environ(request.environ).match()
        facts = dict(found)
        request.name = facts.pop("name", "")
        if admit and method not in ("guard.token", "moved"):
            self.guard.admit(request)
        if method != "catalog.get":
            answer: Response = attrgetter(method)(self)(request, **facts)
            return answer
        if request.method == "GET":
            self.allowance.take()
        answer = self.catalog.get(request, **facts)
        self.allowance.tell(answer)
        return answer

    # -- what goes wrong on purpose -----------------------------------------------------------

    def _spoilt(self, fault: Fault, request: Asked, response: Response) -> Response:
        """The response with that fault in it."""
        if fault.what == "expired":
            response.close()
            self.tokens.forget(request.token)
            return self._answer(request)
        if fault.what == "redirect" and (not fault.to or fault.to.endswith(_MOVED)):
            key = secrets.token_urlsafe(12)
            self._moved[key] = {
                wanted: request.environ.get(wanted, "") for wanted in ("PATH_INFO", "QUERY_STRING")
            }
            fault = replace(fault, to=(fault.to or _MOVED) + key)
        return fault.spoil(response)

    def moved(self, request: Asked, key: str) -> Response:
        """What a redirect promised: its key is all that is needed, as with a signed address."""
        if key not in self._moved:
            raise NotFound("nothing was moved to this address", name=key)
        there = Asked(request.environ | self._moved[key])
        return self._routed(there, admit=False)

    def version(self, _: Asked) -> Response:
        """There is a registry here, and whoever asks may come in (spec: "Determining Support")."""
        return json_answer({})

"""What a registry is asked, and how it says no: the two shapes that every request shares.

An error is answered with a status and a list of errors, each with a code that programs understand
and a message for people (OCI distribution-spec 1.1, "Error Codes")::

    {"errors": [{"code": "BLOB_UNKNOWN", "message": "...", "detail": {"digest": "sha256:..."}}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlencode

from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Request, Response

from imgkit import errors
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, RegistryError
from imgkit.reference import DOCKER_HUB, Reference

_ANSWERS: Final[dict[type[ImgkitError], tuple[int, str]]] = {
    errors.InvalidReference: (400, "NAME_INVALID"),
    errors.InvalidDigest: (400, "DIGEST_INVALID"),
    errors.VerificationError: (400, "DIGEST_INVALID"),
    errors.InvalidManifest: (400, "MANIFEST_INVALID"),
    errors.LimitExceeded: (413, "MANIFEST_INVALID"),
    errors.NotFound: (404, "BLOB_UNKNOWN"),
}
_CODES: Final = {413: "MANIFEST_INVALID", 416: "RANGE_INVALID"}


class Asked(Request):
    """A request, and the repository that it is about."""

    name = ""
    """The repository as it stands in the path; empty where the request is about none."""

    @cached_property
    def repository(self) -> Reference:
        """Its full name; raises `InvalidReference`."""
        namespace = self.args.get("ns", DOCKER_HUB)
        found = Reference.parse(f"{namespace}/{self.name}")
        if found.domain != namespace or found.tag or found.digest:
            raise errors.InvalidReference(
                f"{self.name!r} on {namespace!r} is not a repository", text=self.name, reason="ns"
            )
        return found

    def address(self, kind: str, rest: str) -> str:
        """Where something else of this repository is: a path, with the query that it needs."""
        query = f"?{urlencode({'ns': self.args['ns']})}" if "ns" in self.args else ""
        return f"/v2/{self.name}/{kind}/{rest}{query}"

    @property
    def action(self) -> str:
        """What a token must allow; giving up an upload is part of pushing it."""
        if self.method in ("GET", "HEAD"):
            return "pull"
        return "delete" if self.method == "DELETE" and "/uploads/" not in self.path else "push"

    @property
    def token(self) -> str | None:
        """The bearer token that came with it."""
        given = self.authorization
        return given.token if given is not None and given.type == "bearer" else None


def json_answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The answer with this document as its body."""
    body = json.dumps(data) + "\n"
    return Response(body, status, headers, content_type="application/json")


def created(request: Asked, kind: str, digest: Digest) -> Response:
    """The answer that says where to find what was pushed."""
    headers = {"Location": request.address(kind, digest), "Docker-Content-Digest": digest}
    return Response(status=201, headers=headers)


def refused(
    status: int,
    code: str,
    message: str,
    detail: Any = None,
    headers: Mapping[str, str] | None = None,
) -> RegistryError:
    """The error to raise inside of the registry; `failure` makes the answer of it."""
    return RegistryError(
        message, status=status, code=code, url=None, detail=detail, headers=headers
    )


def failure(error: ImgkitError) -> Response:
    """The answer that tells of an error."""
    known = (answer for kind, answer in _ANSWERS.items() if isinstance(error, kind))
    status, code = next(known, (500, "UNKNOWN"))
    facts = error.facts
    body = {
        "code": facts.get("code", code),
        "message": str(error),
        "detail": facts.get("detail"),
    }
    return json_answer({"errors": [body]}, facts.get("status", status), facts.get("headers"))


def http_failure(error: HTTPException, request: Request) -> Response:
    """The answer to a request that got no further than HTTP itself: no such path, verb, range."""
    if isinstance(error, RequestRedirect):
        return error.get_response(request.environ)
    status = error.code or 500
    headers = {k: v for k, v in error.get_headers() if k in ("Allow", "Content-Range")}
    code = _CODES.get(status, "UNSUPPORTED")
    return failure(refused(status, code, error.description or str(error), headers=headers))

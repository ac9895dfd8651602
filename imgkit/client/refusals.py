"""From an answer that is no good, or none at all, to the error that says so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import requests
from requests.exceptions import ConnectTimeout, SSLError
from urllib3.exceptions import NewConnectionError

from imgkit import document
from imgkit.client.patience import Quota, duration, retry_after
from imgkit.errors import (
    ImgkitError,
    NotFound,
    RateLimited,
    RegistryError,
    Unauthorized,
    Unreachable,
)

ERROR_LIMIT: Final = 64 << 10
"""Bytes that are read of an answer that only says what went wrong."""


def refuse(
    answer: requests.Response, body: bytes, name: str, what: str, doing: str, who: str
) -> NoReturn:
    """Raise the error that this answer about `what` means, with what the registry says.

    `name` is the registry and the path; `doing` and `who` are how we asked: "read", "as 'me'".
    """
    domain, _, path = name.partition("/")
    status = answer.status_code
    code, message = _complaint(body)
    facts = {"status": status, "code": code, "url": answer.url, "says": message}
    says = f" It says: {message}." if message else ""
    if status == 404 and what.startswith("manifests/"):
        wanted = what.removeprefix("manifests/")
        raise NotFound(
            f"{domain} has no {wanted!r} in {path}.{says} Check the name and the tag.",
            name=f"{name}:{wanted}",
            **facts,
        )
    if status == 404:
        raise NotFound(f"{domain} has no {what} in {path}.{says}", name=name, **facts)
    if status in (401, 403):
        raise Unauthorized(
            f"{domain} does not let us {doing} {path} ({status}).{says} We asked {who}. The "
            "repository does not exist, or it is private.",
            **facts,
        )
    if status == 429:
        raise _rate_limited(answer, domain, says, facts)
    raise RegistryError(f"{domain} answered {status} to {answer.url}.{says}", **facts)


def _rate_limited(
    answer: requests.Response, domain: str, says: str, facts: dict[str, Any]
) -> RateLimited:
    quota = Quota.of(answer.headers)
    seconds = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
    allows = f" {quota}" if str(quota) else ""
    when = "a while" if seconds is None else duration(seconds)
    return RateLimited(
        f"{domain} has been asked too often (429).{says}{allows} Try again in {when}.",
        retry_after=seconds,
        limit=quota.limit,
        remaining=quota.remaining,
        **facts,
    )


def _complaint(body: bytes) -> tuple[str | None, str]:
    """Code and message of a registry's error body (spec: "Error Codes"), if it is one."""
    try:
        first = document.sequence(document.load(body, "error"), "errors")[0]
        code, message = first.get("code"), first.get("message")
    except (ImgkitError, IndexError, AttributeError):
        return None, ""
    message = "".join(c for c in str(message or code or "") if c.isprintable())[:300]
    return (code if isinstance(code, str) else None), message.rstrip(".")


def unreachable(host: str, error: Exception) -> Unreachable:
    """The error for a host that did not answer; its fact `found` tells whether it was reached."""
    chain = list(_causes(error))
    lost = (ConnectTimeout, SSLError, NewConnectionError)
    advice = (
        "Check the name and the network; without --live, the embedded registry answers and no "
        "network is needed."
    )
    if "CERTIFICATE_VERIFY_FAILED" in reason(error):
        advice = "REQUESTS_CA_BUNDLE names the file of a certificate authority of your own."
    return Unreachable(
        f"{host} cannot be reached: {reason(error)}. {advice}",
        status=None,
        code=None,
        url=None,
        found=not any(isinstance(cause, lost) for cause in chain),
    )


def reason(error: BaseException) -> str:
    """The innermost cause, in a few words."""
    *_, last = _causes(error)
    text = getattr(last, "strerror", None) or str(last) or type(last).__name__
    return " ".join(str(text).split())[:200].rstrip(".")


def _causes(error: BaseException) -> list[BaseException]:
    """The error, and what it came from, the innermost last."""
    chain = [error]
    while isinstance(inner := chain[-1].__cause__ or chain[-1].__context__, BaseException):
        chain.append(inner)
    return chain

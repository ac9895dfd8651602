"""What every question to a repository of a registry goes through: its address, a token, pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

from imgkit import document
from imgkit.client import origins
from imgkit.client.access import Access
from imgkit.client.credentials import Login
from imgkit.client.download import read_all
from imgkit.client.upload import Sending
from imgkit.client.wire import Question, Wire
from imgkit.errors import LimitExceeded, RegistryError, Unreachable
from imgkit.reference import Reference

PAGES: Final = 500
"""Pages that a list of tags or referrers may have."""


class Endpoint:
    """One repository as it is asked, at the address of its registry or of a mirror."""

    def __init__(
        self,
        wire: Wire,
        reference: Reference,
        base: str,
        login: Callable[[], Login | None],
        *,
        mirrored: bool,
    ) -> None:
        self.wire = wire
        self.domain = reference.registry
        self.path = reference.path
        self.base = base
        self.access = Access(wire, base, f"{self.domain}/{self.path}", login)
        self._mirrored = mirrored

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.domain}/{self.path} at {self.base}>"

    def url(self, what: str, **query: str) -> str:
        """The address of /v2/<name>/<what>; a mirror is told which registry was meant."""
        query |= {"ns": self.domain} if self._mirrored else {}
        return f"{self.base}/v2/{self.path}/{what}{f'?{urlencode(query)}' if query else ''}"

    def call(
        self, what: str, question: Question, good: Sequence[int] = (200,), doing: str = "read"
    ) -> requests.Response:
        """A good answer to a question about `what`; after a refusal, a new token is tried.

        Raises what any other answer means: that we may not be `doing` this, say.
        """
        for _ in range(3):  # as it is, with a new token, with a wider one
            home = origins.origin(question.url) == origins.origin(self.base)
            word = self.access.header() if home else None
            answer = self.wire.send(question, word)
            if answer.status_code not in (401, 403) or not self.access.learn(answer, word):
                break
            if isinstance(question.data, Sending):
                break  # a stream cannot be sent twice
            answer.close()
        if answer.status_code not in good:
            self.access.refuse(answer, what, doing)
        self._refuse_encoded(answer, what)
        return answer

    def _refuse_encoded(self, answer: requests.Response, what: str) -> None:
        encoding = answer.headers.get("Content-Encoding", "identity")
        if encoding not in ("identity", ""):
            answer.close()
            raise RegistryError(
                f"{self.domain} sent {what} encoded once more ({encoding}), so its digest cannot "
                "be checked",
                status=answer.status_code,
                code=None,
                url=answer.url,
            )

    def get(self, what: str, accept: str, span: str | None, stopped: Event) -> requests.Response:
        """The answer to GET /v2/<name>/<what>; with a span of bytes, it may be a 206."""
        more, good = ({"Range": span}, (200, 206)) if span else ({}, (200,))
        headers = {"Accept": accept} | more
        return self.call(what, Question(self.url(what), headers=headers, stopped=stopped), good)

    def fetch(
        self, what: str, accept: str = "*/*", url: str | None = None
    ) -> tuple[requests.Response, bytes]:
        """The answer to GET /v2/<name>/<what> and its whole body, a document."""
        question = Question(url or self.url(what), headers={"Accept": accept})
        patience, again = self.wire.patience, 0
        until = patience.clock() + patience.whole
        while True:
            again += 1
            answer = self.call(what, question)
            try:
                return answer, read_all(answer, self.domain, patience, "document", what)
            except Unreachable:
                if again >= patience.tries or patience.clock() >= until:
                    raise
                why = f"{self.domain} broke off in the middle of a document"
                self.wire.wait(patience.before(again), why)

    def pages(self, what: str, kind: str, **query: str) -> Iterator[dict[str, Any]]:
        """A list that may come in pages (spec: "Listing Tags"), each by the `Link` of the last."""
        url, seen = self.url(what, **query), set[str]()
        while url:
            seen.add(url)
            answer, raw = self.fetch(what, url=url)
            yield document.load(raw, kind)
            url = self._next_page(answer)
            if url and (url in seen or len(seen) >= PAGES):
                reason = "comes round in a circle" if url in seen else f"has over {PAGES} pages"
                raise LimitExceeded(
                    f"the {kind} from {self.domain} {reason}", limit=PAGES, actual=len(seen)
                )

    def _next_page(self, answer: requests.Response) -> str:
        """The address of the page after this one; "" if there is none."""
        link = re.search(r'<([^<>]*)>\s*;[^,<]*\brel="?next\b', answer.headers.get("Link", ""))
        if link is None:
            return ""
        url = origins.follow(answer.url, link[1])
        if origins.origin(url) != origins.origin(self.base):
            raise RegistryError(
                f"{self.domain} keeps the next page elsewhere, at {url[:200]!r}; it is not asked",
                status=answer.status_code,
                code=None,
                url=url,
            )
        if self._mirrored and "ns" not in parse_qs(urlsplit(url).query):
            url += f"{'&' if urlsplit(url).query else '?'}{urlencode({'ns': self.domain})}"
        return url

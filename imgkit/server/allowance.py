"""How many pulls are left: the limit that Docker Hub sets to whoever has not logged in.

    RateLimit-Limit: 100;w=21600           so many manifests in a window of so many seconds
    RateLimit-Remaining: 76;w=21600        so many are left

A GET of a manifest counts as a pull; HEAD and blobs do not, so the size of an image is no matter.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from werkzeug.wrappers import Response

from imgkit.errors import RateLimited

WINDOW: Final = 21600
"""Seconds: six hours."""


class Allowance:
    """The pulls of one window, and how many there may be; `limit` None is any number."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._pulls: deque[float] = deque()

    @property
    def left(self) -> int:
        """How many pulls are left, where there is a limit."""
        while self._pulls and self._pulls[0] <= time.monotonic() - WINDOW:
            self._pulls.popleft()
        return max((self.limit or 0) - len(self._pulls), 0)

    def take(self) -> None:
        """Afterwards one pull less is left; raises `RateLimited` if none was."""
        if self.limit is None:
            return
        if not self.left:
            raise RateLimited(
                f"the allowance of {self.limit} pulls in six hours is used up",
                status=429,
                code="TOOMANYREQUESTS",
                headers=self.headers,
            )
        self._pulls.append(time.monotonic())

    @property
    def headers(self) -> dict[str, str]:
        """What an answer says of the allowance; nothing where there is no limit."""
        if self.limit is None:
            return {}
        told = {"RateLimit-Limit": self.limit, "RateLimit-Remaining": self.left}
        return {name: f"{number};w={WINDOW}" for name, number in told.items()}

    def tell(self, response: Response) -> None:
        """Afterwards the answer has these headers."""
        response.headers.update(self.headers)

"""A small shell over a mounted stack of layers; see `Shell`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that came to its end: its exit code, what it printed, and both as one screen."""

    code: int
    out: str
    err: str
    screen: str


def run(
    mount: object,
    command: str | Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: str = "/",
    user: str = "",
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    hostname: str = "localhost",
) -> Finished:
    """Run one command over a `Mount`: a line of text by its /bin/sh, a list as it stands.

    `user` is as in a config: "", "name", "1000" or "name:group". Raises `ExecFailed` when the
    program is not there (as Docker does, with the fact `code`: 126 or 127), and `CannotRun` for
    what needs a real machine: a foreign program, or syntax that this shell does not know.
    """
    raise NotImplementedError

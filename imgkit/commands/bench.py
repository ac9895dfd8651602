"""What the verbs work on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self

from imgkit.errors import ImgkitError
from imgkit.image import JOBS, Progress, Source
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

if TYPE_CHECKING:  # most verbs need none of them, and they take long to import
    import random

    from imgkit.client import Client, Repository
    from imgkit.container.containers import Containers
    from imgkit.container.terminal import Terminal

FAILED: Final = 1
DAEMON: Final = "Error response from daemon: "
USAGE: Final = 2
CLASSIC: Final = "classic"
CONTAINERD: Final = "containerd"
VIEWS: Final = (CLASSIC, CONTAINERD)


class Refused(ImgkitError):
    """The verb cannot be done; the message is the whole of what Docker says then.

    Facts: `status`, that of the process (1 if there is none).
    """

    @property
    def status(self) -> int:
        """The exit status."""
        return int(self.facts.get("status", FAILED))


def daemon(sentence: str, status: int = FAILED) -> Refused:
    """The refusal that Docker's engine, not its command line, would give."""
    return Refused(f"{DAEMON}{sentence}", status=status)


def silent(_: str) -> None:
    """Say nothing."""


@dataclass
class Waits:
    """Says how long a registry is waited for, once when a pause begins."""

    warn: Callable[[str], None]
    left: float = 0.0

    def __call__(self, seconds: float, why: str) -> None:
        """A pause has so many seconds left."""
        if seconds > self.left:
            from imgkit.client.patience import waiting  # noqa: PLC0415  see above

            self.warn(f"imgkit: {waiting(seconds, why)}")
        self.left = seconds if seconds > 1 else 0.0


@dataclass
class Bench:
    """What the verbs work on: a local repository, a way to registries, a clock, and a voice.

    `say` takes a line of standard output, `warn` one of standard error; `terminal` says that lines
    can be written over. `stdin` is what a verb may read. `attach` puts a person before a terminal
    until its shell ends, and gives the exit status; None where nobody is there. `rng` gives IDs and
    names of containers. `view` is which of the two Dockers speaks: that of the classic image store,
    or of containerd's.
    """

    home: Path
    client: Callable[[], Client]
    say: Callable[[str], None]
    warn: Callable[[str], None] = silent
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    platform: Platform | None = None
    jobs: int = JOBS
    on_progress: Callable[[Progress], None] = field(default=lambda progress: None)
    view: str = CLASSIC
    stdin: BinaryIO | None = None
    terminal: bool = False
    prog: str = "docker"
    attach: Callable[[Terminal], int] | None = None
    rng: random.Random | None = None
    output: BinaryIO | None = None
    """Standard output for what is no text: the tar that `save` writes. None in a notebook."""
    watch: Callable[[Reference], AbstractContextManager[Source]] | None = None
    """What to pull from, where somebody looks on; else the repository that `client` reaches."""
    redraw: Callable[[Sequence[str]], None] | None = None
    """Puts these lines in the place of those before, on a terminal where somebody looks."""
    hint: Callable[[str], None] = silent
    """Takes what a learner should know besides what Docker says."""
    live: bool = False
    """Whether `client` asks real registries, not the embedded one."""
    mirror: str = ""
    """The address of a pull-through cache that is asked in the place of Docker Hub, if one is."""

    @classmethod
    def of_user(cls, say: Callable[[str], None], warn: Callable[[str], None]) -> Self:
        """The bench of whoever runs this: their own local repository, and the embedded registry.

        IMGKIT_HOME, IMGKIT_VIEW, IMGKIT_LIVE and IMGKIT_MIRROR say otherwise.
        """
        home = os.environ.get("IMGKIT_HOME")
        bench = cls(
            home=Path(home) if home else _home(),
            client=_embedded,
            say=say,
            warn=warn,
            view=os.environ.get("IMGKIT_VIEW") or CLASSIC,
            mirror=os.environ.get("IMGKIT_MIRROR", ""),
        )
        if bench.mirror or os.environ.get("IMGKIT_LIVE", "") not in ("", "0"):
            bench.go_live()
        return bench

    def go_live(self) -> None:
        """Afterwards real registries are asked, with the logins of whoever runs this.

        In the place of Docker Hub, a cache is, without a login, if there is one.
        """
        from imgkit.client import Client  # noqa: PLC0415  see above
        from imgkit.client.credentials import Credentials  # noqa: PLC0415

        self.live, cache = True, self.mirror or None
        self.client = lambda: Client(cache=cache, credentials=Credentials.of_user())

    @contextmanager
    def remote(
        self, name: Reference, on_wait: Callable[[float, str], None] | None = None
    ) -> Iterator[Repository]:
        """The remote repository of that name; its pauses inside the block are told, or said."""
        repository = self.client().repository(name)
        with repository.client.listening(on_wait=on_wait or Waits(self.warn)):
            yield repository

    def source(
        self, name: Reference, on_wait: Callable[[float, str], None] | None = None
    ) -> AbstractContextManager[Source]:
        """What to pull that name from, for as long as a block lasts."""
        return self.watch(name) if self.watch else self.remote(name, on_wait)

    @cached_property
    def store(self) -> Store:
        """The local repository; made when it is first needed."""
        return Store(self.home)

    @cached_property
    def containers(self) -> Containers:
        """The containers of the local repository."""
        from imgkit.container.containers import Containers  # noqa: PLC0415  see above

        return Containers(self.store, clock=self.now, rng=self.rng)

    def read(self) -> bytes:
        """Standard input, to its end."""
        return self.stdin.read() if self.stdin else b""

    def confirmed(self) -> bool:
        """Whether the next line of standard input says yes."""
        self.say("Are you sure you want to continue? [y/N] ")
        line = self.stdin.readline() if self.stdin else b""
        return line.strip().lower() in (b"y", b"yes")


def _home() -> Path:
    """Where the local repository of this user is, unless they say otherwise."""
    import platformdirs  # noqa: PLC0415  see above

    return platformdirs.user_data_path("imgkit")


def _embedded() -> Client:
    from imgkit.commands import embedded  # noqa: PLC0415  see above

    return embedded.client()

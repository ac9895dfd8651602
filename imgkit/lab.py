"""The learner's bench: the one object that a notebook starts with.

    lab = Lab()
    lab.pull("redis")
    lab.images()

A fresh local repository, the embedded registry behind it, a clock that stands still and one
platform for everybody, so that every learner sees the same digests, sizes and dates. It does
nothing that the modules below do not do; each method is one or two of their calls.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import requests

from imgkit import commands, samples, server
from imgkit.client import Client, Exchange, Repository
from imgkit.client.credentials import Credentials
from imgkit.commands import pulling
from imgkit.container import Container
from imgkit.errors import Unreachable
from imgkit.image import Copied, Image, Progress, verify
from imgkit.inventory import holdings
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.printable import shown
from imgkit.reference import DOCKER_HUB, Reference
from imgkit.server import transport
from imgkit.store import Store
from imgkit.unpack import Report, unpack

PLATFORM = Platform("linux", "amd64")


class Text(str):
    """Lines for a person: shown as they are, not as a quoted string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return shown(self)


@dataclass(frozen=True, slots=True)
class Pulled:
    """One pull: what it said, what it copied, and every request it made."""

    said: Text
    copied: Copied
    requests: tuple[Exchange, ...]

    def __repr__(self) -> str:
        return self.said


class Lab:
    """A local repository of its own, empty at first, and a registry with the sample images."""

    newest: ClassVar[Lab | None] = None
    """The one that was made last: `%docker` works on it."""

    def __init__(self, *, platform: str = str(PLATFORM), view: str = commands.CLASSIC) -> None:
        scratch = tempfile.mkdtemp(prefix="imgkit-lab-")
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        self.home = Path(scratch, "local")
        self.store = Store(self.home)
        self.registry = server.Registry([Store(Path(scratch, "registry")), samples.store()])
        self.exchanges: list[Exchange] = []
        self.http = requests.Session()
        transport.mount(self.http, self.registry)
        self.client = Client(session=self.http, mirror=EMBEDDED, on_exchange=self.exchanges.append)
        self.platform = Platform.parse(platform)
        self.rng = random.Random(1)  # noqa: S311  IDs that are the same for everybody, no secrets
        self.view = view
        Lab.newest = self

    def __repr__(self) -> str:
        here, there = len(holdings(self.store)), len(samples.names())
        return f"<Lab: {here} images in the local repository, {there} names in the registry>"

    def another(self) -> Lab:
        """A lab of its own, empty; unlike after `Lab()`, `%docker` stays with this one."""
        made = Lab(platform=str(self.platform), view=self.view)
        Lab.newest = self
        return made

    @property
    def url(self) -> str:
        """The address of the embedded registry, for `lab.http`."""
        return EMBEDDED

    def repository(self, name: str) -> Repository:
        """The remote repository that a name belongs to."""
        return self.client.repository(Reference.parse(name))

    def image(self, name: str) -> Image:
        """An image of the local repository, by name, digest or ID."""
        return self.store.image(name)

    def pull(
        self,
        name: str,
        platform: str | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Pulled:
        """Pull an image from the embedded registry, one layer after another."""
        return self._pull(self.client, self.home, name, platform, on_progress)

    def pull_live(self, name: str) -> Pulled | Text:
        """The same from the real registry, into a repository beside; or why that cannot be.

        A cache that IMGKIT_MIRROR names is asked in the place of Docker Hub.
        """
        reference = Reference.parse(name)
        cache = os.environ.get("IMGKIT_MIRROR") if reference.registry == DOCKER_HUB else None
        client = Client(
            credentials=Credentials.of_user(),
            cache=cache or None,
            on_exchange=self.exchanges.append,
        )
        try:
            return self._pull(client, self.home.with_name("live"), name, None)
        except Unreachable:
            host = urlsplit(cache).netloc if cache else reference.registry_host
            return Text(
                f"{host} cannot be reached from here, so nothing was pulled live. "
                "With a network, run this cell again."
            )

    def images(self, *words: str) -> Text:
        """What `docker images` would print; takes its words, such as "--digests"."""
        return self._run("images", *words)

    def inspect(self, name: str) -> Text:
        """What `docker inspect` would print of an image."""
        return self._run("inspect", name)

    def run(self, name: str, *command: str, called: str = "") -> Container:
        """A new container of that image, pulled if need be: `docker run -dit IMAGE [COMMAND]`."""
        naming = ["--name", called] if called else []
        return self.container(self._run("run", "-dit", *naming, name, *command).splitlines()[-1])

    def container(self, name: str) -> Container:
        """A container as it is now, by name or ID."""
        return self.bench(lambda line: None).containers.get(name)

    def verify(self, name: str) -> list[str]:
        """Every broken invariant of an image of the local repository."""
        return verify(self.image(name))

    def unpack(self, name: str, directory: str | Path) -> Report:
        """Write the merged root filesystem of an image to a new or empty directory."""
        return unpack(self.image(name).layers, Path(directory))

    def bench(
        self, say: Callable[[str], None], warn: Callable[[str], None] = lambda line: None
    ) -> commands.Bench:
        """What the verbs of `%docker` work on in this lab."""
        return self._bench(say, self.home, self.client, warn)

    def _bench(
        self,
        say: Callable[[str], None],
        home: Path,
        client: Client,
        warn: Callable[[str], None] = lambda line: None,
    ) -> commands.Bench:
        return commands.Bench(
            home=home,
            client=lambda: client,
            say=say,
            warn=warn,
            now=_now,
            platform=self.platform,
            jobs=1,
            view=self.view,
            terminal=True,
            rng=self.rng,
        )

    def _run(self, *words: str) -> Text:
        lines: list[str] = []
        commands.do(self.bench(lines.append), words)
        return Text("\n".join(lines))

    def _pull(
        self,
        client: Client,
        home: Path,
        name: str,
        platform: str | None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> Pulled:
        lines: list[str] = []
        before = len(self.exchanges)
        bench = self._bench(lines.append, home, client)
        bench.on_progress = on_progress
        copied = pulling.pull(bench, name, Platform.parse(platform) if platform else None)
        return Pulled(Text("\n".join(lines)), copied, tuple(self.exchanges[before:]))


def _now() -> datetime:
    """The day on which the lab's clock stands still."""
    return samples.NOW

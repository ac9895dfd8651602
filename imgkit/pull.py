"""A pull that can be watched: every blob's state, every request, and how it ended.

It copies as every pull does (`image.copy`); the source only looks at what passes through it. With
a `pace`, each blob is read in small pieces with a pause after each, so that eyes can follow.
"""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from imgkit.client import Client, Exchange
from imgkit.client.patience import waiting
from imgkit.conversation import brief, meaning, short
from imgkit.digest import Readable, VerifyingReader
from imgkit.errors import ImgkitError, VerificationError
from imgkit.image import COMPLETE, DOWNLOADING, JOBS, WAITING, Copied, Progress, Source, copy
from imgkit.manifest import (
    CONFIG_TYPES,
    INDEX_TYPES,
    LAYER_TYPES,
    MANIFEST_TYPES,
    Descriptor,
    Manifest,
    parse,
)
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.faults import Fault
from imgkit.store import Store
from imgkit.units import size

VERIFIED: Final = "Verified, kept"
REFUSED: Final = "Refused: wrong digest"
GIVEN_UP: Final = "Given up"
NOT_ASKED: Final = "Not asked for"
PIECES: Final = 12
"""Into how many pieces a blob is cut in slow motion."""


@dataclass(slots=True)
class Row:
    """One blob of the image: what it is, and how far it has come."""

    what: str
    blob: Descriptor
    state: str = WAITING
    done: int = 0

    @property
    def share(self) -> float:
        """How much of it has come, from 0 to 1."""
        return self.done / self.blob.size if self.blob.size else float(self.state != WAITING)

    def __str__(self) -> str:
        return f"{self.what:9} {short(self.blob.digest)}  {size(self.blob.size):>7}  {self.state}"


@dataclass
class Pull:
    """The last pull from the registries that `client` reaches into `store`.

    `on_change` is called after every change. Give the `registry` to be able to let it lie.
    """

    client: Client
    store: Store
    registry: Registry | None = None
    platform: Platform = field(default_factory=Platform.here)
    on_change: Callable[[], None] = lambda: None
    rows: list[Row] = field(default_factory=list, init=False)
    requests: list[Exchange] = field(default_factory=list, init=False)
    outcome: str = field(default="Nothing has been pulled yet.", init=False)
    copied: Copied | None = field(default=None, init=False)
    kept: bool = field(default=False, init=False)
    error: ImgkitError | None = field(default=None, init=False)
    known: dict[str, str] = field(default_factory=dict, init=False)
    waiting: str = field(default="", init=False)
    _before: int = field(default=0, init=False)

    def run(
        self, name: str, platform: str | None = None, *, pace: float = 0, flip: bool = False
    ) -> None:
        """Pull, and afterwards `outcome` says how it went; what went wrong is not raised.

        `pace` is the pause in seconds after each piece of a blob: then three blobs come at a time,
        else one after another. With `flip`, the registry changes one bit of one layer.
        """
        self._begin(name)
        try:
            wanted = Platform.parse(platform) if platform else self.platform
            reference = Reference.parse(name).with_default_tag()
            with self._listening():
                self._copy(reference, wanted, pace, flip)
        except ImgkitError as error:
            self._failed(error)
        self.on_change()

    @contextmanager
    def watching(self, name: Reference) -> Iterator[Source]:
        """What somebody else is to copy from, who tells `progress`; the rows and requests follow.

        What goes wrong in the block is told as by `run`, and goes on upwards.
        """
        self._begin(name.familiar)
        try:
            with self._listening():
                yield _Watched(self.client, name, self._seen, self.known, 0)
            self.outcome = f"{name.familiar} is in the local repository. Every digest was right."
            self.kept = True
        except ImgkitError as error:
            self._failed(error)
            raise
        finally:
            self.on_change()

    def _begin(self, name: str) -> None:
        self.rows, self.requests, self.known = [], [], {}
        self.copied = self.error = None
        self.kept = False
        self._before = len(self.registry.log) if self.registry else 0
        self.outcome = f"Pulling {name} …"

    def _seen(self, manifest: Manifest) -> None:
        self.rows = [Row("config", manifest.config)]
        self.rows += [Row(f"layer {n}", layer) for n, layer in enumerate(manifest.layers, 1)]
        self.known |= {str(row.blob.digest): row.what for row in self.rows}
        self.on_change()

    def _copy(self, name: Reference, platform: Platform, pace: float, flip: bool) -> None:
        faults = self.registry.faults if self.registry else []
        before = list(faults)

        def seen(manifest: Manifest) -> None:
            self._seen(manifest)
            missing = [layer for layer in manifest.layers if not self.store.has(layer)]
            if flip and missing:
                faults.append(Fault("flip", max(missing, key=lambda layer: layer.size).digest))

        source = _Watched(self.client, name, seen, self.known, pace)
        try:
            self.copied = copy(
                source,
                self.store,
                name,
                platform=platform,
                jobs=JOBS if pace else 1,
                on_progress=self.progress,
            )
        finally:
            faults[:] = before
        self.outcome, self.kept = _told(name, self.copied, flip), True

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Every exchange and every pause of the client is told to us, too."""

        def listen(exchange: Exchange) -> None:
            self.requests.append(exchange)
            self.waiting = ""
            self.on_change()

        def wait(seconds: float, why: str) -> None:
            self.waiting = waiting(seconds, why)
            self.on_change()

        try:
            with self.client.listening(listen, wait):
                yield
        finally:
            self.waiting = ""

    def progress(self, progress: Progress) -> None:
        """Take note of what happened to one blob."""
        for row in self.rows:
            if row.blob.digest == progress.descriptor.digest:
                row.state = {COMPLETE: VERIFIED}.get(progress.kind, progress.kind)
                row.done = progress.done
        self.on_change()

    def _failed(self, error: ImgkitError) -> None:
        self.error = error
        refused = isinstance(error, VerificationError)
        expected = error.expected if refused else None
        for row in self.rows:
            if row.blob.digest == expected:
                row.state = REFUSED
            elif row.state in (WAITING, DOWNLOADING):
                asked = any(row.blob.digest in exchange.url for exchange in self.requests)
                row.state, row.done = GIVEN_UP if asked else NOT_ASKED, 0
        self.outcome = f"{'Refused' if refused else 'Not pulled'}: {error}"

    def said(self) -> Sequence[tuple[str, str]]:
        """Each request in short, and what was answered; layers in the manifest's order.

        With what the registry did wrong on purpose.
        """
        order = [str(row.blob.digest) for row in self.rows]
        told = list(zip(self.requests, self._faults(), strict=True))
        told.sort(key=lambda pair: _position(pair[0], order))
        return [
            (
                brief(exchange),
                meaning(exchange, self.known) + (f" (fault: {fault})" if fault else ""),
            )
            for exchange, fault in told
        ]

    def _faults(self) -> list[str]:
        """For each request the fault on purpose in its answer, "" for none."""
        log: dict[tuple[str, str], list[str]] = {}
        for line in list(self.registry.log)[self._before :] if self.registry else ():
            log.setdefault((line.method, line.path), []).append(line.fault)
        found = []
        for exchange in self.requests:
            parts = urlsplit(exchange.url)
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            faults = log.get((exchange.method, path), [])
            found.append(faults.pop(0) if faults else "")
        return found

    def __repr__(self) -> str:
        said = self.said()
        width = max((len(asked) for asked, _ in said), default=0)
        lines = [str(row) for row in self.rows]
        lines += [f"{asked:{width}}  {answer}" for asked, answer in said]
        lines += [self.waiting] if self.waiting else []
        return "\n".join([*lines, *textwrap.wrap(self.outcome, 96, break_long_words=False)])


class _Watched:
    """The repository that a name belongs to, with an eye on what is read from it."""

    def __init__(
        self,
        client: Client,
        name: Reference,
        on_manifest: Callable[[Manifest], None],
        known: dict[str, str],
        pace: float,
    ) -> None:
        self._source = client.repository(name)
        self._on_manifest = on_manifest
        self._known = known
        self._pace = pace

    def resolve(self, reference: Reference) -> Descriptor:
        found = self._source.resolve(reference)
        kind = "the index" if found.media_type in INDEX_TYPES else "the manifest"
        self._known[reference.target] = kind
        return found

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        if descriptor.media_type in MANIFEST_TYPES:
            self._known[descriptor.digest] = "the manifest"
        stream = self._source.open(descriptor)
        if descriptor.media_type in MANIFEST_TYPES:
            with stream:
                raw = stream.read()
            found = parse(raw, descriptor.media_type)
            if isinstance(found, Manifest):
                self._on_manifest(found)
            return VerifyingReader(io.BytesIO(raw), descriptor.digest, descriptor.size)
        if not self._pace or descriptor.media_type not in LAYER_TYPES:
            return stream
        stream.through(lambda inner: _Slow(inner, descriptor.size // PIECES + 1, self._pace))
        return stream


class _Slow:
    """A stream that gives little at a time, and rests after it."""

    def __init__(self, stream: Readable, piece: int, pause: float) -> None:
        self._stream: Any = stream  # a download, which can `seek` too
        self._piece = piece
        self._pause = pause

    def read(self, limit: int = -1, /) -> bytes:
        data: bytes = self._stream.read(self._piece if limit < 0 else min(limit, self._piece))
        time.sleep(self._pause)
        return data

    def seek(self, count: int, /) -> None:
        self._stream.seek(count)

    def close(self) -> None:
        getattr(self._stream, "close", lambda: None)()


def _told(name: Reference, copied: Copied, flip: bool) -> str:
    """How a pull ended that ended well."""
    new, old = (
        [blob for blob in blobs if blob.media_type not in CONFIG_TYPES]
        for blobs in (copied.fetched, copied.existing)
    )
    told = f"{name.familiar} is in the local repository, {short(copied.target.digest)}. "
    told += f"{len(new)} of {len(new) + len(old)} layers travelled "
    told += f"({size(sum(blob.size for blob in new))}), {len(old)} already existed. "
    told += "Every digest was right."
    if flip and not new:
        told += " No layer travelled, so the registry had nothing to change."
    return told


def _position(exchange: Exchange, order: Sequence[str]) -> tuple[bool, int]:
    """Where a request is told: blobs last, in the order of the manifest."""
    target = exchange.url.partition("?")[0].rpartition("/")[2]
    blob = "/blobs/" in exchange.url and target in order
    return blob, order.index(target) if blob else 0

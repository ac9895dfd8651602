"""Blobs on their way from one place to another, several at a time.

The first that fails, or Ctrl-C, ends the others wherever they are: between two chunks, waiting for
a busy server, or listening to one that has fallen silent.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

from imgkit.digest import VerifyingReader
from imgkit.errors import Stopped, VerificationError
from imgkit.manifest import Descriptor
from imgkit.place import Source, Target

JOBS: Final = 3
"""Layers that are copied at the same time, as Docker does."""
GRACE: Final = 1.0
"""Seconds for which a failed transfer waits for each of its threads to notice."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened while copying. Sizes are compressed bytes, as on the wire."""

    kind: str
    descriptor: Descriptor
    done: int = 0


EXISTS: Final = "Already exists"
WAITING: Final = "Waiting"
DOWNLOADING: Final = "Downloading"
COMPLETE: Final = "Download complete"

Listener = Callable[[Progress], None]


@dataclass
class Transfer:
    """Some blobs on their way; `report` is called from several threads."""

    source: Source
    target: Target
    report: Listener
    _open: list[VerifyingReader] = field(default_factory=list)
    _failed: threading.Event = field(default_factory=threading.Event)

    def run(self, blobs: Sequence[Descriptor], jobs: int = JOBS) -> None:
        """Afterwards the target has all of them; or the first failure was raised."""
        if jobs == 1 or len(blobs) < 2 or not _has_threads():
            for blob in blobs:
                self._copy(blob)
            return
        left, ended = deque(blobs), SimpleQueue[BaseException | None]()
        # Threads that do not keep the process from ending, whatever a server does not answer.
        threads = [
            threading.Thread(target=self._work, args=(left, ended), daemon=True)
            for _ in range(min(jobs, len(blobs)))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                if error := ended.get():
                    raise error
        except BaseException:
            self._stop()
            for thread in threads:
                thread.join(GRACE)
            raise

    def _work(self, left: deque[Descriptor], ended: SimpleQueue[BaseException | None]) -> None:
        """Copies what is left, and tells how that ended."""
        try:
            while not self._failed.is_set() and (blob := _next(left)):
                self._copy(blob)
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits for us
            ended.put(error)
        else:
            ended.put(None)

    def _copy(self, blob: Descriptor) -> None:
        """Afterwards the target has it. What was gone on with, to a bad end, is begun anew."""
        if not self._put(blob, last=False):
            self._put(blob, last=True)
        self.report(Progress(COMPLETE, blob, blob.size))

    def _put(self, blob: Descriptor, *, last: bool) -> bool:
        """Whether the bytes were right; where they were read from the start, false ones raise."""
        with contextlib.closing(self.source.open(blob)) as stream:
            stream.watch = lambda done: self._watch(blob, done)
            self._open.append(stream)
            try:
                self.target.put(blob, stream)
            except VerificationError:
                if last or not stream.begun:
                    raise
                return False
            finally:
                self._open.remove(stream)
        return True

    def _watch(self, blob: Descriptor, done: int) -> None:
        if self._failed.is_set():
            raise Stopped("given up, because another layer could not be copied")
        self.report(Progress(DOWNLOADING, blob, done))

    def _stop(self) -> None:
        self._failed.set()
        for stream in list(self._open):
            stream.stop()


def _next(left: deque[Descriptor]) -> Descriptor | None:
    try:
        return left.popleft()
    except IndexError:  # another thread was quicker
        return None


def _has_threads() -> bool:
    """False in a browser (Pyodide), where layers come one after another."""
    try:
        thread = threading.Thread(target=lambda: None)
        thread.start()
        thread.join()
    except RuntimeError:
        return False
    return True

"""A stream that is read ahead by a thread of its own.

Inflating and hashing hold no lock of Python's: one thread does that, while another hashes what
came out and takes it apart. The pieces are large, because a thread that wants the lock back may
wait 5 ms for it; with pieces of 256 KiB nothing was won.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Final

from imgkit.digest import Readable

PIECE: Final = 1 << 20
"""How many bytes are read at once."""
AHEAD: Final = 8
"""How many pieces are read before anybody asks for them."""


class Ahead:
    """What another thread has read of a stream; an error that it met is raised here, in its turn.

    `read` gives what comes next, at most `PIECE` bytes.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._read = SimpleQueue[bytes | BaseException]()
        self._room = threading.Semaphore(AHEAD)
        self._stopped = False
        self._rest = b""
        self._ended = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        data = b"begin"
        while data and self._room.acquire() and not self._stopped:
            try:
                data = self._stream.read(PIECE)
            except BaseException as error:  # noqa: BLE001  raised by whoever reads from us
                self._read.put(error)
                return
            self._read.put(data)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all that is left if negative); nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(PIECE), b""))
        if not self._rest and not self._ended:
            self._rest = self._next()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def _next(self) -> bytes:
        found = self._read.get()
        self._room.release()
        if isinstance(found, BaseException):
            self._ended = True
            try:
                raise found
            finally:
                del found  # else it holds this frame, which holds it, and a decoder's whole window
        self._ended = not found
        return found

    def stop(self) -> None:
        """Afterwards the other thread has ended, and the stream is the caller's again."""
        self._stopped = True
        self._room.release()
        self._thread.join()


@contextmanager
def ahead(stream: Readable) -> Iterator[Readable]:
    """The stream, read ahead while the block runs; as it is where there are no threads."""
    try:
        reader = Ahead(stream)
    except RuntimeError:  # a browser (Pyodide)
        yield stream
        return
    try:
        yield reader
    finally:
        reader.stop()

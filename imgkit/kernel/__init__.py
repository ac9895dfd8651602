"""The kernel's own overlayfs, as the witness of the simulation in `mount`.

The same trees are laid out as directories and mounted, the same calls are made, and what is then
in `merged` and in `upper` is read back as facts of the same form. It happens in a process with a
mount namespace of its own: nobody else sees the mounts, and they end with it. A user who is not
root gets a user namespace as well, in which overlayfs keeps its marks in `user.overlay.*`.
"""

from __future__ import annotations

import errno
import functools
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Final, Self

from imgkit.mount.facts import Facts, of_tree
from imgkit.mount.inode import Inode, folder
from imgkit.mount.upper import NO_OPTIONS, Options

NOW: Final = 2**62
"""Stands for every time at which something was changed in a mount, on any clock."""


class Kernel:
    """A process that mounts overlays, one after another, and makes calls on them."""

    def __init__(self, *, rootless: bool | None = None) -> None:
        self.rootless = os.geteuid() != 0 if rootless is None else rootless
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *("unshare", "--mount", "--propagation", "private"),
                    *(["--user", "--map-root-user"] if self.rootless else []),
                    *(sys.executable, "-m", "imgkit.kernel.witness", str(theirs.fileno())),
                    "rootless" if self.rootless else "root",
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())
        self._began = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process, and with it its mounts."""
        self._connection.close()
        self._process.wait()

    def mount(
        self,
        lowers: Sequence[Inode],
        upper: Inode | None = None,
        *,
        options: Options = NO_OPTIONS,
    ) -> None:
        """Mount these trees, base first; what was mounted before is gone."""
        self._began = time.time_ns() - 10**9  # the kernel's clock for files ticks, and so lags
        trees = [of_tree(lower) for lower in lowers] or [of_tree(folder())]
        self._ask("mount", trees, of_tree(upper or folder()), options)

    def call(self, name: str, *args: object, **options: object) -> Any:
        """Make the call that `Mount` has under this name; `stat` gives kind and nlink, as text."""
        return self._ask("call", name, args, options)

    def merged(self) -> Facts:
        """What the mount shows; a time that is none of ours is `NOW`."""
        return self._facts("merged")

    def upper(self) -> Facts:
        """What is in the upper directory, whiteouts and marks included."""
        return self._facts("upper")

    def _facts(self, name: str) -> Facts:
        found: Facts = self._ask("facts", name)
        return {
            path: fact._replace(mtime_ns=NOW) if fact.mtime_ns >= self._began else fact
            for path, fact in found.items()
        }

    def _ask(self, name: str, *arguments: object) -> Any:
        try:
            self._connection.send((name, arguments))
            answer, number = self._connection.recv()
        except (EOFError, ConnectionError, BrokenPipeError):
            raise OSError(errno.EPERM, "namespaces for a mount are not allowed here") from None
        if number:
            raise OSError(number, answer)
        return answer


@functools.cache
def why_not(*, rootless: bool | None = None) -> str | None:
    """Why no overlay can be mounted here, as a sentence; None where one can."""
    if not sys.platform.startswith("linux"):
        return "The kernel is not asked: overlayfs is a part of Linux, and this is another system."
    if shutil.which("unshare") is None:
        return "The kernel is not asked: the program unshare (of util-linux) is not installed."
    try:
        with Kernel(rootless=rootless) as kernel:
            kernel.mount([folder()])
    except OSError as error:
        reason = error.strerror or str(error)
        return f"The kernel is not asked: it does not let us mount an overlay here ({reason})."
    return None

"""Runs verbs in children of its own, each killed after a while: `IN SECONDS WORDS`, a line each.

Everything is imported once, here; so a child begins with its verb, and is killed within it. For
each line one is printed: the exit status, negative for a signal, and the seconds that it took.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time

from imgkit import samples, server, unpack  # noqa: F401  for the children
from imgkit.__main__ import main
from imgkit.commands import VERBS, embedded  # noqa: F401


def child(words: list[str]) -> None:
    """The verb, and its exit status, in a process that says nothing."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os._exit(main(words))


def killed(words: list[str], seconds: float) -> tuple[int, float]:
    """The verb's exit status, and how long it took; it was killed if it took longer than that."""
    begun, pid = time.monotonic(), os.fork()
    if not pid:
        child(words)
    ended = os.pidfd_open(pid)
    if not select.select([ended], [], [], seconds)[0]:
        os.kill(pid, signal.SIGKILL)
    os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), time.monotonic() - begun


if __name__ == "__main__":
    for _ in VERBS.values():  # each is imported when it is asked for
        pass
    for line in sys.stdin:
        given = json.loads(line)
        print(json.dumps(killed(given["words"], given["seconds"])), flush=True)  # noqa: T201

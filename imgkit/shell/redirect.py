"""Redirections: `>`, `>>`, `<`, `2>&1` and here-documents (POSIX 2.7)."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace

from imgkit.shell.process import Sink, why
from imgkit.shell.script import Redirect, Word, unknown
from imgkit.shell.session import Session, Streams
from imgkit.tar.entry import encode


class CannotOpen(Exception):
    """A redirection could not be made; says what the shell says."""


def redirected(
    shell: Session, redirects: Sequence[Redirect], single: Callable[[Word], str], streams: Streams
) -> Streams:
    """The streams after the redirections, made in their order; raises `CannotOpen`."""
    for redirect in redirects:
        target = single(redirect.word)
        operator, fd = redirect.operator, redirect.fd
        if operator == "<<":
            streams = replace(streams, stdin=encode(target))
        elif operator == "<":
            streams = replace(streams, stdin=_opened(shell, target))
        elif operator == ">&" and target in ("1", "2") and fd in (1, 2):
            streams = streams.with_sink(fd, streams.out if target == "1" else streams.err)
        elif operator in (">", ">>") and fd in (1, 2):
            sink = _created(shell, target, append=operator == ">>")
            streams = streams.with_sink(fd, sink)
        else:
            unknown(f"the redirection `{fd}{operator}{target}`")
    return streams


def _opened(shell: Session, path: str) -> bytes:
    try:
        return shell.process("sh").read(path)
    except OSError as error:
        raise CannotOpen(f"can't open {path}: {reason(error)}") from None


def _created(shell: Session, path: str, *, append: bool) -> Sink:
    """What writes to the end of a file, which is there from now on, empty unless `append`."""
    process = shell.process("sh")
    where = process.path(path)
    try:
        process.write(where, b"", append=append)
    except OSError as error:
        said = "nonexistent directory" if error.errno == errno.ENOENT else why(error)
        raise CannotOpen(f"can't create {path}: {said}") from None
    return lambda data: process.write(where, data, append=True)


def reason(error: OSError) -> str:
    """What the shell says about a file that it cannot read."""
    return "no such file" if error.errno == errno.ENOENT else why(error)

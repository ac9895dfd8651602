"""A person at a real terminal, before the shell of a container: lines are read and carried out."""

from __future__ import annotations

import contextlib
import sys

from imgkit.container.terminal import Terminal


def attach(terminal: Terminal) -> int:
    """Read lines until the shell ends; its exit code. Ctrl-D ends it, Ctrl-C forgets a line.

    Where Python has readline, the keys of bash edit a line, and the arrows bring earlier ones.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415  it changes what `input` does
    while terminal.code is None:
        try:
            printed = terminal.type(input(terminal.prompt))
        except EOFError:
            terminal.end()
            sys.stdout.write("\n")
        except KeyboardInterrupt:
            terminal.interrupt()
            sys.stdout.write("^C\n")
        else:
            sys.stdout.write(printed)
    return terminal.code

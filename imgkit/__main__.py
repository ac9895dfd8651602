"""The `imgkit` command: it reads the words, prints the lines, and gives the exit status.

0: done. 1: it could not be done, and why. 125: a flag that there is not. Others are Docker's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from imgkit.commands import FAILED, Bench, run
from imgkit.errors import ImgkitError
from imgkit.printable import shown

INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    words = sys.argv[1:] if words is None else words
    bench = Bench.of_user(_say, _warn)
    if words[:1] == ["__complete"]:
        from imgkit.commands.line import complete  # noqa: PLC0415  every start would import it

        try:
            for word in complete(bench, words[1:-1], words[-1]):
                _say(word)
        except ImgkitError:  # in the middle of a line that somebody types
            return FAILED
        return 0
    bench.prog = "imgkit"
    bench.terminal = sys.stdout.isatty()
    bench.redraw = Lines() if bench.terminal else None
    bench.hint = lambda line: _warn(f"imgkit: {line}")
    bench.stdin, bench.output = sys.stdin.buffer, sys.stdout.buffer
    if sys.stdin.isatty():
        from imgkit.prompt import attach  # noqa: PLC0415  every start would import it

        bench.attach = attach
    try:
        return run(bench, words)
    except KeyboardInterrupt:
        _warn("imgkit: stopped. What was whole has been kept.")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class Lines:
    """Lines at the end of a terminal that are written over."""

    def __init__(self) -> None:
        self._height = 0

    def __call__(self, lines: Sequence[str]) -> None:
        """Put these lines in the place of the last."""
        from shutil import get_terminal_size  # noqa: PLC0415  every start would import it

        up = f"\x1b[{self._height}A\r" if self._height else ""
        width = get_terminal_size().columns - 1
        text = "".join(f"{shown(line)[:width]}\n" for line in lines)
        sys.stdout.write(f"{up}\x1b[J{text}")
        sys.stdout.flush()
        self._height = len(lines)


def _say(line: str) -> None:
    print(shown(line), flush=True)


def _warn(line: str) -> None:
    print(shown(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

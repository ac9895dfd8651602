"""Options of a command line, read as getopt does; and the type that every program has."""

from __future__ import annotations

import getopt
from collections.abc import Callable, Sequence

from imgkit.shell.process import Process, why

Program = Callable[[Process, list[str]], int]
"""A program of the container: its arguments in, its exit code out."""


class Usage(Exception):
    """The command line is none that the program understands; says why."""


def options(
    args: Sequence[str], letters: str, long: Sequence[str] = (), least: int = 0
) -> tuple[dict[str, str], list[str]]:
    """The options given (with their values) and the operands; raises `Usage`.

    `letters` is as in getopt(3): "m:p" is `-m VALUE` and `-p`.
    """
    try:
        found, operands = getopt.gnu_getopt(list(args), letters, list(long))
    except getopt.GetoptError as error:
        dashes = "-" if len(error.opt) == 1 else "--"
        given = ", ".join(f"-{letter}" for letter in letters if letter != ":")
        knows = f"; imgkit's knows {given}" if given else ""
        reason = "needs a value" if "requires argument" in error.msg else "is not an option here"
        raise Usage(f"{dashes}{error.opt} {reason}{knows}") from None
    if len(operands) < least:
        raise Usage("missing operand")
    return {name.lstrip("-"): value for name, value in found}, operands


def each(p: Process, paths: Sequence[str], do: Callable[[str], object], what: str = "{}") -> int:
    """Do it to each path; say what went wrong with some, and go on. The exit code.

    `what` is how the complaint names the path: "can't remove '{}'".
    """
    code = 0
    for path in paths:
        try:
            do(path)
        except OSError as error:
            code = p.complain(f"{what.format(path)}: {why(error)}")
    return code


def number(text: str) -> int:
    """A whole number; raises `Usage`."""
    try:
        return int(text)
    except ValueError:
        raise Usage(f"invalid number '{text}'") from None

"""A command line as somebody types it: split like a shell's, `$(...)` put in, and completed.

rmi -f $(docker images -q)      the output of the inner command, word by word
images --format '{{.ID}}'       nothing is put in between single quotes
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from imgkit.commands import beginning, called_by, run, verb_of
from imgkit.commands.bench import Bench, Refused
from imgkit.commands.verb import COMMON
from imgkit.reference import Reference

_INNER: Final = re.compile(r"'[^']*'|\$\(([^()]*)\)")
PROGRAMS: Final = ("docker", "imgkit", "%docker")


def words(bench: Bench, line: str) -> list[str]:
    """The words of a line; raises `Refused` where quotes or parentheses do not close."""
    before = ""
    while before != line:
        before, line = line, _INNER.sub(lambda found: _put_in(bench, found), line)
    try:
        found = shlex.split(line, comments=True)
    except ValueError as error:
        raise Refused(f"imgkit: this line cannot be read: {error}") from None
    return found[1:] if found[:1] and found[0] in PROGRAMS else found


def _put_in(bench: Bench, found: re.Match[str]) -> str:
    """What stands for `$(...)`: all that the command printed, quoted word by word."""
    if found[1] is None:
        return found[0]
    lines: list[str] = []
    inner = replace(bench, say=lines.append, stdin=None, terminal=False, watch=None)
    run(inner, words(inner, found[1]))
    return shlex.join(" ".join(lines).split())


def complete(bench: Bench, given: Sequence[str], last: str) -> list[str]:
    """What the word `last`, behind the words given, may become: verbs, flags, names of images."""
    verb = verb_of(beginning(given))
    if verb and last.startswith("-"):
        found = [f"--{flag.name}" for flag in (*verb.flags, *COMMON)]
    elif verb:
        found = names(bench)
    else:
        start = "".join(f"{word} " for word in given)
        found = [name[len(start) :].split()[0] for name in called_by() if name.startswith(start)]
    return sorted({word for word in found if word.startswith(last)})


def names(bench: Bench) -> list[str]:
    """The names in the local repository, as they are typed, and the containers'."""
    rows = [Reference.parse(row.name) for row in bench.store.records() if row.name]
    images = [name.familiar for name in rows if not name.digest]
    return [*images, *(record.name for record in bench.containers.records())]

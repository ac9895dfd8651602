r"""A Dockerfile as instructions, each with its line.

    # escape=`                     a directive; only in the first lines
    # comment                      also between the lines of one instruction
    ARG version=3.18               before the first FROM: for the FROM lines only
    FROM alpine:${version} AS base
    RUN echo "hello" \             goes on in the next line
        > /file1
    CMD ["sh", "-c", "exec form"]  a JSON list is taken word by word; anything else goes to a shell

What Docker leaves as it is here (variables, above all) is left as it is: they get their values
when the step is carried out (see `effects`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imgkit.build import instruction
from imgkit.build.instruction import Instruction, refuse


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM, and the instructions up to the next. `name` is what AS calls it, or its number."""

    number: int
    base: Instruction
    steps: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        return self.base.words[-1].lower() if len(self.base.words) == 3 else str(self.number)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """The ARGs before the first FROM, then a stage for each FROM."""

    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    escape: str = "\\"

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """Every instruction, in order: what Docker counts as "Step 1/3"."""
        stages = [one for stage in self.stages for one in (stage.base, *stage.steps)]
        return (*self.arguments, *stages)


def parse(text: str) -> Dockerfile:
    """The instructions of a Dockerfile; raises `InvalidDockerfile` with the line.

    >>> [step.verb for step in parse("FROM alpine\\nRUN echo hi").instructions]
    ['FROM', 'RUN']
    """
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    found = [instruction.parse(joined, line, escape) for line, joined in _join(lines, escape)]
    if not found:
        refuse("file with no instructions", "Begin with FROM and an image", 1, "")
    first = next((n for n, one in enumerate(found) if one.verb != "ARG"), len(found))
    if first == len(found) or found[first].verb != "FROM":
        wrong = found[min(first, len(found) - 1)]
        refuse("no build stage in current context", "Begin with FROM", wrong.line, wrong.text)
    starts = [n for n, one in enumerate(found) if one.verb == "FROM"]
    ends = [*starts[1:], len(found)]
    stages = [
        Stage(number, found[start], tuple(found[start + 1 : end]))
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    names = [stage.name for stage in stages]
    for stage in stages:
        if names.index(stage.name) < stage.number:
            wrong = stage.base
            refuse("a stage name already used", "Call it otherwise", wrong.line, wrong.text)
    return Dockerfile(tuple(found[:first]), tuple(stages), escape)


def _escape(lines: list[str]) -> str:
    r"""The escape character: `\`, or what a directive in the first lines says."""
    found = ""
    for number, line in enumerate(lines, 1):
        directive = re.fullmatch(r"\s*#\s*(\w+)\s*=\s*(.+?)\s*", line)
        if directive is None or directive[1].lower() not in ("check", "escape", "syntax"):
            break
        if directive[1].lower() != "escape":
            continue
        if found or directive[2] not in ("\\", "`"):
            refuse(
                f"invalid escape directive {directive[2]!r}", r"Write \ or `, once", number, line
            )
        found = directive[2]
    return found or "\\"


def _join(lines: list[str], escape: str) -> Iterator[tuple[int, str]]:
    """Each instruction with the number of its first line; comments and empty lines are gone."""
    goes_on = re.compile(re.escape(escape) + r"[ \t]*$")
    joined, start = "", 0
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start or number
        line = line if joined else line.lstrip()
        joined += goes_on.sub("", line)
        if not goes_on.search(line):
            yield start, joined.strip()
            joined, start = "", 0
    if joined.strip():
        yield start, joined.strip()

"""Programs that change text on its way: `sed`, `cut`, `tr` and `seq`, each the part people use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from imgkit.shell.process import Process
from imgkit.shell.programs.grep import expression
from imgkit.shell.programs.options import Usage, number, options
from imgkit.shell.programs.text import contents
from imgkit.tar.entry import decode, encode

_COMMAND: Final = re.compile(r"(?:(\d+|\$)|/((?:[^/\\]|\\.)*)/)?\s*([dps])(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edit:
    """One command of sed: on which lines, and what it does: delete, print or substitute."""

    line: str
    where: re.Pattern[str] | None
    verb: str
    pattern: re.Pattern[str] | None = None
    replacement: str = ""
    every: bool = False

    def applies(self, number: int, text: str, *, last: bool) -> bool:
        """Whether this line is meant."""
        if self.where:
            return bool(self.where.search(text))
        return not self.line or (last if self.line == "$" else number == int(self.line))


def sed(p: Process, args: list[str]) -> int:
    """Edit lines by `s/old/new/g`, `d` and `p`; with -i in the file itself."""
    given, paths = options(args, "ie:nEr")
    if "e" not in given and not paths:
        raise Usage("missing script")
    script = given.get("e") or paths.pop(0)
    edits = [_edit(text, given) for text in re.split(r";\s*(?=[\d$/dps])", script)]
    code = 0
    for path, data in contents(p, paths, "{0}: {1}"):
        if data is None:
            code = 1
        elif "i" in given:
            p.write(path, encode(_edited(decode(data), edits, "n" in given)))
        else:
            p.stdout(encode(_edited(decode(data), edits, "n" in given)))
    return code


def _edit(text: str, given: dict[str, str]) -> Edit:
    extended = bool(given.keys() & {"E", "r"})
    found = _COMMAND.fullmatch(text.strip())
    if not found:
        raise Usage(f"imgkit's sed knows s/old/new/, d and p, not: {text}")
    line, where, verb, rest = found.groups()
    try:
        address = re.compile(expression(where, extended=extended)) if where is not None else None
        if verb != "s":
            return Edit(line or "", address, verb)
        mark = re.escape(rest[:1] or "/")
        parts = re.fullmatch(rf"{mark}(.*?)(?<!\\){mark}(.*?)(?<!\\){mark}([gI]*)", rest)
        if not parts:
            raise Usage(f"bad option in substitution expression: {text}")
        old, new, flags = parts.groups()
        old, new = (part.replace(f"\\{rest[0]}", rest[0]) for part in (old, new))
        how = re.IGNORECASE if "I" in flags else 0
        pattern = re.compile(expression(old, extended=extended), how)
    except re.error as error:
        raise Usage(f"bad regex in {text}: {error}") from None
    return Edit(line or "", address, verb, pattern, new, "g" in flags)


def _edited(text: str, edits: list[Edit], quiet: bool) -> str:
    lines = text.splitlines(keepends=True)
    done: list[str] = []
    for count, whole in enumerate(lines, 1):
        line = whole.removesuffix("\n")
        end = whole[len(line) :]
        kept = True
        for edit in edits:
            if not edit.applies(count, line, last=count == len(lines)):
                continue
            if edit.verb == "d":
                kept = False
                break
            if edit.verb == "p":
                done.append(line + end)
            elif edit.pattern:
                line = edit.pattern.sub(_filled(edit), line, 0 if edit.every else 1)
        if kept and not quiet:
            done.append(line + end)
    return "".join(done)


def _filled(edit: Edit) -> Callable[[re.Match[str]], str]:
    r"""What puts the replacement together: `&` is all that was found, `\1` a group of it."""

    def fill(found: re.Match[str]) -> str:
        def one(match: re.Match[str]) -> str:
            if match[0] == "&":
                return found[0]
            if match[1].isdecimal():
                return found[int(match[1])] or ""
            return "\n" if match[1] == "n" else match[1]

        return re.sub(r"\\(.)|&", one, edit.replacement)

    return fill


def cut(p: Process, args: list[str]) -> int:
    """Print fields (-f 1,3 with -d :) or characters (-c 1-4) of lines."""
    given, paths = options(args, "d:f:c:s")
    which = given.get("f") or given.get("c") or ""
    spans = [re.fullmatch(r"(\d*)(-?)(\d*)", span) for span in which.split(",")]
    if not which or not all(spans):
        raise Usage("it needs -f or -c with a list such as 1,3-5")
    between = given.get("d", "\t") if "f" in given else ""
    for _, data in contents(p, paths, "{0}: {1}"):
        for line in decode(data or b"").splitlines():
            if between and between not in line:
                p.say(line)
                continue
            parts = line.split(between) if between else list(line)
            p.say(between.join(part for at, part in enumerate(parts, 1) if _within(at, spans)))
    return 0


def _within(at: int, spans: list[re.Match[str] | None]) -> bool:
    for span in spans:
        assert span
        first, dash, last = span.groups()
        if int(first or 1) <= at <= int(last or (1 << 30 if dash else first)):
            return True
    return False


def tr(p: Process, args: list[str]) -> int:
    """Replace characters of one set by those of another, or with -d delete them."""
    given, sets = options(args, "d", least=1)
    old = _set(sets[0])
    if "d" in given:
        table: dict[int, str | None] = dict.fromkeys(map(ord, old))
    else:
        new = _set(sets[1]) if sets[1:] else ""
        if not new:
            raise Usage("it needs two sets, or -d and one")
        table = {ord(char): new[min(at, len(new) - 1)] for at, char in enumerate(old)}
    p.stdout(encode(decode(p.stdin).translate(table)))
    return 0


def _set(text: str) -> str:
    """All characters of a set such as `a-z` or `[:upper:]`."""
    named = {"[:lower:]": "a-z", "[:upper:]": "A-Z", "[:digit:]": "0-9", "\\n": "\n", "\\t": "\t"}
    for name, span in named.items():
        text = text.replace(name, span)

    def spread(match: re.Match[str]) -> str:
        return "".join(map(chr, range(ord(match[1]), ord(match[2]) + 1)))

    return re.sub(r"(.)-(.)", spread, text, flags=re.DOTALL)


def seq(p: Process, args: list[str]) -> int:
    """Print numbers from the first to the last, by a step."""
    if not 1 <= len(args) <= 3:
        raise Usage("it needs one to three numbers")
    numbers = [number(arg) for arg in args]
    first, step, last = {
        1: (1, 1, numbers[-1]),
        2: (numbers[0], 1, numbers[-1]),
        3: (numbers[0], numbers[1] if len(numbers) > 1 else 1, numbers[-1]),
    }[len(numbers)]
    if not step:
        raise Usage("a step of 0 never ends")
    if abs(last - first) // abs(step) > 1_000_000:
        raise Usage("more than a million numbers")
    for value in range(first, last + (1 if step > 0 else -1), step):
        p.say(str(value))
    return 0

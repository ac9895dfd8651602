"""`grep`."""

from __future__ import annotations

import re
from typing import Final

from imgkit.shell.process import Process
from imgkit.shell.programs.options import Usage, options
from imgkit.shell.programs.searching import walk
from imgkit.shell.programs.text import contents
from imgkit.tar.entry import Kind, decode


def grep(p: Process, args: list[str]) -> int:
    """Print the lines in which a pattern is found; the exit code is 1 where there is none."""
    given, operands = options(args, "inclqvrRFEwxohHe:")
    if "e" not in given and not operands:
        raise Usage("missing pattern")
    if args.count("-e") > 1:
        raise Usage("-e can be given once here")
    pattern = given.get("e") or operands.pop(0)
    matcher = _matcher(pattern, given)
    deep = bool(given.keys() & {"r", "R"})
    paths = _below(p, operands or ["."]) if deep else operands
    named = (len(paths) > 1 or deep or "H" in given) and "h" not in given
    hits, failed = 0, False
    for path, data in contents(p, paths, "{0}: {1}"):
        if data is None:
            failed = True
            continue
        hits += _grep_one(p, f"{path}:" if named else "", path, data, matcher, given)
    return 2 if failed and "q" not in given else int(not hits)


def _below(p: Process, tops: list[str]) -> list[str]:
    return [path for top in tops for path, found in walk(p, top) if found.kind is Kind.FILE]


def _grep_one(
    p: Process,
    prefix: str,
    path: str,
    data: bytes,
    matcher: re.Pattern[str],
    given: dict[str, str],
) -> int:
    """Print what is found in one file; how many lines have it."""
    lines = decode(data).splitlines()
    found = [
        (count, line)
        for count, line in enumerate(lines, 1)
        if bool(matcher.search(line)) != ("v" in given)
    ]
    if "q" in given:
        return len(found)
    if "l" in given:
        if found:
            p.say(path)
    elif "c" in given:
        p.say(f"{prefix}{len(found)}")
    else:
        for count, line in found:
            place = prefix + (f"{count}:" if "n" in given else "")
            for text in [m[0] for m in matcher.finditer(line)] if "o" in given else [line]:
                p.say(place + text)
    return len(found)


def _matcher(pattern: str, given: dict[str, str]) -> re.Pattern[str]:
    text = re.escape(pattern) if "F" in given else expression(pattern, extended="E" in given)
    if "w" in given:
        text = rf"(?<!\w)(?:{text})(?!\w)"
    if "x" in given:
        text = rf"^(?:{text})$"
    try:
        return re.compile(text, re.IGNORECASE if "i" in given else 0)
    except re.error as error:
        raise Usage(f"bad regex '{pattern}': {error}") from None


_CLASSES: Final = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "space": r"\s",
    "upper": "A-Z",
    "lower": "a-z",
    "blank": " \t",
    "xdigit": "0-9A-Fa-f",
}


def expression(pattern: str, *, extended: bool) -> str:
    """A regular expression of POSIX in Python's words: in a basic one, `(|)+?{}` are themselves."""
    for name, inside in _CLASSES.items():
        pattern = pattern.replace(f"[:{name}:]", inside)
    if extended:
        return pattern

    def turn(match: re.Match[str]) -> str:
        text = match[0]
        if len(text) == 2:
            return text[1] if text[1] in "(){}|+?" else text
        return f"\\{text}" if text in "(){}|+?" else text

    return re.sub(r"\[\^?\]?[^]]*\]|\\.|.", turn, pattern)

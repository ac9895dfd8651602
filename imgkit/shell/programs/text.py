"""Programs that read text and print text."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from typing import Final

from imgkit.shell.process import Process, why
from imgkit.shell.programs.options import Usage, number, options
from imgkit.tar.entry import encode

_ESCAPES: Final = dict(zip("ntrabfv\\e", "\n\t\r\a\b\f\v\\\x1b", strict=True))


def unescape(text: str) -> tuple[str, bool]:
    """The text with `\\n` and its like replaced; and whether `\\c` ended it."""
    text, ended, _ = text.partition("\\c")

    def one(match: re.Match[str]) -> str:
        if match[1] or match[2]:
            return chr(int(match[1], 8) & 0xFF if match[1] else int(match[2], 16))
        return _ESCAPES.get(match[3], match[0])

    found = re.sub(r"\\(?:(0?[0-7]{1,3})|x([0-9a-fA-F]{1,2})|([a-z\\]))", one, text)
    return found, bool(ended)


def echo(p: Process, args: list[str]) -> int:
    """Print the arguments; -n without the end of the line, -e with `\\n` and its like replaced."""
    newline, escapes = "\n", False
    while args and re.fullmatch(r"-[neE]+", args[0]):
        newline = "" if "n" in args[0] else newline
        escapes = "e" in args[0] or (escapes and "E" not in args[0])
        args = args[1:]
    text = " ".join(args)
    if escapes:
        text, ended = unescape(text)
        newline = "" if ended else newline
    p.stdout(encode(text + newline))
    return 0


def printf(p: Process, args: list[str]) -> int:
    """Print the arguments in a format, which is used again while there are arguments left."""
    if not args:
        raise Usage("usage: printf FORMAT [ARGUMENT...]")
    form, *ahead = args
    first = True
    while first or ahead:
        before = len(ahead)
        p.stdout(encode(_formatted(form, ahead)))
        first = False
        if len(ahead) == before:
            break
    return 0


def _formatted(form: str, ahead: list[str]) -> str:
    """One use of the format, which takes its arguments from those ahead."""

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        if match[0].startswith("\\"):
            return unescape(match[0])[0]
        given = ahead.pop(0) if ahead else ""
        spec, letter = match[1], match[2]
        if letter in "sbc":
            text = unescape(given)[0] if letter == "b" else given[:1] if letter == "c" else given
            return f"%{spec}s" % text
        value = float(given or 0) if letter in "feg" and _is_float(given) else number(given or "0")
        return f"%{spec}{'d' if letter in 'iu' else letter}" % value

    return re.sub(r"%%|%([-+ 0#]*\d*(?:\.\d+)?)([sbcdiuxXofeg])|\\[0-7]{1,3}|\\[a-z\\]", one, form)


def _is_float(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d*\.?\d*", text))


def contents(p: Process, paths: list[str], what: str) -> Iterator[tuple[str, bytes | None]]:
    """Each path that can be read with its bytes; the input where no path is given.

    A complaint is made about the others, in the form of `what`, and they have None.
    """
    for path in paths or ["-"]:
        try:
            yield path, p.read(path)
        except OSError as error:
            said = "read error: {1}" if error.errno == errno.EISDIR and p.name == "cat" else what
            p.complain(said.format(path, why(error)))
            yield path, None


def cat(p: Process, args: list[str]) -> int:
    """Print files one after another; -n with numbers."""
    given, paths = options(args, "nu")
    code = 0
    count = 0
    for _, data in contents(p, paths, "can't open '{0}': {1}"):
        if data is None:
            code = 1
        elif "n" in given:
            for line in data.splitlines(keepends=True):
                count += 1
                p.stdout(b"%6d\t%s" % (count, line))
        else:
            p.stdout(data)
    return code


def head(p: Process, args: list[str]) -> int:
    """Print the first 10 lines, or -n lines, or -c bytes."""
    return _ends(p, args, first=True)


def tail(p: Process, args: list[str]) -> int:
    """Print the last 10 lines, or -n lines, or -c bytes; -f waits for no more, and ends."""
    return _ends(p, args, first=False)


def _ends(p: Process, args: list[str], *, first: bool) -> int:
    if args and re.fullmatch(r"-\d+", args[0]):
        args = [f"-n{args[0][1:]}", *args[1:]]
    given, paths = options(args, "n:c:q" if first else "n:c:qf")
    if not first and given.get("n", "").startswith("+"):
        skip = max(number(given["n"]) - 1, 0)
        cut = slice(skip, None)
    else:
        count = number(given.get("c", given.get("n", "10")))
        cut = slice(count) if first else slice(-count, None) if count else slice(0)
    code = 0
    for place, (path, data) in enumerate(contents(p, paths, "{0}: {1}")):
        if data is None:
            code = 1
            continue
        if len(paths) > 1 and "q" not in given:
            p.say(("\n" if place else "") + f"==> {path} <==")
        p.stdout(data[cut] if "c" in given else b"".join(data.splitlines(keepends=True)[cut]))
    return code


def wc(p: Process, args: list[str]) -> int:
    """Count lines, words and bytes."""
    given, paths = options(args, "lwc")
    wanted = [letter for letter in "lwc" if letter in given] or ["l", "w", "c"]
    width = 9 if len(wanted) > 1 or len(paths) > 1 else 0
    totals = dict.fromkeys("lwc", 0)
    code = 0
    for path, data in contents(p, paths, "{0}: {1}"):
        if data is None:
            code = 1
            continue
        counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
        totals = {letter: totals[letter] + counts[letter] for letter in "lwc"}
        row = " ".join(f"{counts[letter]:>{width}}" for letter in wanted)
        p.say(f"{row} {path}" if paths else row)
    if len(paths) > 1:
        p.say(" ".join(f"{totals[letter]:>{width}}" for letter in wanted) + " total")
    return code


def sort(p: Process, args: list[str]) -> int:
    """Print the lines in order; -r reversed, -n by number, -u each once."""
    given, paths = options(args, "rnu")
    lines = [
        line for _, data in contents(p, paths, "{0}: {1}") for line in (data or b"").splitlines()
    ]

    def key(line: bytes) -> tuple[float, bytes]:
        found = re.match(rb"\s*(-?\d+)", line) if "n" in given else None
        return (float(found[1]) if found else 0.0, line)

    if "u" in given:
        lines = list(set(lines))
    for line in sorted(lines, key=key, reverse="r" in given):
        p.stdout(line + b"\n")
    return 0


def uniq(p: Process, args: list[str]) -> int:
    """Print lines that repeat the one before them once; -c with their number."""
    given, paths = options(args, "c")
    last, count = b"", 0
    lines = [
        line for _, data in contents(p, paths, "{0}: {1}") for line in (data or b"").splitlines()
    ]
    for line in [*lines, None]:
        if count and line != last:
            p.stdout((b"%7d " % count if given else b"") + last + b"\n")
            count = 0
        last, count = line or b"", count + 1
    return 0


def tee(p: Process, args: list[str]) -> int:
    """Print the input, and write it to files."""
    given, paths = options(args, "a")
    p.stdout(p.stdin)
    for path in paths:
        p.write(path, p.stdin, append="a" in given)
    return 0

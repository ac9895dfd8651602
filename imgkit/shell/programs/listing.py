"""Programs that say what is there: owner, group, mode, links, size and time, as they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from imgkit.mount import Stat
from imgkit.shell.process import Process, why
from imgkit.shell.programs.options import Usage, each, options
from imgkit.tar.entry import Kind

FOLDER_SIZE: Final = 4096
"""Bytes of a directory, as most filesystems give them; a tar knows none."""

_LETTERS: Final = {
    Kind.FILE: "-",
    Kind.DIR: "d",
    Kind.SYMLINK: "l",
    Kind.CHAR: "c",
    Kind.BLOCK: "b",
    Kind.FIFO: "p",
}
_NAMES: Final = {
    Kind.FILE: "regular file",
    Kind.DIR: "directory",
    Kind.SYMLINK: "symbolic link",
    Kind.CHAR: "character special file",
    Kind.BLOCK: "block special file",
    Kind.FIFO: "fifo",
}
_HALF_YEAR: Final = 365 * 24 * 3600 // 2


def size_of(found: Stat) -> int:
    """Bytes, as `ls -l` prints them."""
    return FOLDER_SIZE if found.kind is Kind.DIR else found.size


def blocks_of(found: Stat) -> int:
    """Units of 1024 bytes on a disk with blocks of 4096; a short symlink takes none."""
    return 0 if found.kind is Kind.SYMLINK else -(-size_of(found) // 4096) * 4


def human(count: int) -> str:
    """A number of bytes in units of 1024, as BusyBox writes it."""
    value, unit = float(count), 0
    while value >= 1024 and unit < 4:
        value, unit = value / 1024, unit + 1
    return f"{count}" if not unit else f"{value:.1f}{'KMGT'[unit - 1]}"


def mode_text(found: Stat) -> str:
    """The mode as `-rwxr-xr-x`."""
    text = "".join("rwx"[n % 3] if found.mode >> (8 - n) & 1 else "-" for n in range(9))
    letters = list(_LETTERS[found.kind] + text)
    for bit, at, mark in ((0o4000, 3, "s"), (0o2000, 6, "s"), (0o1000, 9, "t")):
        if found.mode & bit:
            letters[at] = mark if letters[at] == "x" else mark.upper()
    return "".join(letters)


def owners(p: Process, found: Stat, *, numeric: bool = False) -> tuple[str, str]:
    """The names of owner and group; the numbers where there is no name."""
    user = None if numeric else p.accounts.user(found.uid)
    group = None if numeric else p.accounts.group(found.gid)
    return user or str(found.uid), group or str(found.gid)


def ls(p: Process, args: list[str]) -> int:
    """List names, and with -l what they are."""
    given, paths = options(args, "1aAdlhnrRtSiFpCLH", ["all", "recursive"])
    files: list[tuple[str, Stat]] = []
    folders: list[str] = []
    code = 0
    for path in paths or ["."]:
        try:
            found = p.stat(path, follow="l" not in given or path.endswith("/") or "L" in given)
        except OSError:
            try:
                found = p.stat(path, follow=False)
            except OSError as error:
                code = p.complain(f"{path}: {why(error)}")
                continue
        if found.kind is Kind.DIR and "d" not in given:
            folders.append(path)
        else:
            files.append((path, p.stat(path, follow=False) if "d" in given else found))
    _print(p, _sorted(files, given), given)
    headed = len(paths) > 1 or "R" in given or "recursive" in given
    for count, path in enumerate(sorted(folders)):
        if headed:
            p.say(("\n" if count or files else "") + f"{path}:")
        code |= _list(p, path, given)
    return code


def _list(p: Process, path: str, given: dict[str, str]) -> int:
    """List one directory, and those in it with -R."""
    try:
        names = p.readdir(path)
    except OSError as error:
        return p.complain(f"can't open '{path}': {why(error)}")
    if "a" not in given and "all" not in given and "A" not in given:
        names = [name for name in names if not name.startswith(".")]
    elif "A" not in given:
        names = [".", "..", *names]
    base = path.rstrip("/")
    rows = [(name, p.stat(f"{base}/{name}", follow=False)) for name in names]
    if "l" in given or "n" in given:
        p.say(f"total {sum(blocks_of(found) for _, found in rows)}")
    _print(p, _sorted(rows, given), given, base)
    code = 0
    if given.keys() & {"R", "recursive"}:
        for name, found in rows:
            if found.kind is Kind.DIR and name not in (".", ".."):
                p.say(f"\n{base}/{name}:")
                code |= _list(p, f"{base}/{name}", given)
    return code


def _sorted(rows: list[tuple[str, Stat]], given: dict[str, str]) -> list[tuple[str, Stat]]:
    rows = sorted(rows)
    if "t" in given:
        rows.sort(key=lambda row: -row[1].mtime_ns)
    if "S" in given:
        rows.sort(key=lambda row: -size_of(row[1]))
    return rows[::-1] if "r" in given else rows


def _print(
    p: Process, rows: list[tuple[str, Stat]], given: dict[str, str], base: str | None = None
) -> None:
    for name, found in rows:
        mark = "/" if found.kind is Kind.DIR and given.keys() & {"F", "p"} else ""
        if not given.keys() & {"l", "n"}:
            p.say(name + mark)
            continue
        user, group = owners(p, found, numeric="n" in given)
        size = f"{human(size_of(found)):>7}" if "h" in given else f"{size_of(found):>9}"
        if found.kind in (Kind.CHAR, Kind.BLOCK):
            size = "{:>4}, {:>3}".format(*found.device)
        path = name if base is None else f"{base}/{name}"
        link = f" -> {p.readlink(path)}" if found.kind is Kind.SYMLINK else mark
        p.say(
            f"{mode_text(found)}{found.nlink:>5} {user:<8.8} {group:<8.8} {size} "
            f"{_when(found, p.now)} {name}{link}"
        )


def _when(found: Stat, now: int) -> str:
    """The time of the last change, in UTC: with its hour, or its year when that is far away."""
    made = datetime.fromtimestamp(found.mtime_ns // 10**9, UTC)
    age = (now - found.mtime_ns) // 10**9
    last = f"{made:%H:%M}" if -900 <= age <= _HALF_YEAR else f" {made:%Y}"
    return f"{made:%b} {made.day:>2} {last}"


def stat(p: Process, args: list[str]) -> int:
    """Say all that is known of files, or what the format of -c asks for."""
    given, paths = options(args, "c:L", ["format="], least=1)
    form = given.get("c", given.get("format"))

    def show(path: str) -> None:
        found = p.stat(path, follow="L" in given)
        p.say(_described(p, path, found) if form is None else _formatted(p, form, path, found))

    return each(p, paths, show, "can't stat '{}'")


def _full(found: Stat) -> str:
    made = datetime.fromtimestamp(found.mtime_ns // 10**9, UTC)
    return f"{made:%Y-%m-%d %H:%M:%S}.{found.mtime_ns % 10**9:09} +0000"


def _described(p: Process, path: str, found: Stat) -> str:
    user, group = (text.rjust(8) for text in owners(p, found))
    name = f"'{path}' -> '{p.readlink(path)}'" if found.kind is Kind.SYMLINK else path
    return (
        f"  File: {name}\n"
        f"  Size: {size_of(found):<10}\tBlocks: {2 * blocks_of(found):<10} IO Block: 4096   "
        f"{_name(found)}\n"
        f"Links: {found.nlink}\n"
        f"Access: ({found.mode:04o}/{mode_text(found)})  "
        f"Uid: ({found.uid:>5}/{user})   Gid: ({found.gid:>5}/{group})\n"
        f"Modify: {_full(found)}"
    )


def _name(found: Stat) -> str:
    return _NAMES[found.kind] if found.kind is not Kind.FILE or found.size else "regular empty file"


def _formatted(p: Process, form: str, path: str, found: Stat) -> str:
    user, group = owners(p, found)
    link = f" -> '{p.readlink(path)}'" if found.kind is Kind.SYMLINK else ""
    facts: dict[str, object] = {"n": path, "N": f"'{path}'{link}" if link else path}
    facts |= {"s": size_of(found), "a": f"{found.mode:o}", "A": mode_text(found)}
    facts |= {"u": found.uid, "U": user, "g": found.gid, "G": group, "h": found.nlink}
    facts |= {"F": _name(found), "y": _full(found), "Y": found.mtime_ns // 10**9}
    facts |= {"b": 2 * blocks_of(found), "B": 512, "%": "%"}

    def fact(match: re.Match[str]) -> str:
        if match[1] not in facts:
            raise Usage(f"%{match[1]} is not known here; these are: %{' %'.join(facts)}")
        return str(facts[match[1]])

    return re.sub(r"%(.)", fact, form)

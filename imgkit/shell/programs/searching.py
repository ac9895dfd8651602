"""Programs that go through directories, or along symlinks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from imgkit.mount import Stat
from imgkit.shell.process import Process
from imgkit.shell.programs.options import Usage, each, number, options
from imgkit.tar.entry import Kind

_TYPES: Final = {"f": Kind.FILE, "d": Kind.DIR, "l": Kind.SYMLINK, "p": Kind.FIFO}


def readlink(p: Process, args: list[str]) -> int:
    """Say where a symlink leads; with -f where a path leads in the end."""
    given, paths = options(args, "fn", least=1)
    if not given.keys() & {"f"} and p.kind(paths[0], follow=False) is not Kind.SYMLINK:
        return 1
    p.say(p.real(paths[0]) if "f" in given else p.readlink(paths[0]))
    return 0


def walk(p: Process, path: str) -> Iterator[tuple[str, Stat]]:
    """A path and all below it, parents first, names in order."""
    found = p.stat(path, follow=False)
    yield path, found
    if found.kind is Kind.DIR:
        for name in p.readdir(path):
            yield from walk(p, f"{path.rstrip('/')}/{name}")


def find(p: Process, args: list[str]) -> int:
    """Print the paths below directories for which all tests hold."""
    count = next((n for n, arg in enumerate(args) if arg[:1] in ("-", "!", "(")), len(args))
    tests = args[count:]
    deepest = 1 << 30
    wanted: list[tuple[str, str]] = []
    while tests:
        test = tests.pop(0)
        if test == "-print":
            continue
        if test not in ("-name", "-iname", "-type", "-maxdepth", "-path", "-user", "-size"):
            raise Usage(f"{test} is not known here; these are: -name -iname -path -type -maxdepth")
        if not tests:
            raise Usage(f"{test} needs a value")
        value = tests.pop(0)
        if test == "-maxdepth":
            deepest = number(value)
        else:
            wanted.append((test, value))

    def show(top: str) -> None:
        depth = top.rstrip("/").count("/")
        for path, found in walk(p, top):
            near = path.rstrip("/").count("/") - depth <= deepest
            if near and all(_holds(p, test, value, path, found) for test, value in wanted):
                p.say(path)

    return each(p, args[:count] or ["."], show)


def _holds(p: Process, test: str, value: str, path: str, found: Stat) -> bool:
    name = path.rstrip("/").rpartition("/")[2]
    match test:
        case "-name":
            return fnmatch.fnmatchcase(name, value)
        case "-iname":
            return fnmatch.fnmatchcase(name.lower(), value.lower())
        case "-path":
            return fnmatch.fnmatchcase(path, value)
        case "-user":
            return found.uid == p.accounts.uid(value)
        case "-type" if value in _TYPES:
            return found.kind is _TYPES[value]
    raise Usage(f"{test} {value} is not known here")

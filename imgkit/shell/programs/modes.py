"""Programs that change modes and owners."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

from imgkit.shell.process import UMASK, Process
from imgkit.shell.programs.options import Usage, each, options
from imgkit.tar.entry import Kind


def chmod(p: Process, args: list[str]) -> int:
    """Change modes, written as 755 or as u+x,go-w."""
    flags = [arg for arg in args if re.fullmatch(r"-[Rcvf]+|--recursive", arg)]
    mode, *paths = [arg for arg in args if arg not in flags] or [""]
    if not paths:
        raise Usage("missing operand")
    changed(0, mode, is_dir=False)

    def change(path: str) -> None:
        found = p.stat(path)
        p.chmod(path, changed(found.mode, mode, is_dir=found.kind is Kind.DIR))

    return each(p, paths, lambda path: _deep(p, path, change, bool(flags)))


def chown(p: Process, args: list[str]) -> int:
    """Change owners: USER, USER:GROUP or :GROUP, by name or number."""
    given, paths = options(args, "Rhcvf", ["recursive", "no-dereference"], least=2)
    owner, *paths = paths
    user, _, group = owner.partition(":")
    uid = p.accounts.uid(user) if user else -1
    gid = p.accounts.gid(group) if group else -1
    if uid is None or gid is None:
        return p.complain(f"unknown {'user' if uid is None else 'group'} {user or group}")
    deep = bool(given.keys() & {"R", "recursive"})
    follow = not (deep or given.keys() & {"h", "no-dereference"})

    def change(path: str) -> None:
        p.chown(path, uid, gid, follow=follow)

    return each(p, paths, lambda path: _deep(p, path, change, deep))


def chgrp(p: Process, args: list[str]) -> int:
    """Change groups."""
    given, paths = options(args, "Rhcvf", least=2)
    flags = [f"-{letter}" for letter in given]
    return chown(p, [*flags, f":{paths[0]}", *paths[1:]])


def _deep(p: Process, path: str, change: Callable[[str], object], deep: bool) -> None:
    """Change a path, and if `deep` all that is in it; symlinks keep their mode."""
    change(path)
    if deep and p.kind(path, follow=False) is Kind.DIR:
        for name in p.readdir(path):
            inner = f"{path.rstrip('/')}/{name}"
            if p.kind(inner, follow=False) is not Kind.SYMLINK or p.name != "chmod":
                _deep(p, inner, change, deep)


def changed(old: int, text: str, *, is_dir: bool) -> int:
    """The mode after a change written as 755 or u+x,go-w; raises `Usage`."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        return int(text, 8)
    mode = old
    for clause in text.split(","):
        found = re.fullmatch(r"([ugoa]*)((?:[-+=][rwxXst]*)+)", clause)
        if not found:
            raise Usage(f"invalid mode '{text}'")
        for sign, what in re.findall(r"([-+=])([rwxXst]*)", found[2]):
            mode = _clause(mode, found[1], sign, what, is_dir)
    return mode


_WHO: Final = {"u": 0o4700, "g": 0o2070, "o": 0o007, "a": 0o7777}
_WHAT: Final = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000, "X": 0o111}


def _clause(mode: int, who: str, sign: str, what: str, is_dir: bool) -> int:
    """The mode after one change, such as `go-w`; where nobody is named, the umask is kept to."""
    whose = _bits(_WHO, who or "a")
    letters = what if is_dir or mode & 0o111 else what.replace("X", "")
    change = _bits(_WHAT, letters) & whose & (0o7777 if who else ~UMASK)
    if sign == "=":
        return mode & ~whose | change
    return mode | change if sign == "+" else mode & ~change


def _bits(bits: Mapping[str, int], letters: str) -> int:
    """The bits of all these letters."""
    return functools.reduce(operator.or_, (bits[letter] for letter in letters), 0)

"""`apk` and `apt-get`: stand-ins, and they say so.

There is no network, and no package is real: what is installed are made-up files under the names
that a package of that name would bring, and a record in the package database. What comes after is
true again: a layer with these files, a larger image, `apk del` that removes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from imgkit.shell.process import Process
from imgkit.shell.programs.options import Usage

APK: Final = "/lib/apk/db/installed"
DPKG: Final = "/var/lib/dpkg/status"

LABEL: Final = "(stand-in: no network; made-up files of the right names)"
VERSION: Final = "1.0.0"
"""Of every package here: a made-up one."""

_SIZE: Final = 4096
"""Bytes of a made-up file."""

_VALUED: Final = ("-t", "--virtual", "--repository", "-X", "-o")


def apk(p: Process, args: list[str]) -> int:
    """The package manager of Alpine: `add`, `del`, `info`, `update`."""
    verb, names = _parsed(args)
    match verb:
        case "add":
            return _apk_add(p, names)
        case "del":
            for name in names:
                if _uninstall(p, APK, "P", name):
                    p.say(f"(1/1) Purging {name} ({VERSION})")
            p.say(f"OK: {LABEL}")
        case "update" | "upgrade":
            p.say(f"OK: nothing was fetched {LABEL}")
        case "info":
            for name in _installed(p, APK, "P"):
                p.say(name)
        case _:
            raise Usage("imgkit's stand-in for apk knows: add, del, info, update")
    return 0


def _apk_add(p: Process, names: Sequence[str]) -> int:
    fresh = [name for name in names if name not in _installed(p, APK, "P")]
    for count, name in enumerate(fresh, 1):
        p.say(f"({count}/{len(fresh)}) Installing {name} ({VERSION})")
        _install(p, name, APK, f"P:{name}\nV:{VERSION}\nT:a stand-in made by imgkit\n\n")
    p.say(f"OK: {len(fresh)} packages {LABEL}")
    return 0


def apt_get(p: Process, args: list[str]) -> int:
    """The package manager of Debian: `update`, `install`, `remove`, `purge`, `clean`."""
    verb, names = _parsed(args)
    match verb:
        case "update" | "upgrade" | "dist-upgrade":
            p.say(f"Reading package lists... Done {LABEL}")
        case "install":
            return _apt_install(p, names)
        case "remove" | "purge":
            for name in names:
                if _uninstall(p, DPKG, "Package", name):
                    p.say(f"Removing {name} ({VERSION}) ...")
            p.say(LABEL)
        case "clean" | "autoclean" | "autoremove":
            return 0
        case _:
            raise Usage("imgkit's stand-in for apt-get knows: update, install, remove, clean")
    return 0


def _apt_install(p: Process, names: Sequence[str]) -> int:
    present = _installed(p, DPKG, "Package")
    p.say(f"Reading package lists... Done {LABEL}")
    for name in names:
        if name in present:
            p.say(f"{name} is already the newest version.")
            continue
        p.say(f"Setting up {name} ({VERSION}) ...")
        record = f"Package: {name}\nStatus: install ok installed\nVersion: {VERSION}\n\n"
        _install(p, name, DPKG, record)
    return 0


def _parsed(args: Sequence[str]) -> tuple[str, list[str]]:
    """The verb, and the names of packages without versions; options do nothing here."""
    words: list[str] = []
    ahead = list(args)
    while ahead:
        word = ahead.pop(0)
        if word in _VALUED and ahead:
            ahead.pop(0)
        elif not word.startswith("-"):
            words.append(word)
    names = [re.split(r"[=<>~@]", word)[0] for word in words[1:]]
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", name)]
    if wrong:
        raise Usage(f"no package is called {wrong[0]!r}")
    return words[0] if words else "", names


def files_of(name: str) -> tuple[str, ...]:
    """What a package of that name brings: a program of its name, or a library."""
    if name.startswith("lib"):
        return (f"/usr/lib/{name}.so.1",)
    return f"/usr/bin/{name}", f"/usr/share/{name}/data"


def _install(p: Process, name: str, database: str, record: str) -> None:
    head = b"\x7fELF\2\1\1".ljust(64, b"\0")
    text = f"imgkit stand-in for the package {name}; it does nothing.\n".encode()
    for path in [*files_of(name), database]:
        _folders(p, path)
    for path in files_of(name):
        program = "/share/" not in path
        p.write(path, (head * program + text).ljust(_SIZE, b"."))
        p.chmod(path, 0o755 if program else 0o644)
    p.write(database, record.encode(), append=True)


def _folders(p: Process, path: str) -> None:
    """Make the directories on the way to a path."""
    folder = ""
    for part in path.split("/")[1:-1]:
        folder += f"/{part}"
        if not p.is_dir(folder):
            p.mkdir(folder)


def _uninstall(p: Process, database: str, field: str, name: str) -> bool:
    """Take away the files of a stand-in and its record; false for what is not installed."""
    if name not in _installed(p, database, field):
        return False
    for path in files_of(name):
        if p.kind(path, follow=False):
            p.unlink(path)
    if p.is_dir(f"/usr/share/{name}") and not p.readdir(f"/usr/share/{name}"):
        p.rmdir(f"/usr/share/{name}")
    records = p.read(database).decode().split("\n\n")
    own = re.compile(rf"^{field}: ?{re.escape(name)}$", re.MULTILINE)
    kept = [record for record in records if not own.search(record)]
    p.write(database, "\n\n".join(kept).encode())
    return True


def _installed(p: Process, database: str, field: str) -> list[str]:
    """The names of all packages in the database."""
    if not p.kind(database):
        return []
    found = re.findall(rf"^{field}: ?(.+)$", p.read(database).decode(), re.MULTILINE)
    return [str(name) for name in found]

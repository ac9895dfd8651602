"""The programs that imgkit has for a container, under the names that a command line gives them.

They are small, and speak as BusyBox does. A container can only run those that its image has: the
program in the image is a real one (or a sample's stand-in), and the one here does its work.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from imgkit.shell.process import Process, why
from imgkit.shell.programs import (
    copying,
    files,
    grep,
    listing,
    modes,
    packages,
    searching,
    system,
    text,
)
from imgkit.shell.programs.options import Program, Usage

PROGRAMS: Final[Mapping[str, Program]] = MappingProxyType(
    {
        "[": system.test,
        "apk": packages.apk,
        "apt": packages.apt_get,
        "apt-get": packages.apt_get,
        "basename": system.basename,
        "cat": text.cat,
        "chgrp": modes.chgrp,
        "chmod": modes.chmod,
        "chown": modes.chown,
        "cp": copying.cp,
        "date": system.date,
        "dirname": system.dirname,
        "echo": text.echo,
        "env": system.env,
        "false": system.false,
        "find": searching.find,
        "grep": grep.grep,
        "head": text.head,
        "hostname": system.hostname,
        "id": system.identity,
        "ln": files.ln,
        "ls": listing.ls,
        "mkdir": files.mkdir,
        "mv": copying.mv,
        "printf": text.printf,
        "pwd": system.pwd,
        "readlink": searching.readlink,
        "rm": files.rm,
        "rmdir": files.rmdir,
        "sleep": system.sleep,
        "sort": text.sort,
        "stat": listing.stat,
        "tail": text.tail,
        "tee": text.tee,
        "test": system.test,
        "touch": files.touch,
        "true": system.true,
        "uname": system.uname,
        "uniq": text.uniq,
        "wc": text.wc,
        "whoami": system.whoami,
    }
)

MANAGERS: Final = frozenset({"apk", "apt", "apt-get"})
"""Programs that are there only where the image has a file of their name."""


def run(process: Process, args: list[str]) -> int:
    """The exit code of a program of `PROGRAMS`; whatever goes wrong in it is one line of error."""
    try:
        return PROGRAMS[process.name](process, args)
    except Usage as error:
        return process.complain(str(error))
    except OSError as error:
        return process.complain(f"{error.filename or ''}: {why(error)}")

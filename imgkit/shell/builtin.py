"""What only the shell itself can do: its directory and its variables are nobody else's."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from imgkit.shell import launch
from imgkit.shell.process import why
from imgkit.shell.script import unknown
from imgkit.shell.session import Exit, Session, Streams
from imgkit.tar.entry import Kind, encode

Builtin = Callable[[Session, list[str], Streams], int]


def _cd(shell: Session, words: list[str], streams: Streams) -> int:
    target = words[1] if words[1:] else shell.variables.get("HOME", "/")
    if target == "-":
        target = shell.variables.get("OLDPWD", shell.cwd)
    process = shell.process("sh", streams)
    try:
        if process.stat(target).kind is not Kind.DIR:
            raise NotADirectoryError(errno.ENOTDIR, "")
    except OSError as error:
        shell.complain(streams, f"cd: line 0: can't cd to {target}: {why(error)}")
        return 2
    shell.variables["OLDPWD"], shell.cwd = shell.cwd, process.real(target)
    shell.variables["PWD"] = shell.cwd
    if words[1:] == ["-"]:
        streams.out(encode(f"{shell.cwd}\n"))
    return 0


def _export(shell: Session, words: list[str], streams: Streams) -> int:
    given = [word for word in words[1:] if word != "-p"]
    for word in given:
        name, equals, value = word.partition("=")
        shell.exported.add(name)
        if equals:
            shell.variables[name] = value
    for name in sorted(shell.exported & {*shell.variables}) if not given else ():
        streams.out(encode(f"export {name}='{shell.variables[name]}'\n"))
    return 0


def _unset(shell: Session, words: list[str], _: Streams) -> int:
    for name in words[1:]:
        shell.variables.pop(name, None)
        shell.exported.discard(name)
    return 0


def _exit(shell: Session, words: list[str], streams: Streams) -> int:
    raise Exit(_number(shell, words, streams, shell.status))


def _number(shell: Session, words: list[str], streams: Streams, default: int) -> int:
    """The number behind a command; the shell ends where it is none."""
    text = words[1] if words[1:] else str(default)
    if not text.isdecimal():
        shell.complain(streams, f"{words[0]}: line 0: Illegal number: {text}")
        raise Exit(2)
    return int(text)


def _set(shell: Session, words: list[str], _: Streams) -> int:
    ahead = words[1:]
    if not ahead:
        unknown("`set` alone, which lists the variables")
    while ahead and ahead[0][:1] in "-+" and len(ahead[0]) > 1:
        word = ahead.pop(0)
        if word == "--":
            break
        if word.endswith("o"):
            if not ahead or ahead.pop(0) != "pipefail":
                unknown("that option of `set -o`")
            word = word[:-1] + "p"
        for letter in word[1:]:
            if letter not in "eupx":
                unknown(f"`set {word[0]}{letter}`")
            shell.flags = shell.flags.replace(letter, "")
            shell.flags += letter if word[0] == "-" else ""
    if ahead or words[-1:] == ["--"]:
        shell.arguments = [shell.arguments[0], *ahead]
    return 0


def _shift(shell: Session, words: list[str], streams: Streams) -> int:
    count = _number(shell, words, streams, 1)
    if count > len(shell.positional):
        return 1
    shell.arguments = [shell.arguments[0], *shell.positional[count:]]
    return 0


def _which(shell: Session, words: list[str], streams: Streams) -> int:
    """`which`, `type` and `command -v`."""
    code = 0
    verbose = words[0] == "type"
    for name in [word for word in words[1:] if word != "-v"]:
        inside = name in INSIDE | SPECIAL or name in BUILTINS
        path = (
            None
            if inside and words[0] != "which"
            else launch.located(shell.process("sh", streams), name)
        )
        if inside and words[0] != "which":
            streams.out(encode(f"{name} is a shell builtin\n" if verbose else f"{name}\n"))
        elif path:
            streams.out(encode(f"{name} is {path}\n" if verbose else f"{path}\n"))
        else:
            streams.out(encode(f"{name}: not found\n") if verbose else b"")
            code = 127 if words[0] != "which" else 1
    return code


def _nothing(_shell: Session, _words: list[str], _: Streams) -> int:
    return 0


_BY_NAME: Final = {
    ":": _nothing,
    "cd": _cd,
    "command": _which,
    "exit": _exit,
    "export": _export,
    "set": _set,
    "shift": _shift,
    "type": _which,
    "unset": _unset,
    "wait": _nothing,
    "which": _which,
}
BUILTINS: Final[Mapping[str, Builtin]] = MappingProxyType(_BY_NAME)

INSIDE: Final = frozenset({"[", "echo", "false", "printf", "pwd", "test", "true"})
"""Programs that the shell has in itself, whether or not the image has them."""

SPECIAL: Final = frozenset({".", "exec", "source"})
"""What the interpreter does itself."""

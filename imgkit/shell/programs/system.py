"""Programs about the user, the machine and the shell's own tests."""

from __future__ import annotations

import platform
import posixpath
import re
from datetime import UTC, datetime

from imgkit.errors import CannotRun
from imgkit.shell.process import ENTER, READ, WRITE, Process
from imgkit.shell.programs.options import Usage, options
from imgkit.tar.entry import Kind


def true(_p: Process, _: list[str]) -> int:
    """Do nothing, well."""
    return 0


def false(_p: Process, _: list[str]) -> int:
    """Do nothing, with the exit code 1."""
    return 1


def sleep(_: Process, args: list[str]) -> int:
    """Nobody waits here: it ends at once."""
    if not args:
        raise Usage("missing operand")
    for arg in args:
        if not re.fullmatch(r"\d*\.?\d+[smhd]?|infinity", arg):
            raise Usage(f"invalid number '{arg}'")
    return 0


def pwd(p: Process, _: list[str]) -> int:
    """Print the working directory."""
    p.say(p.cwd)
    return 0


def env(p: Process, args: list[str]) -> int:
    """Print the environment; or run a program with changes to it."""
    if args and args[0].startswith("-"):
        raise Usage(f"{args[0]} is not an option here; write NAME=VALUE and a program")
    changes = [arg for arg in args if "=" in arg]
    if len(changes) < len(args):
        return p.spawn(args, p.stdin)
    for name, value in [*p.env.items(), *(arg.split("=", 1) for arg in changes)]:
        p.say(f"{name}={value}")
    return 0


def identity(p: Process, args: list[str]) -> int:
    """`id`: say who a user is."""
    given, names = options(args, "ugnG")
    if names and p.accounts.uid(names[0]) is None:
        return p.complain(f"unknown user {names[0]}")
    user = p.accounts.find(names[0]) if names else p.user
    own, group = p.accounts.user(user.uid), p.accounts.group(user.gid)
    if "u" in given:
        p.say(own if own and "n" in given else str(user.uid))
    elif "g" in given:
        p.say(group if group and "n" in given else str(user.gid))
    elif "G" in given:
        names = [p.accounts.group(gid) or str(gid) for gid in user.groups]
        p.say(" ".join(names if "n" in given else map(str, user.groups)))
    else:
        every = ",".join(f"{gid}{_brackets(p.accounts.group(gid))}" for gid in user.groups)
        p.say(
            f"uid={user.uid}{_brackets(own)} gid={user.gid}{_brackets(group)}"
            + (f" groups={every}" if every else "")
        )
    return 0


def _brackets(name: str | None) -> str:
    return f"({name})" if name else ""


def whoami(p: Process, _: list[str]) -> int:
    """Print the name of the user."""
    name = p.accounts.user(p.user.uid)
    if name is None:
        return p.complain(f"unknown uid {p.user.uid}")
    p.say(name)
    return 0


def hostname(p: Process, _: list[str]) -> int:
    """Print the name of the container's host: its short ID, as Docker sets it."""
    p.say(p.hostname)
    return 0


def uname(p: Process, args: list[str]) -> int:
    """Print facts about the kernel, which is never the container's own: it is this machine's."""
    given, _ = options(args, "asnrvmo")
    host = platform.uname()
    if given and set(given) - {"s", "n"} and host.system != "Linux":
        raise CannotRun(
            f"a container has no kernel of its own, and the one here is {host.system}'s: "
            "there is nothing true to print",
            what="uname",
        )
    facts = {"s": "Linux", "n": p.hostname, "r": host.release, "v": host.version}
    facts |= {"m": host.machine, "o": "Linux"}
    p.say(" ".join(text for key, text in facts.items() if "a" in given or key in (given or "s")))
    return 0


def date(p: Process, args: list[str]) -> int:
    """Print the time, in UTC; in the format of `+%Y-%m-%d`."""
    wrong = [arg for arg in args if not re.fullmatch(r"\+.*|-u", arg, re.DOTALL)]
    if wrong:
        raise Usage(f"{wrong[0]} is not known here: write a +FORMAT, or nothing")
    now = datetime.fromtimestamp(p.now // 10**9, UTC)
    form = next((arg[1:] for arg in args if arg.startswith("+")), "%a %b %e %H:%M:%S UTC %Y")
    p.say(now.strftime(form.replace("%s", str(p.now // 10**9)).replace("%e", f"{now.day:2}")))
    return 0


def basename(p: Process, args: list[str]) -> int:
    """Print the last part of a path."""
    path, *suffix = args or [""]
    name = path.rstrip("/").rpartition("/")[2] or "/"
    p.say(name.removesuffix(suffix[0]) if suffix and name != suffix[0] else name)
    return 0


def dirname(p: Process, args: list[str]) -> int:
    """Print a path without its last part."""
    p.say(posixpath.dirname((args or [""])[0].rstrip("/") or "/") or ".")
    return 0


# -- test ---------------------------------------------------------------------------------------


def test(p: Process, args: list[str]) -> int:
    """`test` and `[`: 0 where the expression holds, 1 where not, 2 where it is none."""
    if p.name == "[":
        if args[-1:] != ["]"]:
            p.stderr(b"sh: missing ]\n")
            return 2
        args = args[:-1]
    try:
        return int(not _either(p, list(args)))
    except Usage as error:
        p.stderr(f"sh: {error}\n".encode())
        return 2


def _either(p: Process, words: list[str]) -> bool:
    """The value of an expression with -o and -a in it."""
    for operator in ("-o", "-a"):
        for at, word in enumerate(words):
            if word == operator and 0 < at < len(words) - 1 and len(words) > 3:
                left, right = _either(p, words[:at]), _either(p, words[at + 1 :])
                return left or right if operator == "-o" else left and right
    return _primary(p, words)


def _primary(p: Process, words: list[str]) -> bool:
    match words:
        case []:
            return False
        case [word]:
            return bool(word)
        case ["!", *rest] if len(words) != 3 or rest[0] not in _COMPARED:
            return not _primary(p, rest)
        case [operator, word]:
            return _unary(p, operator, word)
        case [left, operator, right]:
            return _compared(p, left, operator, right)
    raise Usage(f"{words[0]}: unknown operand")


_COMPARED = ("=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot")


def _compared(p: Process, left: str, operator: str, right: str) -> bool:
    if operator in ("=", "==", "!="):
        return (left == right) == (operator != "!=")
    if operator in ("-nt", "-ot"):
        old, new = (left, right) if operator == "-ot" else (right, left)
        return bool(p.kind(new) and p.kind(old) and p.stat(new).mtime_ns > p.stat(old).mtime_ns)
    if operator not in _COMPARED:
        raise Usage(f"{operator}: unknown operand")
    if operator in ("<", ">"):
        return left < right if operator == "<" else left > right
    difference = _integer(left) - _integer(right)
    return {
        "-eq": difference == 0,
        "-ne": difference != 0,
        "-lt": difference < 0,
        "-le": difference <= 0,
        "-gt": difference > 0,
        "-ge": difference >= 0,
    }[operator]


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Usage(f"{text}: bad number") from None


_KINDS = {"-b": Kind.BLOCK, "-c": Kind.CHAR, "-d": Kind.DIR, "-f": Kind.FILE, "-p": Kind.FIFO}


def _unary(p: Process, operator: str, word: str) -> bool:
    if operator in ("-n", "-z"):
        return bool(word) == (operator == "-n")
    kind = p.kind(word)
    if operator in _KINDS:
        return kind is _KINDS[operator]
    match operator:
        case "-e":
            return kind is not None
        case "-t":  # no terminal is behind any of its files
            return False
        case "-L" | "-h":
            return p.kind(word, follow=False) is Kind.SYMLINK
        case "-s":
            return kind is not None and p.stat(word).size > 0
        case "-r" | "-w" | "-x":
            want = {"-r": READ, "-w": WRITE, "-x": ENTER}[operator]
            return kind is not None and p.may(p.stat(word), want)
    raise Usage(f"{operator}: unknown operand")

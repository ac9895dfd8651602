"""Programs that change files and directories, with the words of BusyBox when they cannot."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from imgkit.shell.process import Process
from imgkit.shell.programs.modes import changed
from imgkit.shell.programs.options import Usage, each, options
from imgkit.tar.entry import Kind


def rm(p: Process, args: list[str]) -> int:
    """Remove files; directories with all that is in them with -r."""
    given, paths = options(args, "rRf", ["recursive", "force"])
    force = bool(given.keys() & {"f", "force"})
    if not paths and not force:
        raise Usage("missing operand")
    code = 0
    for path in paths:
        kind = p.kind(path, follow=False)
        if path.rstrip("/").rpartition("/")[2] in (".", ".."):
            code = p.complain("can't remove '.' or '..'")
        elif kind is Kind.DIR and not given.keys() & {"r", "R", "recursive"}:
            code = p.complain(f"'{path}' is a directory")
        elif kind or not force:
            code |= each(p, [path], lambda at: remove(p, at), "can't remove '{}'")
    return code


def remove(p: Process, path: str) -> None:
    """Remove what is at a path, with all that is in it; raises `OSError`."""
    if p.stat(path, follow=False).kind is not Kind.DIR:
        return p.unlink(path)
    for name in p.readdir(path):
        remove(p, f"{path.rstrip('/')}/{name}")
    return p.rmdir(path)


def mkdir(p: Process, args: list[str]) -> int:
    """Make directories; with -p those on the way too."""
    given, paths = options(args, "pm:v", ["parents", "mode="], least=1)
    parents = bool(given.keys() & {"p", "parents"})
    text = given.get("m", given.get("mode"))
    mode = None if text is None else changed(0o777, text, is_dir=True)

    def make(path: str) -> None:
        if parents:
            parts = path.rstrip("/").split("/")
            for count in range(1, len(parts)):
                above = "/".join(parts[:count])
                if above and not p.is_dir(above):
                    p.mkdir(above)
            if p.is_dir(path):
                return
        p.mkdir(path)
        if mode is not None:
            p.chmod(path, mode)

    return each(p, paths, make, "can't create directory '{}'")


def rmdir(p: Process, args: list[str]) -> int:
    """Remove empty directories; with -p those above too."""
    given, paths = options(args, "p", ["parents"], least=1)

    def gone(path: str) -> None:
        p.rmdir(path)
        while given and "/" in (path := path.rstrip("/")).lstrip("/"):
            path = path.rpartition("/")[0]
            p.rmdir(path)

    return each(p, paths, gone, "'{}'")


def ln(p: Process, args: list[str]) -> int:
    """Give a file a second name, or with -s make a symlink."""
    given, paths = options(args, "sfnv", ["symbolic", "force"], least=1)
    *sources, target = paths if len(paths) > 1 else [paths[0], paths[0].rpartition("/")[2]]
    soft = bool(given.keys() & {"s", "symbolic"})
    follow = "n" not in given

    def tie(source: str) -> int:
        new = target
        if p.kind(target, follow=follow) is Kind.DIR:
            new = f"{target.rstrip('/')}/{source.rstrip('/').rpartition('/')[2]}"
        if given.keys() & {"f", "force"} and p.kind(new, follow=False):
            each(p, [new], p.unlink)
        make = p.symlink if soft else p.link
        return each(p, [new], lambda at: make(source, at))

    return max(tie(source) for source in sources)


def touch(p: Process, args: list[str]) -> int:
    """Make files that are not there; those that are get the time of now, or of -d."""
    given, paths = options(args, "cd:amh", ["no-create", "date="], least=1)
    text = given.get("d", given.get("date"))
    when = p.now if text is None else _time(text)

    def mark(path: str) -> None:
        if p.kind(path) is None:
            if given.keys() & {"c", "no-create"}:
                return
            p.write(path, b"", append=True)
        p.utime(path, when)

    return each(p, paths, mark)


def _time(text: str) -> int:
    """A date in nanoseconds since 1970, UTC: 2024-05-01, 2024-05-01 12:30, @1700000000."""
    if re.fullmatch(r"@\d+", text):
        return int(text[1:]) * 10**9
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"invalid date '{text}'") from None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 10**9

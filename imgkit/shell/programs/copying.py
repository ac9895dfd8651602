"""`cp` and `mv`."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgkit.mount import Stat
from imgkit.shell.process import UMASK, Process, why
from imgkit.shell.programs.files import remove
from imgkit.shell.programs.options import Usage, each, options
from imgkit.tar.entry import Kind


def cp(p: Process, args: list[str]) -> int:
    """Copy files; directories with -r; owners and times too with -p or -a."""
    given, paths = options(args, "rRapdPLfv", ["recursive", "archive", "preserve"], least=2)
    deep = bool(given.keys() & {"r", "R", "a", "recursive", "archive"})
    links = "L" not in given and (deep or bool(given.keys() & {"d", "P"}))
    keep = bool(given.keys() & {"a", "p", "archive", "preserve"})
    copier = _Copier(p, deep, links, keep, set())

    def copy(old: str, new: str) -> int:
        return each(p, [old], lambda _: p.stat(old, follow=False), "can't stat '{}'") or copier(
            old, new
        )

    return _into(p, paths, copy)


def mv(p: Process, args: list[str]) -> int:
    """Rename; where that cannot be done in one step (EXDEV), copy and remove, as mv does."""
    _, paths = options(args, "f", least=2)

    def move(old: str, new: str) -> int:
        try:
            p.rename(old, new)
        except OSError as error:
            if error.errno != errno.EXDEV:
                return p.complain(f"can't rename '{old}': {why(error)}")
            if p.kind(new, follow=False):
                p.rmdir(new)
            code = _Copier(p, True, True, True, set())(old, new)
            return code or each(p, [old], lambda at: remove(p, at), "can't remove '{}'")
        return 0

    return _into(p, paths, move)


def _into(p: Process, paths: Sequence[str], do: Callable[[str, str], int]) -> int:
    """Do it with each source and its place: in the last path if that is a directory."""
    *sources, target = paths
    folder = len(sources) > 1 or p.is_dir(target)
    code = 0
    for source in sources:
        name = source.rstrip("/").rpartition("/")[2]
        code |= do(source, f"{target.rstrip('/')}/{name}" if folder else target)
    return code


@dataclass(frozen=True, slots=True)
class _Copier:
    """How to copy: what is in directories, symlinks as such, owners and times kept.

    `made` are the directories that it made, which it does not copy into themselves.
    """

    p: Process
    deep: bool
    links: bool
    keep: bool
    made: set[str]

    def __call__(self, old: str, new: str) -> int:
        """Copy one thing, and all that is in it; complaints are made here. The exit code."""
        p = self.p
        code = 0
        try:
            found = p.stat(old, follow=not self.links)
            if found.kind is Kind.DIR:
                code = self._folder(found, old, new)
            elif found.kind is Kind.SYMLINK:
                if p.kind(new, follow=False) is not None:
                    p.unlink(new)
                p.symlink(p.readlink(old), new)
            else:
                self._file(found, old, new)
            if self.keep and not code:
                self._attributes(found, new)
        except OSError as error:
            at_new = error.filename == p.path(new)
            verb, path = ("create", new) if at_new else ("open", old)
            return p.complain(f"can't {verb} '{path}': {why(error)}")
        return code

    def _folder(self, found: Stat, old: str, new: str) -> int:
        p = self.p
        if not self.deep:
            return p.complain(f"omitting directory '{old}'")
        if p.real(old) in self.made:
            return p.complain(f"recursion detected, omitting directory '{old}'")
        if p.kind(new, follow=False) is None:
            p.mkdir(new, found.mode & ~UMASK)
            self.made.add(p.real(new))
        inner = [(f"{old.rstrip('/')}/{name}", f"{new}/{name}") for name in p.readdir(old)]
        return max((self(*pair) for pair in inner), default=0)

    def _file(self, found: Stat, old: str, new: str) -> None:
        if self.p.real(old) == self.p.real(new):
            raise Usage(f"'{old}' and '{new}' are the same file")
        data = self.p.read(old)
        fresh = self.p.kind(new) is None
        self.p.write(new, data)
        if fresh:
            self.p.chmod(new, found.mode & ~UMASK & 0o777)

    def _attributes(self, found: Stat, new: str) -> None:
        follow = found.kind is not Kind.SYMLINK
        if self.p.user.uid == 0:
            self.p.chown(new, found.uid, found.gid, follow=follow)
        if follow:
            self.p.chmod(new, found.mode)
        self.p.utime(new, found.mtime_ns, follow=follow)

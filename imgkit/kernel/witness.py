"""The program that `kernel` starts in namespaces of its own, to make the calls on a real mount.

It is told what to do over a socket, and answers with the result or the errno. All its mounts are
below a tmpfs that only it can see, so that nothing of them is left when it ends, however it ends.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Final

from imgkit.mount.facts import GHOST, WHITEOUT, Fact, Facts
from imgkit.mount.inode import MARKS
from imgkit.mount.upper import Options
from imgkit.tar.entry import Kind

TYPES: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHAR,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
FORMATS: Final = {kind: number for number, kind in TYPES.items()}
KEPT: Final = tuple(MARKS + name for name in ("metacopy", "opaque", "redirect", "whiteout"))
USER_MARKS: Final = "user.overlay."
DETACH: Final = 2
"""MNT_DETACH of umount2(2)."""
REMOUNT: Final = 32
"""MS_REMOUNT of mount(2)."""

libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, target: str, options: str, flags: int = 0) -> None:
    """Mount a filesystem; raises `OSError`."""
    names = [text.encode() for text in (kind, target, kind)]
    if libc.mount(*names, ctypes.c_ulong(flags), options.encode()):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


class Witness:
    """Directories `0`, `1` ... `upper`, `work` and `merged`, and the calls made in `merged`."""

    def __init__(self, *, rootless: bool) -> None:
        self.rootless = rootless
        self.base = tempfile.gettempdir()
        self.outside = os.open("/", os.O_RDONLY)
        self.mounted = False
        os.umask(0)

    def mount(self, lowers: list[Facts], upper: Facts, options: Options) -> None:
        """Lay these trees out, base first, and mount them; what was mounted before is gone."""
        self.unmount()
        mount("tmpfs", self.base, "size=256m,mode=755")
        self.mounted = True
        os.chdir(self.base)
        for name in ("work", "merged"):
            os.mkdir(name)
        names = [str(number) for number in range(len(lowers))]
        for name, facts in zip([*names, "upper"], [*lowers, upper], strict=True):
            self._lay_out(name, facts)
        said = [f"lowerdir={':'.join(reversed(names))}", "upperdir=upper", "workdir=work"]
        if self.rootless:
            said += ["index=off", "userxattr"]
        else:
            said += [f"{name}={'on' if on else 'off'}" for name, on in asdict(options).items()]
            said += [] if options.redirect_dir else ["redirect_dir=follow"]
        mount("overlay", "merged", ",".join(said))

    def unmount(self) -> None:
        """Nothing is mounted."""
        os.chdir("/")
        if self.mounted:
            libc.umount2(os.path.join(self.base, "merged").encode(), DETACH)
            libc.umount2(self.base.encode(), DETACH)
        self.mounted = False

    def facts(self, name: str) -> Facts:
        """What is in one of the directories; in `upper`, whiteouts and marks as they are."""
        if self.rootless:
            # Without root overlayfs cannot note what a file was copied from, and a new hard link
            # has another inode than its cached source (rename gives ESTALE); this empties caches.
            mount("overlay", os.path.join(self.base, "merged"), "", REMOUNT)
        first: dict[int, str] = {}
        return {
            path: self._fact(full, path, first, raw=name != "merged")
            for path, full in _walk(os.path.join(self.base, name), "")
        }

    def call(self, name: str, args: tuple[object, ...], options: dict[str, object]) -> object:
        """Make one call, with `merged` as the root."""
        function: Callable[..., object] = getattr(Calls, name)
        with self._inside():
            return function(*args, **options)

    @contextmanager
    def _inside(self) -> Iterator[None]:
        os.chroot(os.path.join(self.base, "merged"))
        os.chdir("/")
        try:
            yield
        finally:
            os.fchdir(self.outside)
            os.chroot(".")

    def _lay_out(self, top: str, facts: Facts) -> None:
        for path, fact in facts.items():
            full = os.path.join(top, path) if path else top
            if fact.kind == WHITEOUT.kind:
                os.mknod(full, stat.S_IFCHR)
            elif fact.same and fact.same != path:
                os.link(os.path.join(top, fact.same), full, follow_symlinks=False)
            else:
                self._make(full, fact)
        for path, fact in reversed(
            facts.items()
        ):  # a directory last: making names changes its time
            if fact.kind != WHITEOUT.kind:
                full = os.path.join(top, path) if path else top
                os.utime(full, ns=(fact.mtime_ns, fact.mtime_ns), follow_symlinks=False)

    def _make(self, full: str, fact: Fact) -> None:
        if fact.kind == Kind.DIR:
            os.mkdir(full)
        elif fact.kind == Kind.SYMLINK:
            os.symlink(fact.link, full)
        elif fact.kind == Kind.FILE:
            with open(full, "xb") as file:
                file.write(fact.content)
        else:
            os.mknod(full, FORMATS[Kind(fact.kind)], os.makedev(*fact.device))
        os.chown(full, fact.uid, fact.gid, follow_symlinks=False)
        if fact.kind != Kind.SYMLINK:
            os.chmod(full, fact.mode)
        for name, value in fact.xattrs:
            os.setxattr(full, self._real_name(name), value, follow_symlinks=False)

    def _real_name(self, name: str) -> str:
        return name.replace(MARKS, USER_MARKS) if self.rootless else name

    def _fact(self, full: str, path: str, first: dict[int, str], *, raw: bool) -> Fact:
        try:
            found = os.lstat(full)
        except FileNotFoundError:
            return Fact(GHOST)
        kind = TYPES[stat.S_IFMT(found.st_mode)]
        device = (os.major(found.st_rdev), os.minor(found.st_rdev))
        if raw and kind is Kind.CHAR and device == (0, 0):
            return WHITEOUT
        content = b""
        if kind is Kind.FILE:
            with open(full, "rb") as file:
                content = file.read()
        return Fact(
            kind.value,
            stat.S_IMODE(found.st_mode),
            found.st_uid,
            found.st_gid,
            0 if kind is Kind.DIR else found.st_size,
            found.st_mtime_ns,
            found.st_nlink,
            os.readlink(full) if kind is Kind.SYMLINK else "",
            device,
            content,
            tuple(sorted(self._xattrs(full))),
            path if kind is Kind.DIR else first.setdefault(found.st_ino, path),
        )

    def _xattrs(self, full: str) -> Iterator[tuple[str, bytes]]:
        for name in os.listxattr(full, follow_symlinks=False):
            shown = name.replace(USER_MARKS, MARKS) if self.rootless else name
            if shown in KEPT or shown.startswith("user."):
                yield shown, os.getxattr(full, name, follow_symlinks=False)


def _walk(folder: str, path: str) -> Iterator[tuple[str, str]]:
    """The paths in a directory and where they are, names in order."""
    yield path, folder
    if stat.S_ISDIR(_mode(folder)):
        for name in sorted(os.listdir(folder)):
            yield from _walk(os.path.join(folder, name), f"{path}/{name}" if path else name)


def _mode(full: str) -> int:
    with suppress(FileNotFoundError):
        return os.lstat(full).st_mode
    return 0


class Calls:
    """The calls of `Mount`, by the same names, as the kernel answers them."""

    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    rename = staticmethod(os.rename)
    symlink = staticmethod(os.symlink)
    readlink = staticmethod(os.readlink)
    chmod = staticmethod(os.chmod)
    removexattr = staticmethod(os.removexattr)
    setxattr = staticmethod(os.setxattr)
    getxattr = staticmethod(os.getxattr)

    @staticmethod
    def mkdir(path: str, mode: int = 0o755) -> None:
        os.mkdir(path, mode)

    @staticmethod
    def link(old: str, new: str) -> None:
        os.link(old, new, follow_symlinks=False)

    @staticmethod
    def mknod(
        path: str, kind: Kind = Kind.FIFO, device: tuple[int, int] = (0, 0), mode: int = 0o644
    ) -> None:
        os.mknod(path, mode | FORMATS[kind], os.makedev(*device))

    @staticmethod
    def chown(path: str, uid: int, gid: int, follow: bool = True) -> None:
        os.chown(path, uid, gid, follow_symlinks=follow)

    @staticmethod
    def utime(path: str, mtime_ns: int, follow: bool = True) -> None:
        os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=follow)

    @staticmethod
    def truncate(path: str, size: int = 0) -> None:
        os.truncate(path, size)

    @staticmethod
    def readdir(path: str) -> list[str]:
        return sorted(os.listdir(path))

    @staticmethod
    def stat(path: str, follow: bool = True) -> str:
        found = os.stat(path, follow_symlinks=follow)
        return f"{TYPES[stat.S_IFMT(found.st_mode)]}, {found.st_nlink} names"

    @staticmethod
    def read(path: str) -> bytes:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.read(file, 1 << 24)
        finally:
            os.close(file)

    @staticmethod
    def open(
        path: str,
        *,
        create: bool = False,
        exclusive: bool = False,
        truncate: bool = False,
        mode: int = 0o644,
    ) -> None:
        flags = os.O_CREAT * create | os.O_EXCL * exclusive | os.O_TRUNC * truncate
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags, mode))

    @staticmethod
    def write(path: str, data: bytes, append: bool = False, mode: int = 0o644) -> None:
        how = os.O_APPEND if append else os.O_TRUNC
        file = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CREAT | how, mode)
        try:
            os.write(file, data)
        finally:
            os.close(file)


def serve(connection: Connection, *, rootless: bool) -> None:
    """Do what is asked for until the other end is closed."""
    witness = Witness(rootless=rootless)
    with suppress(EOFError):
        while True:
            name, arguments = connection.recv()
            try:
                answer = getattr(witness, name)(*arguments), 0
            except OSError as error:
                answer = str(error), error.errno or errno.EIO
            connection.send(answer)
    witness.unmount()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), rootless=sys.argv[2] == "rootless")

"""What a program sees of a container: who it is, where it is, and the filesystem through both.

A `Mount` does what root may do. Here are the rules for everybody else (Linux, path_resolution(7)
and credentials(7)), the owner and mode of what a program makes, and the few device files that
every container has.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from imgkit.errors import ExecFailed
from imgkit.mount import Mount, Stat
from imgkit.mount.union import fail
from imgkit.tar.entry import Kind, encode

UMASK: Final = 0o022
READ: Final = 4
WRITE: Final = 2
ENTER: Final = 1

_MOST: Final = (1 << 31) - 1
"""The largest number of a user or group."""

Sink = Callable[[bytes], object]
"""Where output goes."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a program runs as; `groups` has its own group too."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = (0,)
    home: str = "/root"


class Accounts:
    """The users and groups that /etc/passwd and /etc/group of a container name."""

    def __init__(self, mount: Mount) -> None:
        self._passwd = _table(mount, "/etc/passwd", 7)
        self._group = _table(mount, "/etc/group", 4)

    def user(self, uid: int) -> str | None:
        """The name of a user; None if there is none."""
        return next((row[0] for row in self._passwd if row[2] == str(uid)), None)

    def group(self, gid: int) -> str | None:
        """The name of a group; None if there is none."""
        return next((row[0] for row in self._group if row[2] == str(gid)), None)

    def uid(self, text: str) -> int | None:
        """The number of a user, by name or number."""
        return self._number(self._passwd, text)

    def gid(self, text: str) -> int | None:
        """The number of a group, by name or number."""
        return self._number(self._group, text)

    def own_group(self, uid: int) -> int:
        """The group of a user in /etc/passwd; 0 for one that is not there."""
        return next((int(row[3]) for row in self._passwd if row[2] == str(uid)), 0)

    def find(self, text: str) -> User:
        """The user that a config or `--user` names: "", "name", "1000" or "name:group".

        Raises `ExecFailed` in Docker's words for a name that is in neither file.
        """
        name, _, group = text.partition(":")
        uid = self.uid(name) if name else 0
        if uid is None:
            _stranger("user", name, "passwd")
        gid = self.gid(group) if group else self.own_group(uid)
        if uid > _MOST or (gid or 0) > _MOST:
            raise ExecFailed(f"uids and gids must be in range 0-{_MOST}", program=text, code=126)
        if gid is None:
            _stranger("group", group, "group")
        row = next((row for row in self._passwd if row[2] == str(uid)), None)
        named = [int(r[2]) for r in self._group if row and row[0] in r[3].split(",")]
        more = () if group else tuple(n for n in sorted(named) if n != gid)
        return User(uid, gid, (gid, *more), row[5] if row else "/")

    @staticmethod
    def _number(table: list[list[str]], text: str) -> int | None:
        found = next((int(row[2]) for row in table if row[0] == text), None)
        return int(text) if found is None and text.isdecimal() else found


def _stranger(what: str, name: str, file: str) -> NoReturn:
    raise ExecFailed(
        f"unable to find {what} {name}: no matching entries in {file} file", program=name, code=126
    )


def _table(mount: Mount, path: str, columns: int) -> list[list[str]]:
    """The rows of an account file that have all their columns; none where there is no file."""
    try:
        text = mount.read(path).decode("utf-8", "replace")
    except OSError:
        return []
    rows = [line.split(":") for line in text.splitlines()]
    return [row for row in rows if len(row) == columns and row[2].isdecimal()]


@dataclass(slots=True)
class Process:
    """One program at work. Paths may be relative to `cwd`; errors are the `OSError` of Linux."""

    name: str
    mount: Mount
    user: User
    cwd: str
    env: Mapping[str, str]
    stdin: bytes
    stdout: Sink
    stderr: Sink
    hostname: str = "localhost"
    spawn: Callable[[list[str], bytes], int] = lambda words, stdin: 127
    """Run another program to its end, with this input and the same output; its exit code."""
    _accounts: Accounts | None = field(init=False, default=None)

    def say(self, line: str = "") -> None:
        """Print a line."""
        self.stdout(encode(f"{line}\n"))

    def complain(self, what: str) -> int:
        """Print a line about an error; gives the exit code 1."""
        self.stderr(encode(f"{self.name}: {what}\n"))
        return 1

    @property
    def accounts(self) -> Accounts:
        """The users and groups, read when first asked for."""
        self._accounts = self._accounts or Accounts(self.mount)
        return self._accounts

    @property
    def now(self) -> int:
        """Nanoseconds since 1970, by the clock of the mount."""
        return self.mount.overlay.clock()

    # -- asking ---------------------------------------------------------------------------------

    def path(self, text: str) -> str:
        """The path from the root; `..` and a slash at the end stay, since they mean something."""
        return text if text.startswith("/") or not text else f"{self.cwd.rstrip('/')}/{text}"

    def stat(self, text: str, *, follow: bool = True) -> Stat:
        path = self._reach(text)
        if path in _DEVICES and not self.mount.exists(path):
            return Stat(Kind.CHAR, 0o666, 0, 0, 0, 0, 1, (1, 3))
        return self.mount.stat(path, follow)

    def kind(self, text: str, *, follow: bool = True) -> Kind | None:
        """What is there; None for nothing, or nothing that can be reached."""
        try:
            return self.stat(text, follow=follow).kind
        except OSError:
            return None

    def is_dir(self, text: str) -> bool:
        """Whether a directory is there, symlinks followed."""
        return self.kind(text) is Kind.DIR

    def read(self, text: str) -> bytes:
        """The content of a file; "-" is the standard input."""
        if text in ("-", "/dev/stdin"):
            return self.stdin
        path = self._reach(text)
        if path == "/dev/null":
            return b""
        self._allow(path, READ)
        return self.mount.read(path)

    def readdir(self, text: str) -> list[str]:
        path = self._reach(text)
        self._allow(path, READ)
        names = self.mount.readdir(path)
        return [name for name in names if self.mount.exists(f"{path}/{name}", follow=False)]

    def readlink(self, text: str) -> str:
        return self.mount.readlink(self._reach(text))

    def real(self, text: str) -> str:
        """The path without symlinks and dots; what is missing at its end stays as it is."""
        done = "/"
        ahead = self.path(text).split("/")[::-1]
        for _ in range(1000):
            if not ahead:
                return done
            name = ahead.pop()
            here = posixpath.normpath(posixpath.join(done, name)) if name else done
            if name not in ("", ".", "..") and self.kind(here, follow=False) is Kind.SYMLINK:
                link = self.mount.readlink(here)
                ahead += link.split("/")[::-1]
                here = "/" if link.startswith("/") else done
            done = here
        fail(errno.ELOOP, text)

    def may(self, found: Stat, want: int) -> bool:
        """Whether this user may do that (4 read, 2 write, 1 run or enter) with what was found."""
        if self.user.uid == 0:
            return want != ENTER or found.kind is Kind.DIR or bool(found.mode & 0o111)
        if found.uid == self.user.uid:
            return found.mode >> 6 & want == want
        return found.mode >> (3 if found.gid in self.user.groups else 0) & want == want

    # -- changing -------------------------------------------------------------------------------

    def write(self, text: str, data: bytes, *, append: bool = False) -> None:
        """Write all of a file, or to its end; a new one belongs to this user."""
        path = self._reach(text)
        if path in _DEVICES:
            {"/dev/stdout": self.stdout, "/dev/stderr": self.stderr}.get(path, len)(data)
            return
        new = not self.mount.exists(path)
        if new:
            self._alter(self.real(path))
        else:
            self._allow(path, WRITE)
        self.mount.write(path, data, append, 0o666 & ~UMASK)
        if new:
            self._own(path, follow=True)

    def mkdir(self, text: str, mode: int = 0o777 & ~UMASK) -> None:
        path = self._alter(text)
        self.mount.mkdir(path, mode)
        self._own(path)

    def symlink(self, link: str, text: str) -> None:
        path = self._alter(text)
        self.mount.symlink(link, path)
        self._own(path)

    def link(self, old: str, new: str) -> None:
        self.mount.link(self._reach(old), self._alter(new))

    def rmdir(self, text: str) -> None:
        self.mount.rmdir(self._alter(text, old=True))

    def unlink(self, text: str) -> None:
        self.mount.unlink(self._alter(text, old=True))

    def rename(self, old: str, new: str) -> None:
        self.mount.rename(self._alter(old, old=True), self._alter(new))

    def chmod(self, text: str, mode: int) -> None:
        self.mount.chmod(self._mine(text), mode)

    def chown(self, text: str, uid: int, gid: int, *, follow: bool = True) -> None:
        path = self._reach(text)
        if self.user.uid != 0:
            found = self.mount.stat(path, follow)
            if found.uid != self.user.uid or uid not in (-1, found.uid):
                fail(errno.EPERM, path)
        self.mount.chown(path, uid, gid, follow=follow)

    def utime(self, text: str, mtime_ns: int, *, follow: bool = True) -> None:
        path = self._reach(text)
        if self.user.uid not in (0, self.mount.stat(path, follow).uid):
            fail(errno.EPERM, path)
        self.mount.utime(path, mtime_ns, follow=follow)

    # -- rules ----------------------------------------------------------------------------------

    def _reach(self, text: str) -> str:
        """The path from the root; EACCES where a directory on the way may not be entered."""
        path = self.path(text)
        if self.user.uid != 0:
            above = path.rstrip("/")
            while (above := posixpath.dirname(above)) != "/" and above:
                if self.mount.exists(above) and not self.may(self.mount.stat(above), ENTER):
                    fail(errno.EACCES, path)
        return path

    def _allow(self, path: str, want: int) -> None:
        if self.user.uid != 0 and not self.may(self.mount.stat(path), want):
            fail(errno.EACCES, path)

    def _alter(self, text: str, *, old: bool = False) -> str:
        """The path of a name that is to be made, or taken away (`old`), in its directory."""
        path = self._reach(text)
        above = posixpath.dirname(path.rstrip("/")) or "/"
        if self.user.uid != 0 and self.mount.exists(above):
            folder = self.mount.stat(above)
            if not self.may(folder, WRITE | ENTER):
                fail(errno.EACCES, path)
            sticky = old and folder.mode & 0o1000 and self.mount.exists(path, follow=False)
            owners = (folder.uid, self.mount.stat(path, False).uid) if sticky else ()
            if sticky and self.user.uid not in owners:
                fail(errno.EPERM, path)
        return path

    def _mine(self, text: str) -> str:
        path = self._reach(text)
        if self.user.uid not in (0, self.mount.stat(path).uid):
            fail(errno.EPERM, path)
        return path

    def _own(self, path: str, *, follow: bool = False) -> None:
        if (self.user.uid, self.user.gid) != (0, 0):
            self.mount.chown(path, self.user.uid, self.user.gid, follow=follow)


_DEVICES: Final = ("/dev/null", "/dev/stdout", "/dev/stderr")


def why(error: OSError) -> str:
    """What the system says about an error."""
    return os.strerror(error.errno or 0)

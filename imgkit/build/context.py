"""The build context: the files that COPY and ADD may take, as one tree of their own.

Whatever .dockerignore leaves out is not in it. A symlink stays a symlink, whose text is read as a
path inside the context: none leads out of it. All files belong to root, as Docker sends them.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from imgkit.build.patterns import Ignore
from imgkit.errors import StoreError
from imgkit.mount.inode import Inode, file, folder, symlink
from imgkit.tar.entry import decode, normal

IGNORE_FILE = ".dockerignore"


def of_files(files: Mapping[str, bytes], mtime_ns: int) -> Inode:
    """The tree of these paths; all have the mode 0644 and were changed at that time."""
    root = _folder(mtime_ns)
    ignore = Ignore.parse((_ignore_file(files) or b"").decode())
    for path in sorted(files):
        plain = normal(path)
        if plain in ignore:
            continue
        at, (*above, name) = root, plain.split("/")
        for part in above:
            at = at.children.get(part) or at.put(part, _folder(mtime_ns))
        made = at.put(name, file(files[path]))
        made.mtime_ns = mtime_ns
    return root


def _folder(mtime_ns: int) -> Inode:
    made = folder()
    made.mtime_ns = mtime_ns
    return made


def of_folder(path: Path) -> Inode:
    """The tree of a directory on disk; raises `StoreError` where it cannot be read.

    Contents are read when they are first asked for, and then stay the same.
    """
    try:
        ignore = Ignore.parse((_ignore_file(path) or b"").decode())
        return _Walk(ignore).folder(os.fsencode(path), b"", folder())
    except OSError as error:
        raise StoreError(
            f"cannot read the build context {path}: {error.strerror}. Name a directory.", path=path
        ) from error


class _Walk:
    """One walk over a directory; the same file under two names is one inode."""

    def __init__(self, ignore: Ignore) -> None:
        self.ignore = ignore
        self.linked: dict[tuple[int, int], Inode] = {}

    def folder(self, here: bytes, above: bytes, made: Inode) -> Inode:
        """`made`, with everything in it that is not left out."""
        with os.scandir(here) as found:
            items = sorted(found, key=lambda item: item.name)
        for item in items:
            path = above + item.name
            facts = item.stat(follow_symlinks=False)
            left_out = decode(path) in self.ignore
            if left_out and not (stat.S_ISDIR(facts.st_mode) and self.ignore.has_exceptions):
                continue
            inode = self._inode(item.path, path, facts)
            if inode and (not left_out or inode.children):
                made.put(decode(item.name), inode)
        return made

    def _inode(self, full: bytes, path: bytes, facts: os.stat_result) -> Inode | None:
        """The inode of one name; sockets, fifos and devices are no part of a context."""
        if stat.S_ISDIR(facts.st_mode):
            inode = self.folder(full, path + b"/", folder())
        elif stat.S_ISLNK(facts.st_mode):
            inode = symlink(decode(os.readlink(full)))
        elif not stat.S_ISREG(facts.st_mode):
            return None
        elif facts.st_nlink > 1:
            inode = self.linked.setdefault((facts.st_dev, facts.st_ino), _file(full, facts))
        else:
            inode = _file(full, facts)
        if not stat.S_ISLNK(facts.st_mode):
            inode.mode = stat.S_IMODE(facts.st_mode)
        inode.mtime_ns = facts.st_mtime_ns
        return inode


def _file(full: bytes, facts: os.stat_result) -> Inode:
    @functools.cache
    def read() -> bytes:
        handle = os.open(full, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as stream:
            return stream.read()

    made = file()
    made.read, made.size = read, facts.st_size
    return made


def sent(tree: Inode, context: Path | Mapping[str, bytes], dockerfile: bytes) -> int:
    """Bytes of the tar in which Docker's command line sends a context to the engine.

    The Dockerfile and .dockerignore are always in it, whatever is left out.
    """
    sizes = {path: inode.size for path, inode in {id(i): (p, i) for p, i in tree.walk()}.values()}
    rules = _ignore_file(context)
    if rules is not None:
        sizes[IGNORE_FILE] = len(rules)
    sizes.setdefault("Dockerfile", len(dockerfile))
    links = sum(1 for _ in tree.walk()) - len({id(inode) for _, inode in tree.walk()})
    long = sum(1024 for path, _ in tree.walk() if not path.isascii())
    return sum(512 + size + -size % 512 for size in sizes.values()) + 512 * links + long + 1024


def _ignore_file(context: Path | Mapping[str, bytes]) -> bytes | None:
    if isinstance(context, Path):
        path = context / IGNORE_FILE
        return path.read_bytes() if path.is_file() else None
    return context.get(IGNORE_FILE)

"""What a COPY or ADD takes, and the sum of it.

It is summed up as Docker does it (its TarSum, version 1): names, modes, owners, sizes and contents,
but no times. The sum stands in the history, and the cache goes by it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn

from imgkit.build.instruction import Instruction
from imgkit.build.patterns import is_pattern, matches
from imgkit.digest import Digest
from imgkit.errors import BuildFailed
from imgkit.mount import Mount
from imgkit.mount.inode import Inode
from imgkit.mount.paths import Walk
from imgkit.tar.entry import Kind, encode

_FLAGS: Final = {Kind.FILE: "0", Kind.SYMLINK: "2", Kind.DIR: "5"}
_TYPES: Final = {Kind.FILE: 0o100000, Kind.SYMLINK: 0o120000, Kind.DIR: 0o040000}


@dataclass(frozen=True)
class Origin:
    """Where files are taken from: the context, or (`is_image`) the filesystem of an image.

    Docker sums up the two in slightly different ways, and files of an image keep their owners.
    """

    mount: Mount
    is_image: bool = False

    @cached_property
    def first_names(self) -> dict[int, str]:
        """For each inode that was sent, its first path: under another it was sent as a link."""
        found: dict[int, str] = {}
        for path, _, inode in _walk(self.mount, ""):
            found.setdefault(id(inode), path)
        return found


@dataclass(frozen=True, slots=True)
class Source:
    """One file or directory to copy: as it was named, and where that leads."""

    origin: Origin
    path: str
    real: str
    inode: Inode

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    def walk(self) -> Iterator[tuple[str, str, Inode]]:
        """All below a directory: path from here, path in the origin, inode; parents first."""
        yield from _walk(self.origin.mount, self.real)


def _walk(mount: Mount, real: str) -> Iterator[tuple[str, str, Inode]]:
    top = Walk(mount.overlay, f"/{real}").find(follow=True).dentry
    ahead = [top]
    while ahead:
        at = ahead.pop()
        if at is not top and at.inode:
            yield at.path[len(top.path) :].lstrip("/"), at.path, at.inode
        names = sorted(at.names(), reverse=True) if at.is_dir else []
        ahead += [mount.overlay.child(at, name) for name in names]


def look(mount: Mount, path: str, *, follow: bool = True) -> tuple[str, Inode | None]:
    """Where a path leads, and what is there."""
    try:
        found = Walk(mount.overlay, f"/{path}").find(follow=follow)
    except OSError:
        return path, None
    return found.dentry.path, found.inode


def find(origin: Origin, step: Instruction, words: Sequence[str]) -> list[Source]:
    """The sources of a COPY or ADD, patterns carried out; raises `BuildFailed`."""
    found: list[Source] = []
    for word in words:
        plain = posixpath.normpath(word).lstrip("/")
        if plain.split("/")[0] == "..":
            _fail(step, f"forbidden path outside the build context: {word} ()")
        plain = "" if plain == "." else plain
        paths = [plain]
        if is_pattern(plain):
            paths = [path for path, _, _ in _walk(origin.mount, "") if matches(plain, path)]
        found += [_source(origin, step, path) for path in paths]
    if not found:
        _fail(step, "no source files were specified")
    return found


def _source(origin: Origin, step: Instruction, path: str) -> Source:
    real, inode = look(origin.mount, path)
    if inode is None:
        where = "" if origin.is_image else "file not found in build context or excluded by "
        where += "" if origin.is_image else ".dockerignore: "
        _fail(step, f"{where}stat {path}: file does not exist")
    return Source(origin, path, real, inode)


def _fail(step: Instruction, reason: str) -> NoReturn:
    raise BuildFailed(f"{step.verb} failed: {reason}", line=step.line, text=step.text)


# -- sums ------------------------------------------------------------------------------------------


def checksum(sources: Sequence[Source]) -> str:
    """`file:...`, `dir:...` or `multi:...`, as the history has it."""
    sums = [_sum_of(source) for source in sources]
    return sums[0] if len(sums) == 1 else f"multi:{_sum(','.join(sums))}"


def _sum_of(source: Source) -> str:
    if not source.inode.is_dir:
        return f"file:{_file_sum(source.origin, source.real)}"
    below = sorted(_file_sum(source.origin, real) for _, real, _ in source.walk())
    own = [_file_sum(source.origin, source.real)] if source.real else []
    return f"dir:{_sum(','.join(sorted(below + own)))}"


def _sum(text: str) -> str:
    return Digest.of(encode(text)).hex


def _file_sum(origin: Origin, path: str) -> str:
    """The sum of one inode under the path that it has; of a broken symlink, the path itself."""
    real, inode = look(origin.mount, path)
    if inode is None or inode.kind not in _FLAGS:
        return path
    facts = {
        "name": real + "/" if inode.is_dir else real,
        "mode": inode.mode,
        "uid": inode.uid,
        "gid": inode.gid,
        "size": inode.size,
        "typeflag": _FLAGS[inode.kind],
        "linkname": inode.link,
        "uname": "",
        "gname": "",
        "devmajor": 0,
        "devminor": 0,
    }
    content = inode.read()
    if origin.is_image:
        names = {key: "root" for key in ("u", "g") if facts[f"{key}id"] == 0}
        facts |= {f"{key}name": name for key, name in names.items()}
        facts["mode"] = inode.mode | _TYPES[inode.kind]
    elif inode.kind is Kind.FILE and (first := origin.first_names[id(inode)]) != real:
        facts |= {"size": 0, "typeflag": "1", "linkname": first}
        content = b""
    header = "".join(f"{key}{value}" for key, value in facts.items())
    return Digest.of(encode(header) + content).hex

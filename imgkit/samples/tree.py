"""What a step of a recipe leaves behind, written one path a line.

    etc/                      a directory
    bin/busybox 809K          a program or data file, with the size that the real one has
    lib/libcrypto.so.3 rest   the same, of whatever size the step's `total` still lacks
    bin/sh -> /bin/busybox    a symbolic link
    bin/ash => bin/busybox    a hard link to a path named before
    etc/hostname =            a text; its lines follow, each after `| `
    etc/passwd +=             lines put behind those that the file has already
    var/lib/dpkg/status =     a package database; `% amd64 name=version ...` writes its records
    tmp/junk gone             a whiteout: it was there in a lower layer
    srv/app/ opaque           an opaque directory: made again, so that nothing below shows through
    total 74.8M               bytes of the files of this step in the real image

A path may hold one `{a,b,c}`, and means each; `␣` is a space. A line may end in `@MODE` or
`@MODE:UID:GID`. Sizes are divided by `SCALE`; texts keep their size. `$name` is a variable.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.platforms import Platform
from imgkit.tar import Kind

SCALE: Final = 1000
"""A stand-in is this much smaller than what it stands for: a kB here is a MB there."""

_REST: Final = -1
_UNITS: Final = {"K": 1000, "M": 1000_000}
_PROGRAM: Final = re.compile(r"(^|/)s?bin/[^/]*$|\.so(\.|$)|\.(dll|exe)$|(^|/)ld-linux")
_LINE: Final = re.compile(
    r"(?P<path>\S+?)(?P<slash>/)?"
    r"(?:\s+(?P<what>->|=>|=|\+=|opaque|gone|rest|\d[\d.]*[KM]?))?(?:\s+(?P<link>[^@\s]\S*))?"
    r"(?:\s+@(?P<mode>[0-7]+)(?::(?P<uid>\d+):(?P<gid>\d+))?)?"
)


@dataclass(frozen=True, slots=True)
class File:
    """What is left at one path. `size` is that of the real file, in bytes."""

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    link: str = ""
    size: int = 0
    text: str | None = None
    appended: bool = False
    gone: bool = False
    opaque: bool = False

    @property
    def is_filler(self) -> bool:
        """Whether the content is made up, as that of programs and libraries is."""
        return self.kind is Kind.FILE and self.text is None


def parse(lines: Iterable[str]) -> tuple[tuple[File, ...], int]:
    """The files of one step, and the total (bytes, real) that `rest` fills up to."""
    files: list[File] = []
    total = 0
    for line in map(str.strip, lines):
        if line.startswith("total "):
            total = _bytes(line.removeprefix("total "))
        elif line[:1] in ("|", "%"):
            more = f"{line[2:]}\n" if line[0] == "|" else _records(line[1:], files[-1].path)
            files[-1] = replace(files[-1], text=(files[-1].text or "") + more)
        else:
            files += _files(line)
    return tuple(files), total


def _files(line: str) -> Iterator[File]:
    found = re.fullmatch(r"(\S*?)\{(\S+?)\}(.*)", line)
    if found:
        start, names, end = found.groups()
        for name in names.split(","):
            yield from _files(start + name + end)
    else:
        yield _file(line)


def _file(line: str) -> File:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ImgkitError(f"not a line of a tree: {line!r}", line=line)
    path, what = found["path"].replace("␣", " "), found["what"] or ""
    kinds = {"->": Kind.SYMLINK, "=>": Kind.HARDLINK}
    kind = Kind.DIR if found["slash"] else kinds.get(what, Kind.FILE)
    runs = kind is Kind.DIR or (what not in ("=", "+=") and _PROGRAM.search(path))
    default = "777" if kind is Kind.SYMLINK else "755" if runs else "644"
    return File(
        path,
        kind,
        int(found["mode"] or default, 8),
        int(found["uid"] or 0),
        int(found["gid"] or 0),
        link=found["link"] or "",
        size=_REST if what == "rest" else _bytes(what) if what[:1].isdigit() else 0,
        text="" if what in ("=", "+=") else None,
        appended=what == "+=",
        gone=what == "gone",
        opaque=what == "opaque",
    )


def _bytes(size: str) -> int:
    return int(float(size.rstrip("KM")) * _UNITS.get(size[-1], 1))


def _records(packages: str, database: str) -> str:
    """Records of a package database in the format of dpkg or apk, whichever the path says."""
    dpkg = "Package: {1}\nStatus: install ok installed\nArchitecture: {0}\nVersion: {2}\n\n"
    form = dpkg if "dpkg" in database else "P:{1}\nV:{2}\nA:{0}\n\n"
    architecture, *names = packages.replace(",", " ").split()
    return "".join(form.format(architecture, *name.split("=", 1)) for name in names)


def sized(files: Iterable[File], total: int, factor: float) -> list[File]:
    """The same files at their size here: scaled, and `rest` replaced by what `total` lacks."""
    scaled = [replace(f, size=round(f.size * factor / SCALE)) if f.size > 0 else f for f in files]
    used = sum(len(f.text.encode()) if f.text else max(f.size, 0) for f in scaled)
    rest = max(round(total * factor / SCALE) - used, 0)
    return [replace(f, size=rest) if f.size == _REST else f for f in scaled]


# -- made-up contents ---------------------------------------------------------------------------

_MACHINES: Final = {"amd64": 62, "386": 3, "arm64": 183, "arm": 40, "ppc64le": 21}


def filler(file: File, platform: Platform, density: int) -> bytes:
    """The content of a made-up program or data file: it says what it is, and cannot run.

    `density` is how many of 64 bytes look random; the more, the less it can be compressed.
    """
    head = _magic(file, platform)
    head += f"imgkit stand-in for /{file.path} ({platform}); it does nothing.\n".encode()
    blocks = (file.size - len(head)) // 64 + 1
    seed = f"{file.path} {file.size} {platform}"
    pad = b" imgkit stand-in, not the real thing ".ljust(64, b".")
    body = b"".join(_noise(f"{seed} {n}")[:density] + pad[density:] for n in range(blocks))
    return (head + body)[: file.size]


def _noise(seed: str) -> bytes:
    """64 bytes that look random, and are the same everywhere."""
    return bytes.fromhex(Digest.of(seed.encode(), "sha512").hex)


def _magic(file: File, platform: Platform) -> bytes:
    """The first bytes by which `file` tells a program of this platform."""
    bare = file.mode & 0o111 and "." not in file.path.rpartition("/")[2]
    if not bare and (not _PROGRAM.search(file.path) or file.path.endswith(".js")):
        return b""
    if platform.os == "windows":
        return b"MZ".ljust(64, b"\0")
    bits = 1 if platform.architecture in ("386", "arm") else 2
    ident = (b"\x7fELF" + bytes([bits, 1, 1])).ljust(16, b"\0")
    shared_object, version = 3, 1
    fields = struct.pack("<HHI", shared_object, _MACHINES[platform.architecture], version)
    return (ident + fields).ljust(64, b"\0")

"""Layers that attack who unpacks them: a table of tars, each with what comes of it.

Each row of the table names what it is about; the names in capitals are of tests that containerd
(TestBreakouts) and go-archive have for the same. The tars are written by Python's own tarfile,
which writes what it is told. `{victim}` stands for the directory beside the one unpacked to.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from test_tar import END, block, octal, pax, said
from trees import Victim

SECRET: Final = b"only the victim has this"


class Neighbour(Victim):
    """A victim with something worth reading, too."""

    def __init__(self, parent: Path) -> None:
        super().__init__(parent)
        (self.path / "secret").write_bytes(SECRET)
        (self.path / "secret").chmod(0o640)
        (self.path / "sub").mkdir(0o750)
        self._before = self._look()


class Member(NamedTuple):
    """One member of a tar; `link` is a target, `device` two numbers."""

    path: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    device: tuple[int, int] = (0, 0)
    records: Mapping[str, str] = {}


def put(path: str, content: bytes = b"bad", mode: int = 0o644, **records: str) -> Member:
    """A file."""
    return Member(path, content, mode=mode, records=records)


def gone(path: str) -> Member:
    """An empty file, such as a whiteout."""
    return Member(path)


def folder(path: str, mode: int = 0o755, records: Mapping[str, str] = {}) -> Member:
    """A directory."""
    return Member(path, type=tarfile.DIRTYPE, mode=mode, records=records)


def sym(path: str, link: str) -> Member:
    """A symlink."""
    return Member(path, type=tarfile.SYMTYPE, link=link, mode=0o777)


def hard(path: str, link: str, mode: int = 0o644) -> Member:
    """A hard link."""
    return Member(path, type=tarfile.LNKTYPE, link=link, mode=mode)


def node(path: str, kind: bytes, major: int = 0, minor: int = 0) -> Member:
    """A device or a fifo."""
    return Member(path, type=kind, device=(major, minor))


def written(members: Sequence[Member] | bytes, victim: Path) -> bytes:
    """The tar of these members, with the place of the victim put in; raw bytes stay as they are."""
    if isinstance(members, bytes):
        return members
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for one in members:
            found = tarfile.TarInfo(one.path.replace("{victim}", str(victim)))
            found.type, found.mode, found.size = one.type, one.mode, len(one.content)
            found.linkname = one.link.replace("{victim}", str(victim))
            found.devmajor, found.devminor = one.device
            found.pax_headers = {
                k: v.replace("{victim}", str(victim)) for k, v in one.records.items()
            }
            archive.addfile(found, io.BytesIO(one.content))
    return raw.getvalue()


Shown = Mapping[str, str]
"""What is there in the end: of a file the content, or "= " and its first name if that is another;
"-> " and the text of a symlink; else the kind. Of directories, those with nothing in them."""


class Refused(NamedTuple):
    """Refused; the error says this, and so names the entry or the byte of the tar."""

    says: str


@dataclass(frozen=True, slots=True)
class Attack:
    """Layers, base first, and what comes of them: as an image, and when ADD unpacks the last."""

    layers: tuple[Sequence[Member] | bytes, ...]
    image: Shown | Refused
    add: Shown | Refused | None = None
    """None: the same."""


def attack(
    *layers: Sequence[Member] | bytes, image: Shown | Refused, add: Shown | Refused | None = None
) -> Attack:
    """The attack of these layers."""
    return Attack(layers, image, add)


ETC: Final = (folder("etc"), put("etc/passwd", b"inside"))
INSIDE: Final = {"etc/passwd": "inside"}
OUT: Final = sym("out", "../victim")
LINK: Final = {"out": "-> ../victim"}
THROUGH: Final = Refused(r"goes through the symlink")
CHR, BLK, FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE
DEEP: Final = "/".join(["d" * 247] * 15)
UNBROKEN: Final = put("/localetc/unbroken", b"good")

ABOVE: Final = {
    "above the root": attack([put("../victim/hello")], image=Refused(r"'\.\./victim/hello'")),
    "above, after something honest": attack(
        [put("first"), put("../victim/hello")], image=Refused(r"'\.\./victim/hello'")
    ),
    "above, further in": attack(
        [put("a/../../victim/hello")], image=Refused(r"'a/\.\./\.\./victim/hello'")
    ),
    "slash, then above": attack([put("/../victim/hello")], image=Refused(r"'/\.\./victim/hello'")),
    "a directory above": attack([folder("../victim", 0o777)], image=Refused(r"'\.\./victim/'")),
    "a symlink above": attack([sym("../victim/l", "x")], image=Refused(r"'\.\./victim/l'")),
    "the victim by its name": attack([put("{victim}/hello")], image={"{victim}/hello": "bad"}),
    "two slashes": attack([put("//{victim}//./hello")], image={"{victim}/hello": "bad"}),
    "a sibling with the root's name as prefix": attack(
        [put("../root2/x")], image=Refused(r"'\.\./root2/x'")
    ),
    "a Windows path": attack(
        [put("..\\victim\\hello"), put("C:\\x")],
        image={"..\\victim\\hello": "bad", "C:\\x": "bad"},
    ),
    "SymlinkParentDirectory": attack(
        [*ETC, sym("..", "/etc/"), hard("l", "/etc/passwd")], image=Refused(r"'\.\.'")
    ),
    "SymlinkParentRelative": attack(
        [*ETC, sym("localetc/sub/..", "/etc/"), hard("localetc/l", "/etc/passwd")],
        image=Refused(r"'localetc/sub/\.\.'"),
    ),
    "WhiteoutRelativePath": attack(
        [*ETC, sym("localetc", "/dne")],
        [gone("dne/../.wh.etc")],
        image=Refused(r"'dne/\.\./\.wh\.etc'"),
    ),
}

SYMLINKS: Final = {
    "SymlinkAbsolute": attack(
        [folder("etc"), sym("localetc", "/etc"), UNBROKEN],
        image={"etc/unbroken": "good", "localetc": "-> /etc"},
        add=THROUGH,
    ),
    "SymlinkUpAndOut": attack(
        [folder("etc"), folder("dummy"), sym("localetc", "/dummy/../etc"), UNBROKEN],
        image={"dummy": "directory", "etc/unbroken": "good", "localetc": "-> /dummy/../etc"},
        add=THROUGH,
    ),
    "SymlinkMultipleAbsolute": attack(
        [
            folder("etc"),
            folder("dummy"),
            sym("/dummy/etc", "/etc"),
            sym("localetc", "/dummy/etc"),
            put("/dummy/etc/unbroken", b"good"),
        ],
        image={"etc/unbroken": "good", "dummy/etc": "-> /etc", "localetc": "-> /dummy/etc"},
        add=THROUGH,
    ),
    "SymlinkMultipleRelative": attack(
        [
            folder("etc"),
            folder("dummy"),
            sym("/dummy/etc", "/etc"),
            sym("localetc", "./dummy/etc"),
            put("/dummy/etc/unbroken", b"good"),
        ],
        image={"etc/unbroken": "good", "dummy/etc": "-> /etc", "localetc": "-> ./dummy/etc"},
        add=THROUGH,
    ),
    "SymlinkEmptyFile": attack(
        [
            folder("etc"),
            put("etc/emptied", b"not empty"),
            sym("localetc", "/etc"),
            put("/localetc/emptied", b""),
        ],
        image=Refused("'localetc/emptied'.*/etc/emptied"),
        add=THROUGH,
    ),
    "SymlinkEmptyFilename": attack([*ETC, sym("", "/etc/")], image=Refused("empty|root")),
    "SymlinkSlashEnded": attack(
        [*ETC, folder("localetc/"), hard("/localetc/l", "/etc/passwd")],
        image={"etc/passwd": "inside", "localetc/l": "= etc/passwd"},
    ),
    "SymlinkOverrideDirectory": attack(
        [*ETC, folder("localetc")],
        [sym("localetc", "/etc"), hard("/localetc/l", "/etc/passwd")],
        image={"etc/l": "inside", "etc/passwd": "= etc/l", "localetc": "-> /etc"},
        add=THROUGH,
    ),
    "SymlinkOverrideDirectoryRelative": attack(
        [*ETC, folder("localetc")],
        [sym("localetc", "../../etc"), hard("/localetc/l", "/etc/passwd")],
        image={"etc/l": "inside", "etc/passwd": "= etc/l", "localetc": "-> ../../etc"},
        add=THROUGH,
    ),
    "DirectoryOverrideSymlink": attack(
        [*ETC, sym("localetc", "/etc")],
        [folder("/localetc/"), hard("/localetc/l", "/etc/passwd")],
        image={"etc/passwd": "inside", "localetc/l": "= etc/passwd"},
    ),
    "DirectoryOverrideRelativeSymlink": attack(
        [*ETC, sym("localetc", "../../etc")],
        [folder("/localetc/"), hard("/localetc/l", "/etc/passwd")],
        image={"etc/passwd": "inside", "localetc/l": "= etc/passwd"},
    ),
    "DirectoryOverrideSymlinkAndHardlink": attack(
        [*ETC, sym("localetc", "etc")],
        [hard("localetc/l", "etc/passwd")],
        [folder("/localetc/"), put("/localetc/l", b"different")],
        image={"etc/l": "inside", "etc/passwd": "= etc/l", "localetc/l": "different"},
    ),
    "through a symlink to the victim": attack(
        [OUT, put("out/hello")],
        image={**LINK, "victim/hello": "bad"},
        add=THROUGH,
    ),
    "through one with the victim's name": attack(
        [sym("out", "{victim}"), put("out/hello")],
        image={"out": "-> {victim}", "{victim}/hello": "bad"},
        add=THROUGH,
    ),
    "through one of a lower layer": attack(
        [OUT], [put("out/hello")], image={**LINK, "victim/hello": "bad"}, add=THROUGH
    ),
    "zip-slip, in the order of names": attack(
        [put("z/hello"), sym("z", "../victim")],
        image={"z": "-> ../victim", "victim/hello": "bad"},
        add={"z": "-> ../victim"},
    ),
    "a chain of symlinks, one up each": attack(
        [
            folder("a"),
            folder("a/b"),
            sym("a/b/c", ".."),
            sym("a/b/d", "c/.."),
            sym("a/b/e", "d/../victim"),
            put("a/b/e/hello"),
        ],
        image={
            "a/b/c": "-> ..",
            "a/b/d": "-> c/..",
            "a/b/e": "-> d/../victim",
            "victim/hello": "bad",
        },
        add=THROUGH,
    ),
    "a symlink put in the place of a directory that was filled": attack(
        [folder("d"), put("d/x")],
        [sym("d", "../victim"), put("d/hello")],
        image={"d": "-> ../victim", "victim/hello": "bad"},
        add=THROUGH,
    ),
    "in a circle": attack(
        [sym("a", "b"), sym("b", "a")], [put("a/x")], image=Refused("'a/x'.*circle"), add=THROUGH
    ),
    "to the root itself": attack(
        [sym("r", "/"), put("r/x")], image={"r": "-> /", "x": "bad"}, add=THROUGH
    ),
    "through a sibling with the root's name as prefix": attack(
        [sym("s", "../root2"), put("s/x")],
        image={"s": "-> ../root2", "root2/x": "bad"},
        add=THROUGH,
    ),
}

HARD_LINKS: Final = {
    **{
        name: attack(
            [*ETC, folder("b"), sym("b/d1", text), hard("b/l", "/b/d1/passwd")],
            image=Refused(r"'b/l'.*'b/d1/passwd': not there"),
            add=THROUGH,
        )
        for name, text in {
            "HardlinkRelative": "../../etc",
            "HardlinkDownAndOut": "../downandout/../../etc",
            "HardlinkAbsolute": "/etc",
            "HardlinkRelativeLong": "../../../../../../../etc",
            "HardlinkRelativeUpAndOut": "upandout/../../../etc",
        }.items()
    },
    "HardlinkDirectRelative": attack(
        [*ETC, hard("l", "../../../../../etc/passwd")], image=Refused(r"'\.\./.*/etc/passwd'")
    ),
    "HardlinkDirectAbsolute": attack(
        [*ETC, hard("l", "/etc/passwd")], image={**INSIDE, "l": "= etc/passwd"}
    ),
    "HardlinkSymlinkBeforeCreateTarget": attack(
        [folder("etc"), sym("l", "/etc/passwd"), hard("m", "l"), put("/etc/passwd", b"after")],
        image={"etc/passwd": "after", "l": "-> /etc/passwd", "m": "-> /etc/passwd"},
    ),
    "HardlinkSymlinkRelative": attack(
        [*ETC, sym("s", "../../../../../etc/passwd"), hard("t", "/s")],
        image={**INSIDE, "s": "-> ../../../../../etc/passwd", "t": "-> ../../../../../etc/passwd"},
    ),
    "HardlinkSymlinkAbsolute": attack(
        [*ETC, sym("s", "/etc/passwd"), hard("t", "/s")],
        image={**INSIDE, "s": "-> /etc/passwd", "t": "-> /etc/passwd"},
    ),
    "TestUntarInvalidHardlink, above": attack(
        [hard("l", "../victim/hello")], image=Refused(r"'\.\./victim/hello'")
    ),
    "TestUntarInvalidHardlink, slash and above": attack(
        [hard("l", "/../victim/hello")], image=Refused(r"'/\.\./victim/hello'")
    ),
    "TestUntarInvalidHardlink, through a hard link": attack(
        [hard("loop", "../victim"), put("loop/hello")], image=Refused(r"'\.\./victim'")
    ),
    "TestUntarInvalidHardlink, through a symlink": attack(
        [OUT, hard("l", "out/hello")], image=Refused(r"'l'.*'out/hello': not there"), add=THROUGH
    ),
    "to the victim by its name": attack(
        [hard("l", "{victim}/hello")],
        image=Refused(r"'l'.*victim/hello': not there"),
        add=Refused("No such file"),
    ),
    "to a symlink, then written": attack(
        [sym("out", "../victim/hello"), hard("h", "out")],
        [put("h")],
        image={"out": "-> ../victim/hello", "h": "bad"},
    ),
    "to a symlink, then written, in one tar": attack(
        [sym("out", "../victim/hello"), hard("h", "out"), put("h")],
        image=Refused("'h'.*second entry"),
        add={"out": "-> ../victim/hello", "h": "bad"},
    ),
    "relative to where the tool was started": attack(
        [hard("l", "README.md")],
        image=Refused("'l'.*'README.md': not there"),
        add=Refused("No such file"),
    ),
    "to what is not there, so that it is looked for elsewhere": attack(
        [hard("l", "missing"), put("m")],
        image=Refused("'l'.*'missing': not there"),
        add=Refused("No such file"),
    ),
    "to what comes later": attack(
        [hard("l", "m"), put("m")],
        image=Refused("'l'.*'m': an entry that comes later"),
        add=Refused("No such file"),
    ),
    "to itself": attack(
        [hard("l", "l")], image=Refused("'l'.*itself"), add=Refused("No such file")
    ),
    "to a directory": attack(
        [folder("d"), hard("l", "d")],
        image=Refused("'l'.*a directory"),
        add=Refused("not permitted"),
    ),
    "to the root": attack([hard("l", "/")], image=Refused("hard link to the root")),
}

ATTRIBUTES: Final = {
    "HardlinkSymlinkChmod": attack(
        [sym("x", "{victim}/hello"), hard("h", "x", 0o777)],
        image={"x": "-> {victim}/hello", "h": "-> {victim}/hello"},
    ),
    "a directory in the place of a symlink": attack(
        [OUT], [folder("out", 0o777)], image={"out": "directory"}
    ),
    "a directory through a symlink": attack(
        [OUT], [folder("out/sub", 0o777)], image={**LINK, "victim/sub": "directory"}, add=THROUGH
    ),
    "a file through a symlink": attack(
        [OUT], [put("out/hello", b"", 0o4777)], image={**LINK, "victim/hello": ""}, add=THROUGH
    ),
    "a fifo through a symlink": attack(
        [OUT], [node("out/p", FIFO)], image={**LINK, "victim/p": "fifo"}, add=THROUGH
    ),
}

WHITEOUTS: Final = {
    **{
        name: attack(
            list(ETC),
            [gone(path)],
            image=Refused(re.escape(f"'{path}'")),
        )
        for name, path in {
            "WhiteoutRootParent": ".wh...",
            "WhiteoutParent": "etc/.wh...",
            "WhiteoutRoot": ".wh..",
            "WhiteoutCurrentDirectory": "etc/.wh..",
            "of nothing": "etc/.wh.",
        }.items()
    },
    "a path below a whiteout": attack(
        list(ETC), [gone(".wh./x")], image=Refused(r"'\.wh\./x'"), add=Refused(r"'\.wh\.'")
    ),
    "WhiteoutDirectoryName": attack(
        list(ETC), [put(".wh.etc/some")], image=Refused(r"'\.wh\.etc/some'")
    ),
    "WhiteoutSymlink": attack(
        [*ETC, sym("localetc", "/etc")], [gone(".wh.localetc")], image=INSIDE
    ),
    "WhiteoutSymlinkPath": attack(
        [*ETC, put("etc/whitedout"), sym("localetc", "/etc")],
        [gone("localetc/.wh.whitedout")],
        image={**INSIDE, "localetc": "-> /etc"},
        add=THROUGH,
    ),
    "WhiteoutDeadSymlinkParent": attack(
        [*ETC, sym("localetc", "/dne")],
        [gone("localetc/.wh.etc")],
        image={**INSIDE, "localetc": "-> /dne"},
        add=THROUGH,
    ),
    "of the victim": attack([OUT], [gone("out/.wh.hello")], image=LINK, add=THROUGH),
    "of the victim, by its name": attack(
        [OUT], [gone("{victim}/.wh.hello")], image=LINK, add={**LINK, "{victim}": "directory"}
    ),
    "opaque through a symlink": attack([OUT], [gone("out/.wh..wh..opq")], image=LINK, add=THROUGH),
    "the root is opaque": attack(list(ETC), [gone(".wh..wh..opq"), put("x")], image={"x": "bad"}),
    "of AUFS": attack(
        [folder(".wh..wh.plnk"), hard(".wh..wh.plnk/1.2", "../victim/hello")],
        image=Refused(r"'\.\./victim/hello'"),
    ),
}

ROOTS: Final = {
    f"the root is {what}": attack([one], image=Refused("root of the filesystem is a"))
    for what, one in {
        "a symlink": sym("/.", "/etc"),
        "a symlink to the victim": sym("./", "{victim}"),
        "a file": put("."),
        "a fifo": node("/", FIFO),
        "a hard link": hard("./.", "etc"),
    }.items()
}

DEVICES: Final = {
    "the machine's memory and disk": attack(
        [node("mem", CHR, 1, 1), node("sda", BLK, 8, 0), node("pipe", FIFO)],
        image={"mem": "character device 1:1", "sda": "block device 8:0", "pipe": "fifo"},
    ),
    "a device in the place of a directory": attack(
        list(ETC),
        [node("etc", CHR, 0, 0)],
        image={"etc": "character device 0:0"},
        add=Refused("/etc: Operation not permitted"),
    ),
    "a file written to a device": attack(
        [node("null", CHR, 1, 3)], [put("null")], image={"null": "bad"}
    ),
    "a program that is root's": attack([put("su", b"#!", 0o6755)], image={"su": "#!"}),
}

OVERFLOWS: Final = {
    f"a device number of {number}": attack(
        block(flag=b"3", major=b"\x80" + number.to_bytes(7, "big")) + END,
        image=Refused("device number is out of range"),
    )
    for number in (2**32 - 1, 2**32, 2**40)
}

PASSWD: Final = b"root:x:0:0::/:/bin/sh\n"
READS: Final = {
    "etc/passwd is the victim's": attack(
        [
            folder("etc"),
            sym("etc/passwd", "{victim}/secret"),
            sym("etc/group", "../../victim/secret"),
        ],
        image={"etc/passwd": "-> {victim}/secret", "etc/group": "-> ../../victim/secret"},
    ),
    "a link to all processes": attack(
        [sym("root", "/proc/self/root"), sym("cwd", "/proc/self/cwd/secret")],
        image={"root": "-> /proc/self/root", "cwd": "-> /proc/self/cwd/secret"},
    ),
}

XATTRS: Final = {
    f"a directory with {name}": attack(
        list(ETC),
        [folder("etc", records={f"SCHILY.xattr.{name}": value}), put("etc/x", b"x")],
        image={**INSIDE, "etc/x": "x"},
    )
    for name, value in {
        "trusted.overlay.opaque": "y",
        "user.overlay.opaque": "y",
        "trusted.overlay.redirect": "/../victim",
        "trusted.overlay.whiteout": "y",
        "security.selinux": "system_u:object_r:shadow_t:s0",
        "user.rootlesscontainers": "\x08\x01",
        "system.posix_acl_access": "\x02",
    }.items()
} | {
    "a file without content, its own below": attack(
        list(ETC),
        [put("etc/passwd", b"", **{"SCHILY.xattr.trusted.overlay.metacopy": ""})],
        image={"etc/passwd": ""},
    ),
    "a whiteout in the second form": attack(
        list(ETC),
        [
            folder("etc", records={"SCHILY.xattr.trusted.overlay.opaque": "x"}),
            put("etc/passwd", b"", **{"SCHILY.xattr.trusted.overlay.whiteout": "y"}),
        ],
        image={"etc/passwd": ""},
    ),
    "a program with capabilities": attack(
        [put("ping", b"#!", 0o755, **{"SCHILY.xattr.security.capability": "\x01"})],
        image={"ping": "#!"},
    ),
}

FIRST: Final = block(b"first", flag=b"5")
SIZES: Final = {
    "negative": attack(
        FIRST + block(size=b"\xff" * 12) + END, image=Refused("byte 512 .*size.*range")
    ),
    "beyond all numbers": attack(
        FIRST + block(size=b"\x80" + b"\xff" * 11) + END, image=Refused("byte 512 .*size.*range")
    ),
    "larger than any layer": attack(
        FIRST + block(b"huge", size=b"\x80" + (1 << 60).to_bytes(11, "big")) + END,
        image=Refused("bytes in one file"),
    ),
    "negative, by a PAX record": attack(
        FIRST + pax(b"11 size=-5\n") + block() + END, image=Refused("byte .*PAX record size")
    ),
    "a PAX record of no length, again and again": attack(
        FIRST + pax(b"0 path=abc\n") + block() + END, image=Refused("byte 512 .*PAX record")
    ),
    "an extended header without an end": attack(
        FIRST + block(b"x", octal(2 << 20), b"L") + bytes(2 << 20) + END,
        image=Refused("2097152 bytes in one extended header"),
    ),
    "a negative time": attack([put("old", mtime="-1e9")], image=Refused("mtime is not a time")),
}

DAMAGE: Final = {
    "a header in the middle": attack(
        FIRST + block(b"lost").replace(b"l", b"L", 1) + block(b"last") + END,
        image=Refused("byte 512 .*checksum"),
    ),
    "zeros in the middle": attack(
        FIRST + bytes(512) + block(b"last") + END, image=Refused("byte 512 .*zeros")
    ),
    "cut off in a file": attack(
        FIRST + block(size=octal(600)) + b"x" * 512, image=Refused("byte 1536 of its tar, it ends")
    ),
    "cut off in a header": attack(FIRST + block(b"lost")[:100], image=Refused("cut off")),
    "cut off after an extended header": attack(
        FIRST + said(b"L", b"long\0") + END, image=Refused("before the entry")
    ),
    "one path twice": attack(
        [put("a", b"for one reader"), put("a", b"for another")],
        image=Refused("'a'.*second entry"),
        add={"a": "for another"},
    ),
    "one path under two spellings": attack(
        [put("a", b"for one reader"), put("./a", b"for another")],
        image=Refused("'a'.*second entry"),
        add={"a": "for another"},
    ),
}

BYPASSES: Final = {
    "CVE-2024-12718, attributes of what is outside": attack(
        [sym("x", ".."), folder("x/victim", 0o777)],
        image={"x": "-> ..", "victim": "directory"},
        add=THROUGH,
    ),
    "CVE-2025-4330, a link whose target is checked as a text": attack(
        [folder("a"), sym("a/b", "."), sym("c", "a/b/../../victim"), put("c/hello")],
        image={"a/b": "-> .", "c": "-> a/b/../../victim", "victim/hello": "bad"},
        add=THROUGH,
    ),
    "CVE-2025-4517, a path too long to be resolved": attack(
        [
            folder(DEEP),
            sym("l", DEEP),
            sym("l/up", "../" * 20 + "victim"),
            put("l/up/hello"),
        ],
        image={"l": f"-> {DEEP}", f"{DEEP}/up": f"-> {'../' * 20}victim", "victim/hello": "bad"},
        add=THROUGH,
    ),
    "CVE-2026-87910, a hard link that becomes a copy": attack(
        [OUT, hard("l", "out/secret")], image=Refused("'l'.*not there"), add=THROUGH
    ),
    "gh-157190, a hard link to a symlink": attack(
        [sym("s", "../victim/secret"), hard("l", "s")],
        image={"s": "-> ../victim/secret", "l": "-> ../victim/secret"},
    ),
}

HONEST: Final = {
    "what Python's data_filter would refuse or change": attack(
        [
            folder("etc", 0o700),
            sym("etc/mtab", "/proc/mounts"),
            put("etc/shadow", b"s", 0o400),
            put("su", b"#!", 0o4755),
            node("null", CHR, 1, 3),
            put("/abs", b"a"),
        ],
        image={
            "abs": "a",
            "etc/mtab": "-> /proc/mounts",
            "etc/shadow": "s",
            "null": "character device 1:3",
            "su": "#!",
        },
    ),
}

NAMES: Final = {
    "names that differ in case, or in Unicode's form": attack(
        [put("readme", b"1"), put("README", b"2"), put("\u00e9", b"3"), put("e\u0301", b"4")],
        image={"readme": "1", "README": "2", "\u00e9": "3", "e\u0301": "4"},
    ),
    "names that other systems cannot have": attack(
        [
            put("a:b", b"1"),
            put("nul.txt", b"2"),
            put("dot.", b"3"),
            put(" ", b"4"),
            put("\n", b"5"),
        ],
        image={"a:b": "1", "nul.txt": "2", "dot.": "3", " ": "4", "\n": "5"},
    ),
    "names that are options, or steer a terminal": attack(
        [put("-rf", b"1"), put("--checkpoint-action=exec=sh", b"2"), put("\x1b[2J", b"3")],
        image={"-rf": "1", "--checkpoint-action=exec=sh": "2", "\x1b[2J": "3"},
    ),
}

LONG: Final = {
    "a path": attack([put("d/" * 2048 + "x")], image=Refused("4097 bytes in one path")),
    "a component": attack([put("d/" + "x" * 256)], image=Refused("256 bytes in one component")),
    "a path of many components": attack(
        [put("d/" * 256 + "x")], image=Refused("257 components in one path")
    ),
    "the text of a symlink": attack(
        [sym("s", "x" * 4097)], image=Refused("4097 bytes in the text")
    ),
}

TABLE: Final[Mapping[str, Mapping[str, Attack]]] = {
    "`../x`, absolute names": ABOVE,
    "symlink then write through it": SYMLINKS,
    "hard link to outside / through symlink": HARD_LINKS,
    "chmod/chown/utime follow symlink": ATTRIBUTES,
    "whiteout names as traversal": WHITEOUTS,
    "`/.` symlink as root": ROOTS,
    "device nodes, fifo, setuid": DEVICES,
    "device number overflow": OVERFLOWS,
    "tool itself reads a file inside the image": READS,
    "dangerous xattrs": XATTRS,
    "negative/huge size, base-256 sizes, loops": SIZES,
    "damaged header, truncated archive": DAMAGE,
    "tarfile filter bypasses": BYPASSES,
    "data_filter on honest images": HONEST,
    "case/unicode collisions, `:` names": NAMES,
    "path/name too long": LONG,
}
"""By the row of the table of attacks. Those that no tar makes alone (a race, cycles in an archive
of images) are tests of their own."""

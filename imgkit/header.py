"""The header of an entry in a tar: 512 bytes, and what goes before it when they do not suffice.

A header block (POSIX.1-2017, pax, "ustar Interchange Format"), offsets in bytes::

      0 name       100    156 type        1     265 owner's names    64
    100 mode         8    157 link      100     329 device numbers  8+8
    108 uid, gid   8+8    257 magic       8     345 prefix of name  155
    124 size        12                          500 (unused)         12
    136 mtime       12    148 checksum    8 (the sum of all bytes, counting itself as spaces)

Numbers are octal digits, or base-256 where GNU tar found no room. PAX records (types `x` and `g`)
and GNU's long names (`L`, `K`) come as entries of their own before the one that they are about.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from imgkit.compression import Limits
from imgkit.entry import (
    NO_XATTRS,
    Entry,
    Kind,
    decode,
    encode,
    exceeded,
    normal,
    plain_path,
    refuse,
)
from imgkit.errors import InvalidLayer

BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)

EXTENSIONS: Final = b"xgLK"
"""The types of entries that are about other entries."""

_FIELDS: Final = struct.Struct("<100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_BLANK: Final = 8 * ord(" ")
_USTAR: Final = b"ustar\x0000"
_XATTR: Final = "SCHILY.xattr."
_UINT32: Final = 1 << 32
_INT63: Final = 1 << 63

_KINDS: Final = {
    b"\0": Kind.FILE,
    b"0": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHAR,
    b"4": Kind.BLOCK,
    b"5": Kind.DIR,
    b"6": Kind.FIFO,
    b"7": Kind.FILE,
}
_FLAGS: Final = {kind: flag for flag, kind in reversed(_KINDS.items()) if flag.isdigit()}
_SPARSE: Final = "a sparse file, which layers should not have (layer.md) and imgkit does not read"


class Header(NamedTuple):
    """The fields of one block as they are, and the offset at which it begins."""

    start: int
    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    checksum: bytes
    flag: bytes
    link: bytes
    magic: bytes
    major: bytes
    minor: bytes
    prefix: bytes


def parse(block: bytes, start: int) -> Header:
    """The fields of this block; raises `InvalidLayer` when its checksum is not that of a header."""
    header = Header(start, *_FIELDS.unpack(block))
    stated = _octal(header.checksum)
    total = sum(block) - sum(header.checksum) + _BLANK
    # Some programs of the 1980s added the bytes up as signed numbers.
    if stated != total and stated != total - 256 * sum(byte > 127 for byte in block):
        refuse("there should be a header, but the checksum of this block is wrong", start)
    return header


@lru_cache(4096)
def _octal(text: bytes) -> int | None:
    """The number in an octal field, 0 if it is empty, or None if it holds something else."""
    digits = text.strip(b" \0")
    if digits and not (digits.isdigit() and max(digits) < ord("8")):
        return None
    return int(digits or b"0", 8)


def number(text: bytes, what: str, start: int, below: int = _UINT32, low: int = 0) -> int:
    """The number in a field, octal or base-256; refuses all but `low <= number < below`."""
    found = _octal(text)
    if found is None and text[0] in (0x80, 0xFF):
        found = int.from_bytes(text, "big", signed=True)
        found += 1 << (8 * len(text) - 1) if text[0] == 0x80 else 0
    if found is None:
        refuse(f"the {what} is not a number: {text!r}", start)
    if not low <= found < below:
        refuse(f"the {what} is out of range: {found}", start)
    return found


class Extensions:
    """What the entries before an entry say about it: PAX records and GNU long names."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._total = 0
        self._every: dict[str, bytes] = {}
        self._next: dict[str, bytes] = {}

    def size(self, header: Header) -> int:
        """How many bytes to `take` after this header."""
        size, most = number(header.size, "size", header.start, _INT63), self._limits.extended
        if size > most:
            refuse(
                f"an extended header has {size} bytes, and at most {most} are read", header.start
            )
        self._total += size
        if self._total > self._limits.extended_total:
            exceeded("bytes of extended headers", self._limits.extended_total, self._total)
        return size

    def take(self, header: Header, data: bytes) -> None:
        """Keep what this `x`, `g`, `L` or `K` entry says."""
        start = header.start
        if header.flag in b"xg":
            found = dict(_records(data, start))
        else:
            name = data.rstrip(b"\0")
            if b"\0" in name or not name:
                refuse("a long name is empty, or has a zero byte in it", start)
            found = {"path" if header.flag == b"L" else "linkpath": name}
        if header.flag == b"g":
            if wrong := found.keys() & {"path", "linkpath", "size"}:
                refuse(f"a global header gives every entry the same {min(wrong)}", start)
            self._every |= found
            return
        if twice := found.keys() & self._next.keys():
            refuse(f"the {min(twice)} of one entry is stated twice before it", start)
        self._next |= found

    def next(self) -> dict[str, bytes]:
        """All that was said about the next entry; what was about it alone is then forgotten."""
        found = {**self._every, **self._next} if self._every else self._next
        if self._next:
            self._next = {}
        return found

    def end(self, offset: int) -> None:
        """Refuse an archive that ends between an extended header and its entry."""
        if self._next:
            refuse("it ends after an extended header, before the entry it is about", offset)


def _records(data: bytes, start: int) -> Iterator[tuple[str, bytes]]:
    """The PAX records in `data`: each its own length, a space, key=value and a line feed."""
    at = 0
    while at < len(data):
        length, space, _ = data[at : at + 8].partition(b" ")
        end = at + int(length) if space and length.isdigit() else 0
        record = data[at + len(length) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or record[-1:] != b"\n" or not equals or not key:
            refuse(f"a PAX record is malformed: {data[at : at + 40]!r}", start)
        if key.startswith(b"GNU.sparse."):
            refuse(f"there is {_SPARSE}", start)
        yield decode(key), value
        at = end


def entry(header: Header, pax: dict[str, bytes], offset: int, limits: Limits) -> Entry:
    """The entry that this header and what went before it describe; content begins at `offset`."""
    start = header.start
    raw = pax.get("path") or _name(header)
    path = plain_path(raw, start, limits)
    kind = _kind(header, raw, path)
    size = number(header.size, "size", start, _INT63)
    mtime, nanoseconds = number(header.mtime, "mtime", start, _INT63, -_INT63), 0
    uid, gid = number(header.uid, "uid", start), number(header.gid, "gid", start)
    xattrs = NO_XATTRS
    if pax:
        size = _decimal(pax, "size", size, start, _INT63)
        uid, gid = _decimal(pax, "uid", uid, start), _decimal(pax, "gid", gid, start)
        mtime, nanoseconds = _time(pax, mtime, start)
        xattrs = {k[len(_XATTR) :]: v for k, v in pax.items() if k.startswith(_XATTR)} or xattrs
    device = kind is Kind.CHAR or kind is Kind.BLOCK
    return Entry(
        path,
        kind,
        number(header.mode, "mode", start, _INT63) & 0o7777,
        uid,
        gid,
        _size(kind, size, start, path, limits),
        mtime,
        _link(kind, pax.get("linkpath") or _text(header.link), start, path, limits),
        nanoseconds,
        number(header.major, "device number", start) if device else 0,
        number(header.minor, "device number", start) if device else 0,
        xattrs,
        offset,
    )


def _text(text: bytes) -> bytes:
    return text.partition(b"\0")[0]


def _name(header: Header) -> bytes:
    name = _text(header.name)
    if header.magic == _USTAR and (prefix := _text(header.prefix)):
        return prefix + b"/" + name
    return name


def _kind(header: Header, raw: bytes, path: str) -> Kind:
    kind = _KINDS.get(header.flag)
    if kind is None:
        what = _SPARSE if header.flag == b"S" else "of a type that layers do not have"
        refuse(f"the entry is {what} (type {header.flag!r})", header.start, path)
    if kind is Kind.FILE and raw.endswith(b"/"):
        return Kind.DIR  # as tar wrote directories before there was a type for them
    if not path and kind is not Kind.DIR:
        refuse(
            f"the root of the filesystem is a {kind}: it must be a directory", header.start, path
        )
    return kind


def _size(kind: Kind, size: int, start: int, path: str, limits: Limits) -> int:
    if kind is Kind.HARDLINK:
        return 0  # some writers repeat the size of the target, and no content follows
    if size and kind is not Kind.FILE:
        refuse(f"a {kind} has {size} bytes of content", start, path)
    if size > limits.unpacked:
        exceeded("bytes in one file", limits.unpacked, size, path)
    return size


def _link(kind: Kind, raw: bytes, start: int, path: str, limits: Limits) -> str:
    if kind is Kind.HARDLINK:
        return plain_path(raw, start, limits) or refuse("a hard link to the root", start, path)
    if kind is not Kind.SYMLINK:
        return ""
    if not raw or b"\0" in raw:
        refuse("the text of a symlink is empty, or has a zero byte in it", start, path)
    if len(raw) > limits.path:
        exceeded("bytes in the text of a symlink", limits.path, len(raw), path)
    return decode(raw)


def _decimal(pax: dict[str, bytes], key: str, plain: int, start: int, below: int = _UINT32) -> int:
    text = pax.get(key)
    if not text:
        return plain
    if not (text.isdigit() and len(text) < 20 and int(text) < below):
        refuse(f"the PAX record {key} is not a number, or out of range: {text!r}", start)
    return int(text)


_TIME: Final = re.compile(rb"(-?)(\d{1,18})(?:\.(\d*))?")


def _time(pax: dict[str, bytes], mtime: int, start: int) -> tuple[int, int]:
    """The mtime as whole seconds, rounded down, and the nanoseconds above them."""
    text = pax.get("mtime")
    if not text:
        return mtime, 0
    if not (match := _TIME.fullmatch(text)):
        refuse(f"the PAX record mtime is not a time: {text!r}", start)
    sign, whole, fraction = match.groups(default=b"")
    total = int(whole) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return divmod(-total if sign else total, 10**9)


def pack(entry: Entry) -> bytes:
    """The header of this entry, after PAX records if a plain header cannot say it all."""
    _check(entry)
    name = encode(entry.path) + b"/" * (entry.kind is Kind.DIR) if entry.path else b"./"
    link = encode(entry.link)
    pax = {_XATTR + key: value for key, value in entry.xattrs.items()}
    prefix, short = _split(name)
    if not short:
        pax["path"] = name
    if len(link) > 100:
        pax["linkpath"] = link
    if entry.nanoseconds or entry.mtime < 0:
        sign, (whole, part) = "-" * (entry.mtime < 0), divmod(abs(entry.mtime_ns), 10**9)
        pax["mtime"] = f"{sign}{whole}.{part:09}".rstrip("0").rstrip(".").encode()
    block = _FIELDS.pack(
        short or name[:100],
        b"%07o\0" % entry.mode,
        _fitting(pax, "uid", entry.uid, 7),
        _fitting(pax, "gid", entry.gid, 7),
        _fitting(pax, "size", entry.size, 11),
        _fitting(pax, "mtime", max(entry.mtime, 0), 11),
        b" " * 8,
        _FLAGS[entry.kind],
        link[:100],
        _USTAR,
        b"%07o\0" % entry.major,
        b"%07o\0" % entry.minor,
        prefix,
    )
    return _extended(pax) + _summed(block)


def _check(entry: Entry) -> None:
    """Refuse to write what could not be read back."""
    whole = entry.path == normal(entry.path) and "\0" not in entry.path + entry.link
    if entry.kind in (Kind.SYMLINK, Kind.HARDLINK):
        whole &= bool(entry.link)
    if entry.kind is Kind.HARDLINK:
        whole &= entry.link == normal(entry.link)
    if entry.kind is not Kind.FILE:
        whole &= not entry.size
    if entry.kind is not Kind.DIR:
        whole &= bool(entry.path)
    if not whole:
        raise InvalidLayer(
            f"cannot write {entry}: it is no entry that can be read back",
            offset=None,
            path=entry.path,
        )


def _split(name: bytes) -> tuple[bytes, bytes]:
    """The name as a prefix (up to 155 bytes) and the rest (up to 100, empty if it is too long)."""
    if len(name) <= 100:
        return b"", name
    slash = name.find(b"/", len(name) - 101, 156)
    return (name[:slash], name[slash + 1 :]) if slash > 0 else (b"", b"")


def _fitting(pax: dict[str, bytes], key: str, value: int, digits: int) -> bytes:
    """An octal field of so many digits; what does not fit goes to the PAX records."""
    if value >= 8**digits:
        pax.setdefault(key, b"%d" % value)
        value = 0
    return b"%0*o\0" % (digits, value)


def _extended(pax: dict[str, bytes]) -> bytes:
    """An `x` entry with these records, or nothing if there are none."""
    if not pax:
        return b""
    data = b"".join(_record(encode(key), pax[key]) for key in sorted(pax))
    fields = [b"PaxHeader", b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % len(data)]
    fields += [b"%011o\0" % 0, b" " * 8, b"x", b"", _USTAR, b"0000000\0", b"0000000\0", b""]
    return _summed(_FIELDS.pack(*fields)) + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """One PAX record; the length that it begins with counts its own digits."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def _summed(block: bytes) -> bytes:
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]

"""The header of an entry in a tar: 512 bytes, and what goes before it when they do not suffice.

A header block (POSIX.1-2017, pax, "ustar Interchange Format"), offsets in bytes::

      0 name       100    156 type        1     265 owner's names    64
    100 mode         8    157 link      100     329 device numbers  8+8
    108 uid, gid   8+8    257 magic       8     345 prefix of name  155
    124 size        12                          500 (unused)         12
    136 mtime       12    148 checksum    8 (the sum of all bytes, counting itself as spaces)

Numbers are octal digits, or base-256 where GNU tar found no room.
"""

from __future__ import annotations

import struct
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from imgkit.errors import InvalidLayer
from imgkit.limits import Limits
from imgkit.tar import pax
from imgkit.tar.entry import (
    NO_XATTRS,
    Entry,
    Kind,
    decode,
    encode,
    normal,
    plain_path,
    refuse,
)
from imgkit.tar.pax import SPARSE, Records

BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)

_FIELDS: Final = struct.Struct("<100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
_BLANK: Final = 8 * ord(" ")
_USTAR: Final = b"ustar\x0000"
INT63: Final = 1 << 63
_UINT32: Final = (1 << 32) - 1
"""Owners and device numbers are below: the last one means "leave as it is" to chown."""

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
    total = _sum(block[:256]) + _sum(block[256:]) - sum(header.checksum) + _BLANK
    # Some programs of the 1980s added the bytes up as signed numbers.
    if stated != total and stated != total - 256 * sum(byte > 127 for byte in block):
        refuse("there should be a header, but the checksum of this block is wrong", start)
    return header


def _sum(data: bytes) -> int:
    """The sum of at most 256 bytes: Adler-32 has it, plus 1, in its lower half (RFC 1950)."""
    return (zlib.adler32(data) & 0xFFFF) - 1


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


def entry(header: Header, records: Records, offset: int, limits: Limits) -> Entry:
    """The entry that this header and what went before it describe; content begins at `offset`."""
    start = header.start
    raw = records.get("path") or _name(header)
    path = plain_path(raw, start, limits)
    kind = _kind(header, raw, path)
    size = number(header.size, "size", start, INT63)
    mtime, nanoseconds = number(header.mtime, "mtime", start, INT63, -INT63), 0
    uid, gid = number(header.uid, "uid", start), number(header.gid, "gid", start)
    if records:
        size = pax.number(records, "size", size, start, INT63)
        uid = pax.number(records, "uid", uid, start, _UINT32)
        gid = pax.number(records, "gid", gid, start, _UINT32)
        mtime, nanoseconds = pax.time(records, mtime, start)
    device = kind is Kind.CHAR or kind is Kind.BLOCK
    return Entry(
        path,
        kind,
        number(header.mode, "mode", start, INT63) & 0o7777,
        uid,
        gid,
        _size(kind, size, start, path, limits),
        mtime,
        _link(kind, records.get("linkpath") or _text(header.link), start, path, limits),
        nanoseconds,
        number(header.major, "device number", start) if device else 0,
        number(header.minor, "device number", start) if device else 0,
        pax.xattrs(records) if records else NO_XATTRS,
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
        what = SPARSE if header.flag == b"S" else "of a type that layers do not have"
        refuse(f"the entry is {what} (type {header.flag!r})", header.start, path)
    if header.flag == b"\0" and raw.endswith(b"/"):
        return Kind.DIR  # as tar wrote directories before there were types
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
        limits.exceeded("unpacked", "bytes in one file", size, path)
    return size


def _link(kind: Kind, raw: bytes, start: int, path: str, limits: Limits) -> str:
    if kind is Kind.HARDLINK:
        return plain_path(raw, start, limits) or refuse("a hard link to the root", start, path)
    if kind is not Kind.SYMLINK:
        return ""
    if not raw or b"\0" in raw:
        refuse("the text of a symlink is empty, or has a zero byte in it", start, path)
    if len(raw) > limits.path:
        limits.exceeded("path", "bytes in the text of a symlink", len(raw), path)
    return decode(raw)


def pack(entry: Entry) -> bytes:
    """The header of this entry, after PAX records if a plain header cannot say it all."""
    _check(entry)
    name = encode(entry.path) + b"/" * (entry.kind is Kind.DIR) if entry.path else b"./"
    link = encode(entry.link)
    records = pax.records(entry)
    prefix, short = _split(name)
    if not short:
        records["path"] = name
    if len(link) > 100:
        records["linkpath"] = link
    block = _FIELDS.pack(
        short or name[:100],
        b"%07o\0" % entry.mode,
        _fitting(records, "uid", entry.uid, 7),
        _fitting(records, "gid", entry.gid, 7),
        _fitting(records, "size", entry.size, 11),
        _fitting(records, "mtime", max(entry.mtime, 0), 11),
        b" " * 8,
        _FLAGS[entry.kind],
        link[:100],
        _USTAR,
        b"%07o\0" % entry.major,
        b"%07o\0" % entry.minor,
        prefix,
    )
    return _extended(records) + _summed(block)


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


def _fitting(records: Records, key: str, value: int, digits: int) -> bytes:
    """An octal field of so many digits; what does not fit goes to the PAX records."""
    if value >= 8**digits:
        records.setdefault(key, b"%d" % value)
        value = 0
    return b"%0*o\0" % (digits, value)


def _extended(records: Records) -> bytes:
    """An `x` entry with these records, or nothing if there are none."""
    if not records:
        return b""
    data = pax.pack(records)
    fields = [b"PaxHeader", b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % len(data)]
    fields += [b"%011o\0" % 0, b" " * 8, b"x", b"", _USTAR, b"0000000\0", b"0000000\0", b""]
    return _summed(_FIELDS.pack(*fields)) + data + bytes(-len(data) % BLOCK)


def _summed(block: bytes) -> bytes:
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]

"""What goes before an entry when its header has no room: PAX records and GNU's long names.

    x   PAX records about the next entry     L   the path of the next entry
    g   PAX records about all of them        K   its link

A PAX record is `"%d %s=%s\\n" % (length, key, value)`, where the length counts the whole record
(POSIX.1-2017, pax, "pax Extended Header"). Those about all entries are ignored, as Docker does; but
not where another program would read another tree by them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from imgkit.limits import Limits
from imgkit.tar.entry import NO_XATTRS, Entry, decode, encode, refuse

EXTENSIONS: Final = b"xgLK"
"""The types of entries that are about other entries."""

Records = dict[str, bytes]

SPARSE: Final = "a sparse file, which layers should not have (layer.md) and imgkit does not read"

_USED: Final = frozenset({"path", "linkpath", "size", "uid", "gid", "mtime"})
_XATTR: Final = "SCHILY.xattr."
_KEPT: Final = 64
"""Bytes of memory that keeping an attribute takes beside its name and value."""


class Extensions:
    """What the entries before an entry say about it: PAX records and GNU long names."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._total = 0
        self._attributes = 0
        self._next: Records = {}

    def expect(self, size: int) -> None:
        """Refuse an extended header of `size` bytes that is larger than any honest one."""
        if size > self._limits.extended:
            self._limits.exceeded("extended", "bytes in one extended header", size)
        self._total += size
        if self._total > self._limits.extended_total:
            self._limits.exceeded("extended_total", "bytes of extended headers", self._total)

    def take(self, flag: bytes, data: bytes, start: int) -> None:
        """Keep what this `x`, `g`, `L` or `K` entry says."""
        if flag in b"xg":
            found = {k: v for k, v in _records(data, start) if k in _USED or k.startswith(_XATTR)}
        else:
            name = data.rstrip(b"\0")
            if b"\0" in name or not name:
                refuse("a long name is empty, or has a zero byte in it", start)
            found = {"path" if flag == b"L" else "linkpath": name}
        if flag == b"g":
            if wrong := found.keys() & {"path", "linkpath", "size"}:
                refuse(f"a global header gives every entry the same {min(wrong)}", start)
            return
        if twice := found.keys() & self._next.keys():
            refuse(f"the {min(twice)} of one entry is stated twice before it", start)
        self._next |= found

    def next(self) -> Records:
        """All that was said about the next entry; what was about it alone is then forgotten."""
        found, self._next = self._next, {}
        for key, value in found.items():
            if key.startswith(_XATTR):
                self._attributes += len(key) + len(value) + _KEPT
        if self._attributes > self._limits.attributes:
            said = "bytes of extended attributes"
            self._limits.exceeded("attributes", said, self._attributes)
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
            refuse(f"there is {SPARSE}", start)
        yield decode(key), value
        at = end


def number(records: Records, key: str, plain: int, start: int, below: int) -> int:
    """The number in the record `key`, or `plain` if there is none; refuses `below` and more."""
    text = records.get(key)
    if not text:
        return plain
    if not (text.isdigit() and len(text) < 20 and int(text) < below):
        refuse(f"the PAX record {key} is not a number, or out of range: {text!r}", start)
    return int(text)


_TIME: Final = re.compile(rb"(-?)(\d{1,18})(?:\.(\d*))?")


def time(records: Records, plain: int, start: int) -> tuple[int, int]:
    """The mtime as whole seconds, rounded down, and the nanoseconds above them."""
    text = records.get("mtime")
    if not text:
        return plain, 0
    if not (match := _TIME.fullmatch(text)):
        refuse(f"the PAX record mtime is not a time: {text!r}", start)
    sign, whole, fraction = match.groups(default=b"")
    total = int(whole) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return divmod(-total if sign else total, 10**9)


def xattrs(records: Records) -> Mapping[str, bytes]:
    """The extended attributes, by their whole names, such as `user.mime_type`."""
    found = {k[len(_XATTR) :]: value for k, value in records.items() if k.startswith(_XATTR)}
    return found or NO_XATTRS


def records(entry: Entry) -> Records:
    """What to say before this entry whatever its header has room for."""
    found = {_XATTR + key: value for key, value in entry.xattrs.items()}
    if entry.nanoseconds or entry.mtime < 0:
        whole, part = divmod(abs(entry.mtime_ns), 10**9)
        text = f"{whole}.{part:09}".rstrip("0").rstrip(".")
        found["mtime"] = b"-" * (entry.mtime < 0) + text.encode()
    return found


def pack(found: Records) -> bytes:
    """These records, in the order of their keys."""
    return b"".join(_record(encode(key), found[key]) for key in sorted(found))


def _record(key: bytes, value: bytes) -> bytes:
    """One PAX record; the length that it begins with counts its own digits."""
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + 1
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest

"""Tar archives: what is refused and where, and agreement with tarfile, GNU tar and real ones."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import Victim, file, folder, hardlink, layer_from, symlink

from imgkit.errors import ImgkitError, InvalidLayer, LimitExceeded, UnsafePath
from imgkit.limits import Limits
from imgkit.tar import decompress, read, write, write_to
from imgkit.tar.entry import Entry, Kind, normal
from imgkit.unpack import unpack

SMALL: Final = [
    folder(""),
    folder("etc"),
    file("etc/motd", b"hello\n", mtime=1_700_000_000),
    file("etc/" + "long/" * 60 + "name", b"x" * 700),
    symlink("etc/link", "../" * 40 + "motd"),
    hardlink("etc/same", "etc/motd"),
]


def entries_of(data: bytes, **more: Any) -> list[tuple[Entry, bytes]]:
    return [(entry, content.read()) for entry, content in read(io.BytesIO(data), **more)]


def block(
    name: bytes = b"a",
    size: bytes = b"00000000000\0",
    flag: bytes = b"0",
    link: bytes = b"",
    *,
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    mtime: bytes = b"00000000000\0",
    magic: bytes = b"ustar\x0000",
    major: bytes = b"0000000\0",
    prefix: bytes = b"",
    checksum: bytes = b"",
) -> bytes:
    """One header block, made by hand, with a right checksum unless another one is given."""
    head = name.ljust(100, b"\0") + mode + uid + b"0000000\0" + size + mtime
    tail = flag + link.ljust(100, b"\0") + magic.ljust(8, b"\0") + bytes(64) + major + b"0000000\0"
    tail += prefix.ljust(155, b"\0") + bytes(12)
    checksum = checksum or b"%06o\0 " % sum(head + b" " * 8 + tail)
    return head + checksum + tail


def octal(number: int) -> bytes:
    return b"%011o\0" % number


def said(flag: bytes, data: bytes) -> bytes:
    """An extended header."""
    return block(b"said", octal(len(data)), flag) + data + bytes(-len(data) % 512)


def pax(*records: bytes) -> bytes:
    return said(b"x", b"".join(records))


END: Final = bytes(1024)
FIRST: Final = block(b"first")

BAD: Final[dict[str, tuple[bytes, int, str]]] = {
    "a checksum that is wrong": (block(checksum=b"000001\0 ") + END, 0, "checksum"),
    "a checksum that is no number": (block(checksum=b"nonsense") + END, 0, "checksum"),
    "a damaged header in the middle": (
        FIRST + FIRST.replace(b"f", b"g", 1) + FIRST + END,
        512,
        "checksum",
    ),
    "text where a header should be": (FIRST + b"hello".ljust(512, b"!") + END, 512, "checksum"),
    "one zero block, then more": (FIRST + bytes(512) + FIRST + END, 512, "middle"),
    "no end": (FIRST, 512, "cut off"),
    "half an end": (FIRST + bytes(512), 512, "cut off"),
    "half a block at the end": (FIRST + bytes(300), 812, "cut off"),
    "content that is cut off": (block(size=octal(600)) + b"x" * 512, 1024, "cut off"),
    "padding that is cut off": (block(size=octal(6)) + b"x" * 6, 518, "506 bytes before"),
    "a size that is no number": (block(size=b"0000000000x\0") + END, 0, "size"),
    "a size with digits above seven": (block(size=b"00000000008\0") + END, 0, "size"),
    "a size with a sign": (block(size=b"-0000000001\0") + END, 0, "size"),
    "a size with an underscore": (block(size=b"0000000_100\0") + END, 0, "size"),
    "a negative base-256 size": (block(size=b"\xff" * 12) + END, 0, "out of range"),
    "a base-256 size that overflows": (block(size=b"\x80" + b"\xff" * 11) + END, 0, "out of range"),
    "a negative owner": (block(uid=b"\xff" * 8) + END, 0, "uid"),
    "an owner that means nobody": (block(uid=b"\x80\0\0\0\xff\xff\xff\xff") + END, 0, "uid"),
    "a device number that overflows": (
        block(flag=b"3", major=b"\x80\0\0\1\0\0\0\0") + END,
        0,
        "device number",
    ),
    "a GNU sparse file": (block(flag=b"S") + END, 0, "sparse"),
    "a PAX sparse file": (pax(b"22 GNU.sparse.major=1\n") + block() + END, 0, "sparse"),
    "an unknown type": (FIRST + block(flag=b"Z") + END, 512, "type b'Z'"),
    "a directory dump": (block(flag=b"D") + END, 0, "type b'D'"),
    "a directory with content": (block(b"d/", octal(3), b"5") + b"abc" + END, 0, "content"),
    "a symlink with content": (block(b"s", octal(3), b"2", b"x") + b"abc" + END, 0, "content"),
    "a symlink with no text": (block(b"s", flag=b"2") + END, 0, "symlink"),
    "a hard link to nothing": (block(b"h", flag=b"1") + END, 0, "empty"),
    "a hard link to the root": (block(b"h", flag=b"1", link=b"./") + END, 0, "hard link"),
    "a name that is empty": (block(b"") + END, 0, "empty"),
    "a root that is a file": (block(b"./.", flag=b"2", link=b"/etc") + END, 0, "root"),
    "a PAX record without a length": (pax(b"path=abc\n") + block() + END, 0, "malformed"),
    "a PAX record longer than all": (pax(b"99 path=abc\n") + block() + END, 0, "malformed"),
    "a PAX record of no length": (pax(b"0 path=abc\n") + block() + END, 0, "malformed"),
    "a PAX record without a line feed": (pax(b"12 path=abcd") + block() + END, 0, "malformed"),
    "a PAX record without =": (pax(b"9 pathab\n") + block() + END, 0, "malformed"),
    "a PAX record without a key": (pax(b"8 =path\n") + block() + END, 0, "malformed"),
    "zeros after the PAX records": (pax(b"9 path=a\n" + bytes(8)) + block() + END, 0, "malformed"),
    "a zero byte in a PAX path": (pax(b"12 path=a\0b\n") + block() + END, 512 * 2, "zero byte"),
    "a zero byte in a long name": (said(b"L", b"a\0b\0") + block() + END, 0, "zero byte"),
    "a PAX size that is negative": (pax(b"11 size=-5\n") + block() + END, 1024, "size"),
    "a PAX size that overflows": (
        pax(b"29 size=99999999999999999999\n") + block() + END,
        1024,
        "size",
    ),
    "a PAX time that is no time": (pax(b"14 mtime=noon\n") + block() + END, 1024, "mtime"),
    "a path stated twice": (
        said(b"L", b"one\0") + pax(b"12 path=two\n") + block() + END,
        1024,
        "stated twice",
    ),
    "a global path": (said(b"g", b"12 path=all\n") + block() + END, 0, "global"),
    "a long name without an entry": (FIRST + said(b"L", b"long\0") + END, 2560, "before the entry"),
    "an extended header cut off": (said(b"L", b"x" * 900)[:900], 900, "cut off"),
    "something that is no tar": (b"{}" * 512, 0, "checksum"),
}

UNSAFE: Final = {
    "above the root": b"../escape",
    "above, further in": b"a/../../escape",
    "inside, but by ..": b"d/../n2",
    "only ..": b"..",
    "absolute, then above": b"/../escape",
}

PLAIN: Final = {
    b"/etc/x": "etc/x",
    b"./etc/x": "etc/x",
    b"etc//x": "etc/x",
    b"etc/./x": "etc/x",
    b"...": "...",
    b"..x/y..": "..x/y..",
    b"a:b\\c\n": "a:b\\c\n",
    b"caf\xe9": "caf\udce9",
    "é".encode(): "é",
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_irregular_is_refused_with_its_offset(case: str, tmp_path: Path) -> None:
    """No archive that readers could take in two ways is read, and nothing of it is unpacked."""
    data, offset, reason = BAD[case]
    with pytest.raises(InvalidLayer) as caught:
        entries_of(data)
    assert caught.value.offset == offset
    assert reason in str(caught.value)
    assert str(offset) in str(caught.value)
    if case not in ("no end", "half an end"):  # of these, the DiffID says that they are whole
        assert_harmless(data, tmp_path)


def assert_harmless(data: bytes, tmp_path: Path) -> None:
    """Unpacking it fails, leaves nothing behind, and did not touch what is beside."""
    victim = Victim(tmp_path)
    with pytest.raises(ImgkitError):
        unpack([layer_from(data)], tmp_path / "root")
    victim.assert_untouched()
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]


@pytest.mark.parametrize("flag", [b"0", b"5", b"1", b"2", b"L", b"x"])
@pytest.mark.parametrize("case", UNSAFE)
def test_a_path_cannot_leave_the_root(case: str, flag: bytes, tmp_path: Path) -> None:
    """`..` is refused in any path, and in the target of a hard link; not in a symlink's text."""
    path = UNSAFE[case]
    good = {b"1": path, b"2": b"ok"}.get(flag, b"")
    if flag == b"L":
        data = said(b"L", path + b"\0") + block()
    elif flag == b"x":
        data = pax(b"%d path=%s\n" % (len(path) + 9, path)) + block()
    elif flag == b"1":
        data = block(b"ok", flag=flag, link=good)
    else:
        data = block(path, flag=flag, link=good)
    with pytest.raises(UnsafePath) as caught:
        entries_of(data + END)
    assert "'..'" in str(caught.value)
    assert_harmless(data + END, tmp_path)


@pytest.mark.parametrize("raw", PLAIN)
def test_paths_are_plain(raw: bytes) -> None:
    """Leading slashes, `.` and empty components mean nothing; every other byte is kept."""
    [(entry, _)] = entries_of(block(raw) + END)
    assert entry.path == PLAIN[raw]
    assert normal(PLAIN[raw]) == PLAIN[raw]


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        (Limits(path=300), said(b"L", b"ab/" * 101 + b"\0") + block()),
        (Limits(), said(b"L", b"ab/" * 1400 + b"\0") + block()),
        (Limits(), said(b"L", b"a" * 256 + b"\0") + block()),
        (Limits(), said(b"L", "é".encode() * 128 + b"\0") + block()),
        (Limits(depth=3), block(b"a/b/c/d")),
        (Limits(entries=2), FIRST * 3),
        (Limits(unpacked=10), block(size=octal(11)) + bytes(512)),
        (Limits(), said(b"L", b"x" * (Limits().extended + 1)) + block()),
        (Limits(extended_total=20), (said(b"L", b"long" * 3) + block()) * 2),
        (Limits(), said(b"K", b"a" * 5000) + block(flag=b"2")),
    ],
)
def test_more_than_an_honest_layer_needs_is_refused(limits: Limits, data: bytes) -> None:
    """Paths, components, entries, sizes and extended headers have limits, which can be set."""
    with pytest.raises(LimitExceeded):
        entries_of(data + END, limits=limits)


def test_truncation_at_every_block_is_refused() -> None:
    """Wherever a tar is cut off before its end, it is refused, at the offset where it stops."""
    whole = write(SMALL)
    entries_of(whole)
    for end in range(0, len(whole), 512):
        with pytest.raises(InvalidLayer) as caught:
            entries_of(whole[:end])
        assert caught.value.offset <= end
    for end in range(1, len(whole), 97):
        with pytest.raises(InvalidLayer):
            entries_of(whole[:end])


def test_an_end_marker_may_be_missing_where_the_length_is_vouched_for() -> None:
    """`unended` accepts a stop between two entries, and nowhere else."""
    assert [entry.path for entry, _ in entries_of(FIRST, unended=True)] == ["first"]
    assert [entry.path for entry, _ in entries_of(FIRST + bytes(512), unended=True)] == ["first"]
    assert entries_of(b"", unended=True) == []
    with pytest.raises(InvalidLayer):
        entries_of(block(size=octal(5)) + b"12345", unended=True)


def test_the_stream_is_read_to_its_very_end() -> None:
    """What follows the end marker is read, because it counts for the digest, and ignored."""
    stream = io.BytesIO(FIRST + END + b"more" * 200_000)
    assert len(list(read(stream))) == 1
    assert stream.read() == b""


def test_content_is_bound_to_its_entry() -> None:
    """Content is read in pieces or not at all, and never once the next entry was asked for."""
    found = read(io.BytesIO(write([file("a", b"abcdef"), file("b", b"xyz")])))
    _, content = next(found)
    assert [content.read(4), content.read(0), content.read(9), content.read(9)] == [
        b"abcd",
        b"",
        b"ef",
        b"",
    ]
    entry, other = next(found)
    assert (entry.path, other.read()) == ("b", b"xyz")
    with pytest.raises(ValueError, match="gone by"):
        content.read()


OLD: Final[dict[str, tuple[bytes, Entry]]] = {
    "a directory by its trailing slash": (
        block(b"d/", flag=b"\0", magic=b""),
        Entry("d", Kind.DIR),
    ),
    "a file of type 0": (block(flag=b"\0", magic=b""), Entry("a")),
    "a contiguous file": (block(flag=b"7"), Entry("a")),
    "a prefix": (block(b"name", prefix=b"some/where"), Entry("some/where/name")),
    "no prefix in GNU's format": (block(b"n", magic=b"ustar  \0", prefix=b"123"), Entry("n")),
    "GNU long names": (
        said(b"K", b"t" * 200 + b"\0") + said(b"L", b"l" * 200 + b"\0") + block(flag=b"2"),
        Entry("l" * 200, Kind.SYMLINK, link="t" * 200),
    ),
    "base-256 numbers": (
        block(uid=b"\x80\0\0\0\0\x2d\xc6\xc0", mtime=b"\xff" * 11 + b"\xfe"),
        Entry("a", uid=3_000_000, mtime=-2),
    ),
    "numbers filled up by spaces": (block(uid=b"    17 \0"), Entry("a", uid=0o17)),
    "numbers that are empty": (block(uid=bytes(8), mtime=b" " * 12), Entry("a")),
    "a hard link that repeats a size": (
        block(b"h", octal(77), b"1", b"./a"),
        Entry("h", Kind.HARDLINK, link="a"),
    ),
    "global records, which Docker ignores": (
        said(b"g", b"10 uid=42\n") + block(),
        Entry("a"),
    ),
    "a file with a trailing slash": (block(b"d/"), Entry("d")),
    "a time with a fraction": (
        pax(b"20 mtime=12.5000001\n") + block(),
        Entry("a", mtime=12, nanoseconds=500_000_100),
    ),
    "a time before 1970": (
        pax(b"14 mtime=-1.5\n") + block(),
        Entry("a", mtime=-2, nanoseconds=500_000_000),
    ),
    "an empty record, which says nothing": (pax(b"8 path=\n") + block(), Entry("a")),
    "an extended attribute": (
        pax(b"25 SCHILY.xattr.user.a=\0\n") + block(),
        Entry("a", xattrs={"user.a": b"\0"}),
    ),
}


@pytest.mark.parametrize("case", OLD)
def test_every_way_to_write_a_header_is_read(case: str) -> None:
    """v7, ustar, GNU and PAX archives all give the same entries."""
    data, expected = OLD[case]
    assert [entry for entry, _ in entries_of(data + END)] == [expected]


def test_a_checksum_of_signed_bytes_is_right_too() -> None:
    """Some old programs added the bytes of a header up as signed numbers."""
    head = block("é".encode())
    total = sum(head) - sum(head[148:156]) + 8 * 32 - 2 * 256
    [(entry, _)] = entries_of(block("é".encode(), checksum=b"%06o\0 " % total) + END)
    assert entry.path == "é"


# -- the writer --------------------------------------------------------------------------------

BAD_TO_WRITE: Final = [
    file("../x"),
    file("/etc"),
    file("a//b"),
    file(""),
    file("a\0b"),
    symlink("s", ""),
    hardlink("h", "/etc"),
    (Entry("d", Kind.DIR), b"content"),
]


def sized(entries: list[tuple[Entry, bytes]]) -> list[tuple[Entry, bytes]]:
    return [(replace(entry, size=len(content)), content) for entry, content in entries]


def test_what_is_written_is_read_back() -> None:
    """Entries and contents survive a round trip, and the same entries give the same bytes."""
    assert entries_of(write(SMALL)) == sized(SMALL)
    assert write(SMALL) == write(list(SMALL))


def test_a_plain_header_is_enough_for_plain_entries() -> None:
    """PAX records are written only where they are needed."""
    assert len(write([file("etc/motd", b"hi")])) == 512 * 4
    assert b"PaxHeader" not in write([file("a/" * 60 + "b", uid=2_000_000)])
    assert b"PaxHeader" in write([file("a", uid=3_000_000)])


@pytest.mark.parametrize("bad", BAD_TO_WRITE, ids=lambda bad: repr(bad[0].path))
def test_what_could_not_be_read_is_not_written(bad: tuple[Entry, bytes]) -> None:
    """The writer refuses what the reader would refuse."""
    with pytest.raises(InvalidLayer):
        write([bad])


@pytest.mark.parametrize("content", [b"abc", b"abcde"])
def test_streamed_content_must_have_its_size(content: bytes) -> None:
    """A stream that is shorter or longer than stated is refused."""
    with pytest.raises(InvalidLayer, match="4 bytes"):
        write_to(io.BytesIO(), [(Entry("a", size=4), io.BytesIO(content))])
    whole = io.BytesIO()
    write_to(whole, [(Entry("a", size=4), io.BytesIO(b"abcd"))])
    assert whole.getvalue() == write([file("a", b"abcd")])


# -- oracles -----------------------------------------------------------------------------------

NAME: Final = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(lambda name: name not in (".", "..") and len(name.encode()) < 200)
PATH: Final = st.lists(NAME, min_size=1, max_size=6).map("/".join)
OWNER: Final = st.integers(0, 2**32 - 2)
FACTS: Final[dict[str, Any]] = {
    "mode": st.integers(0, 0o7777),
    "uid": OWNER,
    "gid": OWNER,
    "mtime": st.integers(-(2**40), 2**40),
}
FILES: Final = st.tuples(st.builds(Entry, PATH, **FACTS), st.binary(max_size=2000))
LINKS: Final = st.tuples(
    st.builds(
        Entry,
        PATH,
        st.sampled_from([Kind.SYMLINK, Kind.HARDLINK]),
        link=PATH,
        nanoseconds=st.integers(0, 10**9 - 1),
        **FACTS,
    ),
    st.just(b""),
)
OTHERS: Final = st.tuples(
    st.builds(
        Entry,
        PATH,
        st.sampled_from([Kind.DIR, Kind.FIFO]),
        xattrs=st.dictionaries(st.from_regex(r"user\.[a-z]{1,9}", fullmatch=True), st.binary()),
        **FACTS,
    ),
    st.just(b""),
)
ARCHIVE: Final = st.lists(FILES | LINKS | OTHERS, max_size=6)

TARFILE_KINDS: Final = {
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.REGTYPE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIR,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.LNKTYPE: Kind.HARDLINK,
    tarfile.CHRTYPE: Kind.CHAR,
    tarfile.BLKTYPE: Kind.BLOCK,
    tarfile.FIFOTYPE: Kind.FIFO,
}


def by_tarfile(data: bytes) -> list[tuple[Any, ...]]:
    """What Python's own reader says of an archive."""
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8") as archive:
        return [
            (
                normal(member.name),
                TARFILE_KINDS[member.type],
                member.mode & 0o7777,
                (member.uid, member.gid),
                int(member.mtime // 1),
                normal(member.linkname) if member.islnk() else member.linkname,
                (archive.extractfile(member) or io.BytesIO()).read() if member.isreg() else b"",
            )
            for member in archive
        ]


def by_us(data: bytes) -> list[tuple[Any, ...]]:
    return [
        (entry.path, entry.kind, entry.mode, (entry.uid, entry.gid), entry.mtime, entry.link, body)
        for entry, body in entries_of(data)
    ]


@given(ARCHIVE)
def test_any_entries_survive_a_round_trip(entries: list[tuple[Entry, bytes]]) -> None:
    """Whatever is written is read back, every fact of it."""
    assert entries_of(write(entries)) == sized(entries)


@given(ARCHIVE)
def test_tarfile_reads_what_we_write(entries: list[tuple[Entry, bytes]]) -> None:
    """Python's tarfile reads our archives as we do."""
    whole = [(replace(entry, nanoseconds=0), content) for entry, content in entries]
    data = write(whole)
    assert by_tarfile(data) == by_us(data)


@given(ARCHIVE, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_we_read_what_tarfile_writes(entries: list[tuple[Entry, bytes]], form: int) -> None:
    """Archives that tarfile writes, with PAX records or GNU's long names, are read as it does."""
    raw = io.BytesIO()
    types = {kind: flag for flag, kind in TARFILE_KINDS.items()}
    with tarfile.open(fileobj=raw, mode="w", format=form, encoding="utf-8") as archive:
        for entry, content in entries:
            member = tarfile.TarInfo(entry.path)
            member.type, member.linkname = types[entry.kind], entry.link
            member.mode, member.uid, member.gid = entry.mode, entry.uid, entry.gid
            member.mtime, member.size = entry.mtime, len(content)
            archive.addfile(member, io.BytesIO(content))
    assert by_us(raw.getvalue()) == by_tarfile(raw.getvalue())


@given(st.binary(max_size=3000), st.integers(0, 5000), st.integers(0, 255))
def test_damage_never_ends_in_another_error(noise: bytes, at: int, byte: int) -> None:
    """Noise, or one byte changed, gives entries or an error of ours; never a crash."""
    whole = bytearray(write(SMALL))
    whole[at % len(whole)] = byte
    for data in (noise, bytes(whole), FIRST + noise):
        try:
            entries_of(data)
        except ImgkitError as error:
            assert isinstance(error, InvalidLayer | LimitExceeded)  # noqa: PT017


def test_gnu_tar_reads_what_we_write(tmp_path: Path) -> None:
    """GNU tar lists and extracts our archives without a complaint."""
    (tmp_path / "a.tar").write_bytes(write(SMALL))
    (tmp_path / "out").mkdir()
    command = ["tar", "--no-same-owner", "-xvf", tmp_path / "a.tar", "-C", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    listed = [line.rstrip("/") for line in done.stdout.splitlines()]
    assert listed == ["." if not entry.path else entry.path for entry, _ in SMALL]
    assert (tmp_path / "out/etc/same").read_bytes() == b"hello\n"


@pytest.mark.parametrize("form", ["gnu", "posix", "ustar", "v7", "oldgnu"])
def test_we_read_what_gnu_tar_writes(form: str, tmp_path: Path) -> None:
    """Every format that GNU tar writes is read as tarfile reads it."""
    root = tmp_path / "root"
    (root / "d" / "sub").mkdir(parents=True)
    (root / "d" / "file").write_bytes(b"x" * 1000)
    (root / "d" / "link").symlink_to("../nowhere")
    (root / "d" / "same").hardlink_to(root / "d" / "file")
    if form not in ("v7", "ustar"):
        (root / ("n" * 150)).write_text("long")
        (root / "s").symlink_to("t" * 150)
    command = ["tar", f"--format={form}", "--numeric-owner", "-C", root, "-cf", "-", "."]
    data = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert sorted(by_us(data)) == sorted(by_tarfile(data))
    assert len(by_us(data)) >= 6


def test_real_archives_are_read_as_tarfile_reads_them(shared_images: Path) -> None:
    """The root filesystems of the official Alpine images: the same entries, the same contents."""
    archives = sorted(shared_images.glob("alpine-*.tar.gz"))
    assert archives
    for path in archives:
        with path.open("rb") as stream:
            data = decompress(stream).read()
        assert by_us(data) == by_tarfile(data)
        assert len(by_us(data)) > 500

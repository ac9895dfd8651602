"""Layers: what their names mean, that their DiffID is checked, and how their files are read."""

from __future__ import annotations

import gzip
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from trees import file, folder, hardlink, layer_from, layer_of, symlink

from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import DigestMismatch, InvalidLayer, LimitExceeded, NotFound
from imgkit.layer import OPAQUE, WHITEOUT_PREFIX, Layer, pack
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.tar.entry import Entry

FILES: Final = [
    folder("etc"),
    file("etc/motd", b"hello\n"),
    file("etc/.wh.passwd"),
    file(f"srv/{OPAQUE}"),
    file("srv/new", b"x" * 5000),
    hardlink("etc/same", "etc/motd"),
    hardlink("etc/other", "etc/same"),
    symlink("etc/link", "motd"),
]

WHITEOUTS: Final = {
    "a file": (".wh.f", {"f"}, set()),
    "in a directory": ("d/.wh.f", {"d/f"}, set()),
    "a hidden file": ("d/.wh..profile", {"d/.profile"}, set()),
    "a name with three dots": ("d/.wh....", {"d/..."}, set()),
    "opaque": ("d/.wh..wh..opq", set(), {"d"}),
    "opaque root": (".wh..wh..opq", set(), {""}),
    "AUFS, ignored": (".wh..wh.aufs", set(), set()),
    "AUFS, a directory": (".wh..wh.plnk/1.2", set(), set()),
}

BAD: Final = {
    "no name": [file("d/.wh.")],
    "the directory itself": [file("d/.wh..")],
    "the directory above": [file("d/.wh...")],
    "in the root": [file(".wh.")],
    "a path below a whiteout": [file(".wh./x")],
    "a path below a named whiteout": [file(".wh.d/inner")],
    "one file twice": [file("f", b"old"), file("f", b"new")],
    "a file and a directory": [folder("d"), file("d"), folder("d")],
    "one whiteout twice": [file(".wh.f"), file(".wh.f")],
    "the root twice": [folder(""), folder("")],
}


@pytest.mark.parametrize("case", WHITEOUTS)
def test_names_say_what_is_hidden(case: str) -> None:
    """A whiteout names what is gone, an opaque marker its directory; neither is a change."""
    path, whiteouts, opaques = WHITEOUTS[case]
    layer = layer_of(file(path), file("plain"))
    assert (layer.whiteouts, layer.opaques) == (whiteouts, opaques)
    assert [entry.path for entry in layer.changes] == ["plain"]
    assert [entry.path for entry in layer.entries] == [path, "plain"]


@pytest.mark.parametrize("whiteout", [folder(".wh.d"), file(".wh.d", b"content")])
def test_a_whiteout_may_be_of_any_kind(whiteout: tuple[Entry, bytes]) -> None:
    """A directory or a file with content is a whiteout too: only its name counts."""
    assert layer_of(whiteout).whiteouts == {"d"}


@pytest.mark.parametrize("case", BAD)
def test_names_that_no_layer_may_have_are_refused(case: str) -> None:
    """Whiteouts of nothing or of the directories above, and any path that is there twice."""
    with pytest.raises(InvalidLayer) as caught:
        _ = layer_of(*BAD[case]).entries
    assert caught.value.path is not None


def test_of_a_path_that_is_there_twice_the_last_wins_unless_strict() -> None:
    """Other programs take the last entry; `strict=False` does so too."""
    layer = layer_of(file("f", b"old"), file("f", b"new"), strict=False)
    assert len(layer.entries) == 2
    assert [entry.size for entry in layer.changes] == [3]
    assert layer.read("f") == b"new"


def test_a_layer_knows_its_sizes_and_digests() -> None:
    """The digest is of the blob, the DiffID of the tar in it; sizes likewise."""
    tar = pack(FILES)
    blob = gzip.compress(tar, mtime=0)
    layer = layer_from(blob, Digest.of(tar))
    assert (layer.digest, layer.size) == (Digest.of(blob), len(blob))
    assert layer.recompute_diff_id() == layer.diff_id == Digest.of(tar)
    assert layer.unpacked_size == 6 + 5000
    assert layer.diff_id.short in repr(layer)


def test_a_wrong_diff_id_is_refused() -> None:
    """A layer whose tar is not the one of the config is refused, and the error says which."""
    wrong = Digest.of(b"something else")
    layer = layer_from(pack(FILES), wrong)
    with pytest.raises(DigestMismatch, match="DiffID") as caught:
        _ = layer.entries
    assert (caught.value.expected, caught.value.actual) == (wrong, Digest.of(pack(FILES)))


def test_bytes_after_the_end_count_for_the_diff_id() -> None:
    """Nothing can be hidden behind the end marker: it changes the DiffID."""
    tar = pack(FILES)
    assert layer_from(tar + bytes(9000)).entries == layer_from(tar).entries
    with pytest.raises(DigestMismatch):
        _ = layer_from(tar + bytes(512), Digest.of(tar)).entries


def test_a_tar_without_its_end_is_whole_if_the_diff_id_says_so() -> None:
    """Some builders leave the end marker out; cutting one off elsewhere changes the DiffID."""
    tar = pack(FILES)
    assert layer_from(tar[:-1024]).entries == layer_from(tar).entries
    for cut in range(0, len(tar) - 1024, 512):
        with pytest.raises((DigestMismatch, InvalidLayer)):
            _ = layer_from(tar[:cut], Digest.of(tar)).entries


def test_a_damaged_blob_is_said_to_be_damaged() -> None:
    """When the stored bytes are not those of the digest, that is the error, not its effects."""
    blob = bytearray(gzip.compress(pack(FILES), mtime=0))
    descriptor = Descriptor.of(bytes(blob), OCI_LAYER)
    blob[40] ^= 1
    layer = Layer(
        lambda: VerifyingReader(io.BytesIO(blob), descriptor.digest, descriptor.size),
        descriptor,
        Digest.of(pack(FILES)),
    )
    with pytest.raises(DigestMismatch) as caught:
        _ = layer.entries
    assert caught.value.expected == descriptor.digest


def test_files_are_read_by_path() -> None:
    """Any way to write a path will do; hard links within the layer are followed."""
    layer = layer_of(*FILES)
    for path in ("etc/motd", "/etc/motd", "./etc//motd", "etc/same", "etc/other"):
        assert layer.read(path) == b"hello\n"
    with pytest.raises(LimitExceeded):
        layer.read("srv/new", limit=4999)


@pytest.mark.parametrize("path", ["etc", "etc/link", "etc/passwd", "nothing", ""])
def test_only_files_can_be_read(path: str) -> None:
    """A directory, a symlink or a missing path has no content in a layer."""
    with pytest.raises(NotFound):
        layer_of(*FILES).read(path)


def test_a_hard_link_to_a_lower_layer_has_no_content_here() -> None:
    """Such a link is read through the overlay, which knows the layers below."""
    with pytest.raises(NotFound):
        layer_of(hardlink("link", "lower")).read("link")
    with pytest.raises(NotFound):
        layer_of(hardlink("a", "b"), hardlink("b", "a")).read("a")


def test_the_blob_is_opened_only_when_needed_and_read_once() -> None:
    """Making a layer reads nothing; its index is made once, whatever is asked."""
    tar = pack(FILES)
    opened = []

    def source() -> VerifyingReader:
        opened.append(1)
        return VerifyingReader(io.BytesIO(tar), Digest.of(tar), len(tar))

    layer = Layer(source, Descriptor.of(tar, OCI_LAYER), Digest.of(tar))
    assert (layer.size, opened) == (len(tar), [])
    _ = layer.entries, layer.changes, layer.whiteouts, layer.opaques, layer.unpacked_size
    assert opened == [1]
    assert layer.find("/etc/motd") == layer.entries[1]
    assert WHITEOUT_PREFIX in layer.entries[2].path


def test_files_are_read_from_what_was_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of files cost one more pass through the blob; of a layer too large, one each."""
    tar = pack(FILES)
    opened: list[int] = []

    def source() -> VerifyingReader:
        opened.append(1)
        return VerifyingReader(io.BytesIO(blob), Digest.of(blob), len(blob))

    blob = gzip.compress(tar, mtime=0)
    for kept, passes in ((1 << 20, 2), (100, 2), (0, 4)):
        monkeypatch.setattr("imgkit.layer.KEPT_IN_MEMORY", kept)
        monkeypatch.setattr("imgkit.layer.KEPT_ON_DISK", 1 << 30 if kept else 0)
        layer = Layer(source, Descriptor.of(blob, OCI_LAYER), Digest.of(tar))
        contents = [layer.read(path) for path in ("srv/new", "etc/motd", "srv/new")]
        assert contents == [b"x" * 5000, b"hello\n", b"x" * 5000]
        assert len(opened) == passes
        opened.clear()


def test_a_full_disk_costs_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a layer cannot be kept unpacked its files are read from the blob."""

    def full(size: int) -> io.BytesIO:
        return open("/dev/full", "r+b", buffering=0)  # type: ignore[return-value]

    monkeypatch.setattr("imgkit.layer.SpooledTemporaryFile", full)
    assert layer_of(*FILES).read("etc/motd") == b"hello\n"


def test_a_file_of_a_layer_with_a_wrong_diff_id_is_not_given() -> None:
    """Whoever asks for one file gets it only from the tar that the config names."""
    entry = layer_of(*FILES).entries[1]
    with pytest.raises(DigestMismatch, match="DiffID"):
        layer_from(pack(FILES), Digest.of(b"something else")).read_entry(entry)


def test_files_are_read_by_many_at_once() -> None:
    """Threads that read files of one layer get each their own."""
    files = [file(f"f{number}", bytes([number]) * 3000) for number in range(64)]
    layer = layer_of(*files)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda number: layer.read(f"f{number % 64}"), range(512)))
    assert read == [bytes([number % 64]) * 3000 for number in range(512)]

"""DigestLab: one changed byte, the digests that follow, and the check that fails."""

from __future__ import annotations

import gzip
import json
from typing import Any, Final

import ipywidgets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgkit import samples
from imgkit.digest import Digest
from imgkit.errors import NotFound
from imgkit.tampering import Tampering
from imgkit.tampering.parts import stored
from imgkit.widgets import DigestLab
from imgkit.widgets.digest_lab import window

NAME: Final = "nigelpoulton/k8sbook"
COVERED: Final = ("config", "manifest", "manifest", "index")
"""What has to be rewritten, in this order, after one byte of a layer's tar was changed."""

# A byte (of a part, at a text or place), and all digests that are then others.
CHANGES: Final[list[tuple[str, str | int, set[str]]]] = [
    ("index", 0, {"index"}),
    ("manifest", "config", {"manifest"}),
    ("config", "node", {"config"}),
    ("layer 5 blob", 7, {"layer 5 blob", "layer 5 tar", "layers 1 to 5"}),
    ("layer 1 blob", 4, {"layer 1 blob"}),  # the time in the gzip header: the tar stays
    ("layer 4 tar", 1000, {"layer 4 blob", "layer 4 tar", "layers 1 to 4", "layers 1 to 5"}),
]

# What is typed as a new value, and the byte that it is.
VALUES: Final = [("H", 0x48), ("4a", 0x4A), ("FF", 0xFF), ("00", 0), ("7", 0x37), ("", 0x69)]
NO_VALUES: Final = ("xyz", "zz", "é", "100", "-1")


@pytest.fixture
def lie() -> Tampering:
    return Tampering(samples.image(NAME))


@pytest.fixture
def lab() -> DigestLab:
    return DigestLab(samples.image(NAME), "layer 3 tar", "hello")


def changed(lie: Tampering) -> set[str]:
    return {link.part for link in lie.links if lie.changed(link)}


# -- the model ------------------------------------------------------------------------------


def test_an_untouched_image_is_accepted(lie: Tampering) -> None:
    """Every digest is the one that the image has, and every check holds."""
    image = samples.image(NAME)
    found = {(link.part, link.called): link.now for link in lie.links}
    assert image.index is not None
    assert found["index", "digest"] == image.index.digest
    assert found["config", "digest"] == image.id
    assert [found[f"layer {n} tar", "DiffID"] for n in range(1, 6)] == list(image.config.diff_ids)
    assert [link.now for link in lie.links][-5:] == list(image.config.chain_ids)
    assert not any(link.fails for link in lie.links)
    assert lie.errors(by_digest=True) == lie.errors(by_digest=False) == []


@pytest.mark.parametrize(("part", "where", "others"), CHANGES)
def test_which_digests_change(
    lie: Tampering, part: str, where: str | int, others: set[str]
) -> None:
    """One byte changes the digest of what it is in, and ChainIDs from there up; nothing else."""
    at = where if isinstance(where, int) else lie.find(part, where)
    assert at is not None
    lie.change(part, at)
    assert changed(lie) == others
    assert lie.outcome(by_digest=True).startswith("refused at the ")
    lie.reset()
    assert changed(lie) == set()


PARTS: Final = Tampering(samples.image(NAME)).first.names


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PARTS), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_no_byte_can_be_changed_unseen(part: str, share: float, mask: int) -> None:
    """Whichever byte of whichever part: who pulls by digest is told, and so says our library."""
    lie = Tampering(samples.image(NAME))
    data = lie.now.get(part)
    at = int(share * len(data))
    lie.change(part, at, data[at] ^ mask)
    assert changed(lie)
    assert lie.outcome(by_digest=True).startswith("refused")
    assert lie.errors(by_digest=True)
    accepted = lie.outcome(by_digest=False).startswith("accepted")
    assert accepted == (lie.errors(by_digest=False) == [])


def test_whoever_rewrites_everything_is_stopped_by_the_digest_asked_for(lie: Tampering) -> None:
    """Record by record it fits again; by tag it is accepted then, and by digest never."""
    at = lie.find("layer 3 tar", "hello")
    assert at is not None
    lie.change("layer 3 tar", at, ord("H"))
    for document in COVERED:
        assert lie.outcome(by_digest=False).startswith("refused")
        assert lie.mend().startswith(f"In the {document}, the ")
    assert "is not the image that was published" in lie.outcome(by_digest=False)
    assert lie.outcome(by_digest=True).startswith("refused at the index: you asked for ")
    assert lie.errors(by_digest=False) == []
    assert lie.errors(by_digest=True)
    assert "no wrong record" in lie.mend()


def test_zstd_that_is_packed_again_is_called_gzip(lie: Tampering) -> None:
    """A layer that was packed otherwise gets the media type of what it is now."""
    at = lie.find("layer 5 tar", "a stand-in")
    assert at is not None
    lie.change("layer 5 tar", at)
    for _ in COVERED:
        lie.mend()
    layers = json.loads(lie.now.manifest)["layers"]
    assert layers[4]["mediaType"].endswith("tar+gzip")
    assert lie.errors(by_digest=False) == []


def test_an_image_without_an_index_hangs_on_its_manifest() -> None:
    """There the manifest is what you ask for; its last layer is not packed: one digest, twice."""
    lie = Tampering(samples.image("golftrack:1.5"))
    at = lie.find("layer 3 tar", "\n")
    assert at is not None
    lie.change("layer 3 tar", at)
    assert lie.now.get("layer 3 tar") == lie.now.get("layer 3 blob")
    for _ in range(3):
        lie.mend()
    assert lie.outcome(by_digest=False).startswith("accepted")
    assert lie.outcome(by_digest=True).startswith("refused at the manifest: you asked for ")


def test_a_tar_that_breaks_its_own_rules_is_refused_whatever_is_written_down(
    lie: Tampering,
) -> None:
    """A header has a checksum of its own: with every record rewritten, the layer is still none."""
    lie.change("layer 3 tar", 0)
    for _ in COVERED:
        lie.mend()
    assert not any(link.fails for link in lie.links)
    assert "checksum" in lie.outcome(by_digest=False)


def test_what_cannot_be_unpacked_cannot_be_mended(lie: Tampering) -> None:
    """A broken blob has no tar, so no DiffID; its record can be rewritten, and that is no use."""
    lie.change("layer 1 blob", 400)
    assert lie.now.get("layer 1 tar") == b""
    for _ in range(3):
        lie.mend()
    assert "cannot be unpacked" in lie.outcome(by_digest=False)


@pytest.mark.parametrize(("part", "at"), [("layer 9 tar", 0), ("manifest", -1), ("index", 10**6)])
def test_what_is_not_there(lie: Tampering, part: str, at: int) -> None:
    """An unknown part, and a byte before the first or after the last, are refused."""
    with pytest.raises(NotFound):
        lie.change(part, at)
    assert changed(lie) == set()


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 0x10000, 200_000])
def test_stored_is_gzip(size: int) -> None:
    """What we pack without making it smaller, Python's own gzip unpacks."""
    data = bytes(range(256)) * (size // 256 + 1)
    assert gzip.decompress(stored(data[:size])) == data[:size]


# -- the widget -----------------------------------------------------------------------------


def test_a_click_changes_a_byte(lab: DigestLab) -> None:
    """The fields say which byte; the button changes it, and every view follows."""
    assert "No byte is changed" in lab.view.value
    assert "[68]" in lab.bytes.value
    lab.value.value = "H"
    lab.go.click()
    assert "68 became 48" in lab.view.value
    assert "[48]" in lab.bytes.value
    assert lab.view.value.count("<strong>changed</strong>") == 5
    assert "refused at the layer 3 blob" in lab.view.value
    for _ in COVERED:
        lab.mend.click()
    assert "it is not the image that was published" in repr(lab)
    lab.again.click()
    assert "No byte is changed" in repr(lab)
    assert "[68]" in lab.bytes.value


@pytest.mark.parametrize(("typed", "byte"), VALUES)
def test_a_value_is_a_letter_or_two_hex_digits(lab: DigestLab, typed: str, byte: int) -> None:
    """With nothing typed the lowest bit is changed."""
    lab.change("layer 3 tar", "hello", typed)
    at = lab.at.value
    assert lab.tampering.now.get("layer 3 tar")[at] == byte


@pytest.mark.parametrize("typed", NO_VALUES)
def test_what_is_no_byte_changes_nothing(lab: DigestLab, typed: str) -> None:
    """It is said what to type."""
    assert "two hex digits" in lab.change("layer 3 tar", "hello", typed)
    assert lab.tampering.done == []


def test_a_text_that_is_not_there(lab: DigestLab) -> None:
    """It is said, and the byte stays where it was."""
    at = lab.at.value
    lab.find.value = "<b>none"
    assert lab.at.value == at
    assert "&lt;b&gt;none" in lab.view.value
    assert "<b>none" not in lab.view.value
    assert "is not in the layer 3 tar" in repr(lab)
    said = lab.change("config", "no such text", "x")
    assert said.startswith("'no such text' is not in the config.")
    assert lab.tampering.done == []
    lab.change("config", "no such text", "zzz")
    assert "became" in lab.change("config", 5, "x")


def test_the_byte_is_within_the_part(lab: DigestLab) -> None:
    """Where a shorter part is chosen, the byte is one of it."""
    lab.find.value = ""
    lab.part.value = "layer 4 blob"
    assert lab.at.value <= lab.at.max == 31
    lab.change("layer 1 blob", 400)
    lab.part.value = "layer 1 tar"
    assert "there are no bytes to show" in lab.bytes.value


@pytest.mark.parametrize("at", [0, 15, 16, 100, 255])
def test_the_window_shows_the_byte(at: int) -> None:
    """It stands in brackets, among at most three lines; what is no letter is a dot."""
    lines = window(bytes(range(256)), at)
    assert 2 <= len(lines) <= 3
    assert f"[{at:02x}]" in "\n".join(lines)
    assert all(32 <= ord(char) < 127 for line in lines for char in line)


def test_everything_that_changes_stands_in_words(lab: DigestLab) -> None:
    """Colour and line say nothing that is not written, too; ids of both stores are named."""
    lab.change("config", "node", "N")
    assert "fails: there it is" in lab.view.value
    assert "IMAGE ID, classic store" in lab.view.value
    assert "IMAGE ID, containerd store" in lab.view.value


def controls(box: Any) -> list[Any]:
    if isinstance(box, ipywidgets.Box):
        return [control for child in box.children for control in controls(child)]
    return [] if isinstance(box, ipywidgets.HTML) else [box]


def test_controls_have_names(lab: DigestLab) -> None:
    """Everything that can be used has a name, and none is a slider."""
    kinds = {type(control).__name__ for control in controls(lab.box)}
    assert kinds == {"Dropdown", "Text", "BoundedIntText", "Button"}
    assert all(control.description for control in controls(lab.box))


def test_digests_are_computed_from_the_bytes(lie: Tampering) -> None:
    """Each digest is that of the bytes that can be looked at."""
    lie.change("layer 2 tar", 5000)
    for link in lie.links:
        if link.part in lie.now.names:
            assert link.now == Digest.of(lie.now.get(link.part))

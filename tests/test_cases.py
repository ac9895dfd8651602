"""The table of cases: what we make of each, in memory and on disk, and that umoci agrees."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from test_unpack import as_root, by_umoci, layers_in, layout_of
from trees import layer_from, listing

from imgkit import errors
from imgkit.cases import Case, base, case, cases, shown
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, InvalidLayer, NotFound
from imgkit.image import verify
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, OCI_MANIFEST, Manifest
from imgkit.overlay import Overlay
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Kind
from imgkit.unpack import unpack

IDS: Final = (
    "A B C C2 D E E2 F G H I I2 J J2 K K2 K3 L M N N2 O O2 P Q R S S2 T T2 U V V2 W X Y Z "
    "ZA ZB ZC ZD"
)

APPLIED: Final = [one for one in cases() if not one.refused]
LENIENT: Final = [one for one in cases() if one.refused and one.merged is not None]

UMOCI_DIFFERS: Final = {"Q", "S"}
"""Cases that we do not refuse, and that umoci 0.4.7 refuses, or shows more of."""

ALIKE: Final = "C2 D E I2 K2 L M P S2 T T2 V V2 W X ZC ZD"
"""Where every engine does the same, and so do we."""

NOTED: Final = ["O", "O2", "Q", "R", "ZA", "ZC"]


def test_every_case_is_there() -> None:
    """41 layers were compared; each has its id, its title, and what is said of it."""
    assert " ".join(one.id for one in cases()) == IDS
    assert len(cases()) == 41
    for one in cases():
        assert case(one.id) == one
        assert one.title
        assert str(one) == f"{one.id}: {one.title}"
        assert all(words.endswith(".") for words in (one.spec, one.naive, one.overlay))


def test_where_engines_differ_it_is_explained() -> None:
    """What one would see, and why, in whole sentences; nothing where all do the same."""
    assert " ".join(one.id for one in cases() if not one.because) == ALIKE
    for one in cases():
        words = one.because
        assert not words or (words.endswith(".") and "would" in words)
        assert "\n" not in words
        assert "  " not in words


@pytest.mark.parametrize("one", APPLIED, ids=str)
def test_the_merged_view_of_a_case(one: Case) -> None:
    """It shows what the specification says; where that is silent, what we chose."""
    assert shown(Overlay(one.stack())) == one.merged
    assert shown(Overlay(one.stack(strict=False))) == one.merged


@pytest.mark.parametrize("one", APPLIED, ids=str)
def test_the_order_in_the_tar_does_not_matter(one: Case) -> None:
    """Turned around, the layer gives the same; but a hard link comes after its target."""
    links = tuple(line for line in one.layer if "==" in line)
    plain = tuple(line for line in reversed(one.layer) if line not in links)
    assert shown(Overlay(replace(one, layer=plain + links).stack())) == one.merged


@pytest.mark.parametrize("one", APPLIED, ids=str)
def test_a_case_on_disk(one: Case, tmp_path: Path) -> None:
    """Unpacked, every path is there, as the kind of thing that the merged view says, and no other.

    Contents, links and modes are compared; a device node is made only for root.
    """
    overlay = Overlay(one.stack())
    report = unpack(one.stack(), tmp_path / "root", devices=True)
    found = listing(tmp_path / "root")
    assert set(found) == {".", *overlay.paths} - set(report.skipped)
    names: dict[int, str] = {}
    for node in overlay:
        if node.path in report.skipped:
            continue
        facts, path = found[node.path], tmp_path / "root" / node.path
        assert (facts.kind, facts.mode) == (node.kind, node.inode.entry.mode)
        if node.kind is Kind.FILE:
            assert path.read_bytes() == overlay.read(node.path)
        if node.kind is Kind.SYMLINK:
            assert facts.content == node.inode.entry.link
        if node.kind is not Kind.DIR:
            assert facts.same == found[names.setdefault(id(node.inode), node.path)].same


@pytest.mark.parametrize("one", [one for one in cases() if one.refused], ids=str)
def test_a_case_that_is_refused(one: Case, tmp_path: Path) -> None:
    """The error is the one that the table names, it says where, and nothing is unpacked.

    U among them: engines take `.wh.d/inner` for a file in a directory called `.wh.d`. But the
    specification says that no file can have a name that begins with `.wh.`, so that directory
    cannot be shown; and no engine takes it for a whiteout of d, so nothing may be hidden either.
    What is neither a file nor a whiteout is an error, as `.wh./x` is.
    """
    with pytest.raises(getattr(errors, one.refused)) as caught:
        Overlay(one.stack())
    assert isinstance(caught.value, InvalidLayer)
    assert caught.value.path
    with pytest.raises(ImgkitError):
        unpack(one.stack(), tmp_path / "root")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("one", [one for one in cases() if one.refused], ids=str)
def test_only_paths_that_are_there_twice_are_a_matter_of_strictness(one: Case) -> None:
    """Not read strictly, of one path the last entry wins; all else is refused all the same."""
    if one in LENIENT:
        assert shown(Overlay(one.stack(strict=False))) == one.merged
    else:
        with pytest.raises(getattr(errors, one.refused)):
            Overlay(one.stack(strict=False))


@pytest.mark.parametrize("one", APPLIED, ids=str)
def test_notes_are_of_what_the_specification_leaves_open(one: Case) -> None:
    """Paths through symlinks and files, and devices 0:0, have a note; it names another engine."""
    notes = Overlay(one.stack()).notes
    assert bool(notes) == (one.id in NOTED)
    assert all("ngines" in note and note.startswith("Layer 1: /") for note in notes)


@pytest.mark.parametrize("one", cases(), ids=str)
def test_only_what_is_refused_is_broken(one: Case, tmp_path: Path) -> None:
    """An image with such a layer is sound, whatever there is to note of it."""
    store = Store(tmp_path)
    tars = one.tars()
    config = Config.make(Platform("linux", "amd64"), [Digest.of(tar) for tar in tars])
    blobs = [store.put_bytes(tar, OCI_LAYER) for tar in tars]
    made = Manifest.make(store.put_bytes(config.raw, config.descriptor.media_type), blobs)
    store.name(Reference.parse("it"), store.put_bytes(made.raw, OCI_MANIFEST), None)
    image = store.image("it")
    broken = verify(image)
    assert len(broken) == bool(one.refused)
    if not broken:
        assert bool(image.overlay.notes) == (one.id in NOTED)


def lenient(layers: list[Layer]) -> list[Layer]:
    return [Layer(one._open, one.descriptor, one.diff_id, strict=False) for one in layers]


@as_root
@pytest.mark.peer("umoci")
@pytest.mark.parametrize(
    "one", [one for one in APPLIED if one.id not in UMOCI_DIFFERS] + LENIENT, ids=str
)
def test_a_case_as_umoci_unpacks_it(one: Case, tmp_path: Path) -> None:
    """The same tree as umoci's, fact for fact, but for times of directories that it makes up."""
    layout = layout_of(tmp_path / "layout", list(one.tars()))
    unpack(lenient(layers_in(layout)), tmp_path / "ours", devices=True)
    assert listing(tmp_path / "ours") == listing(by_umoci(layout, "it", tmp_path))


def test_the_base_alone() -> None:
    """The base of all cases is a layer like any other; a case that is not there is said to be."""
    below, _ = case("A").tars()
    assert set(shown(Overlay([layer_from(below)]))) == {
        line.split(" ")[0].rstrip("/") for line in base()
    }
    with pytest.raises(NotFound, match="ZD"):
        case("AA")

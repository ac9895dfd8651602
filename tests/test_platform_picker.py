"""PlatformPicker: what each platform gets under one name, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import ipywidgets
import pytest
from images import add_index

from imgkit import samples
from imgkit.image import Image
from imgkit.lab import Lab
from imgkit.manifest import Index
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.selection import CHOSEN, FOREIGN, NO_IMAGE, RUNS, Selection
from imgkit.store import Store
from imgkit.widgets import PlatformPicker
from imgkit.widgets.platform_picker import IMAGES, PLATFORMS

POWERSHELL: Final = "mcr.microsoft.com/powershell"
NASTY: Final = 'lin<b onclick="x">ux\x1b[31m'

# An image, a platform, and the platform whose image it gets ("" where there is none).
CHOICES: Final = [
    ("alpine", "linux/amd64", "linux/amd64"),
    ("alpine", "linux/arm64", "linux/arm64/v8"),
    ("alpine", "linux/arm/v7", "linux/arm/v7"),
    ("alpine", "linux/arm/v5", ""),
    ("alpine", "linux/386", "linux/386"),
    ("alpine", "linux/riscv64", ""),
    ("redis", "linux/arm/v7", ""),
    (POWERSHELL, "windows(10.0.17763.6532)/amd64", ""),
    (POWERSHELL, "windows(10.0.20348.1)/amd64", "windows(10.0.20348.2849)/amd64"),
    (POWERSHELL, "windows(10.0.26100.2314)/amd64", "windows(10.0.20348.2849)/amd64"),
    (POWERSHELL, "linux/amd64", "linux/amd64"),
]

# What is said of the entries of alpine on a 64-bit ARM machine.
ON_ARM64: Final = [FOREIGN, RUNS, RUNS, CHOSEN, FOREIGN, FOREIGN, *[NO_IMAGE] * 6]


def select(name: str, platform: str) -> Selection:
    reference = Reference.parse(name).with_default_tag()
    return Selection.of(samples.store(), reference, Platform.parse(platform))


# -- the model ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "platform", "expected"), CHOICES)
def test_the_choice_is_the_one_of_a_pull(name: str, platform: str, expected: str) -> None:
    """The entry that is called chosen is the image that `Image.of` finds; or there is none."""
    found = select(name, platform)
    chosen = [c for c in found.candidates if c.state == CHOSEN]
    assert [c.platform for c in chosen] == ([expected] if expected else [])
    if expected:
        image = samples.image(name, platform)
        assert found.image is not None
        assert chosen[0].descriptor.digest == found.image.digest == image.digest
        assert chosen[0].size == image.packed_size
    else:
        assert found.image is None
        assert found.size == 0
        assert "There is one for: " in found.said


def test_every_entry_has_a_reason() -> None:
    """What would run too, what is for others, and what is no image at all."""
    found = select("alpine", "linux/arm64")
    assert [c.state for c in found.candidates] == ON_ARM64
    assert found.candidates[1].why == "would run here too, but another suits better"
    assert found.candidates[0].why == "another processor: amd64"
    about = found.candidates[0].descriptor.digest.short
    assert found.candidates[6].why == f"an attestation about {about}: never chosen"
    assert found.looked_for == ["arm64", "arm/v8", "arm/v7", "arm/v6", "arm/v5"]


def test_windows_has_versions() -> None:
    """An image of a newer Windows than the host's is refused, and both versions are named."""
    found = select(POWERSHELL, "windows(10.0.17763.6532)/amd64")
    says = [c.why for c in found.candidates]
    assert says[0] == "another system: linux"
    assert says[1] == "made for Windows 10.0.20348.2849, this host is 10.0.17763.6532"


@pytest.mark.parametrize("name", samples.names())
def test_what_is_shared_is_what_other_manifests_list(name: str) -> None:
    """A layer is said to be the same for another platform if, and only if, that one lists it."""
    found = select(name, "linux/amd64")
    for share in found.shares:
        expected = [
            c.platform
            for c in found.candidates
            if c.state != CHOSEN and share.descriptor.digest in {d.digest for d in c.layers}
        ]
        assert list(share.others) == expected
    assert [s.descriptor for s in found.shares] == list(samples.image(name).manifest.layers)


def test_bytes_are_those_that_travel() -> None:
    """The sum of the documents and layers is what a pull to an empty place fetches."""
    lab = Lab()
    pulled = lab.pull("redis").copied
    found = select("redis", "linux/amd64")
    assert pulled.index is not None
    assert found.size == pulled.bytes_fetched + pulled.index.size + pulled.manifest.size


def test_a_name_of_one_image_leaves_nothing_to_choose() -> None:
    """Where there is no index, any platform gets the same image."""
    found = select("golftrack:1.5", "linux/arm64")
    assert found.candidates == ()
    assert found.index is None
    assert "nothing to choose: the name has one image, for linux/amd64" in found.said
    assert found.image is not None
    assert found.image.id == Image.of(samples.store(), found.name).id


def test_a_place_that_has_only_the_chosen_image(tmp_path: Path) -> None:
    """In a local repository the others are only names: their layers are not known."""
    lab = Lab()
    lab.pull("alpine")
    name = Reference.parse("alpine:latest")
    index = lab.image("alpine").index
    assert index is not None
    source = _Named(lab.store, index)
    found = Selection.of(source, name, Platform.parse("linux/amd64"))  # type: ignore[arg-type]
    assert [bool(c.layers) for c in found.candidates] == [True] + [False] * 11


class _Named:
    """A store in which the name is that of the index."""

    def __init__(self, store: Store, index: Any) -> None:
        self.open = store.open
        self.index = index

    def resolve(self, _: Reference) -> Any:
        return self.index


# -- the widget -----------------------------------------------------------------------------


def test_choosing_shows_what_would_be_pulled() -> None:
    """Image and machine are chosen; the choice, its reason and its layers are shown."""
    picker = PlatformPicker(Lab())
    assert "linux/amd64 takes the image for linux/amd64" in picker.view.value
    picker.image.value = "nigelpoulton/k8sbook"
    picker.machine.value = "linux/arm64"
    assert picker.platform.value == "linux/arm64"
    assert "chosen: 5 layers" in picker.view.value
    assert "<td>linux/amd64</td>" in picker.view.value  # the empty layer is the same for both
    assert repr(picker).startswith("PlatformPicker: nigelpoulton/k8sbook:latest on linux/arm64")


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("platform", [platform for _, platform in PLATFORMS])
def test_every_machine_can_be_tried_with_every_image(name: str, platform: str) -> None:
    """Each pair gives a choice or a reason, and never an error."""
    picker = PlatformPicker(Lab(), name, platform)
    assert picker.selection is not None
    assert picker.selection.said
    assert 'role="status"' in picker.view.value


@pytest.mark.parametrize("typed", ["", "linux/", "<b>", "a/b/c/d", "windows(", NASTY])
def test_what_is_no_platform(typed: str) -> None:
    """It is said what a platform looks like, and what was typed is escaped."""
    picker = PlatformPicker(Lab())
    picker.platform.value = typed
    assert "is not a platform" in picker.view.value
    assert "<b" not in picker.view.value
    assert "is not a platform" in repr(picker)


def test_nothing_is_pulled() -> None:
    """Looking costs documents, and never a layer; the local repository stays empty."""
    lab = Lab()
    picker = PlatformPicker(lab, "redis")
    assert picker.selection is not None
    layers = {share.descriptor.digest for share in picker.selection.shares}
    assert not any(layer in exchange.url for layer in layers for exchange in lab.exchanges)
    assert lab.store.records() == []


def test_text_of_an_index_is_escaped(tmp_path: Path) -> None:
    """A platform may be called anything: it stays text, and steers no terminal."""
    store = Store(tmp_path / "store")
    add_index(store, "odd", [Platform(NASTY, "amd64"), Platform("linux", NASTY)])
    from imgkit.widgets.platform_picker import page

    found = Selection.of(store, Reference.parse("odd:latest"), Platform("linux", "amd64"))
    for text in (page(found), repr(found)):
        assert "\x1b" not in text
    assert "<b onclick" not in page(found)
    assert "&lt;b onclick" in page(found)
    assert isinstance(store.document(found.index.digest), Index)  # type: ignore[union-attr]


def test_controls_have_names() -> None:
    """Everything that can be used has a name, and none is a slider."""
    box = PlatformPicker(Lab()).box
    found = [child for child in box.children if not isinstance(child, ipywidgets.HTML)]
    assert {type(control).__name__ for control in found} == {"Dropdown", "Text"}
    assert all(control.description for control in found)

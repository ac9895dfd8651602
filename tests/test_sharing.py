"""Sharing: layers that images have together, and removals tried on a copy before they are done."""

from __future__ import annotations

import hashlib
import shutil
import threading
from pathlib import Path
from typing import Final

import pytest

from imgkit import samples
from imgkit.lab import Lab
from imgkit.sharing import Sharing, rehearse, remove

PORTAINER: Final = "portainer/portainer-ce"
EMPTY: Final = "4f4fb700ef54"

# What is pulled and done first, and what is removed then: each by name, ID or digest, and forced.
REMOVALS: Final = [
    (("redis", PORTAINER), (), ("redis",), False),
    (("redis", PORTAINER), (), ("redis", PORTAINER), False),
    (("redis", "node", "nginx"), (), ("node", "redis"), False),
    (("redis:7.4", "redis"), (), ("redis:7.4",), False),
    (("redis:7.4", "redis"), (), ("ID redis",), False),
    (("redis:7.4", "redis"), (), ("ID redis",), True),
    (("alpine",), ("run -d --name box alpine sleep 99",), ("alpine",), False),
    (("alpine",), ("run -d --name box alpine sleep 99",), ("alpine",), True),
    (("alpine",), ("run -d --name box alpine sleep 99",), ("ID alpine",), True),
    (("alpine", "nginx:alpine"), ("create --name box alpine",), ("alpine",), True),
    (("alpine",), ("tag alpine mine", "run --name box alpine true"), ("alpine", "mine"), False),
    (("alpine",), (), ("nope", "alpine", "alpine"), False),
    (("golftrack:1.5", "next/golftrack:1.5"), (), ("golftrack:1.5",), False),
    (("alpine",), (), (), False),
    (("alpine",), (), ("<script>", "", "\x1b[31m", "sha256:0"), False),
]


def do(lab: Lab, *lines: str) -> str:
    from imgkit.commands import run

    said: list[str] = []
    for line in lines:
        run(lab.bench(said.append, said.append), line.split())
    return "\n".join(said)


def bench(pulled: tuple[str, ...], lines: tuple[str, ...]) -> Lab:
    lab = Lab()
    for name in pulled:
        lab.pull(name)
    do(lab, *lines)
    return lab


def bytes_of(home: Path) -> dict[str, str]:
    """Every file of a local repository, but for locks, by the digest of its bytes."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize(("pulled", "lines", "words", "force"), REMOVALS)
def test_a_rehearsal_tells_what_the_removal_does(
    pulled: tuple[str, ...], lines: tuple[str, ...], words: tuple[str, ...], force: bool
) -> None:
    """The plan and the deed are the same, down to the bytes, and a plan leaves everything."""
    lab = bench(pulled, lines)
    words = tuple(
        lab.image(word[3:]).id.short if word.startswith("ID ") else word for word in words
    )
    Sharing.of(lab.store)
    before = bytes_of(lab.home)
    plan = rehearse(lab.store, words, force=force)
    assert bytes_of(lab.home) == before
    assert [path for path in lab.home.parent.iterdir() if "copy" in path.name] == []
    assert plan == remove(lab.store, words, force=force)
    assert plan.after == Sharing.of(lab.store)
    assert all(lab.verify(name) == [] for name in plan.after.names)
    disk = sum(p.stat().st_size for p in (lab.home / "blobs").rglob("*") if p.is_file())
    assert plan.after.disk == disk


@pytest.mark.parametrize(("pulled", "lines", "words", "force"), REMOVALS[:-2])
def test_a_removal_says_what_docker_says(
    pulled: tuple[str, ...], lines: tuple[str, ...], words: tuple[str, ...], force: bool
) -> None:
    """The lines are those of `docker rmi`, which are held against a real engine elsewhere."""
    lab, other = bench(pulled, lines), bench(pulled, lines)
    words = tuple(
        lab.image(word[3:]).id.short if word.startswith("ID ") else word for word in words
    )
    steps = remove(lab.store, words, force=force).steps
    said = do(other, " ".join(["rmi", *["-f"] * force, *words]))
    assert said.replace("Error response from daemon: ", "") == "\n".join(map(str, steps))


def test_a_layer_is_kept_once() -> None:
    """Redis has eight layers, one of which is Portainer's: one blob, and two directories."""
    lab = bench((PORTAINER, "redis"), ())
    found = Sharing.of(lab.store)
    assert len(found.layers) == 8 + 4 - 1
    both = [layer for layer in found.layers if len(layer.holders) == 2]
    assert [layer.blob.digest.short for layer in both] == [EMPTY]
    assert (both[0].directories, both[0].unpacked, both[0].saved) == (2, 0, 32)


@pytest.mark.parametrize("names", [("redis",), ("redis", "node", "nginx", "postgres:16")])
def test_bytes_are_those_on_the_disk(names: tuple[str, ...]) -> None:
    """With the documents, the layers are all that is on the disk; copies would be the sum."""
    found = Sharing.of(bench(names, ()).store)
    images = [samples.image(name) for name in names]
    documents = {d.digest: d.size for i in images for d in (i.descriptor, i.manifest.config)}
    documents |= {i.index.digest: i.index.size for i in images if i.index}
    assert found.packed + sum(documents.values()) == found.disk
    assert found.apart[0] == sum(image.packed_size for image in images)
    assert found.apart[0] - found.packed == sum(layer.saved for layer in found.layers)


def test_what_stays_and_for_whom() -> None:
    """A base goes with the last image on it; until then it is said who needs it."""
    lab = bench(("redis", "nginx"), ())
    base = lab.image("redis").layers[0].digest
    plan = rehearse(lab.store, ["redis"])
    assert plan.untagged == ["redis:latest"]
    assert base not in plan.gone
    assert plan.kept_by(base) == ("nginx:latest",)
    assert base in rehearse(lab.store, ["redis", "nginx"]).gone


def test_a_container_keeps_layers_without_their_image() -> None:
    """Forced away, an image leaves its layers to the container that stands on them."""
    lab = bench(("alpine",), ("create --name box alpine",))
    plan = rehearse(lab.store, ["alpine"], force=True)
    assert plan.gone == set()
    assert [holder.label for holder in plan.after.holders] == ["container box"]
    remove(lab.store, ["alpine"], force=True)
    assert Sharing.of(lab.store).names == []
    assert "box" in repr(Sharing.of(lab.store))


def test_an_image_with_a_layer_that_is_gone() -> None:
    """A damaged image has no layers to show, and the others are there as ever."""
    lab = bench(("alpine", "redis"), ())
    layer = lab.image("redis").layers[2].digest
    lab.store.remove(layer)
    found = Sharing.of(lab.store)
    assert [bool(holder.parts) for holder in found.holders] == [True, False]
    assert rehearse(lab.store, ["alpine"]).untagged == ["alpine:latest"]
    shutil.rmtree(lab.home / "stored-sizes")
    plan = remove(lab.store, ["alpine"])
    assert [step.refused for step in plan.steps] == [""]
    assert Sharing.of(lab.store).names == ["redis:latest"]


def test_where_there_are_no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the rehearsal copies the bytes, and tells the same."""
    lab = bench(("alpine",), ())
    linked = rehearse(lab.store, ["alpine"])

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    assert rehearse(lab.store, ["alpine"]) == linked


def test_others_may_remove_meanwhile() -> None:
    """A blob that goes while they are counted, or copied for a rehearsal, is no error."""
    lab, stop = Lab(), threading.Event()
    lab.pull("alpine")
    files = [lab.store.home / "blobs" / "sha256" / f"{number:064x}" for number in range(200)]

    def come_and_go() -> None:
        while not stop.is_set():
            for file in files:
                file.write_bytes(b"x")
            for file in files:
                file.unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(20):
            assert len(Sharing.of(lab.store).layers) == 1
            assert rehearse(lab.store, ["alpine"]).untagged == ["alpine:latest"]
    finally:
        stop.set()
        other.join()


def test_it_can_be_read() -> None:
    """Layers, holders and sums in words."""
    lab = bench(("redis", PORTAINER), ())
    text = repr(Sharing.of(lab.store))
    assert text.startswith("layers: 11, images: 2\n")
    assert f"{EMPTY}       32 packed        0 unpacked  redis:latest, {PORTAINER}:latest" in text
    assert repr(rehearse(lab.store, ["redis"])).splitlines()[1] == "Untagged: redis:latest"

"""Layers that attack: unpacked, explored, added, loaded and shown, by root and by a user.

`attacks.TABLE` has them, and what comes of each. Whoever meets one either refuses it, in one
sentence that names the entry, or shows it harmlessly. A directory beside is as it was before, and
nothing is linked to it; what is refused leaves nothing, under any name.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import trees
from attacks import (
    SECRET,
    TABLE,
    Attack,
    Neighbour,
    Refused,
    Shown,
    attack,
    folder,
    hard,
    put,
    sym,
    written,
)
from docker_engine import Docker, docker
from images import AMD64
from test_rootless import User
from test_tar import END, block, said
from test_unpack import NOBODY, by_umoci, layout_of
from trees import layer_of, listing

from imgkit import tar
from imgkit.build import build
from imgkit.build.copying import make_folders, remove
from imgkit.client import Client
from imgkit.commands import run
from imgkit.commands.bench import Bench
from imgkit.config import Config, History
from imgkit.container.containers import Containers
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, InvalidLayer
from imgkit.image import verify
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, OCI_MANIFEST, Manifest
from imgkit.mount import Mount
from imgkit.mount.facts import of_union
from imgkit.mount.union import Dentry, Union
from imgkit.overlay import Overlay
from imgkit.overlay.tree import Node
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry, Kind
from imgkit.unpack import unpack, unpack_layers
from imgkit.widgets import LayerExplorer, OverlayStepper

__all__ = ["docker"]  # a fixture

NAME: Final = "it:1"
CASES: Final = [
    pytest.param(one, id=f"{row}: {name}")
    for row, some in TABLE.items()
    for name, one in some.items()
]


class Scene:
    """A directory with a victim, a sibling, and a repository that has the attack as an image."""

    def __init__(self, place: Path, attack: Attack) -> None:
        self.place = place
        self.attack = attack
        self.root = place / "root"
        self.victim = Neighbour(place)
        (place / "root2").mkdir()
        self.tars = [written(layer, self.victim.path) for layer in attack.layers]
        self.home = place / "home"
        self.store = Store(self.home)
        self.config = self._lay(NAME, self.tars)
        self._before = sorted(os.listdir(place))

    def _lay(self, name: str, tars: list[bytes]) -> Config:
        """Afterwards the repository has an image of these layers, as a pull brings them."""
        config = Config.make(
            AMD64,
            [Digest.of(tar) for tar in tars],
            [History("COPY files /") for _ in tars],
            {"Cmd": ["sh"]},
        )
        blobs = [self.store.put_bytes(tar, OCI_LAYER) for tar in tars]
        made = Manifest.make(self.store.put_bytes(config.raw, config.descriptor.media_type), blobs)
        self.store.name(Reference.parse(name), self.store.put_bytes(made.raw, OCI_MANIFEST), None)
        return config

    def base(self) -> str:
        """The name of an image of all layers but the last."""
        if not self.tars[1:]:
            return "scratch"
        self._lay("base:1", self.tars[:-1])
        return "base:1"

    def archive(self, members: Mapping[str, bytes]) -> Path:
        """A tar of these members."""
        path = self.place / "in.tar"
        with tarfile.open(path, "w") as archive:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        self._before = sorted({*self._before, "in.tar"})
        return path

    def shown(self, expected: Shown) -> Shown:
        """What should be there, with the place of the victim put in."""
        at = str(self.victim.path)
        return {
            path.replace("{victim}", at.strip("/")): text.replace("{victim}", at)
            for path, text in expected.items()
        }

    def check(self, root: bool) -> None:
        """Nothing beside was touched, and nothing is there but what should be."""
        self.victim.assert_untouched()
        assert os.listdir(self.place / "root2") == []
        there = sorted(os.listdir(self.place))
        assert there == sorted([*self._before, "root"] if root else self._before)


# -- what is there in the end --------------------------------------------------------------------


def on_disk(root: Path) -> Shown:
    """What was unpacked; of directories the empty ones."""
    found = {}
    for path, facts in listing(root).items():
        full = root / path
        if facts.kind == "directory":
            if not os.listdir(full) and path != ".":
                found[path] = "directory"
        elif facts.kind == "symlink":
            found[path] = f"-> {facts.content}"
        elif facts.same != path:
            found[path] = f"= {facts.same}"
        elif facts.kind == "file":
            os.chmod(full, 0o600)
            found[path] = full.read_text()
        else:
            found[path] = f"{facts.kind} {facts.content}".rstrip()
    return found


def in_memory(overlay: Overlay) -> Shown:
    """The same of an image."""
    found: dict[str, str] = {}
    first: dict[int, str] = {}
    for node in sorted(overlay, key=lambda node: node.path):
        entry = node.inode.entry
        same = first.setdefault(id(node.inode), node.path)
        if node.kind is Kind.DIR:
            found |= {} if node.children else {node.path: "directory"}
        elif node.kind is Kind.SYMLINK:
            found[node.path] = f"-> {entry.link}"
        elif same != node.path:
            found[node.path] = f"= {same}"
        elif node.kind is Kind.FILE:
            found[node.path] = overlay.layers[node.inode.layer].read_entry(entry).decode()
        else:
            device = f" {entry.major}:{entry.minor}" if node.kind is not Kind.FIFO else ""
            found[node.path] = f"{node.kind}{device}"
    return found


# -- who meets it --------------------------------------------------------------------------------

Met = tuple[Shown | None, str]
"""What there is in the end, where that can be told, and all that was said."""


class No(ImgkitError):
    """A verb has refused."""


def say(home: Path, *words: str | Path) -> str:
    """What the words print; raises `No` with the one line that says why not."""
    lines: list[str] = []
    warned: list[str] = []
    bench = Bench(home, Client, lines.append, warned.append, platform=AMD64)
    if run(bench, list(map(str, words))):
        [line] = warned
        raise No(line)
    return "\n".join(lines)


def by_unpack(scene: Scene) -> Met:
    said = say(scene.home, "unpack", NAME, scene.root)
    return on_disk(scene.root), said


def by_layers(scene: Scene) -> Met:
    said = say(scene.home, "unpack", "--layers", NAME, scene.root)
    return None, said + str(sorted(listing(scene.root)))


def by_explore(scene: Scene) -> Met:
    paths = [*json.loads(say(scene.home, "explore", NAME, "--json"))["paths"]]
    overlay = scene.store.image(NAME).overlay
    assert sorted(paths) == sorted(overlay.paths)
    said = [say(scene.home, "explore", NAME, f"/{path}") for path in paths]
    return in_memory(overlay), "\n".join(said)


def by_explorer(scene: Scene) -> Met:
    made = LayerExplorer(scene.store.image(NAME))
    said = []
    for number in made.walk.numbers:
        made.layer.value = number
        for _, path in made.path.options:
            made.path.value = path
            said += [made.file.value, repr(made)]
    return in_memory(made.walk.overlay), "\n".join(said)


def by_stepper(scene: Scene) -> Met:
    image = scene.store.image(NAME)
    paths = [f"/{path}" for path in image.overlay.paths]
    box = Containers(scene.store).create(image, ["sh"])
    made = OverlayStepper(box)
    said = []
    for path in [*paths, "/victim/hello", str(scene.victim.path / "hello")]:
        for operation, more in (("read", ""), ("append", "more"), ("chmod", "600"), ("delete", "")):
            said.append(made.step(operation, path, more).said)
            said.append(made.trees.value + repr(made))
            made.stepper.reset()
    return None, "\n".join(said)


def by_mount(scene: Scene) -> Met:
    """As a container has it: whiteouts of the layers count, marks in their attributes do not."""
    mount = Mount(scene.store.image(NAME).layers)
    found = {}
    for path, fact in of_union(mount.overlay).items():
        if fact.kind == Kind.DIR:
            found |= {} if mount.readdir(f"/{path}") or not path else {path: "directory"}
        elif fact.kind == Kind.SYMLINK:
            found[path] = f"-> {fact.link}"
        elif fact.same != path:
            found[path] = f"= {fact.same}"
        elif fact.kind == Kind.FILE:
            found[path] = fact.content.decode()
        else:
            device = "" if fact.kind == Kind.FIFO else f" {fact.device[0]}:{fact.device[1]}"
            found[path] = fact.kind + device
    return found, ""


def by_docker_archive(scene: Scene) -> Met:
    names = [f"{number}.tar" for number, _ in enumerate(scene.tars)]
    entry = {"Config": "c.json", "RepoTags": ["loaded:1"], "Layers": names}
    rest = {"c.json": scene.config.raw, "manifest.json": json.dumps([entry]).encode()}
    return loaded(scene, scene.archive({**dict(zip(names, scene.tars, strict=True)), **rest}))


def by_oci_archive(scene: Scene) -> Met:
    index = json.loads((scene.home / "index.json").read_text())
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "loaded:1"}
    members = {
        str(path.relative_to(scene.home)): path.read_bytes()
        for path in (scene.home / "blobs").rglob("*")
        if path.is_file()
    }
    members["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    return loaded(scene, scene.archive({**members, "index.json": json.dumps(index).encode()}))


def loaded(scene: Scene, path: Path) -> Met:
    """What is refused leaves nothing; what is taken shows as it would after a pull."""
    other = scene.home / "other"
    try:
        said = say(other, "load", "-i", path)
    except No:
        assert Store(other).records() == []
        assert [*(other / "blobs/sha256").iterdir()] == []
        raise
    image = Store(other).image("loaded:1")
    assert verify(image) == []
    return in_memory(image.overlay), said


def by_add(scene: Scene) -> Met:
    text = f"FROM {scene.base()}\nADD in.tar /\n"
    context = scene.home / "context"
    context.mkdir()
    (context / "in.tar").write_bytes(scene.tars[-1])
    (context / "Dockerfile").write_text(text)
    before = scene.store.records()
    try:
        said = say(scene.home, "build", "-t", "made:1", context)
    except No:
        assert scene.store.records() == before
        raise
    image = scene.store.image("made:1")
    unpack(image.layers, scene.root)
    return in_memory(image.overlay), said


IMAGE: Final[dict[str, Callable[[Scene], Met]]] = {
    "unpack": by_unpack,
    "unpack --layers": by_layers,
    "explore": by_explore,
    "LayerExplorer": by_explorer,
    "OverlayStepper": by_stepper,
    "a mount": by_mount,
    "load docker-archive": by_docker_archive,
    "load oci-archive": by_oci_archive,
}
WHO: Final = ("root", "user")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that an ordinary user may write."""
    folder = Path(tempfile.mkdtemp())
    if not os.geteuid():
        os.chown(folder, NOBODY, NOBODY)
    yield folder
    with contextlib.suppress(OSError):
        subprocess.run(["chmod", "-R", "u+rwX", folder], check=False)
    shutil.rmtree(folder)


@contextlib.contextmanager
def being(who: str) -> Iterator[None]:
    """While in it, this process is that one."""
    if who == "root" and os.geteuid():
        pytest.skip("only root can be root")
    with User() if who == "user" else contextlib.nullcontext():
        yield


def meet(scene: Scene, who: str, does: Callable[[Scene], Met], expected: Shown | Refused) -> None:
    """It comes as expected, and nothing beside was touched, or read."""
    if isinstance(expected, Refused):
        with pytest.raises(No if does is by_add else ImgkitError) as caught:
            does(scene)
        assert re.search(expected.says, str(caught.value), re.DOTALL)
        scene.check(root=False)
        return
    found, said = does(scene)
    assert SECRET.decode() not in said
    if found is not None:
        wanted = scene.shown(expected)
        if does is by_unpack and who == "user":
            wanted = {
                path: re.sub(r".* device (?!0:0).*", "", text) for path, text in wanted.items()
            }
        if does is by_mount:  # where a device 0:0 is a whiteout
            wanted = {path: text for path, text in wanted.items() if not text.endswith(" 0:0")}
        assert found == wanted
    scene.check(root=scene.root.exists())


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("does", IMAGE)
@pytest.mark.parametrize("attack", CASES)
def test_as_a_layer(attack: Attack, does: str, who: str, place: Path) -> None:
    """Refused by name, or harmless."""
    with being(who):
        meet(Scene(place, attack), who, IMAGE[does], attack.image)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("attack", CASES)
def test_added(attack: Attack, who: str, place: Path) -> None:
    """ADD of the last layer to an image of those below it."""
    with being(who):
        meet(Scene(place, attack), who, by_add, attack.image if attack.add is None else attack.add)


# -- what one tar alone does not do --------------------------------------------------------------


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("name", TABLE["dangerous xattrs"])
def test_no_attribute_is_set(name: str, who: str, place: Path) -> None:
    """Attributes that a layer gives its files are in the model, and on no disk."""
    with being(who):
        scene = Scene(place, TABLE["dangerous xattrs"][name])
        layers = scene.store.image(NAME).layers
        assert any(entry.xattrs for entry in layers[-1].entries)
        unpack(layers, scene.root)
        unpack_layers(layers, scene.place / "layers")
        for folder in (scene.root, scene.place / "layers"):
            for path in listing(folder):
                assert os.listxattr(folder / path, follow_symlinks=False) == []


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("after", ["d/a", "d/link", "d"])
def test_a_directory_exchanged_meanwhile(after: str, who: str, place: Path) -> None:
    """Somebody puts a symlink to the victim in the place of a directory while it is filled."""
    members = [
        folder("d"),
        put("d/a"),
        put("e/x"),
        put("d/b"),
        sym("d/link", "x"),
        hard("d/h", "d/a"),
    ]

    exchanged = []

    def exchange(node: Node) -> None:
        if node.path != after:
            return
        [private] = [one for one in scene.place.glob(".*") if one.is_dir()]
        [at] = [*private.rglob("d")] or [None]
        if at:
            at.rename(at.with_name("moved"))
            at.symlink_to(scene.victim.path)
            exchanged.append(at)

    with being(who):
        scene = Scene(place, attack(members, image={}))
        with contextlib.suppress(ImgkitError):
            unpack(scene.store.image(NAME).layers, scene.root, on_entry=exchange)
        assert exchanged
        scene.check(root=scene.root.exists())


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("parts", [False, True], ids=["merged", "layers"])
def test_the_true_name_taken_meanwhile(parts: bool, who: str, place: Path) -> None:
    """Somebody puts a symlink to the victim where the root filesystem is to be: it is refused."""

    def take(_: Node) -> None:
        if not scene.root.is_symlink():
            scene.root.symlink_to(scene.victim.path)

    with being(who):
        scene = Scene(place, attack([folder("d"), put("d/a")], image={}))
        layers = scene.store.image(NAME).layers
        with pytest.raises(ImgkitError):
            (unpack_layers if parts else unpack)(layers, scene.root, on_entry=take)
        scene.root.unlink()
        scene.check(root=False)


@pytest.mark.parametrize("where", ["{victim}/secret", "../../victim/secret"])
def test_users_are_looked_up_inside(where: str, place: Path) -> None:
    """An image whose etc/passwd is a symlink to the victim's: nothing of that is read."""
    scene = Scene(place, attack([folder("etc"), sym("etc/passwd", where), put("f")], image={}))
    (scene.victim.path / "secret").write_text("me:x:7:8::/:/bin/sh\n")
    for line in ("COPY --chown=me f /", "USER me\nRUN true"):
        (place / "context").mkdir(exist_ok=True)
        (place / "context/f").touch()
        (place / "context/Dockerfile").write_text(f"FROM {NAME}\n{line}\n")
        with pytest.raises(No, match="user me"):
            say(scene.home, "build", place / "context")


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", ".wh.d/x"])
def test_no_layer_is_made_that_nobody_could_read(name: str, place: Path) -> None:
    """A container may have files of these names; an image may not, as in Docker."""
    scene = Scene(place, attack([folder("d")], image={}))
    box = Containers(scene.store).create(scene.store.image(NAME), ["sh"])
    if "/" in name:
        box.mount.mkdir("/.wh.d")
    box.mount.write(f"/{name}", b"")
    before = scene.store.records()
    with pytest.raises(InvalidLayer, match=re.escape(f"'{name}'")):
        box.commit(scene.store, Reference.parse("made:1"))
    assert scene.store.records() == before


UMOCI_DIFFERS: Final = {
    "zip-slip, in the order of names": "to us the order in the tar never matters",
    "a directory with system.posix_acl_access": "it sets the attribute, whose value is none",
    "a program with capabilities": "it sets the attribute, whose value is none",
}


@pytest.mark.peer("umoci")
@pytest.mark.skipif(os.geteuid() != 0, reason="devices and owners need root")
@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(one, id=f"{row}: {name}")
        for row, some in TABLE.items()
        for name, one in some.items()
        if not isinstance(one.image, Refused) and name not in UMOCI_DIFFERS
    ],
)
def test_as_umoci_unpacks_it(attack: Attack, place: Path) -> None:
    """What we do not refuse comes out as there."""
    scene = Scene(place, attack)
    assert not isinstance(attack.image, Refused)
    layout = layout_of(place / "layout", scene.tars)
    assert on_disk(by_umoci(layout, "it", place)) == scene.shown(attack.image)
    scene.victim.assert_untouched()


NO_TREE: Final = ("to what comes later", "to itself", "to a directory", "to the root")


@pytest.mark.peer("dockerd", "docker")
@pytest.mark.parametrize("name", NO_TREE)
def test_docker_refuses_these_at_load_too(name: str, docker: Docker, tmp_path: Path) -> None:
    """Hard links that no tree can be made of: neither takes the image, or a name of it."""
    [links] = [some for row, some in TABLE.items() if row.startswith("hard link")]
    scene = Scene(tmp_path, links[name])
    with pytest.raises(No, match="hard link"):
        by_docker_archive(scene)
    before = docker.run("images", "--all").stdout
    done = docker.run("load", "--input", tmp_path / "in.tar", check=False)
    assert done.returncode
    assert "Error processing tar file" in done.stderr
    assert docker.run("images", "--all").stdout == before


@pytest.mark.peer("dockerd", "docker")
def test_what_readers_take_in_two_ways_is_taken_as_docker_does(
    docker: Docker, tmp_path: Path
) -> None:
    """A global record is ignored; a slash makes a directory only where there is no type."""
    data = said(b"g", b"10 uid=42\n") + block(b"file/") + block(b"dir/", flag=b"\0") + END
    scene = Scene(tmp_path, attack(data, image={"file": "", "dir": "directory"}))
    assert by_docker_archive(scene)[0] == scene.attack.image
    assert scene.store.image(NAME).layers[0].entries[0].uid == 0
    docker.run("load", "--input", tmp_path / "in.tar")
    made = docker.run("create", "loaded:1", "sh").stdout.strip()
    docker.run("export", "--output", tmp_path / "out.tar", made)
    docker.run("rm", made)
    docker.run("rmi", "loaded:1")
    with tarfile.open(tmp_path / "out.tar") as archive:
        file = archive.getmember("file")
        assert (file.isfile(), file.uid, archive.getmember("dir").isdir()) == (True, 0, True)


# -- work -----------------------------------------------------------------------------------------

DEPTH: Final = 240


def nested(*entries: tuple[str, str]) -> bytes:
    """A tar of entries at the ends of chains of so many directories, each chain with a name."""
    return tar.write([(Entry(f"{top}{'/d' * DEPTH}/{name}"), b"") for top, name in entries])


@pytest.mark.parametrize(
    "entries",
    [
        [(f"{n}", "x") for n in range(4)],
        [("same", f"{n}") for n in range(4)],
        [("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")],
    ],
    ids=["each in a chain of its own", "all in one", "in turn"],
)
def test_a_deep_path_costs_in_step_with_its_length(
    entries: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADD looks up each directory on the way a few times an entry, not once for each below it."""
    asked, child = 0, Union.child

    def counted(*args: Any) -> Dentry:
        nonlocal asked
        asked += 1
        return child(*args)

    monkeypatch.setattr(Union, "child", counted)
    built = build("FROM scratch\nADD a.tar /", {"a.tar": nested(*entries)}, Store(tmp_path))
    assert len(built.image.layers[0].entries) >= DEPTH
    assert asked < len(entries) * DEPTH * 20


def test_a_tree_deeper_than_any_stack(tmp_path: Path) -> None:
    """In a mount it is made, listed and removed; unpacked by half, it leaves nothing."""
    mount, deep = Mount([]), "/d" * 1200
    make_folders(mount, deep, (0, 0))
    assert (
        len(mount.upper_entries()) == len(mount.changes()) == len(dict(mount.upper.walk())) == 1200
    )
    below = Mount([mount.upper])
    below.chmod(deep, 0o700)
    assert below.changes() == [("C", deep[: 2 * n]) for n in range(1, 1201)]
    remove(below, "/d")
    assert below.changes() == [("D", "/d")]
    refused = layer_of(trees.hardlink("link", "not/there"))
    with pytest.raises(InvalidLayer, match="not there"):
        unpack_layers([*chained(5), refused], tmp_path / "root")
    assert os.listdir(tmp_path) == []


def chained(count: int) -> Iterator[Layer]:
    """Layers, each of which goes on 200 directories below the last one, through a symlink to it."""
    for number in range(count):
        start = f"s{number - 1}/" if number else ""
        end = "d/" * (200 * (number + 1))
        yield layer_of(trees.file(f"{start}{'d/' * 200}f"), trees.symlink(f"s{number}", end))

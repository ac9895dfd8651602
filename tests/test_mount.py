"""The simulated mount by itself: what it tells of its work, and how it meets layers."""

from __future__ import annotations

import errno
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from overlays import OPTIONS, Call, Stack, sequences, stacks
from trees import file as file_entry
from trees import folder as folder_entry
from trees import hardlink, layer_of
from trees import symlink as symlink_entry

from imgkit.layer import OPAQUE, Layer
from imgkit.mount import Mount, Options
from imgkit.mount.facts import GHOST, of_tree, of_union, to_tree
from imgkit.mount.inode import Inode, file, symlink, tree
from imgkit.mount.stack import stack
from imgkit.overlay import Overlay
from imgkit.tar.entry import Entry, Kind

OWNERS: Final = (0,)

LOOKUPS: Final[dict[str, list[tuple[int, str, bool]]]] = {
    "top": [(3, "nothing", True), (2, "file", False)],
    "gone": [(3, "nothing", True), (2, "nothing", True), (1, "whiteout", False)],
    "never": [(layer, "nothing", True) for layer in (3, 2, 1, 0)],
    "d": [*((n, "nothing", True) for n in (3, 2)), *((n, "directory", True) for n in (1, 0))],
    "o": [(3, "nothing", True), (2, "nothing", True), (1, "opaque directory", False)],
}
"""What each layer has when it is asked for a path, and whether the search goes on; 3 is upper."""


def three() -> Mount:
    """A mount of three layers."""
    marked = tree({"new": b""})
    marked.xattrs["trusted.overlay.opaque"] = b"y"
    return Mount(
        [
            tree({"gone": b"0", "d/a": b"0", "o/a": b"0"}),
            tree({"gone": None, "d/b": b"1", "o": marked}),
            tree({"top": b"2"}),
        ]
    )


@pytest.mark.parametrize("path", LOOKUPS)
def test_lookup_is_told(path: str) -> None:
    """The trace names each layer that was asked, from the top, and why it went on or stopped."""
    trace = three().lookup(path)
    assert [(ask.layer, ask.found, ask.goes_on) for ask in trace] == LOOKUPS[path]
    assert all(ask.path == f"/{path}" and ask.why for ask in trace)


def test_calls_tell_what_changed() -> None:
    """After each call it is known what changed in upper, and the bytes that were copied."""
    mount = Mount([tree({"d/f": b"hello"})])
    mount.write("d/f", b"!", append=True)
    assert [tuple(effect) for effect in mount.overlay.effects] == [
        ("copied up", "/d", 0),
        ("copied up", "/d/f", 5),
        ("written", "/d/f", 0),
    ]
    with pytest.raises(OSError, match="/gone"):
        mount.unlink("/gone")
    assert mount.overlay.effects == []
    mount.unlink("d/f")
    assert [effect.what for effect in mount.overlay.effects] == ["whiteout"]
    assert mount.copied == 5


@pytest.mark.parametrize(
    ("call", "copied"),
    [
        (Call("write", ("f", b"!", True)), 5),
        (Call("open", ("f",)), 5),
        (Call("chmod", ("f", 0o600)), 5),
        (Call("truncate", ("f", 0)), 5),
        (Call("write", ("f", b"new")), 0),
        (Call("unlink", ("f",)), 0),
        (Call("read", ("f",)), 0),
    ],
    ids=repr,
)
def test_cost_of_copy_up(call: Call, copied: int) -> None:
    """All content is copied, whatever is changed of it; none if it is opened to be replaced."""
    mount = Mount([tree({"f": b"hello"})])
    getattr(mount, call.name)(*call.args)
    assert mount.copied == copied


BASE: Final = (
    folder_entry("d"),
    file_entry("d/old", b"old"),
    file_entry("f", b"f"),
    folder_entry("real"),
    symlink_entry("lnk", "real"),
)
LAYERS: Final[dict[str, tuple[tuple[Entry, bytes], ...]]] = {
    "files": (file_entry("d/new", b"new"), file_entry("g", b"g")),
    "whiteouts": (file_entry("d/.wh.old"), file_entry(".wh.f")),
    "whiteout and directory": (file_entry(".wh.d"), folder_entry("d"), file_entry("d/new")),
    "whiteout, directory implied": (file_entry(".wh.d"), file_entry("d/new")),
    "opaque": (folder_entry("d"), file_entry("d/new", b"new"), file_entry(f"d/{OPAQUE}")),
    "opaque root": (file_entry("new"), file_entry(OPAQUE)),
    "whiteout of nothing": (file_entry("no/such/.wh.f"), file_entry(".wh.none")),
    "through a symlink": (file_entry("lnk/w", b"w"),),
    "hard link to a lower file": (hardlink("h", "f"),),
    "hard links": (file_entry("one", b"1"), hardlink("two", "one")),
    "file to directory": (folder_entry("f"), file_entry("f/in", b"in")),
    "directory to file": (file_entry("d", b"file"),),
    "attributes": (folder_entry("d", 0o700),),
}


def shown(overlay: Overlay) -> dict[str, tuple[str, int, bytes]]:
    """Every path of the merged layers: kind, mode and content."""
    return {
        node.path: (
            node.kind.value,
            node.inode.entry.mode,
            overlay.read(node.path) if node.kind is Kind.FILE else b"",
        )
        for node in overlay
    }


def facts(mount: Mount) -> dict[str, tuple[str, int, bytes]]:
    """The same of a mount."""
    found = of_union(mount.overlay)
    return {path: (fact.kind, fact.mode, fact.content) for path, fact in found.items() if path}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_as_trees(name: str) -> None:
    """Layers each as a tree of its own, merged as the kernel does, show what `Overlay` shows."""
    layers = [layer_of(*BASE), layer_of(*LAYERS[name])]
    assert facts(Mount(layers)) == shown(Overlay(layers))


def test_layers_make_one_tree_each() -> None:
    """The tree of a layer has what that layer has; a link to a lower file brings that along."""
    below, above = stack([layer_of(*BASE), layer_of(hardlink("h", "f"), file_entry(".wh.d"))])
    assert set(below.children) == {"d", "f", "real", "lnk"}
    assert {path: str(fact) for path, fact in of_tree(above).items() if path} == {
        "d": "whiteout",
        "f": "file 0644 'f' 2 names",
        "h": "file 0644 'f' 2 names",
    }


@given(stacks(OWNERS, plain=True), sequences(OWNERS), st.sampled_from(OPTIONS))
def test_changes_as_a_layer(given_stack: Stack, sequence: list[Call], options: Options) -> None:
    """The entries of upper, applied as a layer upon those below, give what the mount shows."""
    lowers = [_as_layer(lower) for lower in given_stack.lowers]
    mount = Mount(lowers, options=options)
    _run(mount, sequence)
    committed = Overlay([*lowers, layer_of(*mount.upper_entries())])
    assert facts(mount) == shown(committed)


@pytest.mark.parametrize(
    ("calls", "changes"),
    [
        ((), "C /a | C /a/one | C /b | C /b/two | C /three"),
        ((("unlink", "a/one"),), "C /a | D /a/one | C /b | C /b/two | C /three"),
        (
            (("unlink", "b/two"), ("unlink", "three")),
            "C /a | C /a/one | C /b | D /b/two | D /three",
        ),
        ((("rename", "b", "c"),), "C /a | C /a/one | D /b | A /c | A /c/two | C /three"),
    ],
    ids=repr,
)
def test_links_that_follow(calls: tuple[tuple[str, ...], ...], changes: str) -> None:
    """With index every hard link of a changed file changes, in lists and layers; they stay one."""
    twin = file(b"1")
    below = _as_layer(tree({"a/one": twin, "b/two": twin, "three": twin}))
    mount = Mount([below], options=Options(index=True, redirect_dir=True))
    mount.write("a/one", b"new")
    for name, *paths in calls:
        getattr(mount, name)(*paths)
    assert " | ".join(map(" ".join, mount.changes())) == changes
    committed = Mount([below, layer_of(*mount.upper_entries())])
    links = {path: fact.same for path, fact in of_union(committed.overlay).items()}
    assert links == {path: fact.same for path, fact in of_union(mount.overlay).items()}
    assert facts(committed) == facts(mount)


@given(stacks(OWNERS), sequences(OWNERS))
def test_changes_in_short(given_stack: Stack, sequence: list[Call]) -> None:
    """What is listed as added is new, what is deleted is gone, and all else is as it was."""
    mount = Mount(given_stack.lowers)
    before = _there(mount)
    _run(mount, sequence)
    after = _there(mount)
    changes = {path[1:]: what for what, path in mount.changes()}
    assert {path for path in after - before if changes.get(path) != "A"} == set()
    gone = {path for path in before - after if path.rpartition("/")[0] in after}
    assert {path for path in gone if changes.get(path) != "D"} == set()


def _as_layer(root: Inode) -> Layer:
    """A layer with what a tree shows by itself; whiteouts and marks are left out."""
    kept = {path: fact for path, fact in of_tree(root).items() if fact.kind != "whiteout"}
    plain = to_tree({path: fact._replace(xattrs=()) for path, fact in kept.items()})
    return layer_of(*Mount([], plain).upper_entries())


def _there(mount: Mount) -> set[str]:
    return {path for path, fact in of_union(mount.overlay).items() if fact.kind != GHOST}


def _run(mount: Mount, sequence: list[Call]) -> None:
    for call in sequence:
        picked = call.on(of_union(mount.overlay))
        try:
            getattr(mount, picked.name)(*picked.args, **picked.options)
        except OSError:
            continue


def test_upper_given_is_used() -> None:
    """A mount that starts with an upper tree goes on with it, as a stopped container does."""
    first = Mount([tree({"f": b"1"})])
    first.write("g", b"2")
    again = Mount(first.lowers, first.upper)
    assert again.readdir("/") == ["f", "g"]
    assert again.upper is first.upper


def test_facts_and_trees() -> None:
    """A tree made from facts has those facts, hard links included."""
    twin = file(b"1")
    root = tree({"a/one": twin, "two": twin, "l": symlink("two"), "gone": None})
    assert of_tree(to_tree(of_tree(root))) == of_tree(root)


def test_lookup_goes_on_to_the_content() -> None:
    """A file that has attributes alone in upper is asked for below, for its content."""
    mount = Mount([tree({"d/f": b"hello"})], options=Options(redirect_dir=True, metacopy=True))
    mount.chmod("d/f", 0o600)
    assert mount.copied == 0
    mount.rename("d/f", "g")
    asked = [(ask.layer, ask.path, ask.found, ask.goes_on) for ask in mount.lookup("g")]
    assert asked == [(1, "/g", "file", True), (0, "/d/f", "file", False)]
    assert mount.read("g") == b"hello"
    assert mount.upper_entries()[-1][1] == b"hello"
    mount.write("g", b"!", append=True)
    assert mount.copied == 5


def test_metacopy_needs_redirects() -> None:
    """Like the kernel, the mount refuses `metacopy` without `redirect_dir`."""
    with pytest.raises(OSError, match="metacopy") as caught:
        Mount([], options=Options(metacopy=True))
    assert caught.value.errno == errno.EINVAL


def test_a_tree_is_shown_in_lines() -> None:
    """A tree's repr is a list of its paths; whiteouts and opaque directories are said to be so."""
    mount = Mount([tree({"a/f": b"12345", "b/": b""})])
    assert repr(mount.upper) == "(an empty directory)"
    mount.unlink("/a/f")
    mount.rmdir("/b")
    mount.mkdir("/b")
    mount.write("/b/new", b"123")
    assert repr(mount.upper).splitlines() == [
        "/a      directory",
        "/a/f    whiteout",
        "/b      directory, opaque",
        "/b/new  file 0644 3B",
    ]
    assert repr(mount.lowers[0].children["a"].children["f"]) == "file 0644 5B"

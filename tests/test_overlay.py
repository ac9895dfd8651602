"""The merged view: what a second layer makes of a first, case by case, and what can be asked."""

from __future__ import annotations

import time
import tracemalloc
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import file, folder, hardlink, layer_from, layer_of, symlink

from imgkit.errors import InvalidLayer, LimitExceeded, NotFound
from imgkit.layer import OPAQUE, pack
from imgkit.overlay import Overlay
from imgkit.overlay.tree import Change
from imgkit.tar.entry import Entry, Kind

Content = tuple[Entry, bytes]

BASE: Final = (
    file("keep", b"keep"),
    file("f", b"f"),
    folder("d"),
    file("d/old", b"old"),
    folder("d/sub"),
    file("d/sub/deep", b"deep"),
    folder("real"),
    file("real/r", b"r"),
    symlink("lnk", "real"),
    symlink("abslnk", "/real"),
)
SAME: Final = {
    "abslnk": "-> /real",
    "d": "/",
    "d/old": "old",
    "d/sub": "/",
    "d/sub/deep": "deep",
    "f": "f",
    "keep": "keep",
    "lnk": "-> real",
    "real": "/",
    "real/r": "r",
}
NEW: Final = file("d/new", b"new")

# Second layers beside those that engines were compared on (see `cases`): the entries, and what they
# change ("" is gone).
CASES: Final[dict[str, tuple[tuple[Content, ...], dict[str, str]]]] = {
    "P2 a directory upon a symlink, and in it": (
        (file("lnk/x", b"x"), folder("lnk")),
        {"lnk": "/", "lnk/x": "x"},
    ),
    "R2 a whiteout through a symlink that is replaced": (
        (folder("lnk"), file("lnk/.wh.r")),
        {"lnk": "/"},
    ),
    "ZE through a dangling symlink": (
        (symlink("esc", "made/here"), file("esc/x", b"x")),
        {"esc": "-> made/here", "made": "/", "made/here": "/", "made/here/x": "x"},
    ),
    "ZF a whiteout of a symlink, and through it": (
        (file(".wh.lnk"), file("lnk/.wh.r")),
        {"lnk": ""},
    ),
}

REFUSED: Final = {
    "K4 a hard link to nothing": (hardlink("link", "nothing"),),
    "K5 a hard link to a directory": (hardlink("link", "d"),),
    "K6 a hard link to itself": (hardlink("f", "f"),),
    "K7 a hard link to what a whiteout hides": (file(".wh.f"), hardlink("link", "f")),
    "K8 two hard links to each other": (hardlink("a", "b"), hardlink("b", "a")),
    "ZD2 a hard link through a symlink": (hardlink("link", "lnk/r"),),
    "ZG a file, and something in it": (file("x"), file("x/y")),
    "ZH a hard link, and something in it": (hardlink("x", "f"), file("x/y")),
    "ZI through symlinks in a circle": (symlink("a", "b"), symlink("b", "a"), file("a/x")),
    "ZJ one place by two paths": (file("lnk/w"), file("real/w")),
}


def contents(overlay: Overlay) -> dict[str, str]:
    """What is at each path: "/", a symlink's text, a file's content, or another kind."""
    found = {}
    for node in overlay:
        if node.kind is Kind.DIR:
            found[node.path] = "/"
        elif node.kind is Kind.SYMLINK:
            found[node.path] = f"-> {node.entry.link}"
        else:
            read = node.kind is Kind.FILE
            found[node.path] = overlay.read(node.path).decode() if read else str(node.kind)
    return found


def expected(changes: dict[str, str]) -> dict[str, str]:
    return {path: what for path, what in (SAME | changes).items() if what}


def merged(*layers: tuple[Content, ...]) -> Overlay:
    return Overlay([layer_of(*entries) for entries in layers])


@pytest.mark.parametrize("case", CASES)
def test_the_result_of_a_second_layer(case: str) -> None:
    """A symlink that the layer replaces is never followed; others are, and made where missing."""
    entries, changes = CASES[case]
    assert contents(merged(BASE, entries)) == expected(changes)


@pytest.mark.parametrize("case", CASES)
def test_the_order_in_the_tar_does_not_matter(case: str) -> None:
    """Turned around, the tar gives the same result."""
    entries, changes = CASES[case]
    assert contents(merged(BASE, entries[::-1])) == expected(changes)


@pytest.mark.parametrize("case", REFUSED)
def test_layers_that_contradict_themselves_are_refused(case: str) -> None:
    """What has no meaning, or two, is an error with the path of the entry."""
    with pytest.raises(InvalidLayer) as caught:
        merged(BASE, REFUSED[case])
    assert caught.value.path


def test_whiteouts_never_hide_their_own_layer() -> None:
    """A whiteout is about the layers below; a third layer may then bring the file back."""
    overlay = merged(BASE, (file(".wh.f"),), (file("f", b"back"),), (file(".wh.keep"),))
    assert overlay.read("f") == b"back"
    assert overlay.history("f") == (Change(0, "added"), Change(1, "deleted"), Change(2, "added"))
    assert overlay.history("keep") == (Change(0, "added"), Change(3, "deleted"))
    assert "keep" not in overlay


NOTED: Final[dict[str, tuple[Content, str]]] = {
    "O a file": (file("lnk/w"), "Layer 1: /lnk leads through a symlink, and is taken as /real. "),
    "R a whiteout": (file("lnk/.wh.r"), "Layer 1: /lnk leads through a symlink, and is taken as "),
    "opaque": (file(f"abslnk/{OPAQUE}"), "Layer 1: /abslnk leads through a symlink, and is taken"),
    "Q": (file("f/x"), "Layer 1: /f was a file and becomes a directory, because this layer has "),
    "ZA": ((Entry("d/old", Kind.CHAR), b""), "Layer 1: /d/old is a character device 0:0, and is "),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_engines_do_otherwise_is_noted(case: str) -> None:
    """A layer that the specification is silent about is applied, with a sentence about it."""
    entry, sentence = NOTED[case]
    [note] = merged(BASE, (entry, file("g"))).notes
    assert note.startswith(sentence)


def test_a_layer_that_all_engines_show_alike_has_no_notes() -> None:
    """Replacing a symlink or a file by an entry of its own is nothing to speak of."""
    assert merged(BASE, (folder("lnk"), file("lnk/x"), folder("f"), file("f/x"))).notes == ()
    assert merged(((Entry("null", Kind.CHAR, major=1, minor=3), b""),)).notes == ()


def test_each_path_knows_its_layer() -> None:
    """A path comes from the topmost layer that has an entry for it."""
    overlay = merged(BASE, (folder("d", 0o700), NEW), (file("f", b"changed"),))
    assert [overlay.whence(path) for path in ("keep", "d", "d/old", "d/new", "f")] == [
        0,
        1,
        0,
        1,
        2,
    ]
    assert overlay.get("d").entry.mode == 0o700
    assert overlay.history("f") == (Change(0, "added"), Change(2, "changed"))
    assert overlay.history("d") == (Change(0, "added"), Change(1, "changed"))
    assert overlay.history("/d/old") == (Change(0, "added"),)


def test_history_tells_hiding_from_deleting() -> None:
    """An opaque directory hides; a whiteout, and a file in a directory's place, delete."""
    overlay = merged(BASE, (NEW, file(f"d/{OPAQUE}")), (file("d", b"now a file"),))
    assert overlay.history("d/old") == (Change(0, "added"), Change(1, "hidden"))
    assert overlay.history("d/new") == (Change(1, "added"), Change(2, "deleted"))
    assert overlay.history("d") == (Change(0, "added"), Change(2, "changed"))
    with pytest.raises(NotFound):
        overlay.history("never")


def test_deleting_frees_nothing() -> None:
    """Bytes of hidden files stay in their layer: they are counted as wasted."""
    overlay = merged(BASE, (file(".wh.keep"), file("d/old", b"other")))
    assert overlay.wasted == len("keep") + len("old")
    assert overlay.shown == (len("f") + len("deep") + len("r"), len("other"))
    assert merged(BASE, (hardlink("x", "f"),)).wasted == 0


def test_a_hard_link_outlives_its_target() -> None:
    """Deleting or replacing one name of a file leaves the other one with the content."""
    overlay = merged(BASE, (hardlink("x", "f"),), (file(".wh.f"), file("keep", b"k2")))
    assert (overlay.read("x"), overlay.get("x").layer, overlay.get("x").inode.layer) == (b"f", 1, 0)
    again = merged(BASE, (hardlink("x", "f"), hardlink("y", "x")), (file("f", b"new"),))
    assert (again.read("f"), again.read("y")) == (b"new", b"f")
    assert again.get("x").inode is again.get("y").inode is not again.get("f").inode


LINKS: Final = (
    folder("usr"),
    folder("usr/lib"),
    file("usr/lib/so", b"so"),
    symlink("lib", "usr/lib"),
    symlink("abs", "/usr/lib/so"),
    symlink("up", "../../../usr/lib/so"),
    symlink("usr/back", "../lib/so"),
    symlink("twice", "lib/../lib/so"),
    symlink("loop", "loop2"),
    symlink("loop2", "loop"),
    symlink("nowhere", "missing"),
    symlink("self", "self/x"),
)


@pytest.mark.parametrize("path", ["usr/lib/so", "lib/so", "/lib/so", "abs", "up", "usr/back"])
def test_symlinks_are_followed_within_the_root(path: str) -> None:
    """Relative, absolute and climbing symlinks lead to places in the image, never out of it."""
    assert merged(LINKS).read(path) == b"so"


def test_dots_in_symlinks_go_where_the_kernel_goes() -> None:
    """`..` after a symlink is above what the symlink leads to, as in Linux."""
    overlay = merged(LINKS)
    assert overlay.get("lib/..").path == "usr"
    assert overlay.read("twice") == b"so"
    assert "lib/../usr" not in overlay


@pytest.mark.parametrize(
    "path",
    ["loop", "loop/x", "nowhere", "self", "usr/lib/so/", "usr/lib/so/x", "usr/lib/so/..", "x"],
)
def test_paths_that_lead_nowhere_are_not_found(path: str) -> None:
    """A missing name, a circle, or a path through a file."""
    with pytest.raises(NotFound):
        merged(LINKS).get(path, follow=True)
    assert f"{path}/more" not in merged(LINKS)


def test_the_last_symlink_is_followed_only_if_asked() -> None:
    """`get` shows the symlink itself, unless it is to follow."""
    overlay = merged(LINKS)
    assert overlay.get("abs").kind is Kind.SYMLINK
    assert overlay.get("abs", follow=True).path == "usr/lib/so"
    assert overlay.get("lib/so").path == "usr/lib/so"


def test_listing_and_reading() -> None:
    """A directory is listed in order, through symlinks too; only files are read."""
    overlay = merged(LINKS)
    assert overlay.listdir("usr") == ["back", "lib"]
    assert overlay.listdir("/lib") == ["so"]
    assert overlay.listdir() == sorted(name for name in overlay.paths if "/" not in name)
    for path in ("usr", "lib"):
        with pytest.raises(NotFound):
            overlay.read(path)
    with pytest.raises(NotFound):
        overlay.listdir("abs")
    with pytest.raises(LimitExceeded):
        overlay.read("abs", limit=1)


def test_paths_are_in_order_parents_first() -> None:
    """The walk goes by components, so that what is in a directory follows it at once."""
    overlay = merged((file("a-b"), file("a/c"), file("a.b"), file("a/b/c")))
    assert overlay.paths == ["a", "a/b", "a/b/c", "a/c", "a-b", "a.b"]
    assert repr(overlay) == "<Overlay of 1 layers: 6 paths>"
    assert repr(overlay.get("a/c")) == "<Node /a/c: file, layer 0>"


def test_the_tree_shows_layers() -> None:
    """The text of a tree says what is a directory, where symlinks lead, and whose layer it is."""
    assert merged(BASE, (NEW,)).tree().splitlines()[:6] == [
        "abslnk -> /real  [0]",
        "d/  [0]",
        "  new  [1]",
        "  old  [0]",
        "  sub/  [0]",
        "    deep  [0]",
    ]


def test_no_layers_are_an_empty_root() -> None:
    """An image of nothing is a root directory."""
    overlay = Overlay([])
    assert (overlay.paths, overlay.wasted, overlay.root.kind) == ([], 0, Kind.DIR)


PATHS: Final = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
CHANGES: Final = st.dictionaries(
    PATHS, st.sampled_from(["file", "folder", "whiteout", "opaque"]), max_size=6
)


class Simple:
    """The rules applied word for word to a plain dict: of each path its layer and kind."""

    def __init__(self, layers: list[dict[str, str]]) -> None:
        self.found: dict[str, tuple[int, str]] = {}
        for number, changes in enumerate(layers):
            for path, what in changes.items():
                if what in ("whiteout", "opaque"):
                    self.drop(path, itself=what == "whiteout")
            for path, what in sorted(changes.items()):
                if what in ("file", "folder"):
                    self.add(path, what, number)

    def drop(self, path: str, *, itself: bool) -> None:
        for old in list(self.found):
            if old.startswith(f"{path}/") or (itself and old == path):
                del self.found[old]

    def add(self, path: str, what: str, number: int) -> None:
        parts = path.split("/")
        for parent in ("/".join(parts[:n]) for n in range(1, len(parts))):
            if not self.is_folder(parent):
                self.drop(parent, itself=True)
                self.found[parent] = number, "folder"
        if not (what == "folder" and self.is_folder(path)):
            self.drop(path, itself=True)
        self.found[path] = number, what

    def is_folder(self, path: str) -> bool:
        return self.found.get(path, (0, ""))[1] == "folder"


def stack(changes: dict[str, str]) -> list[Content]:
    made = []
    for path, what in changes.items():
        above, _, name = path.rpartition("/")
        inside = f"{above}/" if above else ""
        made.append(
            {
                "file": file(path),
                "folder": folder(path),
                "whiteout": file(f"{inside}.wh.{name}"),
                "opaque": file(f"{path}/{OPAQUE}"),
            }[what]
        )
    return made


def sound(changes: dict[str, str]) -> bool:
    """Whether no file of a layer has something in it, in the same layer."""
    added = [path for path, what in changes.items() if what in ("file", "folder")]
    return not any(
        path.startswith(f"{above}/") and changes[above] == "file"
        for path in added
        for above in added
    )


@given(st.lists(CHANGES.filter(sound), min_size=1, max_size=4), st.randoms())
def test_any_stack_is_merged_as_the_rules_say(layers: list[dict[str, str]], random: object) -> None:
    """Against the rules written down in another way, with the entries in any order."""
    shuffled = []
    for changes in layers:
        entries = stack(changes)
        random.shuffle(entries)  # type: ignore[attr-defined]
        shuffled.append(layer_of(*entries))
    overlay = Overlay(shuffled)
    expect = {path: number for path, (number, _) in Simple(layers).found.items()}
    assert {node.path: node.layer for node in overlay} == expect
    for node in overlay:
        assert overlay.history(node.path)[-1].layer == node.layer


def test_a_large_stack_is_merged_quickly() -> None:
    """100,000 entries take a second or so, not minutes: no step looks at every path again."""
    base = layer_of(*(file(f"usr/lib/p{n // 100}/d{n // 10}/f{n}") for n in range(50_000)))
    upper = layer_of(*(file(f"usr/lib/p{n // 100}/d{n // 10}/f{n}") for n in range(0, 50_000, 5)))
    _ = base.entries, upper.entries
    start = time.process_time()
    overlay = Overlay([base, upper])
    assert overlay.whence("usr/lib/p3/d30/f300") == 1
    assert time.process_time() - start < 10


def test_memory_of_many_entries() -> None:
    """An entry takes less than 600 bytes: as its layer has it, and in the merged view."""
    tars = [
        pack(
            entry
            for number in range(100)
            for parent in [f"usr/lib/package-{layer}-{number}"]
            for entry in [
                (Entry(parent, Kind.DIR, 0o755, mtime=10**9 + number), b""),
                *((Entry(f"{parent}/file-{n}.py", mtime=10**9 + n), b"") for n in range(39)),
            ]
        )
        for layer in range(5)
    ]
    layers = [layer_from(tar) for tar in tars]
    tracemalloc.start()
    try:
        overlay = Overlay(layers)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(overlay.paths) == 5 * 100 * 40 + len(("usr", "usr/lib"))
    assert taken / len(overlay.paths) < 600

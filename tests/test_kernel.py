"""The simulation beside the kernel: the same trees, the same calls, the same answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import deepcopy
from typing import Final

import pytest
from hypothesis import HealthCheck, given, note, settings
from overlays import Call, Pair, Stack, sequences, stacks

from imgkit.kernel import Kernel, why_not
from imgkit.mount.inode import OPAQUE, Inode, file, folder, tree
from imgkit.mount.upper import Options

ORDINARY: Final = 100
SEQUENCES: Final = int(os.environ.get("IMGKIT_ORACLE", ORDINARY))
"""How many random sequences of calls are made; `make oracle` asks for many more."""


def opaque() -> Inode:
    """An opaque directory."""
    made = folder()
    made.xattrs[OPAQUE] = b"y"
    return made


@pytest.fixture(scope="module", params=[False, True], ids=["root", "rootless"])
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """The kernel as root sees it, and as other users do; where it lets us mount."""
    if reason := why_not(rootless=request.param):
        pytest.skip(reason)
    with Kernel(rootless=request.param) as kernel:
        yield kernel


def test_random_sequences(kernel: Kernel) -> None:
    """After each call of a random sequence the two agree: answer, errno, merged and upper."""
    owners = (0,) if kernel.rootless else (0, 1000)

    @settings(
        max_examples=SEQUENCES,
        deadline=None,
        derandomize=SEQUENCES == ORDINARY,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(stacks(owners, plain=kernel.rootless), sequences(owners))
    def check(stack: Stack, sequence: list[Call]) -> None:
        pair = Pair(kernel, stack)
        merged = pair.check()
        for call in sequence:
            picked = call.on(merged)
            note(repr(picked))
            if pair.is_of_tmpfs(picked):
                continue
            pair.call(picked)
            merged = pair.check()

    check()


METACOPY: Final = Options(redirect_dir=True, metacopy=True)
OPENED: Final[dict[str, tuple[bytes, tuple[Call, ...]]]] = {
    "content that comes later is new": (b"1", (Call("chmod", ("f", 0o600)), Call("open", ("f",)))),
    "no content": (b"", (Call("chmod", ("f", 0o600)), Call("open", ("f",)))),
    "emptied": (
        b"1",
        (Call("chmod", ("f", 0o600)), Call("open", ("f",), {"truncate": True})),
    ),
    "a link, a name elsewhere": (
        b"1",
        (Call("link", ("f", "g")), Call("mkdir", ("d",)), Call("rename", ("g", "d/g"))),
    ),
}


@pytest.mark.parametrize("name", OPENED)
def test_content_left_below(kernel: Kernel, name: str) -> None:
    """With metacopy a file gets its content, and a new time with it, when somebody writes."""
    if kernel.rootless:
        pytest.skip("only root may mount with metacopy")
    content, sequence = OPENED[name]
    pair = Pair(kernel, Stack((tree({"f": content}),), folder(), METACOPY))
    for call in sequence:
        pair.call(call)
        pair.check()


# Sequences that chance finds too seldom; mutants of the simulation lived through 2,000 others.
RARE: Final[dict[str, tuple[bool, tuple[tuple[str, ...], ...]]]] = {
    "renamed into a directory of upper": (
        False,
        (("mkdir", "new"), ("mkdir", "in"), ("rename", "new", "in/new"), ("stat", "in/new")),
    ),
    "renamed over a full directory of upper": (
        False,
        (("mkdir", "new"), ("mkdir", "in"), ("mkdir", "in/x"), ("rename", "new", "in")),
    ),
    "redirect made absolute": (
        True,
        (("rename", "d", "e"), ("rename", "e", "d2/e"), ("rename", "d2/e", "d2/f")),
    ),
    "redirect below a redirect": (
        True,
        (("rename", "d", "e"), ("rename", "e/sub", "e/s"), ("rename", "e/s", "s"), ("stat", "s")),
    ),
    "redirected and removed": (
        True,
        (("rename", "d", "e"), ("unlink", "e/sub/f"), ("rmdir", "e/sub"), ("rmdir", "e")),
    ),
}


@pytest.mark.parametrize("name", RARE)
def test_rare_sequences(kernel: Kernel, name: str) -> None:
    """Simulation and kernel agree after each call of these too."""
    redirect_dir, rare = RARE[name]
    if redirect_dir and kernel.rootless:
        pytest.skip("only root may mount with redirect_dir")
    lowers = tree({"d/sub/f": b"1", "d2/": b""}), tree({"d/sub/g": b"2"})
    pair = Pair(kernel, Stack(lowers, folder(), Options(redirect_dir)))
    for function, *paths in rare:
        pair.call(Call(function, tuple(paths)))
        pair.check()


# A directory x with nothing in it but whiteouts, by the trees that have it, the last one upper.
EMPTIED: Final[dict[str, tuple[dict[str, Inode | bytes | None], ...]]] = {
    "in upper alone": ({}, {"x/w": None}),
    "in upper, over a file": ({"x": b"1"}, {"x/w": None}),
    "in upper, over a whiteout": ({"x/w": b"1"}, {"x": None}, {"x/w": None}),
    "opaque, over a directory": ({"x/w": b"1"}, {"x": opaque(), "x/w": None}),
    "opaque, over a file": ({"x": b"1"}, {"x": opaque(), "x/w": None}),
    "merged": ({"x/w": b"1"}, {"x/w": None}),
    "merged, whiteout below": ({"x/w": None}, {"x/": b""}),
    "in a lower tree alone": ({"x/w": None}, {}),
    "in a lower tree, opaque": ({"x/w": b"1"}, {"x": opaque(), "x/w": None}, {}),
    "in lower trees, merged": ({"x/w": b"1"}, {"x/w": None}, {}),
}
ENDS: Final = {
    "listed": (("readdir", "x"), ("stat", "x/w")),
    "removed": (("rmdir", "x"),),
    "replaced": (("mkdir", "new"), ("rename", "new", "x")),
    "replaced by one from below": (("rename", "low", "x"),),
    "copied up and replaced": (("chmod", "x", 0o700), ("mkdir", "new"), ("rename", "new", "x")),
    "moved": (("rename", "x", "y"), ("readdir", "y"), ("rmdir", "y")),
}


@pytest.mark.parametrize("redirect_dir", [False, True], ids=["", "redirect_dir"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", EMPTIED)
def test_whiteouts_alone(kernel: Kernel, name: str, end: str, redirect_dir: bool) -> None:
    """What counts as empty: to rename over what upper alone has, its filesystem is asked.

    That sees whiteouts as files. `rmdir` asks it too, if no lower tree has that name.
    """
    if redirect_dir and kernel.rootless:
        pytest.skip("only root may mount with redirect_dir")
    base, *above = deepcopy(EMPTIED[name])
    *lowers, upper = [tree(paths) for paths in ({**base, "low/": b""}, *above)]
    pair = Pair(kernel, Stack(tuple(lowers), upper, Options(redirect_dir)))
    for function, *args in ENDS[end]:
        pair.call(Call(function, tuple(args)))
        pair.check()


XATTRS: Final = {
    ("f", 0): "done",
    ("f", os.XATTR_CREATE): "EEXIST",
    ("f", os.XATTR_REPLACE): "done",
    ("plain", os.XATTR_CREATE): "done",
    ("plain", os.XATTR_REPLACE): "ENODATA",
    ("plain", os.XATTR_CREATE | os.XATTR_REPLACE): "ENODATA",
    ("f", 4): "EINVAL",
    ("nothing", 4): "EINVAL",
    ("nothing", os.XATTR_CREATE): "ENOENT",
}


@pytest.mark.parametrize(("path", "flags"), XATTRS)
def test_flags_of_attributes(kernel: Kernel, path: str, flags: int) -> None:
    """An attribute that must be new, or must be there; the file is copied up before it is asked."""
    marked = file(b"1")
    marked.xattrs["user.a"] = b"old"
    pair = Pair(kernel, Stack((tree({"f": marked, "plain": b"2"}),), folder()))
    answer = pair.call(Call("setxattr", (path, "user.a", b"new", flags)))
    assert (answer or "done") == XATTRS[path, flags]
    pair.check()


@pytest.mark.parametrize("name", ["setxattr", "removexattr"])
def test_attributes_of_an_indexed_link(kernel: Kernel, name: str) -> None:
    """With index, an attribute changes in upper, and the name that was asked is not copied up."""
    if kernel.rootless:
        pytest.skip("only root may mount with index")
    one = file(b"1")
    one.xattrs["user.a"] = b"old"
    pair = Pair(kernel, Stack((tree({"a": one, "b": one}),), folder(), Options(index=True)))
    pair.call(Call("chmod", ("a", 0o600)))
    pair.call(Call(name, ("b", "user.a", b"new") if name == "setxattr" else ("b", "user.a")))
    pair.check()

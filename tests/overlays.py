"""Random stacks of trees, random calls, and the simulation beside the kernel after each call."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from hypothesis import strategies as st

from imgkit.kernel import NOW, Kernel
from imgkit.mount import Mount, Stat
from imgkit.mount.facts import Facts, of_tree, of_union
from imgkit.mount.inode import OPAQUE, Inode, file, folder, symlink, whiteout
from imgkit.mount.upper import NO_OPTIONS, Options
from imgkit.tar.entry import Kind

NAMES: Final = "abc"
PATHS: Final = [
    "/".join(parts) for depth in (1, 2, 3) for parts in itertools.product(NAMES, repeat=depth)
]
ODD_PATHS: Final = ("/", "", ".", "..", "a/.", "a/..", "b/../a", "a/b/..", "a//b", "x" * 256)
TIMES: Final = (0, 1, 10**18 + 1, 10**18 + 999_999_999)
MODES: Final = (0o755, 0o700, 0o644, 0o4755, 0o2755, 0o2644, 0o6711, 0o1755, 0)
DIR_MODES: Final = (0o755, 0o700, 0o2755, 0o1755, 0o500)

OPTIONS: Final = (
    NO_OPTIONS,
    NO_OPTIONS,
    Options(redirect_dir=True),
    Options(index=True),
    Options(redirect_dir=True, metacopy=True),
    Options(redirect_dir=True, index=True, metacopy=True),
)


class Call(NamedTuple):
    """A call to be made on both sides."""

    name: str
    args: tuple[Any, ...]
    options: dict[str, Any] = {}  # noqa: RUF012

    def on(self, merged: Facts) -> Call:
        """The call with its paths picked."""
        picked = [arg.path(merged) if isinstance(arg, Pick) else arg for arg in self.args]
        return self._replace(args=tuple(picked))

    def __repr__(self) -> str:
        given = [repr(arg) for arg in self.args]
        given += [f"{name}={value!r}" for name, value in self.options.items()]
        return f"{self.name}({', '.join(given)})"


class Stack:
    """Lower trees, base first, an upper tree, and how they are mounted."""

    def __init__(
        self, lowers: tuple[Inode, ...], upper: Inode, options: Options = NO_OPTIONS
    ) -> None:
        self.lowers = lowers
        self.upper = upper
        self.options = options
        self.text = self._lines()

    def __repr__(self) -> str:
        return self.text

    def _lines(self) -> str:
        lines = [repr(self.options)]
        for number, root in enumerate((*self.lowers, self.upper)):
            lines += [f"  {number} /{path}: {fact}" for path, fact in of_tree(root).items()]
        return "\n".join(lines)


class Pick(NamedTuple):
    """A path to be chosen when the call is made: of what there is then, the wanted mostly."""

    wanted: tuple[str, ...]
    how: int
    which: int

    def path(self, merged: Facts) -> str:
        """The path; sometimes any, an odd one, or one with a slash at its end."""
        groups = around(merged)
        every = [path for group in groups.values() for path in group] + PATHS
        if self.how == 9:
            return ODD_PATHS[self.which % len(ODD_PATHS)]
        likely = [path for name in self.wanted for path in groups[name]]
        paths = likely if likely and self.how < 7 else every
        return paths[self.which % len(paths)] + "/" * (self.how == 8)


def around(merged: Facts) -> dict[str, list[str]]:
    """The paths of a merged view that are files, and folders, and that are free."""
    folders = [path for path, fact in merged.items() if fact.kind == Kind.DIR]
    inner = [f"{folder}/{name}" if folder else name for folder in folders for name in NAMES]
    return {
        "files": [path for path, fact in merged.items() if fact.kind != Kind.DIR],
        "folders": folders[1:],
        "free": [path for path in inner if path not in merged],
    }


def picks(*wanted: str) -> st.SearchStrategy[Pick]:
    """A path, for the most part of these groups."""
    return st.builds(Pick, st.just(wanted), st.integers(0, 9), st.integers(0, 999))


def texts() -> st.SearchStrategy[str]:
    """The text of a symlink."""
    plain = st.sampled_from(PATHS)
    up = plain.map(lambda path: "../" + path)
    return st.one_of(plain, plain.map(lambda path: "/" + path), up, plain.map(lambda p: p + "/"))


@st.composite
def inodes(draw: st.DrawFn, owners: Sequence[int]) -> Inode | str | None:
    """Something for a tree: an inode, None for a whiteout, or "link" for a hard link."""
    kind = draw(st.sampled_from("ffffddddddswwwlop"))
    if kind == "w":
        return None
    if kind == "l":
        return "link"
    if kind == "f":
        made = file(draw(st.binary(max_size=4)), draw(st.sampled_from(MODES)))
    elif kind == "s":
        made = symlink(draw(texts()))
    elif kind == "p":
        made = Inode(Kind.FIFO, 0o644)
    else:
        made = folder(draw(st.sampled_from(DIR_MODES)))
        if kind == "o":
            made.xattrs[OPAQUE] = b"y"
    made.uid, made.gid = draw(st.sampled_from(owners)), draw(st.sampled_from(owners))
    made.mtime_ns = draw(st.sampled_from(TIMES))
    if made.kind in (Kind.FILE, Kind.DIR) and draw(st.booleans()):
        made.xattrs["user.a"] = draw(st.binary(max_size=2))
    return made


@st.composite
def trees(draw: st.DrawFn, owners: Sequence[int], most: int = 8) -> Inode:
    """A tree of a few paths, with hard links, whiteouts and opaque directories."""
    some = st.sampled_from(PATHS[:12]) | st.sampled_from(PATHS)
    drawn = draw(st.dictionaries(some, inodes(owners), min_size=most // 3, max_size=most))
    root = folder()
    files: list[Inode] = []
    for path, inode in sorted(drawn.items()):
        *above, name = path.split("/")
        at: Inode | None = root
        for part in above:
            at = at.children.get(part) or at.put(part, folder())
            if not at.is_dir:
                break
        if not at.is_dir:
            continue
        if inode == "link":
            inode = files[-1] if files else file()
        at.put(name, inode or whiteout())
        files += [inode] if inode and not inode.is_dir else []
    return root


@st.composite
def stacks(draw: st.DrawFn, owners: Sequence[int], *, plain: bool = False) -> Stack:
    """One to four lower trees, and an upper one that is empty for the most part."""
    lowers = draw(st.lists(trees(owners), min_size=1, max_size=4))
    upper = draw(trees(owners, 3)) if draw(st.integers(0, 3)) == 3 else folder()
    return Stack(tuple(lowers), upper, NO_OPTIONS if plain else draw(st.sampled_from(OPTIONS)))


def calls(owners: Sequence[int]) -> st.SearchStrategy[Call]:
    """One call, its paths still to be picked."""
    files, folders, free = picks("files"), picks("folders"), picks("free")
    some, new = picks("files", "folders"), picks("free", "files")
    mode, owner = st.sampled_from(MODES), st.sampled_from((*owners, -1))
    data, flag = st.binary(max_size=4), st.booleans()
    xattr = st.sampled_from(("user.a", "user.b"))

    def call(name: str, *args: st.SearchStrategy[Any], **options: Any) -> st.SearchStrategy[Call]:
        return st.builds(Call, st.just(name), st.tuples(*args), st.fixed_dictionaries(options))

    return st.one_of(
        call("read", files),
        call("write", files, data, flag, mode),
        call("write", new, data, flag, mode),
        call("open", new, create=flag, exclusive=flag, truncate=flag, mode=mode),
        call("truncate", files, st.integers(-1, 6)),
        call("mkdir", free, st.sampled_from(DIR_MODES)),
        call("rmdir", folders),
        call("rmdir", folders),
        call("unlink", files),
        call("unlink", files),
        call("rename", files, new),
        call("rename", folders, picks("free", "folders")),
        call("rename", some, some),
        call("link", files, new),
        call("symlink", texts(), free),
        call("readlink", files),
        call("mknod", free, st.sampled_from((Kind.FIFO, Kind.CHAR))),
        call("chmod", some, mode),
        call("chown", some, owner, owner, follow=flag),
        call("utime", some, st.sampled_from(TIMES), follow=flag),
        call("setxattr", some, xattr, data, st.sampled_from((0, 0, 1, 2, 3, 4))),
        call("getxattr", some, xattr),
        call("removexattr", some, xattr),
        call("readdir", folders),
        call("stat", some, flag),
    )


def sequences(owners: Sequence[int]) -> st.SearchStrategy[list[Call]]:
    """Up to thirty calls; left alone, hypothesis would make few long ones."""
    one = calls(owners)
    return st.lists(one, min_size=1, max_size=30) | st.lists(one, min_size=15, max_size=30)


def outcome(act: Callable[..., Any], call: Call) -> object:
    """The result of a call, or the name of its errno."""
    try:
        result = act(*call.args, **call.options)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return f"{result.kind}, {result.nlink} names" if isinstance(result, Stat) else result


class Pair:
    """The same stack mounted twice: simulated, and by the kernel."""

    def __init__(self, kernel: Kernel, stack: Stack) -> None:
        self.kernel = kernel
        kernel.mount(stack.lowers, stack.upper, options=stack.options)
        self.mount = Mount(
            stack.lowers,
            stack.upper,
            options=stack.options,
            rootless=kernel.rootless,
            clock=lambda: NOW,
        )

    def check(self) -> Facts:
        """Both show the same, in merged and in upper; gives what that is."""
        merged = of_union(self.mount.overlay)
        same(merged, self.kernel.merged(), "merged")
        same(of_tree(self.mount.upper), self.kernel.upper(), "upper")
        return merged

    def is_of_tmpfs(self, call: Call) -> bool:
        """Whether a file of zeros is cut to the size that it has.

        If they are a hole, tmpfs leaves the file its time, as no filesystem of a disk does: of the
        layers below the mount, not of overlayfs.
        """
        if call.name != "truncate" or call.args[1] < 1:
            return False
        path, size = call.args
        return outcome(self.mount.read, Call("read", (path,))) == bytes(size)

    def call(self, call: Call) -> object:
        """Both answer the same; gives that answer."""
        ours = outcome(getattr(self.mount, call.name), call)
        theirs = outcome(
            lambda *args, **options: self.kernel.call(call.name, *args, **options), call
        )
        assert ours == theirs, f"{call}: simulated {ours}, kernel {theirs}"
        return ours


def same(ours: Facts, theirs: Facts, where: str) -> None:
    """The facts are equal, or an error says which are not."""
    wrong = [
        f"{where} /{path}\n  simulated {ours.get(path)!r}\n  kernel    {theirs.get(path)!r}"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    ]
    assert not wrong, "\n".join(wrong)

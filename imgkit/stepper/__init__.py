"""Operations on a mount, one at a time: who is asked for a path, what is written, what it costs.

    stepper = Stepper(container)
    stepper.take("append", "/app/data.json", "more")
    print(stepper.text("/app"))

It shows the four directories of an overlay mount: the lower ones, which are the layers; the upper
one, which takes the changes; work, where the kernel prepares what goes to upper (not simulated);
and merged, what a program sees. `ask_kernel` has Linux make the same calls on a real mount, where
that is allowed.
"""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from imgkit.container import Container
from imgkit.errors import ContainerError, NotFound
from imgkit.kernel import Kernel, why_not
from imgkit.mount import Mount
from imgkit.mount.facts import Facts, of_tree, of_union, to_tree
from imgkit.mount.inode import Inode
from imgkit.mount.paths import Walk
from imgkit.mount.union import Dentry, Trace
from imgkit.mount.upper import Effect
from imgkit.printable import shown
from imgkit.stepper.operation import OPERATIONS, Call, Operation, Taken, absolute, calls
from imgkit.tar.entry import Kind
from imgkit.units import counted, size
from imgkit.walk import PREVIEW, preview

__all__ = ["OPERATIONS", "UPPER", "Operation", "Row", "Stepper", "Taken"]

UPPER: Final = "upper"
GONE: Final = "nothing"
"""What merged shows where some tree has something, and all the same nothing is to be seen."""
MOST: Final = 24
"""Paths that are shown at once; of a directory with more in it, only what lies directly there."""


class Row(NamedTuple):
    """A path: what merged shows there, then what upper has, and each lower from the top."""

    path: str
    merged: str
    trees: tuple[str, ...]


class Stepper:
    """A mount, and the steps that were taken on it; `lowers` names its lower trees, base first."""

    def __init__(self, on: Container | Mount, lowers: Sequence[str] = ()) -> None:
        self.container = on if isinstance(on, Container) else None
        self.mount = on.mount if isinstance(on, Container) else on
        names = [*lowers] or [f"layer {n}" for n in range(1, len(self.mount.lowers) + 1)]
        if self.container and not lowers:
            names[-1] = "init"
        self.names = (*names, UPPER)
        self.taken: list[Taken] = []
        self._first = self._before = self._left = of_tree(self.mount.upper)
        self._calls: list[Call] = []

    # -- doing ----------------------------------------------------------------------------------

    def take(self, operation: str, path: str, more: str = "") -> Taken:
        """Do it, and say what came of it; a refusal of the mount is said, and not raised.

        Raises `NotFound` for an operation that there is not.
        """
        if operation not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            raise NotFound(f"there is no {operation!r}. There is: {known}.", name=operation)
        if of_tree(self.mount.upper) != self._left:  # somebody else wrote
            self._before, self._calls = of_tree(self.mount.upper), []
        what, path = OPERATIONS[operation], absolute(path)
        line = what.shell.format(path=shlex.quote(path), more=shlex.quote(more))
        trace, effects = self.asked(path, follow=what.follows), list[Effect]()
        answer = error = ""
        try:
            for call in calls(operation, self.mount, path, more):
                answer = self._call(call, effects)
        except OSError as refused:
            error = errno.errorcode[refused.errno or 0]
        except ValueError as refused:
            error = str(refused)
        try:
            self._keep()
        except ContainerError as gone:
            error = str(gone)
        self.taken.append(Taken(line, trace, answer, tuple(effects), error))
        return self.taken[-1]

    def _call(self, call: Call, effects: list[Effect]) -> str:
        """Make one call of the mount; what it answers, to be read."""
        self._calls.append(call)
        name, *arguments = call
        try:
            result = getattr(self.mount, str(name))(*arguments)
        finally:
            effects += self.mount.overlay.effects
        if isinstance(result, bytes):
            return preview(result, PREVIEW)
        return "  ".join(map(str, result)) if isinstance(result, list) else ""

    def reset(self) -> None:
        """Upper is as it was at first, and no step was taken."""
        self.mount.overlay.upper = to_tree(self._first)
        self._before, self._calls, self.taken = self._first, [], []
        self._keep()

    def _keep(self) -> None:
        self._left = of_tree(self.mount.upper)
        if self.container:
            self.container.keep(self.container)

    @property
    def command(self) -> str:
        """The mount that Docker makes, below /var/lib/docker/overlay2; names there are random."""
        own = self.container.name if self.container else UPPER
        named = {"init": f"{own}-init", UPPER: own}
        folders = [named.get(name, name.replace(" ", "-")) for name in reversed(self.names)]
        lower = ":".join(f"{folder}/diff" for folder in folders[1:])
        return (
            "mount -t overlay overlay \\\n"
            f"  -o lowerdir={lower},\\\n"
            f"upperdir={own}/diff,workdir={own}/work \\\n"
            f"  {own}/merged"
        )

    # -- looking --------------------------------------------------------------------------------

    def asked(self, path: str, *, follow: bool = False) -> Trace:
        """Each directory that is asked for a path, on the way and at its end."""
        trace: Trace = []
        with suppress(OSError):
            Walk(self.mount.overlay, path, trace).find(follow=follow)
        return trace

    def answers(self, trace: Trace) -> list[tuple[str, str, str, str]]:
        """A lookup in rows: who was asked, for what, what is there, and why it ends or goes on."""
        return [
            (self.names[ask.layer], ask.path, ask.found, ask.why if ask.found != "nothing" else "")
            for ask in trace
        ]

    @property
    def folders(self) -> list[str]:
        """All directories of any tree, by path; the root is "/"."""
        found = {"/"}
        for tree in (*self.mount.lowers, self.mount.upper):
            found |= {f"/{path}" for path, inode in tree.walk() if inode.is_dir}
        return sorted(found)

    def rows(self, folder: str = "/") -> list[Row]:
        """A directory and the paths in it, in any of the trees, and what is there in each."""
        trees = [dict(tree.walk()) for tree in (self.mount.upper, *reversed(self.mount.lowers))]
        top = folder.strip("/")
        within = f"{top}/" if top else ""
        paths = sorted({path for tree in trees for path in tree if f"{path}/".startswith(within)})
        if len(paths) > MOST:
            paths = [path for path in paths if "/" not in path.removeprefix(within)]
        return [
            Row(f"/{path}", self._merged(path), tuple(_cell(tree.get(path)) for tree in trees))
            for path in paths
        ]

    def _merged(self, path: str) -> str:
        dentry = self._dentry(path)
        if dentry is None or dentry.inode is None:
            return GONE
        there = [self.names[number] for number, _ in dentry.trees(len(self.mount.lowers))]
        if dentry.is_dir:
            return f"directory of {len(there)}" if len(there) > 1 else f"directory, {there[0]}"
        return f"{_cell(dentry.inode)}, {there[0]}"

    def _dentry(self, path: str) -> Dentry | None:
        """What the mount shows at just this path, no symlink followed."""
        at = self.mount.overlay.root
        for name in path.split("/"):
            if not at.is_dir:
                return None
            at = self.mount.overlay.child(at, name)
        return at

    # -- in words -------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return self.text()

    def text(self, folder: str = "/") -> str:
        """The steps, how the last one went, and what each tree has in a directory, as text."""
        lines = [f"$ {step.line}" for step in self.taken]
        for step in self.taken[-1:]:
            lines += [*step.answer.splitlines(), ""]
            lines += _aligned([("asked", "for", "it has", "so"), *self.answers(step.trace)])
            lines += ["", step.said, *_aligned(step.changes), ""]
        head = ("path", "merged", *reversed(self.names))
        rows = [(row.path, row.merged, *row.trees) for row in self.rows(folder)]
        return shown("\n".join([*lines, *_aligned([head, *rows])]))

    # -- the kernel -----------------------------------------------------------------------------

    def ask_kernel(self) -> str:
        """Whether Linux does the same on a real mount, in a sentence; or why it is not asked."""
        if reason := why_not():
            return reason
        try:
            with Kernel() as kernel:
                lowers = [_of_root(of_tree(lower)) for lower in self.mount.lowers]
                kernel.mount(lowers, _of_root(self._before))
                for name, *arguments in self._calls:
                    with suppress(OSError):
                        kernel.call(str(name), *arguments)
                theirs = _texts(kernel.merged()), _texts(kernel.upper())
        except OSError as error:
            return f"The kernel could not be asked: {error.strerror or error}."
        count = counted(len(self._calls), "call")
        if theirs == (_texts(of_union(self.mount.overlay)), _texts(of_tree(self.mount.upper))):
            return f"Linux made the same {count} on a real mount: merged and upper are as here."
        return f"Linux made the same {count} on a real mount, and the result is another."


def _cell(inode: Inode | None) -> str:
    """What one tree has at a path; "" for nothing."""
    if inode is None:
        return ""
    if inode.is_whiteout:
        return "whiteout"
    if inode.is_dir:
        return "opaque" if inode.is_opaque else "directory"
    return size(inode.size) if inode.kind is Kind.FILE else str(inode.kind)


def _of_root(facts: Facts) -> Inode:
    """The tree with root as every owner: who is not root here can give files to nobody else."""
    return to_tree({path: fact._replace(uid=0, gid=0) for path, fact in facts.items()})


def _texts(facts: Facts) -> dict[str, str]:
    """All that is shown of facts: not owners and times."""
    return {path: str(fact) for path, fact in facts.items()}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

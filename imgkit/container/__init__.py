"""A container: an image, a writable layer above it, and one main program.

    created ──start──> running ──stop──> exited ──rm──> removed
                          └── the program ends ──> exited

A command line of the small shell runs to its end. A program for a real machine (nginx, say) is not
run: the container is then `running` as far as anybody can ask, and its log says in one sentence
that nothing runs. What Docker refuses is refused in Docker's words.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from errno import ENOTDIR
from typing import Any, Final

from imgkit import tar
from imgkit.config import History
from imgkit.container.record import (
    EXITED,
    REMOVED,
    RUNNING,
    ContainerRecord,
    init_layer,
)
from imgkit.draft import Draft, moment, nanoseconds
from imgkit.errors import CannotRun, ContainerError, ExecFailed
from imgkit.image import Image
from imgkit.layer import Layer
from imgkit.mount import Mount
from imgkit.mount.inode import Inode
from imgkit.mount.stack import stack
from imgkit.reference import Reference
from imgkit.shell import Finished, Shell
from imgkit.shell.session import Waits
from imgkit.store import Store

Clock = Callable[[], datetime]

_EMPTY_TAR: Final = bytes(1024)


@dataclass(slots=True, eq=False)
class Container:
    """One container; every change of its state is kept by `keep`."""

    record: ContainerRecord
    image: Image
    clock: Clock
    keep: Callable[[Container], None] = lambda container: None
    written: Layer | None = None
    """Its writable layer as it was kept, if it was."""
    mount: Mount = field(init=False)

    def __post_init__(self) -> None:
        lowers: list[Layer | Inode] = [*self.image.layers, init_layer(self.record)]
        upper = stack([*lowers, self.written])[-1] if self.written else None
        self.mount = Mount(lowers, upper, clock=lambda: nanoseconds(self.clock()))

    def __repr__(self) -> str:
        record = self.record
        return f"<Container {record.short} {record.name!r}: {record.image}, {record.state}>"

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def state(self) -> str:
        return self.record.state

    # -- life -----------------------------------------------------------------------------------

    def start(self, stdin: bytes = b"") -> Finished | None:
        """Run the main program; what it printed, or None where it is running from now on.

        Raises `ExecFailed` when it is not there, and `CannotRun` for what the small shell does not
        know; a program for a real machine leaves the container running, and `note` says why.
        """
        self._there()
        if self.state == RUNNING:
            return None
        shell = self.shell(_inside=True)
        shell.attended = self.record.interactive
        self._make_workdir(shell)
        self.record.started = moment(self.clock())
        done: Finished | None = None
        self.record.note = ""
        try:
            done = shell.execute(self.record.command, stdin)
        except ExecFailed as error:
            self.record.code = int(error.code)
            self.keep(self)
            raise
        except Waits as error:
            self.record.printed += error.printed
        except CannotRun as error:
            if "program" not in error.facts:
                raise
            self.record.note = str(error)
            self.record.printed += [*error.facts.get("printed", ()), (2, f"imgkit: {error}.\n")]
        if done:
            self.record.printed += done.printed
        if done is None or (done.code == 0 and _would_wait(shell.latest)):
            self.record.state = RUNNING
            self.keep(self)
            return None
        self.finish(done.code)
        return done

    def finish(self, code: int) -> None:
        """The main program has ended, with this exit code."""
        self.record.state = REMOVED if self.record.fleeting else EXITED
        self.record.code = code
        self.record.finished = moment(self.clock())
        self.keep(self)

    def kill(self) -> None:
        """End the main program at once; raises `ContainerError` where it is not running."""
        self._there()
        if self.state != RUNNING:
            raise ContainerError(f"Container {self.id} is not running", name=self.name)
        self.finish(137)

    def stop(self) -> None:
        """End the main program; one that has ended stays as it is.

        A server ends well when it is asked to. A shell, or `sleep`, does not hear it, because it is
        the first process: it is killed, which gives 137.
        """
        self._there()
        if self.state == RUNNING:
            self.finish(0 if self.record.note else 137)

    def remove(self, *, force: bool = False) -> None:
        """The container and its writable layer are gone."""
        self._there()
        if self.state == RUNNING and not force:
            raise ContainerError(
                f"You cannot remove a running container {self.id}. Stop the container before "
                "attempting removal or force remove",
                name=self.name,
            )
        self.record.state = REMOVED
        self.keep(self)

    @property
    def size(self) -> int:
        """Bytes of the files in the writable layer."""
        return sum(entry.size for entry, _ in self.mount.upper_entries())

    def execute(
        self,
        command: Sequence[str],
        *,
        user: str | None = None,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Finished:
        """Run one more program in a running container: `docker exec`."""
        shell = self.shell(user=user, workdir=workdir, env=env)
        try:
            return shell.execute(command, stdin)
        finally:
            self.keep(self)

    def sh(self, text: str) -> Finished:
        """Run a line by the container's shell: `docker exec NAME sh -c TEXT`."""
        return self.execute(["sh", "-c", text])

    def shell(
        self,
        *,
        user: str | None = None,
        workdir: str | None = None,
        env: Mapping[str, str] | None = None,
        _inside: bool = False,
    ) -> Shell:
        """A shell in the running container, as `docker exec -it` opens one.

        What it changes is kept when `keep` is called, or at the next change of state.
        """
        self._there()
        if self.state != RUNNING and not _inside:
            raise ContainerError(f"Container {self.id} is not running", name=self.name)
        where = self.record.workdir if workdir is None else workdir
        if workdir and not self.mount.exists(workdir):
            raise ExecFailed(
                f'chdir to cwd ("{workdir}") set in config.json failed: no such file or directory',
                program=workdir,
                code=126,
            )
        pairs = dict(pair.split("=", 1) for pair in self.record.env if "=" in pair)
        who = self.record.user if user is None else user
        every = {**pairs, **(env or {})}
        return Shell(
            self.mount, every, where or "/", who, hostname=self.record.hostname or self.record.short
        )

    def _there(self) -> None:
        if self.state == REMOVED:
            raise ContainerError(f"No such container: {self.name}", name=self.name)

    def _make_workdir(self, shell: Shell) -> None:
        """Docker makes the working directory that a config names, owned by root."""
        path = ""
        try:
            for part in posixpath.normpath(self.record.workdir or "/").split("/")[1:]:
                path += f"/{part}"
                if part and not self.mount.exists(path):
                    self.mount.mkdir(path)
            self.mount.readdir(path or "/")
        except OSError as error:
            why = " is not a directory" if error.errno == ENOTDIR else f": {error.strerror}"
            raise ContainerError(f"Cannot mkdir: {path}{why}", path=path) from None
        shell.cwd = path or "/"

    # -- what it changed ------------------------------------------------------------------------

    def diff(self) -> list[tuple[str, str]]:
        """What changed since the image: "A" added, "C" changed, "D" deleted, and the path."""
        self._there()
        return self.mount.changes()

    def written_tar(self, *, root: bool = False) -> bytes:
        """The writable layer as the tar of a layer, with whiteouts; with the root directory too."""
        top = [(self.mount.upper.entry(""), b"")] if root else []
        return tar.write([*top, *self.mount.upper_entries()])

    def commit(
        self,
        store: Store,
        reference: Reference | None,
        *,
        author: str = "",
        message: str = "",
        changes: Mapping[str, Any] | None = None,
    ) -> Image:
        """A new image in the store: the layers of the old one, and the writable layer upon them.

        Without a `reference` it is dangling: nothing names it.
        The layers below are taken as they are, bytes and digests. The config is the container's:
        as with Docker, what it ran becomes the new image's command; `changes` are settings of the
        config that are to be others.
        """
        self._there()
        for blob in self.image.manifest.layers:
            if not store.has(blob):
                with self.image.source.open(blob) as stream:
                    store.put(blob, stream)
        data = self.written_tar()
        layer = data if data != _EMPTY_TAR else None
        step = History(" ".join(self.record.cmd), moment(self.clock()), message, layer is None)
        draft = Draft.of(self.image)
        settings = {**draft.settings, **self.settings, **(changes or {})}
        kept = {key: value for key, value in settings.items() if value}
        made = draft.commit(store, step, kept, author, layer).image(store)
        if reference is None:
            store.keep(made.descriptor)
            return made
        store.name(reference, made.descriptor, None)
        return Image(store, made.descriptor, reference)

    @property
    def settings(self) -> dict[str, Any]:
        """What its config says otherwise than the image's, or the same."""
        record = self.record
        return {
            "Env": record.env,
            "Cmd": record.cmd,
            "Entrypoint": record.entrypoint,
            "WorkingDir": record.workdir,
            "User": record.user,
        }


def _would_wait(latest: list[str]) -> bool:
    """Whether who did this last would still be waiting, for time to go by or for lines of a log."""
    name = posixpath.basename(latest[0]) if latest else ""
    return name == "sleep" or (name == "tail" and "-f" in latest)

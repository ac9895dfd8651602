"""What is kept of a container besides its writable layer; and what Docker puts below that layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from imgkit import units
from imgkit.draft import nanoseconds
from imgkit.mount.inode import Inode, folder, symlink, tree

CREATED: Final = "created"
RUNNING: Final = "running"
EXITED: Final = "exited"
REMOVED: Final = "removed"


@dataclass(slots=True)
class ContainerRecord:
    """How a container was made, and what became of it. Times are RFC 3339."""

    id: str
    name: str
    image: str
    """What it was made from, in the words of whoever asked for it."""
    manifest: dict[str, Any]
    """The descriptor of the image's manifest."""
    config: str
    """The digest of the image's config."""
    entrypoint: list[str]
    cmd: list[str]
    env: list[str]
    workdir: str
    user: str
    interactive: bool
    created: str
    state: str = CREATED
    code: int = 0
    started: str = ""
    finished: str = ""
    printed: list[tuple[int, str]] = field(default_factory=list)
    """What it printed, in order, and where: to 1 or 2."""
    note: str = ""
    """Why its program is not run, if it is not."""
    labels: dict[str, str] = field(default_factory=dict)
    hostname: str = ""
    """What it is called, if that is not its ID."""
    number: int = 0
    """Which container of its local repository it was, counted from 1."""
    written: str = ""
    """The digest of its writable layer's tar."""
    fleeting: bool = False
    """Whether it goes when its program ends (`--rm`)."""

    @property
    def short(self) -> str:
        """The ID as Docker prints it: 12 digits."""
        return self.id[:12]

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        return [*self.entrypoint, *self.cmd]

    def status(self, now: datetime) -> str:
        """The column STATUS of `docker ps`."""
        if self.state == RUNNING:
            return f"Up {units.duration(_since(self.started, now))}"
        if self.state == EXITED:
            return f"Exited ({self.code}) {units.ago(self.finished, now)}"
        return self.state.capitalize()


def _since(text: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(text)).total_seconds()


def init_layer(record: ContainerRecord) -> Inode:
    """What Docker puts between the image and the writable layer of every container (`-init`).

    On a real machine /dev, /proc and /sys are filled by the kernel; here they stay empty.
    """
    hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    root = tree(
        {
            ".dockerenv": b"",
            "dev/pts/": b"",
            "dev/shm/": b"",
            "etc/hostname": f"{record.hostname or record.short}\n".encode(),
            "etc/hosts": hosts.encode(),
            "etc/mtab": symlink("/proc/mounts"),
            "etc/resolv.conf": b"",
            "proc": folder(0o555),
            "sys": folder(0o555),
        }
    )
    root.children[".dockerenv"].mode = 0o755
    time = nanoseconds(datetime.fromisoformat(record.created))
    for inode in [root, *(inode for _, inode in root.walk())]:
        inode.mtime_ns = time
    return root

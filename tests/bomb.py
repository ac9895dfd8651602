"""Bombs: little that unpacks to very much; and whoever meets one.

As a program, with a folder that has a `bomb` in it, it prints what each says, and the memory that
all of them together took at most.
"""

from __future__ import annotations

import bz2
import json
import lzma
import re
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Final

from images import AMD64, tar_of

from imgkit.client import Client
from imgkit.commands import run
from imgkit.commands.bench import Bench
from imgkit.config import Config, History
from imgkit.digest import Digest
from imgkit.errors import LimitExceeded
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, Manifest
from imgkit.mount import Mount
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store
from imgkit.tar.compression import form
from imgkit.widgets import LayerExplorer, OverlayStepper

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE: Final = 1 << 20


def of_gzip(size: int) -> bytes:
    """A tar of one file of so many zeros, compressed: the same piece of deflated data repeated."""
    packer, piece = zlib.compressobj(9, wbits=31), zlib.compressobj(9, wbits=-15)
    head = packer.compress(header(size)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + (piece.compress(bytes(PIECE)) + piece.flush(zlib.Z_FULL_FLUSH)) * (size // PIECE)


def of_zstd(size: int) -> bytes:
    """The same in frames of zstd."""
    return zstd.compress(header(size)) + zstd.compress(bytes(PIECE)) * (size // PIECE)


def of_wide_zstd(size: int) -> bytes:
    """The same in one frame, with the largest window that is allowed."""
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
    packer.set_pledged_input_size(None)
    parts = [packer.compress(header(size))]
    parts += [packer.compress(bytes(PIECE * 64)) for _ in range(min(size, 1 << 30) // PIECE // 64)]
    return b"".join(parts)


def of_xz(size: int) -> bytes:
    return lzma.compress(header(size)) + lzma.compress(bytes(PIECE * 64)) * (size // PIECE // 64)


def of_bzip2(size: int) -> bytes:
    return bz2.compress(header(size)) + bz2.compress(bytes(PIECE * 64)) * (size // PIECE // 64)


def header(size: int) -> bytes:
    """Of a file whose size ADD would not mind: many of them are what is too much."""
    member = tarfile.TarInfo("zeros")
    member.size = min(size, 1 << 30)
    return member.tobuf(format=tarfile.GNU_FORMAT)


BOMBS: Final = {
    "gzip": of_gzip,
    "zstd": of_zstd,
    "zstd, wide": of_wide_zstd,
    "xz": of_xz,
    "bzip2": of_bzip2,
}


def meet(place: Path) -> dict[str, str]:
    """Whoever meets the bomb in `place/bomb`, and what each says."""
    blob = (place / "bomb").read_bytes()
    packed = form(blob[:4])
    remote = Store(place / "remote")
    config = Config.make(AMD64, [Digest.of(b"")], [History("COPY")], {"Cmd": ["sh"]})
    layer = remote.put_bytes(blob, f"{OCI_LAYER}+{packed}")
    made = Manifest.make(remote.put_bytes(config.raw, OCI_CONFIG), [layer])
    remote.name(Reference.parse("bomb:1"), remote.put_bytes(made.raw, made.media_type), None)
    docker = {
        "c.json": config.raw,
        "l.tar": blob,
        "manifest.json": b'[{"Config":"c.json","RepoTags":["it:1"],"Layers":["l.tar"]}]',
    }
    (place / "docker.tar").write_bytes(tar_of(docker))
    (place / "context").mkdir()
    (place / "context/in.tar").write_bytes(blob)
    (place / "context/Dockerfile").write_text("FROM scratch\nADD in.tar /\n")
    client = Client(mirror=EMBEDDED)
    transport.mount(client.session, Registry([remote]))
    said = {}
    for line in LINES if packed else LINES[-1:]:
        words = [word.replace("PLACE", str(place)) for word in line.split()]
        warned: list[str] = []
        bench = Bench(place / "home", lambda: client, warned.append, warned.append, platform=AMD64)
        said[line] = f"{run(bench, words)} " + "\n".join(warned)
    for shows in packed and (LayerExplorer, lambda it: OverlayStepper(Mount(it.layers))):
        try:
            shows(Store(place / "home").image("bomb:1"))
        except LimitExceeded as error:
            said[str(shows)] = f"1 {error}"
        else:
            said[str(shows)] = "0"
    return said


LINES: Final = (
    "pull bomb:1",
    "verify bomb:1",
    "verify --all",
    "unpack bomb:1 PLACE/root",
    "unpack --layers bomb:1 PLACE/root",
    "explore bomb:1",
    "explore bomb:1 /zeros",
    "explore oci:PLACE/remote",
    "explore PLACE/bomb",
    "inspect bomb:1",
    "history bomb:1",
    "load -i PLACE/docker.tar",
    "load -i PLACE/bomb",
    "build PLACE/context",
)


if __name__ == "__main__":
    met = meet(Path(sys.argv[1]))
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(json.dumps([int(peak[1]) // 1024 if peak else 0, met]))  # noqa: T201

"""Bytes that no author thought of, for every reader of what strangers send; guided by coverage.

    python tests/fuzz.py TARGET SECONDS [FOLDER]

That needs atheris, which nothing else here does (`pip install atheris`). A rule is broken by an
error that is not ours, by ten seconds for one input, and by a gigabyte of memory. An input that
does so is in tests/corpus/TARGET afterwards; it stays there, for tests/test_fuzz.py to read ever
after. What reached new code is in FOLDER, if one is named, and the next search begins with it:

    python -m zipfile -c tests/corpus/TARGET.zip FOLDER/*
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import io
import json
import re
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Final

from images import AMD64, add_image, tar_of

from imgkit import tar
from imgkit.archive import Archive
from imgkit.archive import load as load_archive
from imgkit.archive.saving import save
from imgkit.build import dockerfile
from imgkit.client import challenge
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.limits import Limits
from imgkit.manifest import parse
from imgkit.reference import Reference
from imgkit.store import Store

CORPUS: Final = Path(__file__).parent / "corpus"
LIMITS: Final = Limits(unpacked=8 << 20, entries=10_000)


def read_tar(data: bytes) -> None:
    for _, content in tar.read(tar.decompress(io.BytesIO(data), LIMITS), LIMITS):
        content.read(100)


def read_manifest(data: bytes) -> None:
    for read in (parse, Config.parse):
        with contextlib.suppress(ImgkitError):
            assert read(data).raw == data


def read_reference(data: bytes) -> None:
    found = Reference.parse(data.decode("utf-8", "replace"))
    assert str(Reference.parse(str(found))) == str(found)


def read_challenge(data: bytes) -> None:
    challenge.parse(data.decode("latin-1"))


def read_dockerfile(data: bytes) -> None:
    assert dockerfile.parse(data.decode("utf-8", "replace")).instructions


def read_archive(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as home:
        store = Store(home)
        load_archive(Archive(io.BytesIO(data), "the archive", limits=LIMITS), store, AMD64)
        assert store.records()


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "tar": read_tar,
    "manifest": read_manifest,
    "reference": read_reference,
    "challenge": read_challenge,
    "dockerfile": read_dockerfile,
    "archive": read_archive,
}


def mend(data: bytes) -> bytes:
    """The same with the right checksum in every header of a tar, or no change would get past it."""
    blocks = bytearray(data)
    for at in range(0, len(data) - 511, tarfile.BLOCKSIZE):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def words(target: str) -> str:
    """The words of good inputs, as a dictionary for the search."""
    terms = {word for data in _good(target) for word in re.findall(rb"[\w.+/:-]{3,80}", data)}
    return "".join(f'"{word.decode()}"\n' for word in sorted(terms))


def seeds(target: str) -> list[bytes]:
    """Good inputs to begin with, and those that were found."""
    return [*_good(target), *found(target).values()]


def found(target: str) -> dict[str, bytes]:
    """What broke a rule once, and what reached new code, by the names of the files."""
    broke = {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*"))}
    with zipfile.ZipFile(CORPUS / f"{target}.zip") as reached:
        return broke | {name: reached.read(name) for name in sorted(reached.namelist())}


def _good(target: str) -> list[bytes]:
    plain = tar_of({"etc/motd": b"hello", "etc/.wh.old": b"", f"{'long/' * 40}name": b"x"})
    with tempfile.TemporaryDirectory() as home:
        store = Store(home)
        add_image(store, "app:1")
        image, saved = store.image("app:1"), io.BytesIO()
        save([(image, [Reference.parse("app:1")])], saved)
        documents = [image.manifest.raw, image.config.raw, (store.home / "index.json").read_bytes()]
    scope = 'realm="https://auth.x/token",service="x",scope="repository:a/b:pull"'
    return {
        "tar": [plain, gzip.compress(plain, mtime=0)],
        "manifest": documents,
        "reference": [b"redis", b"x.io:5000/a/b:1@sha256:" + b"0" * 64, b"[::1]:5000/a_b/c-d"],
        "challenge": [f'Bearer {scope}, Basic realm="x"'.encode(), b'bAsIc realm="a\\"b"'],
        "dockerfile": [
            b'# escape=`\nARG A=1\nFROM alpine:${A} AS base\nRUN a `\n b\nCMD ["sh", "-c"]\n',
            b"FROM x\nCOPY --from=base --chown=1:2 a b /c/\nENV a=b c='d e'\nSTOPSIGNAL 9\n",
        ],
        "archive": [saved.getvalue(), _of_old_docker(plain)],
    }[target]


def _of_old_docker(layer: bytes) -> bytes:
    """What Docker before version 25 saved; no digest guards what is said in it."""
    config = Config.make(AMD64, [Digest.of(layer)], [], {"Cmd": ["sh"]}, "2024-05-01T00:00:00Z")
    image = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["1/layer.tar"]}
    listed = json.dumps([image]).encode()
    return tar_of({"config.json": config.raw, "1/layer.tar": layer, "manifest.json": listed})


def once(target: str, data: bytes) -> None:
    """Read one input, as it is and mended; an error of ours is an answer."""
    for given in {data, mend(data)}:
        with contextlib.suppress(ImgkitError):
            TARGETS[target](given)


def main(target: str, seconds: str, kept: str | None = None) -> None:
    """Search for that long; ends with an error where a rule is broken."""
    import atheris

    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        good, terms = Path(folder, "good"), Path(folder, "words")
        good.mkdir()
        for number, data in enumerate(seeds(target)):
            (good / str(number)).write_bytes(data)
        terms.write_text(words(target))
        for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
            if str(function.__module__).startswith("imgkit"):
                atheris.instrument_func(function)
        options = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=1024"]
        options += ["-max_len=32768", f"-dict={terms}", f"-artifact_prefix={CORPUS / target}/"]
        options += ["-print_final_stats=1", *([kept] if kept else []), str(good)]
        atheris.Setup([sys.argv[0], *options], lambda data: once(target, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

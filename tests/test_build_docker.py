"""The same Dockerfiles, built by a real Docker engine and by us: layers, history and config."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import tarfile
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from conftest import NIGHTLY
from docker_engine import Docker, docker
from test_build import IGNORED, PATHS, REFUSED
from test_dockerfile import BAD, BAD_WORDS, WORDS

from imgkit.build import Options, build
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image, verify
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

__all__ = ["docker"]

pytestmark = pytest.mark.peer("dockerd", "docker")

BASE: Final = "alpine:3.18"

DOCUMENTS: Final = """
FROM alpine:3.18
RUN echo "hello" > /file1
RUN echo "world" > /file2
"""

SETTINGS: Final = r"""
ARG V=3.18
ARG OTHER
FROM alpine:${V} AS base
ARG V
ARG W=w1
ARG a=1 b=2
ENV A=1 B="two words" C=$A D=$W
ENV OLD style value
RUN echo "hello $W" > /file1
RUN ["echo", "exec form"]
USER nobody
EXPOSE 80 443/udp
EXPOSE 8000-8002
LABEL a=b "c d"="e f"
LABEL x=$A 'q'="${B:-none}${nope:+x}" e=\$A
VOLUME /data /more
VOLUME ["/v1"]
USER root
RUN mkdir /kept && echo lost > /data/lost
STOPSIGNAL SIGKILL
HEALTHCHECK --interval=5s CMD true
HEALTHCHECK --retries=3 --timeout=90s CMD ["a","b\"c"]
HEALTHCHECK NONE
SHELL ["/bin/sh","-ec"]
RUN true
CMD echo hi
ENTRYPOINT ["/bin/echo","x"]
CMD ["a", "b c"]
MAINTAINER me <me@example.com>
ONBUILD RUN echo later
ONBUILD COPY a.txt /later
FROM base
CMD sleep
"""

FILES: Final = r"""
FROM alpine:3.18
WORKDIR /app/
WORKDIR sub
WORKDIR /etc
COPY a.txt .
COPY a.txt sub /dst/
COPY sub /dst2
COPY sub/ /dst3/
COPY . /all
ADD t.tgz /x
ADD two.tar own.tar /y/
ADD app.bin /app.bin
ADD notar.gz z.gz a.txt /z/
COPY --chown=1:2 a.txt /own/
COPY --chown=nobody:root private /chd
COPY --chown=9 run.sh /ch9
COPY private /newd
COPY private /tmp
COPY run.sh link dirlink /l/
COPY *.txt su? private/in/[a-f] /pattern/
COPY hard /hard
RUN ln -s /newd /sl
COPY run.sh /sl/
COPY empty /empty
COPY empty /empty
COPY a.txt /etc/hostname2
COPY a.txt /sub-is-file
ENV D=/envd
COPY run.sh $D/x
"""

STAGES: Final = r"""
FROM alpine:3.18 AS one
RUN mkdir -p /s/t && echo q > /s/t/f && chown 4007:4008 /s/t/f && chmod 711 /s/t
RUN ln -s t /s/l && ln -s t/f /s/lf
RUN rm -r /srv && rm /etc/motd && echo more >> /etc/issue && chmod 600 /etc/group
WORKDIR /work
FROM scratch AS two
COPY --from=one /s/t/f /f
COPY --from=0 /s /
FROM alpine:3.18
COPY --from=one /s /s
COPY --from=one /s/lf /s/l /g/
COPY --from=one --chown=1:1 /s/t /h
COPY --from=alpine:3.18 /etc/os-release /
COPY --from=two / /two
"""

CASES: Final = {"documents": DOCUMENTS, "settings": SETTINGS, "files": FILES, "stages": STAGES}


def add_base(store: Store, images: Path, docker: Docker) -> None:
    """Afterwards both have the same alpine:3.18: one layer, and a config with nothing in it."""
    packed = (images / "alpine-minirootfs-3.20.3-x86_64.tar.gz").read_bytes()
    rootfs = gzip.decompress(packed)
    layer = store.put_bytes(packed, OCI_LAYER + "+gzip")
    config = Config.make(Platform("linux", "amd64"), [Digest.of(rootfs)])
    made = Manifest.make(store.put_bytes(config.raw, OCI_CONFIG), [layer])
    store.name(Reference.parse(BASE), store.put_bytes(made.raw, made.media_type), None)
    if docker.run("image", "inspect", BASE, check=False).returncode:
        path = images / "alpine-minirootfs-3.20.3-x86_64.tar.gz"
        docker.run("import", path, BASE)


class File(NamedTuple):
    """What a layer says of one path; of a directory no time, because builds make those."""

    kind: str
    mode: int
    owner: tuple[int, int]
    content: bytes
    link: str
    mtime: int | None


def entries(tar: bytes, timeless: bool) -> dict[str, File]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for member in archive:
            data = archive.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            found[member.name] = File(
                member.type.decode(),
                0 if ".wh." in member.name else member.mode & 0o7777,
                (member.uid, member.gid),
                data,
                member.linkname,
                None if timeless or not member.isreg() else int(member.mtime),
            )
    return found


class Result(NamedTuple):
    config: dict[str, Any]
    tars: list[bytes]


def by_docker(docker: Docker, folder: Path, *options: str) -> tuple[Result, list[str]]:
    done = docker.run("build", "--no-cache", "--network=none", *options, "-t", "built", folder)
    return saved(docker), done.stdout.splitlines()


def saved(docker: Docker) -> Result:
    archive = subprocess.run(
        ["docker", "save", "built"], capture_output=True, check=True, env=docker.env
    ).stdout
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["tar", "xC", place], input=archive, check=True)
        manifest = json.loads(Path(place, "manifest.json").read_bytes())[0]
        config = json.loads(Path(place, manifest["Config"]).read_bytes())
        tars = [Path(place, layer).read_bytes() for layer in manifest["Layers"]]
    return Result(config, tars)


def by_us(image: Image) -> Result:
    tars = []
    for layer in image.manifest.layers:
        with image.source.open(layer) as blob:
            tars.append(gzip.decompress(blob.read()))
    return Result(json.loads(image.config.raw), tars)


def owned(owner: int, member: tarfile.TarInfo) -> tarfile.TarInfo:
    """The same member, of that owner."""
    member.uid = member.gid = owner
    return member


def context(folder: Path) -> Path:
    """Files of many kinds, as a build context."""
    for path in ("sub/deep", "private/in", "empty", "hard"):
        (folder / path).mkdir(parents=True)
    texts = {"a.txt": "a\n", "sub/b.txt": "b\n", "sub/deep/c.txt": "c\n", "private/in/f": "x\n"}
    texts |= {"run.sh": "sh\n", "z.gz": "no gzip", "hard/1": "h", "left.out": "", "é ü": "names\n"}
    for path, text in texts.items():
        (folder / path).write_text(text)
    os.link(folder / "hard/1", folder / "hard/2")
    for path, mode in {"sub/b.txt": 0o600, "private": 0o700, "private/in": 0o2750}.items():
        (folder / path).chmod(mode)
    (folder / "run.sh").chmod(0o4755)
    (folder / "sub/ln").symlink_to("a.txt")
    (folder / "link").symlink_to("private/in/f")
    (folder / "dirlink").symlink_to("private")
    (folder / "notar.gz").write_bytes(gzip.compress(b"a\n", mtime=0))
    for name, owner in {"t.tgz": 0, "two.tar": 0, "own.tar": 5}.items():
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(
                folder / ("sub" if name != "own.tar" else "private"),
                "." if name == "t.tgz" else "in-tar",
                filter=partial(owned, owner),
            )
    (folder / "app.bin").write_bytes((folder / "own.tar").read_bytes())
    (folder / ".dockerignore").write_text("# comment\n*.out\n.dockerignore\n**/nothing\n")
    return folder


def told(config: dict[str, Any]) -> list[tuple[str, bool]]:
    steps = config["history"]
    steps = [one for one in steps if not one.get("comment", "").startswith("Imported")]
    return [(one.get("created_by", ""), one.get("empty_layer", False)) for one in steps]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.mark.parametrize("case", CASES)
def test_docker_builds_the_same(
    case: str, docker: Docker, store: Store, shared_images: Path, tmp_path: Path
) -> None:
    """The same layers, file for file, the same history and the same config; the same lines said."""
    add_base(store, shared_images, docker)
    folder = context(tmp_path / "context")
    (folder / "Dockerfile").write_text(CASES[case])
    said: list[str] = []
    built = build(CASES[case], folder, store, "built", Options(say=said.append, args={"W": "w2"}))
    assert verify(built.image) == []
    theirs, lines = by_docker(docker, folder, "--build-arg", "W=w2")
    ours = by_us(built.image)

    assert told(ours.config) == told(theirs.config)
    settings = {key: value for key, value in theirs.config["config"].items() if value}
    settings.pop("Image")
    assert ours.config["config"] == settings
    assert ours.config.get("author") == theirs.config.get("author")
    steps = [text for text, empty in told(ours.config) if not empty]
    tars = list(zip(ours.tars, theirs.tars, strict=True))[-len(steps) :]
    for text, (our, their) in zip(steps, tars, strict=True):
        timeless = "#(nop)" not in text or case == "stages"
        assert entries(our, timeless) == entries(their, timeless), text
    assert anonymous(said) == anonymous([lines[0], *lines[2:]])


def anonymous(lines: list[str]) -> list[str]:
    """What was said, without IDs and without the size of the context."""
    plain = []
    for line in lines:
        words = line.split(" ")
        if len(words[-1]) == 12 and all(char in "0123456789abcdef" for char in words[-1]):
            words[-1] = "ID"
        plain.append(" ".join(words))
    return plain


def test_variables_are_those_of_docker(
    docker: Docker, store: Store, shared_images: Path, tmp_path: Path
) -> None:
    """Every word of the table means the same to Docker."""
    add_base(store, shared_images, docker)
    words = [word for word, _ in WORDS if word != "a$ b"]
    text = 'FROM alpine:3.18\nENV A=1 B="two words" EMPTY=\n'
    text += "".join(f"LABEL l{n}={word}\n" for n, word in enumerate(words))
    text += "ENV ports='1 2'\nEXPOSE $ports\nEXPOSE ${none:-3}\n"
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(text)
    theirs, _ = by_docker(docker, tmp_path / "context")
    ours = by_us(build(text, {}, store).image).config["config"]
    assert ours["Labels"] == theirs.config["config"]["Labels"]
    assert ours["ExposedPorts"] == theirs.config["config"]["ExposedPorts"]


@pytest.mark.parametrize(("rules", "left"), IGNORED)
def test_docker_leaves_out_the_same(
    rules: str, left: str, docker: Docker, store: Store, tmp_path: Path
) -> None:
    """What a .dockerignore leaves is what Docker copies."""
    folder = tmp_path / "context"
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / ".dockerignore").write_text(f"{rules}\n.dockerignore\nDockerfile\n")
    text = "FROM scratch\nCOPY . /c/"
    (folder / "Dockerfile").write_text(text)
    theirs, _ = by_docker(docker, folder)
    ours = by_us(build(text, folder, store).image)
    assert entries(ours.tars[0], True) == entries(theirs.tars[0], True)
    assert told(ours.config) == told(theirs.config) or "!" in rules
    assert sorted(f"c/{path}" for path in left.split()) == [
        path for path, file in entries(theirs.tars[0], True).items() if file.kind == "0"
    ]


OURS: Final = (
    "requires at least one argument",
    "must be a name",
    "here-documents",
    "fetched over a network",
    "invalid escape directive",
    "Unknown type",
    "write }",
    "not closed",
    "is not closed",
    "--interval",
    "--retries",
    "--chmod",
    "invalid chmod",
    "--mount",
    "none: sorry",
    "quote",
    "syntax error in pattern",
    "Not a directory",
    "cannot normalize nothing",
)
"""Reasons that we give in words of our own."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # Docker's engine breaks down at a lonely ARG ("unexpected EOF").
        *((text, reason) for text, _, reason in BAD if text not in ("", "ARG a")),
        *((f"FROM alpine:3.18\n{text}", reason) for text, reason in REFUSED),
        *((f"FROM alpine:3.18\nENV x={text}", reason) for text, reason in BAD_WORDS),
    ],
)
def test_docker_refuses_it_too(
    text: str, reason: str, docker: Docker, store: Store, shared_images: Path, tmp_path: Path
) -> None:
    """What we refuse Docker refuses, and in the same words where ours are not better."""
    add_base(store, shared_images, docker)
    text = text.replace("FROM a\n", "FROM alpine:3.18\n")
    (tmp_path / "Dockerfile").write_text(text)
    (tmp_path / "a.txt").write_text("a\n")
    done = docker.run("build", "--no-cache", "--network=none", tmp_path, check=False)
    assert done.returncode != 0
    assert reason.rstrip(".") in done.stderr or any(word in reason for word in OURS), done.stderr
    with pytest.raises(ImgkitError):
        build(text, {"a.txt": b"a\n"}, store)


def test_docker_runs_what_we_built(docker: Docker, store: Store, shared_images: Path) -> None:
    """An image that we made is one to Docker, which shows the same files in it."""
    add_base(store, shared_images, docker)
    text = f"{DOCUMENTS}RUN rm -r /srv && mkdir /srv && echo new > /srv/new && rm /etc/motd"
    built = build(text, {}, store, tag="app")
    docker.load(f"{store.home}:docker.io/library/app:latest", "app:ours")
    command = "cat /file1 /file2; ls /srv; ls /etc"
    done = docker.run("run", "--rm", "--network=none", "app:ours", "sh", "-c", command)
    etc = built.image.overlay.listdir("/etc")
    made = {"hostname", "hosts", "mtab", "resolv.conf"}  # by Docker, in every container
    shown = done.stdout.split()
    assert shown[:3] == ["hello", "world", "new"]
    assert set(shown[3:]) - made == set(etc) - made
    assert "motd" not in shown


SET_UP: Final = (
    "RUN mkdir -p /w/a/b /w/c && echo f > /w/f && ln -s a /w/l && ln -s /w/c /w/la "
    "&& chmod 700 /w/c && ln -s f /w/lf\n"
)
GOALS: Final = (
    *("/w/", "/w/a", "/w/b", "/w/l", "/w/l/x", "/w/l/", "/w/la", "/w/la/q", "/w/a/b/c", "/w/f"),
    *("/n/", "/n", "rel", "rel/", "/"),
)


@pytest.mark.parametrize("seed", range(60 if NIGHTLY else 3))
def test_random_copies(
    seed: int, docker: Docker, store: Store, shared_images: Path, tmp_path: Path
) -> None:
    """Whatever is copied onto whatever: the same layers, or both refuse."""
    add_base(store, shared_images, docker)
    dice = random.Random(seed)
    folder = tmp_path / "context"
    folder.mkdir()
    paths = [*_random_tree(dice, folder), "*", ".", "?", "*.txt", "a/*"]
    text = f"FROM alpine:3.18\n{SET_UP}WORKDIR {dice.choice(['/w/', '/w/l', '/k/j'])}\n"
    for _ in range(dice.randint(1, 4)):
        sources = " ".join(dice.sample(paths, dice.choice([1, 1, 2])))
        flag = dice.choice(["", "", "--chown=5:6 "])
        text += f"{dice.choice(['COPY', 'ADD'])} {flag}{sources} {dice.choice(GOALS)}\n"
    (folder / "Dockerfile").write_text(text)
    options = ("build", "--no-cache", "--network=none", "-t", "built", folder)
    if docker.run(*options, check=False).returncode:
        with pytest.raises(ImgkitError):
            build(text, folder, store)
        return
    ours, theirs = by_us(build(text, folder, store).image), saved(docker)
    assert told(ours.config) == told(theirs.config), text
    for our, their in list(zip(ours.tars, theirs.tars, strict=True))[1:]:
        assert entries(our, True) == entries(their, True), text


def _random_tree(dice: random.Random, folder: Path) -> list[str]:
    """Paths of a few files, directories and symlinks that were made there."""
    folders = [folder]
    for _ in range(dice.randint(3, 9)):
        path = dice.choice(folders) / dice.choice(["a", "b", "c", "d.txt", "e.txt"])
        if path.exists() or path.is_symlink():
            continue
        kind = dice.random()
        if kind < 0.35:
            path.mkdir()
            path.chmod(dice.choice([0o755, 0o700, 0o1777]))
            folders.append(path)
        elif kind < 0.8:
            path.write_text(path.name * dice.randint(0, 3))
            path.chmod(dice.choice([0o644, 0o755, 0o600, 0o4711, 0o2755]))
        else:
            path.symlink_to(dice.choice(["../Dockerfile", "/Dockerfile", "nope", "../nope"]))
    return [str(path.relative_to(folder)) for path in sorted(folder.rglob("*"))]

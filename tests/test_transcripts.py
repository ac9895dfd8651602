"""Every command line of the documents, and many more: what Docker answers is what we answer."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import requests
import transcript
from transcript import HERE, Plain, Row, Session, ageless

from imgkit import samples
from imgkit.client import Client
from imgkit.commands import Bench, run
from imgkit.commands.line import words
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.server import transport

SESSIONS: Final = {session.name: session for session in transcript.sessions()}
ROWS: Final = [(name, n) for name in SESSIONS for n in range(len(SESSIONS[name].rows))]


def line(name: str, text: str) -> Row:
    """What a session recorded to a line that occurs in it."""
    return next(row for row in SESSIONS[name].rows if row.line.startswith(text))


@dataclass(frozen=True)
class Difference:
    """Where Docker says `theirs` (a regular expression), we say `ours`, and why."""

    why: str
    theirs: str
    ours: str | Callable[[re.Match[str]], str] = ""
    status: int | None = None

    def of(self, row: Row) -> Row:
        """What we are to say instead; another row than Docker's, or there is no difference."""
        texts = ("".join(f"{line}\n" for line in lines) for lines in (row.out, row.err))
        out, err = (re.sub(self.theirs, self.ours, text, flags=re.DOTALL) for text in texts)
        edited = row.answered(row.status if self.status is None else self.status, out, err)
        assert edited != row, "no longer a difference: take it out of the table"
        return edited


SLIP: Final = Difference(
    "a slip of version 28.2, which others do not have", "SRun 'docker", "Run 'docker"
)
STEPS: Final = "what an image was made from is not kept as an image; BuildKit keeps none either"
ZSTD: Final = SESSIONS["zstd"].rows[0].line
K8SBOOK: Final = """\
Digest: {1}
Status: Downloaded newer image for {0}@{1}
docker.io/{0}@{1}""".format(*ZSTD.split()[-1].split("@"))
DIGESTS: Final = "here layers are kept by digest, as in containerd, and none is fetched twice"
SHARED: Final = Difference(DIGESTS, "4f4fb700ef54: Pull complete", "4f4fb700ef54: Already exists")
TU_DEMO: Final = line("pull", "docker pull nigelpoulton/tu-demo@").line
SETTINGS: Final = json.dumps(
    json.loads("".join(line("inspect", "docker inspect alpine redis").out))[1]["Config"],
    separators=(",", ":"),
)
VERBS: Final = (
    "FROM, RUN, COPY, ADD, ENV, ARG, WORKDIR, USER, CMD, ENTRYPOINT, EXPOSE, LABEL, VOLUME, "
    "SHELL, STOPSIGNAL, HEALTHCHECK, ONBUILD, MAINTAINER"
)
_REDIS: Final = samples.image("redis").descriptor
_ALPINE: Final = samples.image("alpine").descriptor
_PUSHED: Final = {
    f"sha256:id{1:062}": _ALPINE.digest,
    f"sha256:id{2:062}": _REDIS.digest,
    f"sha256:id{3:062}": _REDIS.digest,
    f"sha256:id{4:062}": f"sha256:id{1:062}",
    f"sha256:id{5:062}": f"sha256:id{2:062}",
    "size: 524": f"size: {_ALPINE.size}",
    "size: 525": f"size: {_ALPINE.size}",
    "size: 1977": f"size: {_REDIS.size}",
}
PUSHED: Final = Difference(
    "what was pulled is pushed as it is, as containerd does; Docker's classic store has kept no "
    "manifest, and writes another one",
    "|".join(_PUSHED),
    lambda part: _PUSHED[part[0]],
)
PROMPT: Final = Difference(
    "a question ends its line, as it does for whoever types the answer",
    r"\[y/N\] (\\\n)?",
    "[y/N] \n",
)
GRAPH_DRIVER: Final = Difference(
    "no layer is unpacked to a directory of its own here, and none is made up",
    r'("Data": ?)\{[^}]*\}',
    r"\1null",
)

DIFFERENCES: Final[dict[tuple[str, str], Difference]] = {
    ("usage", "docker images a b"): SLIP,
    ("usage", "docker image ls a b"): SLIP,
    ("archives", "docker load -i garbage.tar"): Difference(
        "we say which archive it is, and where it ends",
        r"Error processing tar file\(exit status 1\): unexpected EOF",
        "imgkit: garbage.tar cannot be read as an archive of images: at byte 19, it ends in the "
        "middle of an entry: it was cut off",
    ),
    ("archives", "docker load"): Difference(
        "the same",
        r"Error processing tar file\(exit status 1\): unexpected EOF",
        "imgkit: standard input cannot be read as an archive of images: at byte 7, it ends in "
        "the middle of an entry: it was cut off",
    ),
    ("pull", "docker pull redis"): SHARED,
    ("pull", TU_DEMO): SHARED,
    ("rmi-shared", "docker pull redis"): SHARED,
    ("one-image-many-tags", "docker pull -a nigelpoulton/tu-demo"): Difference(
        DIGESTS,
        "(7ef046b34451: Pull complete\n4f4fb700ef54:) Pull complete",
        r"\1 Already exists",
    ),
    ("zstd", ZSTD): Difference(
        "one layer is packed with zstd, which Docker can read from version 23 on",
        "Extracting [^\n]*|failed to register[^\n]*\n",
        lambda part: f"Pull complete\n{K8SBOOK}" if part[0].startswith("Extracting") else "",
        status=0,
    ),
    ("build", "docker images -a"): Difference(STEPS, r"<none>  <none>  id0000000002 .*?B\n"),
    ("build", "docker history app"): Difference(STEPS, "id0000000002|199a33eb4b96", "<missing>"),
    ("build-directory", "docker history app"): Difference(
        STEPS, "(?<!COMMENT\n)(?<=\n)(id[0-9]{10}|199a33eb4b96)", "<missing>"
    ),
    ("commit", "docker history changed"): Difference(STEPS, "63270213f15e", "<missing>"),
    ("commit", "docker history changed:2"): Difference(STEPS, "63270213f15e", "<missing>"),
    **{("push", row.line): PUSHED for row in SESSIONS["push"].rows if "id0000" in str(row.out)},
    ("pull-on-a-pipe", "docker push alpine"): PUSHED,
    ("build", "docker build -t unknown -"): Difference(
        "what can be written instead is said, too", "NOPE\n", f"NOPE. Write one of: {VERBS}.\n"
    ),
    ("build", "docker build -t baseless -"): Difference(
        "the line is said, too, and what to do",
        "(no build stage in current context)\n",
        r"dockerfile parse error line 1: \1. Begin with FROM.\n",
    ),
    ("inspect", "docker inspect --format '{{json .Config}}' redis"): Difference(
        "an object is written as everywhere; version 28 leaves out here what is empty",
        r"\{.*\}",
        lambda part: SETTINGS,
    ),
    ("dangling", "docker image prune"): PROMPT,
    ("dangling", "docker image prune -a"): PROMPT,
    ("ended", "docker run --rm alpine sh -c 'printf abc'"): Difference(
        "every line that is said ends, also in a notebook", r"abc\\\n", "abc\n"
    ),
    ("inspect", "docker inspect node:latest"): GRAPH_DRIVER,
    ("inspect", "docker image inspect alpine"): GRAPH_DRIVER,
    ("inspect", "docker inspect alpine redis"): GRAPH_DRIVER,
    ("inspect", "docker image inspect -f json alpine"): GRAPH_DRIVER,
}
"""Every answer that is not Docker's, by session and command line."""


class Ours:
    """The side of a session that our commands hold."""

    def __init__(self, session: Session, folder: Path) -> None:
        self.place = folder / "work"
        self.place.mkdir(parents=True)
        session.lay_out(self.place)
        http = requests.Session()
        self.registry = transcript.registry(folder / "registry")
        transport.mount(http, self.registry)
        self.now = datetime.fromisoformat(session.at)
        self.texts: tuple[list[str], list[str]] = ([], [])
        self.bench = Bench(
            home=folder / "home",
            client=lambda: Client(session=http, mirror=EMBEDDED),
            say=self.texts[0].append,
            warn=self.texts[1].append,
            now=lambda: self.now,
            platform=Platform("linux", "amd64"),
            jobs=1,
        )

    def answer(self, row: Row) -> Row:
        """What we say to the same line, a second later."""
        self.now += timedelta(seconds=1)
        self.bench.stdin = io.BytesIO((row.stdin or "").encode())
        self.bench.terminal = row.terminal
        for lines in self.texts:
            lines.clear()
        with contextlib.chdir(self.place):
            status = run(self.bench, words(self.bench, row.line))
        out, err = ("".join(f"{line}\n" for line in lines) for lines in self.texts)
        out, err = (text.replace(str(self.place), HERE) for text in (out, err))
        return row.answered(status, out, err)

    def close(self) -> None:
        """Afterwards the registry holds no upload open that was never finished."""
        self.registry.close()


@cache
def ours(name: str) -> list[Row]:
    """A whole session, held by us."""
    with tempfile.TemporaryDirectory(prefix="imgkit-transcript-") as folder:
        plain = Plain()
        with contextlib.closing(Ours(SESSIONS[name], Path(folder))) as here:
            return [plain(here.answer(row)) for row in SESSIONS[name].rows]


@pytest.mark.parametrize(("name", "number"), ROWS)
def test_as_docker(name: str, number: int) -> None:
    """Output, errors and exit status are those of a real engine, or else the table says why."""
    assert ours(name)[number] == expected(name, number)


def expected(name: str, number: int) -> Row:
    """Docker's answer, or ours where the table has another."""
    row = SESSIONS[name].rows[number]
    difference = DIFFERENCES.get((name, row.line))
    return difference.of(row) if difference else row


DOCUMENTED: Final = """
docker images
docker image ls
docker pull redis
docker pull redis:latest
docker pull alpine
docker pull alpine:latest
docker pull mongo:4.2.24
docker pull mongo:7.0.5
docker pull busybox:glibc
docker pull nigelpoulton/tu-demo:v2
docker pull gcr.io/google-containers/git-sync:v3.1.5
docker pull ghcr.io/regclient/regsync:latest
docker pull mcr.microsoft.com/powershell:latest
docker pull node:latest
docker pull -a nigelpoulton/tu-demo
docker pull nigelpoulton/k8sbook@sha256:...
docker inspect node:latest
docker images --digests alpine
docker rmi redis:latest ... sha256:...
docker rmi $(docker images -q) -f
docker image rm $(docker image ls -q) -f
docker run
""".strip().splitlines()
"""Every command line that the source documents print; IDs are others here."""

USED: Final = {
    "images": "-q --digests -a --filter --format --no-trunc",
    "image ls": "-q",
    "pull": "-a -q --platform",
    "image pull": "",
    "inspect": "--format",
    "image inspect": "-f",
    "history": "--no-trunc -q",
    "tag": "",
    "push": "-a -q",
    "rmi": "-f",
    "image rm": "-f",
    "image prune": "-f -a",
    "manifest inspect": "-v",
    "run": "-d --name --rm -it -i -e -w -u",
    "container run": "--rm",
    "ps": "-a -q",
    "exec": "-i -it",
    "stop": "-t",
    "rm": "-f",
    "diff": "",
    "commit": "-m -a -c",
    "build": "-t -f -q",
    "save": "-o",
    "load": "-i -q",
}
"""Every verb of the course, and its flags."""


@pytest.mark.parametrize("line", DOCUMENTED)
def test_documents(line: str) -> None:
    """What the documents type is typed in some session."""
    pattern = re.escape(line).replace(re.escape("..."), "[0-9a-f]{12,}")
    assert any(re.fullmatch(pattern, SESSIONS[name].rows[n].line) for name, n in ROWS)


@pytest.mark.parametrize(("verb", "flag"), [(v, f) for v in USED for f in ["", *USED[v].split()]])
def test_course(verb: str, flag: str) -> None:
    """Every verb of the course is there with each of its flags, and does something once."""
    typed = [row for session in SESSIONS.values() for row in session.rows if not row.status]
    lines = [f"{row.line} " for row in typed if row.line.startswith(f"docker {verb}")]
    assert any(f" {flag} " in line if flag else line for line in lines)


def test_differences_are_of_lines() -> None:
    """The table has no line that nobody types."""
    typed = Counter((name, row.line) for name, session in SESSIONS.items() for row in session.rows)
    assert not set(DIFFERENCES) - set(typed)


@pytest.mark.peer("dockerd", "docker", "openssl", "runc", "busybox")
def test_recordings_are_true() -> None:
    """A real engine, asked now, says what is recorded; `IMGKIT_RECORD=1` writes it anew."""
    from record_session import record

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(record, SESSIONS.values()))
    for session in found:
        if os.environ.get("IMGKIT_RECORD"):
            session.write()
        else:
            recorded = SESSIONS[session.name].rows
            assert list(map(ageless, session.rows)) == list(map(ageless, recorded))


@pytest.mark.peer("skopeo", "openssl")
@pytest.mark.parametrize("name", ["alpine", "redis:7.4", "nigelpoulton/k8sbook"])
def test_imagetools(name: str, tmp_path: Path) -> None:
    """Of every manifest behind a name, its digest, media type and platform, in the index's order.

    Debian's Docker has no buildx; so the index is the one that skopeo gets from the registry.
    """
    from internet import Internet

    internet = Internet(tmp_path, transcript.registry(tmp_path / "registry"))
    with internet.open():
        command = ["skopeo", "inspect", "--raw", f"docker://{name}"]
        env = {**os.environ, **internet.env}
        raw = subprocess.run(command, check=True, capture_output=True, env=env).stdout
    said = _imagetools(name, tmp_path)
    index = json.loads(raw)
    facts = [f"sha256:{hashlib.sha256(raw).hexdigest()}"]
    for row in index["manifests"]:
        platform = row["platform"]
        words = [platform["os"], platform["architecture"], platform.get("variant", "")]
        facts += [row["digest"], row["mediaType"], "/".join(filter(None, words))]
    assert re.findall(r"(?:@|Digest: +|MediaType: +|Platform: +)(\S+)", said)[1:] == facts


def _imagetools(name: str, folder: Path) -> str:
    session = Session("imagetools", "", "2024-11-15T12:00:00+00:00", {}, [])
    here = Ours(session, folder / "ours")
    row = here.answer(Row(f"docker buildx imagetools inspect {name}"))
    assert (row.status, row.err) == (0, [])
    return "\n".join(row.out)

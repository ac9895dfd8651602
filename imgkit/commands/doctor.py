"""The verb `doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import imgkit
from imgkit import figure, kernel, units
from imgkit.client import Client
from imgkit.client.credentials import Credentials
from imgkit.client.patience import Patience, Quota
from imgkit.client.wire import Question
from imgkit.commands.bench import FAILED, Bench
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import ImgkitError
from imgkit.manifest import INDEX_TYPES, MANIFEST_TYPES
from imgkit.reference import Reference
from imgkit.store import Record, Store

OK: Final = "ok"
NOTE: Final = "note"
BROKEN: Final = "broken"

OLDEST: Final = (3, 11)
NEEDED: Final = ("requests", "urllib3", "werkzeug", "platformdirs", "filelock")
FASTER: Final = {
    "isal": "gzip layers are read by zlib, at half the speed",
    "backports.zstd": "zstd layers cannot be read",
}
NOTEBOOKS: Final = ("jupyterlab", "ipywidgets", "graphviz", "graphviz-pure")
EXTRA: Final = "python -m pip install 'container-imgkit[notebooks]'"
ROOM: Final = 1 << 30
"""Bytes of free disk below which something is said."""
HUB: Final = "ratelimitpreview/test"
"""The image that Docker Hub keeps so that anyone can ask how many pulls they have left."""
HURRY: Final = Patience(tries=1, connect=4, silence=4, whole=4)
SECONDS: Final = 10.0
"""How long Docker Hub is waited for in all, looking up its address included."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, a `note` (all goes on without it), or `broken`."""

    name: str
    state: str
    said: str

    def __str__(self) -> str:
        return f"{self.state:7} {self.name:18} {self.said}"


def _doctor(bench: Bench, options: Options) -> int:
    found = list(_findings(bench))
    if options.on("json"):
        bench.say(json.dumps([asdict(finding) for finding in found]))
    else:
        for finding in found:
            bench.say(str(finding))
    return FAILED if any(finding.state == BROKEN for finding in found) else 0


def _findings(bench: Bench) -> Iterator[Finding]:
    yield _python()
    yield Finding("imgkit", OK, f"{imgkit.__version__}, in {Path(imgkit.__file__).parent}")
    for name in NEEDED:
        yield _package(name, BROKEN, f": python -m pip install {name}")
    for name, without in FASTER.items():
        if name != "backports.zstd" or sys.version_info < (3, 14):
            yield _package(name, NOTE, f", so {without}: python -m pip install {name}")
    for name in NOTEBOOKS:
        yield _package(name, NOTE, f"; the notebooks need it: {EXTRA}")
    yield _renderer()
    yield _mounts()
    yield repository(bench.home)
    yield _disk(bench.home)
    yield (
        within(SECONDS, lambda: hub(_client(bench)))
        if bench.live
        else Finding("Docker Hub", NOTE, "was not asked; `imgkit doctor --live` does")
    )


def _python() -> Finding:
    said = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < OLDEST:
        return Finding("Python", BROKEN, f"{said}: 3.11 or later is needed")
    return Finding("Python", OK, said)


def _package(name: str, state: str, lacking: str) -> Finding:
    """The version of a package; of one that is not installed, what is lacking then."""
    try:
        return Finding(name, OK, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, state, f"is not installed{lacking}")


def _renderer() -> Finding:
    if figure.render("digraph { a -> b }") is None:
        return Finding("diagrams", NOTE, "are shown as text: python -m pip install graphviz-pure")
    return Finding("diagrams", OK, "can be drawn")


def _mounts() -> Finding:
    reason = kernel.why_not()
    if reason:
        return Finding("overlay mounts", NOTE, f"{reason} Every lesson goes on without.")
    return Finding("overlay mounts", OK, "the kernel can be asked")


def repository(home: Path) -> Finding:
    """Whether the local repository can be used, and has every blob of its images."""
    name = "local repository"
    if not home.exists():
        return Finding(name, OK, f"{home}: not made yet; the first pull does")
    try:
        store = Store(home)
        rows = store.records()
        lacking = {row.name or row.descriptor.digest.short for row in rows if _lacks(store, row)}
    except ImgkitError as error:
        return Finding(name, BROKEN, str(error))
    if lacking:
        names = ", ".join(sorted(lacking))
        return Finding(name, BROKEN, f"{home}: blobs are missing or cut off: pull {names} again")
    return Finding(name, OK, f"{home}: {len(rows)} images")


def _lacks(store: Store, row: Record) -> bool:
    """Whether a blob of the image of this row is not there, or not whole."""
    try:
        if row.descriptor.media_type in INDEX_TYPES:
            return not store.has(row.descriptor)
        image = store.open_image(row)
        return not all(map(store.has, (image.descriptor, *image.manifest.children)))
    except ImgkitError:
        return True


def _disk(home: Path) -> Finding:
    place = next(folder for folder in (home, *home.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < ROOM:
        said = f"only {units.size(free)} are free at {place}: large images will not fit"
        return Finding("disk", NOTE, f"{said}. Another place: --home, or IMGKIT_HOME.")
    return Finding("disk", OK, f"{units.size(free)} are free at {place}")


def _client(bench: Bench) -> Client:
    return Client(cache=bench.mirror or None, credentials=Credentials.of_user(), patience=HURRY)


def hub(client: Client, image: str = HUB) -> Finding:
    """Whether Docker Hub answers, and how many pulls it allows; a HEAD, which counts as none."""
    name = Reference.parse(image).with_default_tag()
    try:
        repository, what = client.repository(name), f"manifests/{name.target}"
        accept = {"Accept": ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))}
        answer = repository.call(what, Question(repository.url(what), "HEAD", accept))
    except ImgkitError as error:
        return Finding("Docker Hub", NOTE, str(error))
    with answer:
        quota = Quota.of(answer.headers)
    return Finding("Docker Hub", OK, f"answers. {str(quota) or 'It says nothing of limits.'}")


def within(seconds: float, ask: Callable[[], Finding]) -> Finding:
    """What `ask` finds, if it does so in that time; a system that looks names up may hang."""
    found: list[Finding] = []
    thread = threading.Thread(target=lambda: found.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        return Finding("Docker Hub", NOTE, f"did not answer within {seconds:g} seconds")
    return found[0]


VERBS: Final = {
    "doctor": Verb(
        "Say what works here, and what to do about what does not",
        "[OPTIONS]",
        _doctor,
        (Flag("json", "As JSON"),),
    ),
}

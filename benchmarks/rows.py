"""The table: what a learner waits for, each beside the program that is best at it.

Every row is a function of the `Bench`; it gives the lines of the table that it measured.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks import ours
from benchmarks.race import Command, Entrant, Figures, race
from imgkit.store import Store

PYTHON: Final = sys.executable
SKOPEO: Final = ("skopeo", "--insecure-policy", "copy", "--quiet")
INSECURE: Final = ("--src-tls-verify=false", "--dest-tls-verify=false")


@dataclass(frozen=True)
class Line:
    """One line of the table; the ratio is to the fastest peer."""

    what: str
    ours: Figures
    peers: Mapping[str, Figures]
    target: str
    rounds: int


@dataclass
class Bench:
    """What is measured with: a scratch folder in memory, images, a registry, and a Docker."""

    folder: Path
    images: Mapping[str, Path]
    """Of each image's name, its OCI layout."""
    host: str
    docker: Mapping[str, str] = field(default_factory=dict)
    """The environment in which `docker` reaches an engine of ours; empty where there is none."""
    rounds: int = 5

    def name(self, image: str) -> str:
        return f"{self.host}/bench/{image}:latest"

    def imgkit(self, *words: str | Path, home: str = "home") -> Command:
        return [PYTHON, "-m", "imgkit", "--home", self.folder / home, *words]

    def pulled(self, *images: str, home: str = "pulled") -> Path:
        """A local repository with these images; made once."""
        for image in images:
            race([Entrant("", [self.imgkit("pull", "-q", self.name(image), home=home)])], 1)
        return self.folder / home

    def line(self, what: str, target: str, *entrants: Entrant, rounds: int = 0) -> Line:
        rounds = rounds or self.rounds
        print(f"  {what} ...", file=sys.stderr, flush=True)
        first, *theirs = race(entrants, rounds)
        peers = {entrant.name: found for entrant, found in zip(entrants[1:], theirs, strict=True)}
        return Line(what, first, peers, target, rounds)


def pull(bench: Bench) -> Iterator[Line]:
    """Into an empty local repository, every digest checked."""
    home, layout = bench.folder / "home", bench.folder / "layout"
    for image in bench.images:
        name = bench.name(image)
        yield bench.line(
            f"pull, {image}",
            "0.5",
            Entrant("imgkit", [bench.imgkit("pull", "-q", name)], fresh=[home]),
            Entrant(
                "skopeo copy",
                [[*SKOPEO, *INSECURE, f"docker://{name}", f"oci:{layout}:x"]],
                fresh=[layout],
            ),
        )


def pull_and_unpack(bench: Bench) -> Iterator[Line]:
    """Into an empty local repository, and a directory a layer."""
    home, root = bench.folder / "home", bench.folder / "root"
    storage = bench.folder / "podman"
    podman = ["podman", "--root", storage, "--runroot", bench.folder / "podman-run"]
    podman += ["--storage-driver", "overlay"]
    for image in bench.images:
        name = bench.name(image)
        mine = [
            bench.imgkit("pull", "-q", name),
            bench.imgkit("unpack", "--layers", name, root),
        ]
        entrants = [
            Entrant("imgkit", mine, fresh=[home, root]),
            Entrant(
                "podman pull",
                [[*podman, "pull", "-q", "--tls-verify=false", name]],
                before=[[*podman, "rmi", "--all", "--force"]],
            ),
        ]
        if bench.docker:
            engine = Entrant(
                "docker pull",
                [["docker", "pull", "-q", name]],
                before=[["sh", "-c", f"docker rmi --force {name} || true"]],
                env=bench.docker,
                daemon=True,
            )
            entrants.append(engine)
        yield bench.line(f"pull and unpack, {image}", "0.5", *entrants, rounds=_few(bench, image))


def unpack(bench: Bench) -> Iterator[Line]:
    """A pulled image, to a merged root filesystem."""
    root, bundle = bench.folder / "root", bench.folder / "bundle"
    for image, layout in bench.images.items():
        bench.pulled(image)
        yield bench.line(
            f"unpack merged, {image}",
            "0.3",
            Entrant(
                "imgkit",
                [bench.imgkit("unpack", bench.name(image), root, home="pulled")],
                fresh=[root],
            ),
            Entrant(
                "umoci unpack",
                [["umoci", "unpack", "--image", f"{layout}:{image}", bundle]],
                fresh=[bundle],
            ),
            rounds=_few(bench, image),
        )


def extract(bench: Bench) -> Iterator[Line]:
    """The largest layer, already decompressed."""
    plain, root = bench.folder / "layer.tar", bench.folder / "root"
    store = Store(bench.pulled("big"))
    blob = max(store.image(bench.name("big")).layers, key=lambda layer: layer.size)
    race([Entrant("", [["sh", "-c", f"gzip -dc {store.path(blob.digest)} > {plain}"]])], 1)
    yield bench.line(
        "extract one decompressed layer, big",
        "1.3",
        Entrant(
            "imgkit",
            [[PYTHON, "-m", "benchmarks.ours", "extract", plain, blob.diff_id, root]],
            fresh=[root],
        ),
        Entrant(
            "tar -x",
            [["mkdir", root], ["tar", "-xpf", plain, "--numeric-owner", "-C", root]],
            fresh=[root],
        ),
    )
    plain.unlink()


def merge(bench: Bench) -> Iterator[Line]:
    """Every entry of every layer listed, and the merged view made."""
    for image in bench.images:
        store = Store(bench.pulled(image))
        name = bench.name(image)
        blobs = [store.path(layer.digest) for layer in store.image(name).manifest.layers]
        yield bench.line(
            f"list all entries, and the merged view, {image}",
            "1.0",
            Entrant("imgkit", [[PYTHON, "-m", "benchmarks.ours", "merge", store.home, name]]),
            Entrant("gzip -dc", [["gzip", "-dc", *blobs]]),
        )


def pull_again(bench: Bench) -> Iterator[Line]:
    """An image of which all layers but one are there."""
    home, layout = bench.folder / "home", bench.folder / "layout"
    for image in bench.images:
        first, second = bench.name(image), bench.name(f"{image}-2")
        command = [*SKOPEO, *INSECURE]
        mine = bench.imgkit("pull", "-q", second)
        yield bench.line(
            f"second pull that shares all but one layer, {image}",
            "1.0",
            Entrant("imgkit", [mine], [bench.imgkit("pull", "-q", first)], [home]),
            Entrant(
                "skopeo copy",
                [[*command, f"docker://{second}", f"oci:{layout}:y"]],
                before=[[*command, f"docker://{first}", f"oci:{layout}:x"]],
                fresh=[layout],
            ),
        )


def save_push_load(bench: Bench) -> Iterator[Line]:
    """Out of the local repository into a docker-archive or a registry, and back."""
    archive, layout, home = (bench.folder / name for name in ("save.tar", "layout", "home"))
    for image, source in bench.images.items():
        name, there = bench.name(image), f"oci:{source}:{image}"
        bench.pulled(image)
        tagged = f"docker-archive:{archive}:{name}"
        yield bench.line(
            f"save, {image}",
            "1.0",
            Entrant("imgkit", [bench.imgkit("save", "-o", archive, name, home="pulled")]),
            Entrant("skopeo copy", [[*SKOPEO, there, tagged]], fresh=[archive]),
            rounds=_few(bench, image),
        )
        yield bench.line(
            f"load, {image}",
            "1.0",
            Entrant("imgkit", [bench.imgkit("load", "-q", "-i", archive)], fresh=[home]),
            Entrant(
                "skopeo copy",
                [[*SKOPEO, f"docker-archive:{archive}", f"oci:{layout}:x"]],
                fresh=[layout],
            ),
            rounds=_few(bench, image),
        )
        archive.unlink()
        yield from _push(bench, image, there)


def _push(bench: Bench, image: str, there: str) -> Iterator[Line]:
    """To a repository that has nothing of it, of a registry that has: it is not to be mounted."""
    home, blobs = bench.folder / "pulled", bench.folder / "data/docker/registry/v2"
    theirs = f"{bench.host}/empty/{image}"
    empty = [blobs / "repositories/empty", blobs / "blobs"]
    kept = bench.folder / "data-kept"
    race([Entrant("", [["cp", "-a", blobs, kept]], fresh=[kept])], 1)
    # A blob that only another repository has is sent in whole, unless it is mounted from there.
    yield bench.line(
        f"push, {image}",
        "1.0",
        Entrant(
            "imgkit",
            [bench.imgkit("push", "-q", f"{theirs}:ours", home=home.name)],
            before=[bench.imgkit("tag", bench.name(image), f"{theirs}:ours", home=home.name)],
            fresh=empty,
        ),
        Entrant(
            "skopeo copy",
            [[*SKOPEO, *INSECURE, there, f"docker://{theirs}:theirs"]],
            fresh=empty,
        ),
    )
    race([Entrant("", [["cp", "-a", f"{kept}/.", blobs]])], 1)


def start(bench: Bench) -> Iterator[Line]:
    """`import imgkit`, beside a Python that imports requests; and `images` with 100 of them."""
    yield bench.line(
        "import imgkit",
        "+30 ms",
        Entrant("imgkit", [[PYTHON, "-c", "import imgkit"]]),
        Entrant("import requests", [[PYTHON, "-c", "import requests"]]),
        rounds=15,
    )
    make = [PYTHON, "-m", "benchmarks.ours", "hundred", bench.folder / "hundred"]
    race([Entrant("", [make])], 1)
    entrants = [Entrant("imgkit", [bench.imgkit("images", home="hundred")])]
    if bench.docker:
        saved = bench.folder / "hundred.tar"
        save = bench.imgkit("save", "-o", saved, *ours.hundred_names(), home="hundred")
        load = ["docker", "load", "-q", "-i", saved]
        race([Entrant("", [save, load], env=bench.docker, fresh=[saved])], 1)
        listing = Entrant("docker images", [["docker", "images"]], env=bench.docker, daemon=True)
        entrants.append(listing)
    yield bench.line("images, 100 of them", "1.0", *entrants, rounds=15)


def _few(bench: Bench, image: str) -> int:
    """Rounds where a run of the large image takes long."""
    return min(bench.rounds, 3) if image == "big" else bench.rounds


ROWS: Final[Mapping[str, Callable[[Bench], Iterator[Line]]]] = {
    "pull": pull,
    "pull-and-unpack": pull_and_unpack,
    "unpack": unpack,
    "extract": extract,
    "merge": merge,
    "pull-again": pull_again,
    "save-push-load": save_push_load,
    "start": start,
}

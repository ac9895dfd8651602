"""Recipes: a Dockerfile in which every step also lists the files that it leaves behind.

A file of `recipes/` begins with its facts, goes on like a Dockerfile, and below an instruction,
indented, are lines of `tree`:

    # image: docker.io/library/redis
    # edition: latest 7.4.1 | created=2024-10-03T02:36:38Z        one line for each different image
    # platforms: linux/amd64 linux/arm64/v8
    FROM debian:bookworm-slim
    RUN mkdir /data && chown redis:redis /data
        data/ @755:999:999
    CMD ["redis-server"]

Other facts: `docker` (Docker's media types instead of OCI's), `classic` (built by the builder
before BuildKit), `attested` (with attestations), `index` (an index even for one platform), and
`density` (of `tree.filler`). `$name` is a variable of the edition or platform. `STEP` is a step
whose history is written out; a step with the line `packed zstd` (or `packed plain`) keeps its
layer in that form, and one with `made MOMENT` is from the build cache: it has the time at which it
was first made.
"""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from typing import Final

from imgkit.errors import NotFound
from imgkit.platforms import Platform
from imgkit.samples import tree

_NAMES: Final = {
    "amd64": ("amd64", "x86_64", "x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": ("arm64", "aarch64", "aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
    "armv6": ("armel", "armhf", "arm-linux-gnueabi", "ld-linux.so.3"),
    "armv7": ("armhf", "armv7", "arm-linux-gnueabihf", "ld-linux-armhf.so.3"),
    "386": ("i386", "x86", "i386-linux-gnu", "ld-linux.so.2"),
    "ppc64le": ("ppc64el", "ppc64le", "powerpc64le-linux-gnu", "ld64.so.2"),
}
"""What each architecture is called by dpkg, by apk, by GNU, and its dynamic loader."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, and the files that it leaves behind; `total` is their real size (bytes)."""

    verb: str
    arguments: str
    files: tuple[tree.File, ...] = ()
    total: int = 0
    packed: str = "gzip"
    made: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make one image for one platform."""

    names: tuple[str, ...]
    platform: Platform
    created: datetime
    base: str
    steps: tuple[Step, ...]
    facts: frozenset[str]
    density: int

    @property
    def familiar(self) -> str:
        """The first name as people write it."""
        return self.names[0].removeprefix("docker.io/").removeprefix("library/")


@functools.cache
def recipes() -> tuple[Recipe, ...]:
    """Every recipe, in the order of the files, editions and platforms."""
    folder = resources.files("imgkit.samples") / "recipes"
    files = {f.name.removesuffix(".recipe"): f.read_text("utf-8") for f in folder.iterdir()}
    return tuple(recipe for name in sorted(files) for recipe in parse(files[name]))


def find(name: str, platform: Platform) -> Recipe:
    """The recipe of a name (as people write it) for a platform; raises `NotFound`."""
    full = name if "/" in name else f"docker.io/library/{name}"
    for recipe in recipes():
        if full in recipe.names and recipe.platform == platform:
            return recipe
    raise NotFound(f"there is no recipe for {name} on {platform}", name=name)


def parse(text: str) -> Iterator[Recipe]:
    """The recipes in one file: one for each edition and platform."""
    facts: dict[str, list[str]] = {}
    for key, value in re.findall(r"^# (\w+):[ ]*(.*)$", text, re.MULTILINE):
        facts.setdefault(key, []).append(value)
    for edition in facts["edition"]:
        tags, _, values = edition.partition("|")
        variables = dict(pair.replace("␣", " ").split("=", 1) for pair in values.split())
        names = tuple(f"{facts['image'][0]}:{tag}" for tag in tags.split())
        for written in " ".join(facts["platforms"]).split():
            platform = _platform(written)
            body = string.Template(text).safe_substitute(variables | _variables(platform))
            base, *steps = _steps(body.splitlines())
            yield Recipe(
                names,
                platform,
                _moment(variables["created"]),
                base.arguments,
                tuple(steps),
                frozenset(facts),
                int(facts.get("density", ["20"])[0]),
            )


def _platform(written: str) -> Platform:
    name, _, version = written.partition("@")
    system, cpu, *variant = name.split("/")
    return Platform(system, cpu, variant[0] if variant else None, os_version=version or None)


def _variables(platform: Platform) -> dict[str, str]:
    cpu = platform.architecture + (platform.variant or "" if platform.architecture == "arm" else "")
    deb, apk, gnu, loader = _NAMES[cpu]
    return {"deb": deb, "apk": apk, "gnu": gnu, "loader": loader, "cpu": platform.architecture}


def _steps(lines: Iterable[str]) -> Iterator[Step]:
    step: Step | None = None
    block: list[str] = []
    for line in lines:
        if line.startswith(" "):
            block.append(line.strip())
        elif line and not line.startswith("#"):
            if step:
                yield _with(step, block)
            verb, _, arguments = line.partition(" ")
            step, block = Step(verb, arguments), []
    if step:
        yield _with(step, block)


def _with(step: Step, block: list[str]) -> Step:
    """The step with what its block says: how it is packed, when it was made, what it leaves."""
    for line in block:
        if line.startswith("packed "):
            step = replace(step, packed=line.removeprefix("packed "))
        elif line.startswith("made "):
            step = replace(step, made=_moment(line.removeprefix("made ")))
    files, total = tree.parse(x for x in block if not x.startswith(("packed ", "made ")))
    return replace(step, files=files, total=total)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

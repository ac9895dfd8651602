"""What the steps of one build share: the repository, the context, the stages done so far."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imgkit.build.dockerfile import Stage
from imgkit.build.effects import State
from imgkit.draft import Cache, Draft, nanoseconds
from imgkit.errors import BuildFailed, ImgkitError, NotFound
from imgkit.image import Image
from imgkit.mount import Mount
from imgkit.mount.inode import Inode
from imgkit.mount.stack import stack
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

Puller = Callable[[Reference, Platform | None], object]
"""Afterwards the local repository has the image of that name."""


@dataclass(slots=True)
class Progress:
    """A stage on its way: its image so far, its settings, and its filesystem once it is needed."""

    stage: Stage
    draft: Draft
    state: State
    trees: list[Inode] | None = None
    busted: bool = False
    """A step was not in the cache, so none that follows may be taken from there."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an image is to be built, beyond its Dockerfile, context and names.

    `args` are the values of --build-arg, `labels` those of --label. `pull` gets a base image that
    is not in the store, or, if `fresh`, every one. `say` gets each line that Docker would print.
    Where no `platform` is asked for, what is built from scratch is for `native`, by default this
    machine's.
    """

    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    no_cache: bool = False
    fresh: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    say: Callable[[str], None] = lambda line: None
    pull: Puller | None = None
    platform: Platform | None = None
    native: Platform | None = None


@dataclass(slots=True)
class Workshop:
    """What all steps of a build share."""

    store: Store
    context: Mount
    options: Options
    cache: Cache
    stages: dict[str, Progress] = field(default_factory=dict)

    @property
    def say(self) -> Callable[[str], None]:
        return self.options.say

    def mount(self, trees: Sequence[Inode]) -> Mount:
        """A writable filesystem over these, whose clock is the build's."""
        return Mount(trees, clock=lambda: nanoseconds(self.options.clock()))

    def trees(self, progress: Progress) -> list[Inode]:
        """The filesystem of a stage as it is, as the lowers of a mount."""
        if progress.trees is None:
            progress.trees = stack(progress.draft.open(self.store))
        return progress.trees

    def image(self, name: str, platform: Platform | None = None) -> Image:
        """The image of that name or ID; pulled where it is not here, or only for other machines.

        Raises `NotFound`, or `BuildFailed` for an image that there is for other machines only.
        """
        reference = Reference.parse(name).with_default_tag()
        pull = self.options.pull
        found = None if self.options.fresh and pull else self._here(name, reference, platform)
        if pull and not (found and _fits(found, platform)):
            pull(reference, platform)
            found = None
        found = found or Image.of(self.store, reference, platform)
        if not _fits(found, platform):
            raise BuildFailed(
                f"{name} is here for {found.config.platform}, and not for {platform}. "
                f"Pull it with --platform {platform}.",
                line=None,
                text=name,
            )
        return found

    def _here(self, name: str, reference: Reference, platform: Platform | None) -> Image | None:
        """The image of that name or ID, if there is one."""
        with contextlib.suppress(NotFound):
            return Image.of(self.store, reference, platform)
        with contextlib.suppress(ImgkitError):
            return self.store.image(name)
        return None


def _fits(image: Image, platform: Platform | None) -> bool:
    return platform is None or platform.runs(image.config.platform)

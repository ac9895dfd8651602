"""From a Dockerfile to an image, a step at a time: each makes a layer, or changes only the config.

    builder = Builder("FROM alpine\\nRUN echo hello > /file1", {}, store)
    for step in builder:            # a step is carried out when it is asked for
        print(step.number, step.layer)
    image = builder.finish("app")

It goes about it as Docker's classic builder does, and says so in the same lines. RUN is carried out
by the small shell of this package over a simulated overlay mount: what needs a network, or a real
processor, is refused (`CannotRun`). Nothing gets a name before its last step is done.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from imgkit import units
from imgkit.build import context as contexts
from imgkit.build import dockerfile, instruction, stepping, variables
from imgkit.build.dockerfile import Stage
from imgkit.build.effects import PATH, PREDEFINED, State
from imgkit.build.instruction import Instruction
from imgkit.build.stepping import NOTHING_DONE, Outcome
from imgkit.build.workshop import Options, Progress, Workshop
from imgkit.digest import Digest
from imgkit.draft import Cache, Draft, nanoseconds
from imgkit.errors import BuildFailed, InvalidDockerfile
from imgkit.image import Image
from imgkit.manifest import Descriptor
from imgkit.mount import Mount
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

__all__ = ["Builder", "Built", "Files", "Options", "Step", "build"]

Files = Path | Mapping[str, bytes]

_DEFAULT: Final = Options()


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one instruction: the image after it, and the layer that it made, if it did."""

    number: int
    total: int
    stage: int
    instruction: Instruction
    image: Digest | None
    cached: bool = False
    layer: Descriptor | None = None
    diff_id: Digest | None = None
    created_by: str = ""
    screen: str = ""


@dataclass(frozen=True, slots=True)
class Built:
    """The image that a build made, and how."""

    image: Image
    steps: tuple[Step, ...]

    @property
    def id(self) -> Digest:
        """The digest of the config."""
        return self.image.id


class Builder:
    """One build, a step at a time. Raises `InvalidDockerfile` at once for what cannot be read.

    `context` is a directory, or files by their paths.
    """

    def __init__(
        self, text: str, context: Files, store: Store, options: Options = _DEFAULT
    ) -> None:
        self.options = options
        self.outer: dict[str, str] = {}
        self.steps: list[Step] = []
        self.last: Progress | None = None
        if isinstance(context, Path):
            tree = contexts.of_folder(context)
        else:
            tree = contexts.of_files(context, nanoseconds(options.clock()))
        self.shop = Workshop(store, Mount([tree]), options, Cache(store))
        sent = units.size(contexts.sent(tree, context, text.encode()), 4)
        options.say(f"Sending build context to Docker daemon  {sent}")
        self.file = dockerfile.parse(text)
        self.stages = self._until(options.target)
        if options.labels:
            *firsts, last = self.stages
            added = (_labelling(*pair, last.base.line) for pair in sorted(options.labels.items()))
            self.stages = (*firsts, replace(last, steps=(*last.steps, *added)))
        self._iterator = self._carry_out()

    def __iter__(self) -> Iterator[Step]:
        return self._iterator

    @property
    def total(self) -> int:
        """How many steps there are, up to the target."""
        return len(self.file.arguments) + sum(len(stage.steps) + 1 for stage in self.stages)

    def finish(self, *tags: str) -> Built:
        """Carry out what is left; afterwards the image has these names, or is dangling.

        Raises `BuildFailed`.
        """
        names = [_tag(tag) for tag in tags]
        for _ in self:
            pass
        assert self.last
        if self.last.draft.config is None:
            raise BuildFailed("No image was generated. Is your Dockerfile empty?", line=None)
        self._warn()
        image = self.last.draft.image(self.shop.store)
        if not names:
            self.shop.store.keep(image.descriptor)
        self.shop.say(f"Successfully built {image.id.short}")
        for name in names:
            self.shop.store.name(name, image.descriptor, image.index)
            self.shop.say(f"Successfully tagged {name.familiar}")
        named = Image(image.source, image.descriptor, names[0], image.index) if names else image
        return Built(named, tuple(self.steps))

    def _until(self, target: str | None) -> tuple[Stage, ...]:
        """The stages up to the one that is asked for, by name or number."""
        if target is None:
            return self.file.stages
        for stage in self.file.stages:
            if target.lower() in (stage.name, str(stage.number)):
                return self.file.stages[: stage.number + 1]
        raise BuildFailed(
            f"failed to reach build target {target} in Dockerfile. There is: "
            + ", ".join(stage.name for stage in self.file.stages),
            line=None,
            text=target,
        )

    def _carry_out(self) -> Iterator[Step]:
        for one in self.file.arguments:
            self._announce(one)
            for name, default in one.pairs:
                value = self.options.args.get(name, self._expand(one, default))
                if value is not None:
                    self.outer[name] = value
            yield self._done(one, 0, None)
        for stage in self.stages:
            self._announce(stage.base)
            self.last = progress = self._begin(stage)
            yield self._done(stage.base, stage.number, progress)
            for one in stage.steps:
                self._announce(one)
                yield self._step(one, progress)

    def _announce(self, one: Instruction) -> None:
        self.shop.say(f"Step {len(self.steps) + 1}/{self.total} : {one.text}")

    def _step(self, one: Instruction, progress: Progress) -> Step:
        outcome = stepping.carry_out(self.shop, progress, one)
        return self._done(one, progress.stage.number, progress, outcome)

    def _done(
        self,
        one: Instruction,
        stage: int,
        progress: Progress | None,
        outcome: Outcome = NOTHING_DONE,
    ) -> Step:
        draft = progress.draft if progress else None
        made = draft if outcome.made_layer else None
        step = Step(
            len(self.steps) + 1,
            self.total,
            stage,
            one,
            draft.id if draft else None,
            outcome.cached,
            made.layers[-1] if made else None,
            made.config.diff_ids[-1] if made and made.config else None,
            outcome.told,
            outcome.screen,
        )
        self.steps.append(step)
        if draft:
            self.shop.say(f" ---> {draft.id.short if draft.id else ''}")
        return step

    def _begin(self, stage: Stage) -> Progress:
        """A stage with its base image; the triggers that it brings are carried out."""
        name = self._expand(stage.base, stage.base.argument) or ""
        if not name:
            raise BuildFailed(
                f"base name ({stage.base.argument}) should not be blank. Give its ARG a default.",
                line=stage.base.line,
                text=stage.base.text,
            )
        asked = self._expand(stage.base, stage.base.flags.get("platform"))
        platform = Platform.parse(asked) if asked else self.options.platform
        draft = self._base(name, platform)
        state = State(draft.settings, self.options.args, self.outer, escape=self.file.escape)
        if "PATH" not in state.env:
            state.settings["Env"] = [*(state.settings.get("Env") or []), PATH]
        progress = Progress(stage, draft, state)
        earlier = self.shop.stages.get(name.lower())
        progress.trees = list(earlier.trees) if earlier and earlier.trees else None
        self._pull_triggers(progress)
        self.shop.stages |= {stage.name: progress, str(stage.number): progress}
        return progress

    def _base(self, name: str, platform: Platform | None) -> Draft:
        if name.lower() == "scratch":
            return Draft(platform or self.options.native or Platform.here())
        earlier = self.shop.stages.get(name.lower())
        if earlier and not name.isdecimal():
            return earlier.draft
        return Draft.of(self.shop.image(name, platform))

    def _pull_triggers(self, progress: Progress) -> None:
        """The ONBUILD instructions of the base image, which are done once and not handed on."""
        triggers = progress.state.settings.pop("OnBuild", None) or []
        if triggers:
            many = "s" * (len(triggers) > 1)
            self.shop.say(f"# Executing {len(triggers)} build trigger{many}")
        for text in triggers:
            one = instruction.parse(text, progress.stage.base.line)
            stepping.carry_out(self.shop, progress, one)

    def _expand(self, one: Instruction, word: str | None) -> str | None:
        """A word with the ARGs before the first FROM put in."""
        if word is None:
            return None
        try:
            return variables.expand(word, self.outer, self.file.escape)
        except InvalidDockerfile as error:
            instruction.refuse(str(error.reason), "Correct it", one.line, one.text)

    def _warn(self) -> None:
        known = {
            name for one in self.file.instructions if one.verb == "ARG" for name, _ in one.pairs
        }
        unused = sorted(name for name in self.options.args if name not in known | PREDEFINED)
        if unused:
            listed = " ".join(unused)
            self.shop.say(f"[Warning] One or more build-args [{listed}] were not consumed")


def build(
    text: str,
    context: Files,
    store: Store,
    tag: str | Sequence[str] = (),
    options: Options = _DEFAULT,
) -> Built:
    """The image of a Dockerfile, in the store, under each name in `tag`; see `Builder`."""
    tags = [tag] if isinstance(tag, str) else list(tag)
    for one in tags:
        _tag(one)
    return Builder(text, context, store, options).finish(*tags)


def _labelling(name: str, value: str, line: int) -> Instruction:
    """The step that a --label adds at the end; in its value a `$` is a `$`."""
    pair = (shlex.quote(name), shlex.quote(value))
    return Instruction("LABEL", line, f"LABEL {name}={value}", pairs=(pair,))


def _tag(text: str) -> Reference:
    """The name for a new image; one with a digest is refused, because that cannot be chosen."""
    reference = Reference.parse(text)
    if reference.digest:
        raise BuildFailed(
            f"{text} cannot be given to an image: a digest is what an image has. Name a tag.",
            line=None,
            text=text,
        )
    return reference.with_default_tag()

"""One step of a build: taken from the cache, or carried out and committed.

Which instruction makes a layer: RUN if it changed a file; COPY and ADD; WORKDIR if it had to make
the directory. Every other changes the config only, and is an "empty layer" in the history.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from imgkit import layer, shell
from imgkit.build import copying, effects, sources, unarchive
from imgkit.build.copying import Copy
from imgkit.build.instruction import Instruction
from imgkit.build.sources import Origin, Source
from imgkit.build.workshop import Progress, Workshop
from imgkit.config import History
from imgkit.digest import Digest
from imgkit.draft import Draft, moment
from imgkit.errors import BuildFailed, CannotRun, ExecFailed, InvalidDockerfile
from imgkit.limits import current
from imgkit.mount import Mount
from imgkit.mount.stack import stack
from imgkit.tar.entry import Kind

Work = Callable[[Mount, str], str]
"""Changes a filesystem, in a container of that ID; gives what was printed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A step that is ready: how the history tells it, and what it does to the filesystem.

    `more` is what the cache must know and `told` does not say. `quiet` steps need no container.
    """

    told: str
    work: Work | None = None
    more: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step."""

    told: str = ""
    cached: bool = False
    made_layer: bool = False
    screen: str = ""


NOTHING_DONE: Final = Outcome()


def carry_out(shop: Workshop, progress: Progress, step: Instruction) -> Outcome:
    """Afterwards the stage is one step further. Raises what a step raises; see `Builder`."""
    job = _ready(shop, progress, step)
    before = progress.draft
    key = shop.cache.key(before, job.told, job.more)
    if not shop.options.no_cache and not progress.busted:
        found = shop.cache.find(key, before)
        if found:
            shop.say(" ---> Using cache")
            progress.draft, progress.trees = found, None
            return Outcome(job.told, True, len(found.layers) > len(before.layers))
    progress.busted = True
    container = Digest.of(f"{key} {shop.options.clock()}".encode()).short
    if not job.quiet:
        shop.say(f" ---> Running in {container}")
    tar, screen = _change(shop, progress, job, container)
    if tar is not None and len(before.layers) >= (most := current().layers):
        _fail(step, f"max depth exceeded: an image has at most {most} layers. Join RUNs.")
    history = History(job.told, moment(shop.options.clock()), empty_layer=tar is None)
    state = progress.state
    progress.draft = before.commit(shop.store, history, state.settings, state.author, tar)
    shop.cache.add(key, before, progress.draft)
    if not job.quiet:
        shop.say(f"Removing intermediate container {container}")
    return Outcome(job.told, False, tar is not None, screen)


def _ready(shop: Workshop, progress: Progress, step: Instruction) -> Job:
    """The step with its variables put in, and what it copies found and summed up."""
    try:
        return _JOBS.get(step.verb, _settings)(shop, progress, step)
    except InvalidDockerfile as error:
        raise InvalidDockerfile(
            f"line {step.line}, {step.text}: {error}",
            line=step.line,
            text=step.text,
            reason=error.reason,
        ) from None


def _change(
    shop: Workshop, progress: Progress, job: Job, container: str
) -> tuple[bytes | None, str]:
    """The tar of the layer that a step makes, if it makes one, and what it printed."""
    if job.work is None:
        return None, ""
    mount = shop.mount(shop.trees(progress))
    screen = job.work(mount, container)
    entries = mount.upper_entries()
    if not entries:
        return None, screen
    shop.trees(progress).append(mount.upper)
    return layer.pack(entries), screen


def _fail(step: Instruction, reason: str, code: int | None = None) -> NoReturn:
    raise BuildFailed(reason, line=step.line, text=step.text, code=code)


# -- instructions that change the config only ----------------------------------------------------


def _settings(shop: Workshop, progress: Progress, step: Instruction) -> Job:
    state = progress.state
    former = (state.settings.get("Healthcheck") or {}).get("Test")
    if step.verb == "HEALTHCHECK" and former:
        shop.say(f"Note: overriding previous HEALTHCHECK: [{' '.join(former)}]")
    told = effects.change(state, step)
    return Job(f"{' '.join(state.shell)} #(nop)  {told}")


def _workdir(_: Workshop, progress: Progress, step: Instruction) -> Job:
    told = f"{' '.join(progress.state.shell)} #(nop) {effects.change(progress.state, step)}"

    def work(mount: Mount, _: str) -> str:
        _try(step, lambda: copying.make_folders(mount, progress.state.workdir, (0, 0)))
        return ""

    return Job(told, work)


# -- RUN -------------------------------------------------------------------------------------------


def _run(shop: Workshop, progress: Progress, step: Instruction) -> Job:
    state = progress.state
    words = list(step.words) if step.exec else [*state.shell, *step.words]
    arguments = sorted(f"{name}={value}" for name, value in state.arguments.items())
    told = " ".join(words)
    if arguments or state.predefined:
        told = " ".join([f"|{len(arguments)}", *arguments, *words])
    env = {**state.arguments, **state.predefined, **state.env}

    def work(mount: Mount, container: str) -> str:
        volumes = sorted(state.settings.get("Volumes") or ())
        old = [place for place in volumes if mount.exists(place)]
        for place in [*volumes, state.workdir]:
            _try(step, lambda place=place: copying.make_folders(mount, place, (0, 0)))  # type: ignore[misc]
        try:
            done = shell.run(
                mount,
                words,
                env,
                state.workdir,
                str(state.settings.get("User") or ""),
                hostname=container,
            )
        except (CannotRun, ExecFailed) as error:
            _say(shop, str(error.facts.get("screen", "")))
            facts = {**error.facts, "reason": str(error)}
            raise type(error)(f"line {step.line}, {step.text}: {error}", **facts) from None
        _say(shop, done.screen)
        if done.code:
            _fail(
                step,
                f"The command '{' '.join(words)}' returned a non-zero code: {done.code}",
                done.code,
            )
        for place in volumes:
            _forget(mount, place, whole=place in old)
        return done.screen

    return Job(told, work)


def _say(shop: Workshop, screen: str) -> None:
    for line in screen.splitlines():
        shop.say(line)


def _forget(mount: Mount, place: str, *, whole: bool) -> None:
    """What a command writes to a volume is gone with its container: a new directory stays."""
    *above, name = place.strip("/").split("/")
    at = mount.upper
    for part in above:
        if part not in at.children:
            return
        at = at.children[part]
    if whole:
        at.drop(name)
    elif name in at.children:
        for inner in list(at.children[name].children):
            at.children[name].drop(inner)


# -- COPY, ADD -------------------------------------------------------------------------------------


def _copy(shop: Workshop, progress: Progress, step: Instruction) -> Job:
    state = progress.state
    *names, goal = [state.expand(word) for word in step.words]
    flags = {name: state.expand(value) for name, value in step.flags.items() if name != "from"}
    if step.verb == "ADD" and (far := [name for name in names if _is_far(name)]):
        _fail(
            step,
            f"ADD failed: {far[0]} would have to be fetched over a network, and there is none "
            "here. Download it, put it in the build context, and ADD the file.",
        )
    found = sources.find(_origin(shop, progress, step), step, names)
    if len(found) > 1 and not goal.endswith("/"):
        _fail(
            step,
            f"When using {step.verb} with more than one source file, the destination must be a "
            "directory and end with a /",
        )
    place = posixpath.normpath(posixpath.join("/", state.workdir, goal))
    place += "/" if goal.endswith("/") and place != "/" else ""
    total = sources.checksum(found)
    more = {"sum": total, "place": place, **flags}
    chown = f"--chown={flags['chown']}" if "chown" in flags else ""
    told = f"{' '.join(state.shell)} #(nop) {step.verb} {chown}{total} in {goal} "

    def work(mount: Mount, _: str) -> str:
        how = Copy(
            copying.owner(mount, step, flags["chown"]) if flags.get("chown") else None,
            copying.octal(step, flags["chmod"]) if "chmod" in flags else None,
        )
        for source in found:
            _try(step, lambda source=source: _put(step, source, mount, place, how))  # type: ignore[misc]
        return ""

    return Job(told, work, more, quiet=True)


def _is_far(name: str) -> bool:
    return name.startswith(("http://", "https://", "git://", "git@", "ssh://", "ftp://"))


def _origin(shop: Workshop, progress: Progress, step: Instruction) -> Origin:
    """What COPY takes from: the context, an earlier stage, or another image."""
    name = step.flags.get("from")
    if name is None:
        return Origin(shop.context)
    earlier = shop.stages.get(name.lower())
    if name.isdecimal() and (earlier is None or earlier is progress):
        why = "refers to current build stage" if earlier else "index out of bounds"
        _fail(
            step,
            f"invalid from flag value {name}: {why}. Stages count from 0, and only those above can "
            "be copied from.",
        )
    if earlier and earlier is not progress:
        return Origin(shop.mount(shop.trees(earlier)), is_image=True)
    layers = Draft.of(shop.image(name)).open(shop.store)
    return Origin(shop.mount(stack(layers)), is_image=True)


def _put(step: Instruction, source: Source, mount: Mount, place: str, how: Copy) -> None:
    if step.verb == "ADD" and source.inode.kind is Kind.FILE:
        content = source.inode.read()
        if unarchive.is_archive(content):
            unarchive.unpack(content, mount, place.rstrip("/") or "/")
            return
    copying.copy(source, mount, place, how)


def _try(step: Instruction, do: Callable[[], object]) -> None:
    """Turns what the (simulated) kernel says into one sentence."""
    try:
        do()
    except OSError as error:
        _fail(step, f"{step.verb} failed: {error.filename}: {error.strerror}")


_JOBS: Final[Mapping[str, Callable[[Workshop, Progress, Instruction], Job]]] = {
    "RUN": _run,
    "COPY": _copy,
    "ADD": _copy,
    "WORKDIR": _workdir,
}

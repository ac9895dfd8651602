"""Images from Dockerfiles: build."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgkit.build import Builder, Files
from imgkit.build import Options as How
from imgkit.commands.bench import DAEMON, FAILED, Bench, Refused, daemon
from imgkit.commands.flags import assigned
from imgkit.commands.names import wrong
from imgkit.commands.pulling import fetch
from imgkit.commands.running import not_started
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container.terminal import plain
from imgkit.errors import (
    BuildFailed,
    ExecFailed,
    ImgkitError,
    InvalidDockerfile,
    InvalidReference,
)
from imgkit.platforms import Platform
from imgkit.reference import Reference

_FAR: Final = ("http://", "https://", "git://", "git@", "github.com/")


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be built: the Dockerfile, what it is called, and the context."""

    text: str
    name: str
    context: Files


def _build(bench: Bench, options: Options) -> int:
    for tag in options.values("tag"):
        _check(bench, options, tag)
    lines: list[str] = []
    quiet = options.on("quiet")
    say = lines.append if quiet else bench.say
    try:
        built = _carried_out(bench, options, lambda line: say(plain(line)))
    except ImgkitError:
        for line in lines:
            bench.warn(line)
        raise
    if quiet:
        bench.say(built)
    if options.value("iidfile"):
        Path(options.value("iidfile")).write_text(built, encoding="utf-8")
    return 0


def _carried_out(bench: Bench, options: Options, say: Callable[[str], None]) -> str:
    """The ID of the image, once it is built; raises `Refused` in Docker's words."""
    task = _task(bench, options)
    how = _how(bench, options, say)
    try:
        builder = Builder(task.text, task.context, bench.store, how)
    except (BuildFailed, InvalidDockerfile) as error:
        reason = str(error)
        if not task.text.strip():
            reason = f"the Dockerfile ({task.name}) cannot be empty"
        raise daemon(reason) from error
    try:
        return str(builder.finish(*options.values("tag")).id)
    except BuildFailed as error:
        raise Refused(str(error), status=error.facts.get("code") or FAILED) from error
    except ExecFailed as error:
        raise Refused(not_started(error.reason)) from error
    except InvalidReference as error:
        raise Refused(wrong(error, engine=True), why=str(error)) from error


def _how(bench: Bench, options: Options, say: Callable[[str], None]) -> How:
    def pull(name: Reference, platform: Platform | None) -> None:
        try:
            fetch(bench, name, platform, say)
        except Refused as error:
            raise Refused(str(error).removeprefix(DAEMON), status=error.status) from None

    platform = options.value("platform")
    return How(
        args=assigned(options.values("build-arg"), os.environ),
        labels=assigned(options.values("label")),
        target=options.value("target") or None,
        no_cache=options.on("no-cache"),
        fresh=options.on("pull"),
        clock=bench.now,
        say=say,
        pull=pull,
        platform=Platform.parse(platform) if platform else None,
        native=bench.platform,
    )


def _check(bench: Bench, options: Options, tag: str) -> None:
    """Raise `Refused` for what cannot be the name of a new image."""
    try:
        if Reference.parse(tag).digest is None:
            return
        reason = "a digest is what an image has, and cannot be given"
    except InvalidReference as error:
        reason = wrong(error)
    raise Refused(
        f'invalid argument "{tag}" for "-t, --tag" flag: {reason}\n\n'
        f"Usage:  {bench.prog} {options.called} {USAGE}\n\n"
        f"Run '{bench.prog} {options.called} --help' for more information",
        status=125,
    )


# -- the Dockerfile and the context --------------------------------------------------------------


def _task(bench: Bench, options: Options) -> Task:
    """Raises `Refused` where a part of it is not there."""
    where, file = options.words[0], options.value("file")
    if where == "-":
        if file == "-":
            raise Refused(
                "unable to prepare context: invalid argument: can't use stdin for both build "
                "context and dockerfile"
            )
        return Task(_given(bench), "Dockerfile", {})
    if where.startswith(_FAR):
        raise Refused(
            f"imgkit: {where} would have to be fetched over a network. Download it, and name its "
            "directory."
        )
    folder = Path(where)
    if not folder.is_dir():
        raise Refused(f'unable to prepare context: path "{where}" not found')
    if file == "-":
        return Task(_given(bench), "Dockerfile", folder)
    path = Path(os.path.abspath(file)) if file else folder.resolve() / "Dockerfile"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"imgkit: {path} is no text, and so no Dockerfile.") from None
    except OSError as error:
        raise Refused(
            "unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
            f"lstat {path}: {(error.strerror or '').lower()}"
        ) from error
    return Task(text, file or "Dockerfile", folder)


def _given(bench: Bench) -> str:
    """The Dockerfile on standard input."""
    try:
        return bench.read().decode()
    except UnicodeDecodeError:
        raise Refused(
            "imgkit: what comes from standard input is no text, and so no Dockerfile. A context "
            "is named by its directory."
        ) from None


USAGE: Final = "[OPTIONS] PATH | URL | -"

VERBS: Final = {
    "build": Verb(
        "Build an image from a Dockerfile",
        USAGE,
        _build,
        (
            Flag("build-arg", "Set build-time variables", value="list"),
            Flag("file", 'Name of the Dockerfile (Default is "PATH/Dockerfile")', "f", "string"),
            Flag("force-rm", "Always remove intermediate containers"),
            Flag("iidfile", "Write the image ID to the file", value="string"),
            Flag("label", "Set metadata for an image", value="list"),
            Flag("network", "Set the networking mode for the RUN instructions", value="string"),
            Flag("no-cache", "Do not use cache when building the image"),
            Flag("platform", "Set platform if server is multi-platform capable", value="string"),
            Flag("pull", "Always attempt to pull a newer version of the image"),
            Flag("quiet", "Suppress the build output and print image ID on success", "q"),
            Flag("rm", "Remove intermediate containers after a successful build"),
            Flag("tag", 'Name and optionally a tag in the "name:tag" format', "t", "list"),
            Flag("target", "Set the target build stage to build.", value="string"),
        ),
        least=1,
        most=1,
        aliases=("image build", "builder build"),
    ),
}

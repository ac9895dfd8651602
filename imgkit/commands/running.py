"""Programs in containers: run, create, start, exec.

What a program prints is printed without what would steer a terminal. What needs a real machine is
refused in one sentence that begins with `imgkit:`; everything else is said in Docker's words.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from imgkit.commands.bench import DAEMON, Bench, Refused, daemon, misnamed
from imgkit.commands.flags import COMMON, CREATE, MACHINE
from imgkit.commands.pulling import fetch
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container import Container
from imgkit.container.terminal import Terminal, plain
from imgkit.errors import (
    CannotRun,
    ContainerError,
    ExecFailed,
    ImgkitError,
    InvalidReference,
    NotFound,
)
from imgkit.image import Image
from imgkit.platforms import Platform
from imgkit.reference import Reference

REFUSED: Final = 125
"""The exit status of `docker run` where nothing was run."""

CANNOT: Final = 126
"""That of what cannot be carried out here."""

NETWORKS: Final = ("none", "bridge", "host", "default")

# -- create and run ------------------------------------------------------------------------------


def _run(bench: Bench, options: Options) -> int:
    attended = options.on("interactive") and options.on("tty")
    detached = options.on("detach")
    if attended and not detached:
        _need_somebody(bench)
    try:
        container = _made(bench, options)
        if detached:
            bench.say(container.id)
        return _started(bench, container, options)
    except ExecFailed as error:
        raise _failed(bench, options, not_started(str(error)), _status(error)) from error
    except InvalidReference as error:
        raise Refused(_advised(bench, options, misnamed(error)), status=REFUSED) from error
    except Refused as error:
        sentence = str(error).removeprefix(DAEMON)
        if sentence == str(error):
            raise
        raise _failed(bench, options, sentence, REFUSED) from error
    except ImgkitError as error:
        raise _failed(bench, options, str(error), REFUSED) from error


def _need_somebody(bench: Bench) -> None:
    if bench.attach is None and not bench.terminal:
        raise Refused("the input device is not a TTY")


def _create(bench: Bench, options: Options) -> int:
    try:
        bench.say(_made(bench, options).id)
    except Refused:
        raise
    except InvalidReference as error:
        raise Refused(misnamed(error)) from error
    except ImgkitError as error:
        raise daemon(str(error)) from error
    return 0


def _failed(bench: Bench, options: Options, sentence: str, status: int) -> Refused:
    return Refused(_advised(bench, options, f"{DAEMON}{sentence}"), status=status)


def _advised(bench: Bench, options: Options, sentence: str) -> str:
    """What the command line says around it."""
    advice = f"Run '{bench.prog} {options.called} --help' for more information"
    return f"{bench.prog}: {sentence}\n\n{advice}"


def _started(bench: Bench, container: Container, options: Options) -> int:
    """The container runs, or has run: its exit code."""
    stdin = bench.read() if options.on("interactive") and not options.on("tty") else b""
    try:
        done = container.start(stdin)
    except (CannotRun, ExecFailed) as error:
        say(bench, error.facts.get("printed", ()))
        if container.record.fleeting:
            container.remove(force=True)
        if isinstance(error, ExecFailed):
            raise
        raise Refused(f"imgkit: {error}.", status=CANNOT) from error
    if options.on("detach"):
        if container.record.note:
            bench.warn(f"imgkit: {container.record.note}.")
        return 0
    say(bench, container.record.printed)
    return done.code if done else _watched(bench, container)


def _watched(bench: Bench, container: Container) -> int:
    """A container that goes on is shown: at a prompt, or not at all, since nothing would happen."""
    if container.record.interactive and bench.attach:
        return bench.attach(_terminal(bench, container))
    if not container.record.note:
        command = " ".join(container.record.command)
        bench.warn(f"imgkit: no time goes by here, so {command} is not waited for.")
    bench.warn(f"imgkit: {container.name} counts as running, as with -d, until it is stopped.")
    return 0


def _terminal(bench: Bench, container: Container, **how: object) -> Terminal:
    again = partial(bench.containers.get, container.id)
    return Terminal(container, again=again, **how)  # type: ignore[arg-type]


def _made(bench: Bench, options: Options) -> Container:
    """A new container, of an image that was pulled if it was not there."""
    asked, *command = options.words
    _refuse_what_is_real(options)
    network = options.value("network") or options.value("net")
    environment = _environment(bench, options)
    image = _image(bench, asked, options)
    if network and network not in NETWORKS:
        raise ContainerError(f"network {network} not found", name=network)
    for port in options.values("publish"):
        bench.warn(f"imgkit: -p {port} opens no port, because there is no network here.")
    both = options.on("interactive"), options.on("tty")
    entrypoint = [word] if (word := options.value("entrypoint")) else []
    return bench.containers.create(
        image,
        command,
        name=options.value("name"),
        entrypoint=entrypoint if "entrypoint" in options.flags else None,
        env=environment,
        workdir=options.value("workdir"),
        user=options.value("user"),
        interactive=any(both) if options.on("detach") else all(both),
        labels=dict(_pair(text) for text in options.values("label")),
        fleeting=options.on("rm"),
        hostname=options.value("hostname"),
        asked=asked,
    )


def _refuse_what_is_real(options: Options) -> None:
    for flag in MACHINE:
        if flag.name in options.flags:
            raise Refused(
                f"imgkit: --{flag.name} is for a real machine, whose kernel would do it; here it "
                "would change nothing. Leave it out.",
                status=REFUSED,
            )


def _image(bench: Bench, asked: str, options: Options) -> Image:
    try:
        return bench.store.image(asked)
    except NotFound:
        name = Reference.parse(asked).with_default_tag()
        if options.value("pull") == "never":
            raise NotFound(f"No such image: {name.familiar}", name=asked) from None
    bench.warn(f"Unable to find image '{name.familiar}' locally")
    if name.familiar == "scratch:latest":
        raise NotFound("'scratch' is a reserved name", name=asked)
    platform = Platform.parse(options.value("platform")) if options.value("platform") else None
    fetch(bench, name, platform, bench.warn)
    return bench.store.image(asked)


def _environment(bench: Bench, options: Options) -> list[str]:
    """NAME=value of --env-file and --env; a name alone takes its value from outside."""
    lines: list[str] = []
    for path in options.values("env-file"):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            sentence = _advised(bench, options, f"open {path}: {why.lower()}")
            raise Refused(sentence, status=REFUSED) from error
        lines += [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    lines += options.values("env")
    known = [line if "=" in line else f"{line}={os.environ.get(line, '')}" for line in lines]
    return [pair for pair, line in zip(known, lines, strict=True) if "=" in line or pair[-1] != "="]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


# -- start and exec ------------------------------------------------------------------------------


def _start(bench: Bench, options: Options) -> int:
    attach = options.on("attach") or options.on("interactive")
    failed: list[str] = []
    for text in options.words:
        try:
            container = bench.containers.get(text)
            if attach:
                return _attached(bench, container, options)
            container.start()
            bench.say(text)
        except (ContainerError, ExecFailed) as error:
            why = not_started(str(error)) if isinstance(error, ExecFailed) else str(error)
            bench.warn(f"Error response from daemon: {why}")
            failed.append(text)
        except CannotRun as error:
            raise Refused(f"imgkit: {error}.", status=CANNOT) from error
    if failed and not attach:
        bench.warn(f"Error: failed to start containers: {', '.join(failed)}")
    return int(bool(failed))


def _attached(bench: Bench, container: Container, options: Options) -> int:
    """Start it, and show what it prints from then on."""
    before = len(container.record.printed)
    alone = options.on("interactive") and not container.record.interactive
    done = container.start(bench.read() if alone else b"")
    say(bench, container.record.printed[before:])
    return done.code if done else _watched(bench, container)


def _exec(bench: Bench, options: Options) -> int:
    name, *command = options.words
    interactive, tty = options.on("interactive"), options.on("tty")
    if interactive and tty and not options.on("detach"):
        _need_somebody(bench)
    how = {
        "user": options.value("user") or None,
        "workdir": options.value("workdir") or None,
        "env": dict(_pair(text) for text in _environment(bench, options)),
    }
    try:
        container = bench.containers.get(name)
        if interactive and tty and bench.attach and _is_shell(command):
            terminal = _terminal(bench, container, program=command, is_main=False, **how)
            return bench.attach(terminal)
        stdin = bench.read() if interactive and not tty else b""
        done = container.execute(command, stdin=stdin, **how)  # type: ignore[arg-type]
    except ContainerError as error:
        raise daemon(str(error)) from error
    except ExecFailed as error:
        bench.say(not_started(str(error), "OCI runtime exec failed: exec failed"))
        return CANNOT
    except CannotRun as error:
        say(bench, error.facts.get("printed", ()))
        raise Refused(f"imgkit: {error}.", status=CANNOT) from error
    if options.on("detach"):
        return 0
    say(bench, done.printed)
    return done.code


def _is_shell(command: Sequence[str]) -> bool:
    name = command[0].rpartition("/")[2]
    return name in ("sh", "ash", "bash", "dash") and all(
        w in ("-", "-i", "-l") for w in command[1:]
    )


def not_started(reason: str, where: str = "") -> str:
    """Why a program does not start, with the names of those who pass it on in a real engine."""
    if reason.startswith("unable to find"):
        return reason
    where = where or "failed to create shim task: OCI runtime create failed: runc create failed"
    return f"{where}: unable to start container process: {reason}: unknown"


def _status(error: ExecFailed) -> int:
    return REFUSED if str(error).startswith("unable to find") else int(error.code)


def say(bench: Bench, printed: Iterable[tuple[int, str]]) -> None:
    """Print what a program printed, each line to where it was printed."""
    for fd, text in printed:
        for line in plain(text).removesuffix("\n").split("\n"):
            (bench.warn if fd == 2 else bench.say)(line)


VERBS: Final = {
    "run": Verb(
        "Create and run a new container from an image",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        _run,
        (*CREATE, Flag("detach", "Run container in background and print container ID", "d")),
        least=1,
        most=None,
        aliases=("container run",),
        mixed=False,
    ),
    "create": Verb(
        "Create a new container",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        _create,
        CREATE,
        least=1,
        most=None,
        aliases=("container create",),
        mixed=False,
    ),
    "start": Verb(
        "Start one or more stopped containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        _start,
        (
            Flag("attach", "Attach STDOUT/STDERR and forward signals", "a"),
            Flag("interactive", "Attach container's STDIN", "i"),
        ),
        least=1,
        most=None,
        aliases=("container start",),
    ),
    "exec": Verb(
        "Execute a command in a running container",
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        _exec,
        (*COMMON, Flag("detach", "Detached mode: run command in the background", "d")),
        least=2,
        most=None,
        aliases=("container exec",),
        mixed=False,
    ),
}

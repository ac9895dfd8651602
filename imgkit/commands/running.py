"""Programs in containers: run, start, exec.

What a program prints is printed without what would steer a terminal. What needs a real machine is
refused in one sentence that begins with `imgkit:`; everything else is said in Docker's words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from imgkit.commands.bench import DAEMON, Bench, Refused, daemon
from imgkit.commands.creating import REFUSED, advised, environment, made
from imgkit.commands.flags import COMMON, CREATE
from imgkit.commands.names import wrong
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container import Container
from imgkit.container.terminal import Terminal, plain
from imgkit.errors import (
    CannotRun,
    ContainerError,
    ExecFailed,
    ImgkitError,
    InvalidReference,
)

CANNOT: Final = 126
"""That of what cannot be carried out here."""

NOBODY: Final = ("unable to find", "uids and gids")
"""How the engine begins where it knows no user of that name or number; it then starts nothing."""

# -- run -----------------------------------------------------------------------------------------


def _run(bench: Bench, options: Options) -> int:
    attended = options.on("interactive") and options.on("tty")
    detached = options.on("detach")
    if attended and not detached:
        _need_somebody(bench)
    try:
        container = made(bench, options)
        if detached:
            bench.say(container.id)
        return _started(bench, container, options)
    except ExecFailed as error:
        raise _failed(bench, options, not_started(str(error)), _status(error)) from error
    except InvalidReference as error:
        raise Refused(advised(bench, options, wrong(error)), status=REFUSED) from error
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


def _failed(bench: Bench, options: Options, sentence: str, status: int) -> Refused:
    return Refused(advised(bench, options, f"{DAEMON}{sentence}"), status=status)


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


# -- start and exec ------------------------------------------------------------------------------


def _start(bench: Bench, options: Options) -> int:
    attach = options.on("attach") or options.on("interactive")
    if attach and len(options.words) > 1:
        raise Refused("you cannot start and attach multiple containers at once")
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
            bench.warn(f"{DAEMON}{why}")
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
        "env": environment(bench, options),
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
    if reason.startswith(NOBODY):
        return reason
    where = where or "failed to create shim task: OCI runtime create failed: runc create failed"
    return f"{where}: unable to start container process: {reason}: unknown"


def _status(error: ExecFailed) -> int:
    return REFUSED if str(error).startswith(NOBODY) else int(error.code)


def say(bench: Bench, printed: Iterable[tuple[int, str]]) -> None:
    """Print what a program printed, each line to where it was printed."""
    for fd, text in printed:
        for line in plain(text).removesuffix("\n").split("\n") if text else ():
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

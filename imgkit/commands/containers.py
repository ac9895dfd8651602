"""Containers that are there: stop, kill, rm, prune, rename, wait, logs, diff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgkit import units
from imgkit.commands.bench import DAEMON, FAILED, Bench, Refused, daemon
from imgkit.commands.running import say
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container import Container
from imgkit.container.record import CREATED, EXITED, RUNNING
from imgkit.errors import ContainerError
from imgkit.removal import Removal

# -- each of several ------------------------------------------------------------------------------


def _each(bench: Bench, options: Options, do: Callable[[Container], object], why: str = "") -> int:
    """Do it to each container, and say its name; or why it could not be done."""
    status = 0
    for text in options.words:
        try:
            do(bench.containers.get(text))
            bench.say(text)
        except ContainerError as error:
            bench.warn(f"{DAEMON}{why.format(text)}{error}")
            status = FAILED
    return status


def _stop(bench: Bench, options: Options) -> int:
    return _each(bench, options, Container.stop)


def _kill(bench: Bench, options: Options) -> int:
    return _each(bench, options, Container.kill, "Cannot kill container: {}: ")


def _restart(bench: Bench, options: Options) -> int:
    def again(container: Container) -> None:
        container.stop()
        container.start()

    return _each(bench, options, again)


def _rm(bench: Bench, options: Options) -> int:
    force = options.on("force")
    removal = Removal(bench.store, bench.containers)
    status = _each(bench, options, lambda container: removal.discard(container, force=force))
    return 0 if force else status


def _prune(bench: Bench, options: Options) -> int:
    """Remove every container that does not run."""
    if not options.on("force"):
        bench.say("WARNING! This will remove all stopped containers.")
        if not bench.confirmed():
            return 0
    gone = [r for r in bench.containers.records() if r.state in (CREATED, EXITED)]
    space = 0
    for record in gone:
        container = bench.containers.get(record.id)
        space += container.size
        Removal(bench.store, bench.containers).discard(container)
    if gone:
        bench.say("Deleted Containers:")
        for record in gone:
            bench.say(record.id)
        bench.say("")
    bench.say(f"Total reclaimed space: {units.size(space)}")
    return 0


def _wait(bench: Bench, options: Options) -> int:
    """Say how each ended; one that still runs is not waited for."""
    for text in options.words:
        record = bench.containers.find(text)
        if record.state == RUNNING:
            raise Refused(
                f"imgkit: no time goes by here, so {record.name} is not waited for: it runs until "
                "it is stopped. Stop it first."
            )
        bench.say(str(record.code))
    return 0


# -- one ------------------------------------------------------------------------------------------


def _logs(bench: Bench, options: Options) -> int:
    record = bench.containers.find(options.words[0])
    lines = [(fd, line) for fd, text in record.printed for line in text.splitlines(keepends=True)]
    tail = options.value("tail")
    count = min(int(tail), len(lines)) if tail.isdecimal() else len(lines)
    say(bench, lines[len(lines) - count :])
    return 0


def _rename(bench: Bench, options: Options) -> int:
    old, new = options.words
    if not old.strip() or not new.strip():
        raise Refused("Error: Neither old nor new names may be empty")
    try:
        bench.containers.rename(old, new.removeprefix("/"))
    except ContainerError as error:
        raise daemon(f"{error}\nError: failed to rename container named {old}") from error
    return 0


def _diff(bench: Bench, options: Options) -> int:
    for what, path in bench.containers.get(options.words[0]).diff():
        bench.say(f"{what} {path}")
    return 0


def by_engine(verb: Callable[[Bench, Options], int]) -> Callable[[Bench, Options], int]:
    """The verb, whose refusals are those of Docker's engine."""

    def does(bench: Bench, options: Options) -> int:
        try:
            return verb(bench, options)
        except ContainerError as error:
            raise daemon(str(error)) from error

    return does


_SEVERAL: Final = "[OPTIONS] CONTAINER [CONTAINER...]"
_SIGNAL: Final = Flag("signal", "Signal to send to the container", "s", "string")
_TIMEOUT: Final = Flag("timeout", "Seconds to wait before killing the container", "t", "int")

VERBS: Final = {
    "stop": Verb(
        "Stop one or more running containers",
        _SEVERAL,
        _stop,
        (
            _SIGNAL,
            Flag("time", "Seconds to wait before killing the container", value="int"),
            _TIMEOUT,
        ),
        least=1,
        most=None,
        aliases=("container stop",),
    ),
    "kill": Verb(
        "Kill one or more running containers",
        _SEVERAL,
        _kill,
        (_SIGNAL,),
        least=1,
        most=None,
        aliases=("container kill",),
    ),
    "restart": Verb(
        "Restart one or more containers",
        _SEVERAL,
        _restart,
        (
            _SIGNAL,
            _TIMEOUT,
        ),
        least=1,
        most=None,
        aliases=("container restart",),
    ),
    "rm": Verb(
        "Remove one or more containers",
        _SEVERAL,
        _rm,
        (
            Flag("force", "Force the removal of a running container (uses SIGKILL)", "f"),
            Flag("volumes", "Remove anonymous volumes associated with the container", "v"),
        ),
        least=1,
        most=None,
        aliases=("container rm", "container remove"),
    ),
    "container prune": Verb(
        "Remove all stopped containers",
        "[OPTIONS]",
        _prune,
        (Flag("force", "Do not prompt for confirmation", "f"),),
    ),
    "rename": Verb(
        "Rename a container",
        "CONTAINER NEW_NAME",
        _rename,
        least=2,
        most=2,
        aliases=("container rename",),
    ),
    "wait": Verb(
        "Print the exit codes of containers that have ended",
        "CONTAINER [CONTAINER...]",
        by_engine(_wait),
        least=1,
        most=None,
        aliases=("container wait",),
    ),
    "logs": Verb(
        "Fetch the logs of a container",
        "[OPTIONS] CONTAINER",
        by_engine(_logs),
        (
            Flag("follow", "Follow log output", "f"),
            Flag("tail", "Number of lines to show from the end of the logs", "n", "string"),
        ),
        least=1,
        most=1,
        aliases=("container logs",),
    ),
    "container diff": Verb(
        "Inspect changes to files or directories on a container's filesystem",
        "CONTAINER",
        by_engine(_diff),
        least=1,
        most=1,
    ),
}

"""Objects in all their facts, or in those that a template asks for: inspect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from imgkit.commands.bench import DAEMON, FAILED, Bench, Refused, daemon
from imgkit.commands.describing import image_facts
from imgkit.commands.functions import as_json
from imgkit.commands.listing import FORMAT
from imgkit.commands.names import found
from imgkit.commands.template import Template
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container.record import RUNNING, ContainerRecord
from imgkit.errors import ContainerError
from imgkit.inventory import UNKNOWN


def _inspect(bench: Bench, options: Options) -> int:
    kind = options.value("type")
    if kind not in ("", "container", "image"):
        raise Refused(f'unknown type: "{kind}": here there are "container" and "image"')
    return _inspected(bench, options, lambda text: _object(bench, options, text))


def _image_inspect(bench: Bench, options: Options) -> int:
    return _inspected(bench, options, lambda text: _of_image(bench, text))


def _container_inspect(bench: Bench, options: Options) -> int:
    return _inspected(bench, options, lambda text: _of_container(bench, options, text))


def _inspected(bench: Bench, options: Options, facts: Callable[[str], dict[str, Any]]) -> int:
    """Say the facts of all that is named, or what the template makes of them."""
    shown = options.value("format")
    template = Template(shown) if shown not in ("", "json") else None
    if template:
        template.check()
    documents: list[dict[str, Any]] = []
    wrong: list[str] = []
    for text in options.words:
        try:
            one = facts(text)
            if template:
                bench.say(template.render(one))
            documents.append(one)
        except Refused as refused:
            wrong.append(str(refused))
    if template is None:
        bench.say(as_json(documents) if shown == "json" else _pretty(documents))
    elif not documents:
        bench.say("")
    for sentence in wrong:
        bench.warn(sentence)
    return FAILED if wrong else 0


def _pretty(documents: Sequence[Any]) -> str:
    return as_json(documents, indent=4) if documents else "[]"


def _object(bench: Bench, options: Options, text: str) -> dict[str, Any]:
    """The container of that name or ID, or else the image."""
    kind = options.value("type")
    if kind != "image":
        try:
            return _of_container(bench, options, text)
        except Refused:
            if kind:
                raise
    try:
        return _of_image(bench, text)
    except Refused:
        if kind:
            raise
        raise Refused(f"Error: No such object: {text}") from None


def _of_container(bench: Bench, options: Options, text: str) -> dict[str, Any]:
    try:
        record = bench.containers.find(text)
    except ContainerError as error:
        raise daemon(str(error)) from None
    facts = container_facts(record)
    if options.on("size"):
        container = bench.containers.get(record.id)
        facts["SizeRw"] = container.size
        facts["SizeRootFs"] = bench.store.unpacked_size(container.image) + container.size
    return facts


def container_facts(record: ContainerRecord) -> dict[str, Any]:
    """What `docker inspect` says of a container, as far as it is simulated: no process is there."""
    program, *arguments = record.command
    return {
        "Id": record.id,
        "Created": record.created,
        "Path": program,
        "Args": arguments,
        "State": _state(record),
        "Image": record.config,
        "Name": f"/{record.name}",
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": {"AutoRemove": record.fleeting},
        "Mounts": [],
        "Config": {
            "Hostname": record.hostname or record.short,
            "User": record.user,
            "Tty": record.interactive,
            "OpenStdin": record.interactive,
            "Env": record.env,
            "Cmd": record.cmd or None,
            "Image": record.image,
            "WorkingDir": record.workdir,
            "Entrypoint": record.entrypoint or None,
            "Labels": dict(sorted(record.labels.items())),
        },
    }


def _state(record: ContainerRecord) -> dict[str, Any]:
    return {
        "Status": record.state,
        "Running": record.state == RUNNING,
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": 0,
        "ExitCode": record.code,
        "Error": "",
        "StartedAt": record.started or UNKNOWN,
        "FinishedAt": record.finished or UNKNOWN,
    }


def _of_image(bench: Bench, text: str) -> dict[str, Any]:
    try:
        holding, _ = found(bench, text)
    except Refused as refused:
        why = str(refused).removeprefix(DAEMON)
        raise daemon(f"no such image: {text}: {why}" if "No such" in why else why) from None
    return image_facts(bench, holding, holding.image or bench.store.open_image(holding.records[0]))


_SHOWN: Final = Flag("format", FORMAT, "f", "string")

VERBS: Final = {
    "inspect": Verb(
        "Return low-level information on Docker objects",
        "[OPTIONS] NAME|ID [NAME|ID...]",
        _inspect,
        (
            _SHOWN,
            Flag("size", "Display total file sizes if the type is container", "s"),
            Flag("type", "Only inspect objects of the given type", value="string"),
        ),
        least=1,
        most=None,
    ),
    "image inspect": Verb(
        "Display detailed information on one or more images",
        "[OPTIONS] IMAGE [IMAGE...]",
        _image_inspect,
        (_SHOWN,),
        least=1,
        most=None,
    ),
    "container inspect": Verb(
        "Display detailed information on one or more containers",
        "[OPTIONS] CONTAINER [CONTAINER...]",
        _container_inspect,
        (_SHOWN, Flag("size", "Display total file sizes", "s")),
        least=1,
        most=None,
    ),
}

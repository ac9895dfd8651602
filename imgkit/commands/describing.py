"""One image, in all its facts, and how it was made: `history`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from imgkit import document, units
from imgkit.commands.bench import CONTAINERD, Bench
from imgkit.commands.listing import FORMAT
from imgkit.commands.names import found
from imgkit.commands.table import listed
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.config import History
from imgkit.image import Image
from imgkit.inventory import UNKNOWN, Holding

MISSING: Final = "<missing>"
_BARE: Final[Mapping[str, Any]] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
"""The config of a container that says nothing, as the engine writes it."""


def image_facts(bench: Bench, holding: Holding, image: Image) -> dict[str, Any]:
    """What `docker inspect` says of an image, computed from its bytes."""
    config = image.config
    size = bench.store.unpacked_size(image)
    said = document.load(config.raw, "config")
    identity = holding.records[0].index or image.digest if bench.view == CONTAINERD else image.id
    facts: dict[str, Any] = {
        "Id": identity,
        "RepoTags": [name.familiar for name in holding.tags],
        "RepoDigests": [name.familiar for name in holding.digests],
        "Parent": "",
        "Comment": said.get("comment") or (config.history[-1].comment if config.history else ""),
        "Created": config.created or "",
        "Container": said.get("container", ""),
        "ContainerConfig": _config(said.get("container_config") or {}),
        "DockerVersion": said.get("docker_version", ""),
        "Author": said.get("author", ""),
        "Config": _config(config.settings),
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant,
        "Os": config.platform.os,
        "OsVersion": config.platform.os_version,
        "Size": size,
        "VirtualSize": size,
        "GraphDriver": {"Data": None, "Name": "overlay2"},
        "RootFS": {"Type": "layers", "Layers": list(config.diff_ids)},
        "Metadata": {"LastTagTime": UNKNOWN},
    }
    if bench.view == CONTAINERD:
        descriptor = image.index or image.descriptor
        facts["Size"] = facts["VirtualSize"] = size + image.packed_size
        facts["Descriptor"] = descriptor.to_json()
    return {key: value for key, value in facts.items() if value is not None}


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in the engine's order, with what they do not say."""
    facts: dict[str, Any] = {}
    for key, bare in _BARE.items():
        facts[key] = _sorted(settings.get(key)) or bare
        if key == "AttachStderr" and settings.get("ExposedPorts"):
            facts["ExposedPorts"] = _sorted(settings["ExposedPorts"])
    more = {key: value for key, value in settings.items() if key not in facts and value}
    return facts | more


def _sorted(value: Any) -> Any:
    """A map in the order in which Go writes it."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


# -- history --------------------------------------------------------------------------------

_KIND: Final = "formatter.historyContext"
_HEADS: Final = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


def _history(bench: Bench, options: Options) -> int:
    holding, _ = found(bench, options.words[0])
    image = holding.image or bench.store.open_image(holding.records[0])
    human = options.value("human", "true") != ""
    rows = _steps(bench, image, whole=options.on("no-trunc"), human=human)
    if options.on("quiet"):
        lines = [row["ID"] for row in rows]
    else:
        since = "{{.CreatedSince}}" if human else "{{.CreatedAt}}"
        table = f"{{{{.ID}}}}\t{since}\t{{{{.CreatedBy}}}}\t{{{{.Size}}}}\t{{{{.Comment}}}}"
        lines = listed(rows, options.value("format"), _HEADS, _KIND, table)
    for line in lines:
        bench.say(line)
    return 0


def _steps(bench: Bench, image: Image, *, whole: bool, human: bool) -> list[dict[str, Any]]:
    """A row for each step, the newest first; only the newest has an ID."""
    layers = iter(image.layers)
    steps = image.config.history or tuple(History() for _ in image.layers)
    rows = []
    for step in steps:
        layer = None if step.empty_layer else next(layers, None)
        size = bench.store.layer_size(layer) if layer else 0
        by = step.created_by.replace("\t", " ")
        rows.append(
            {
                "ID": MISSING,
                "CreatedSince": units.ago(step.created, bench.now()),
                "CreatedAt": step.created or UNKNOWN,
                "CreatedBy": by if whole or len(by) <= 45 else f"{by[:44]}…",
                "Size": units.size(size) if human else str(size),
                "Comment": step.comment,
            }
        )
    identity = image.id
    if bench.view == CONTAINERD:
        identity = image.index.digest if image.index else image.digest
    if rows:
        rows[-1]["ID"] = str(identity) if whole else identity.short
    return rows[::-1]


VERBS: Final = {
    "history": Verb(
        "Show the history of an image",
        "[OPTIONS] IMAGE",
        _history,
        (
            Flag("format", FORMAT, value="string"),
            Flag("human", "Print sizes and dates in human readable format (default true)", "H"),
            Flag("no-trunc", "Don't truncate output"),
            Flag("quiet", "Only show image IDs", "q"),
        ),
        least=1,
        most=1,
        aliases=("image history",),
    ),
}

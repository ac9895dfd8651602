"""The list of containers: ps."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imgkit import units
from imgkit.commands.bench import Bench, daemon
from imgkit.commands.filters import labelled, pairs
from imgkit.commands.table import listed
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.container.record import RUNNING, ContainerRecord
from imgkit.errors import ContainerError, ImgkitError
from imgkit.golang import quote

STATES: Final = ("created", "restarting", "running", "removing", "paused", "exited", "dead")


def _ps(bench: Bench, options: Options) -> int:
    records = _wanted(bench, options)
    shown = options.value("format")
    if options.on("quiet") and not shown:
        for record in records:
            bench.say(record.id if options.on("no-trunc") else record.short)
        return 0
    sized = options.on("size") or ".Size" in shown or "json ." in shown
    rows = [Row(bench, record, options.on("no-trunc"), sized) for record in records]
    facts = [{name: find(row) for name, (_, find) in FACTS.items()} for row in rows]
    columns = [*_COLUMNS, *(["Size"] if options.on("size") else [])]
    table = "\t".join(f"{{{{.{name}}}}}" for name in columns)
    for line in listed(facts, shown, _HEADS, "*formatter.ContainerContext", table):
        bench.say(line)
    return 0


@dataclass(frozen=True, slots=True)
class Row:
    """One container as `ps` shows it."""

    bench: Bench
    record: ContainerRecord
    whole: bool
    sized: bool

    @property
    def command(self) -> str:
        first, *words = self.record.command
        text = " ".join([first, *(f"'{word}'" if " " in word else word for word in words)])
        return quote(text if self.whole or len(text) <= 20 else f"{text[:19]}…")

    @property
    def image(self) -> str:
        """As it was asked for, while that still is the same image; otherwise its ID."""
        asked, config = self.record.image, self.record.config
        try:
            same = str(self.bench.store.image(asked).id) == config
        except ImgkitError:
            same = False
        if not same:
            return config if self.whole else config.removeprefix("sha256:")[:12]
        return asked if self.whole else asked.partition("@")[0]

    @property
    def size(self) -> str:
        if not self.sized:
            return units.size(0)
        container = self.bench.containers.get(self.record.id)
        below = self.bench.store.unpacked_size(container.image)
        return f"{units.size(container.size)} (virtual {units.size(below + container.size)})"

    @property
    def created_at(self) -> str:
        return f"{datetime.fromisoformat(self.record.created):%Y-%m-%d %H:%M:%S} +0000 UTC"

    @property
    def labels(self) -> str:
        return ",".join(f"{name}={value}" for name, value in sorted(self.record.labels.items()))


FACTS: Final[Mapping[str, tuple[str, Callable[[Row], str]]]] = {
    "ID": ("CONTAINER ID", lambda row: row.record.id if row.whole else row.record.short),
    "Image": ("IMAGE", lambda row: row.image),
    "Command": ("COMMAND", lambda row: row.command),
    "RunningFor": ("CREATED", lambda row: units.ago(row.record.created, row.bench.now())),
    "Status": ("STATUS", lambda row: row.record.status(row.bench.now())),
    "Ports": ("PORTS", lambda row: ""),
    "Names": ("NAMES", lambda row: row.record.name),
    "Size": ("SIZE", lambda row: row.size),
    "CreatedAt": ("CREATED AT", lambda row: row.created_at),
    "Labels": ("LABELS", lambda row: row.labels),
    "LocalVolumes": ("LOCAL VOLUMES", lambda row: "0"),
    "Mounts": ("MOUNTS", lambda row: ""),
    "Networks": ("NETWORKS", lambda row: "none"),
    "State": ("STATE", lambda row: row.record.state),
}
"""What a template may name: its heading in a table, and how it is found."""

_HEADS: Final = {name: head for name, (head, _) in FACTS.items()}
_COLUMNS: Final = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


# -- which ones ------------------------------------------------------------------------------------


def _wanted(bench: Bench, options: Options) -> list[ContainerRecord]:
    """The containers that the flags ask for, the newest first."""
    given = pairs(bench, options)
    last = 1 if options.on("latest") else int(options.value("last", "-1"))
    every = options.on("all") or last >= 0 or "status" in given
    records = [r for r in bench.containers.records() if every or r.state == RUNNING]
    for name, values in sorted(given.items()):
        if name not in _FILTERS:
            raise daemon(f"Invalid filter '{name}'")
        tests = [_FILTERS[name](bench, value) for value in values]
        records = [record for record in records if any(test(record) for test in tests)]
    return records[:last] if last >= 0 else records


def _by_status(_: Bench, value: str) -> Callable[[ContainerRecord], bool]:
    if value not in STATES:
        raise daemon(f"Invalid filter 'status={value}'")
    return lambda record: record.state == value


def _by_name(_: Bench, value: str) -> Callable[[ContainerRecord], bool]:
    try:
        pattern = re.compile(value)
    except re.error:
        pattern = re.compile(re.escape(value))
    return lambda record: bool(pattern.search(f"/{record.name}") or pattern.search(record.name))


def _by_image(bench: Bench, value: str) -> Callable[[ContainerRecord], bool]:
    """Of that image, or of one that stands upon all its layers."""
    try:
        layers = bench.store.image(value).config.diff_ids
    except ImgkitError:
        return lambda record: False

    def test(record: ContainerRecord) -> bool:
        try:
            found = bench.store.image(record.config).config.diff_ids
        except ImgkitError:
            return False
        return found[: len(layers)] == layers

    return test


def _by_age(*, before: bool) -> Callable[[Bench, str], Callable[[ContainerRecord], bool]]:
    def make(bench: Bench, value: str) -> Callable[[ContainerRecord], bool]:
        try:
            number = bench.containers.find(value).number
        except ContainerError as error:
            raise daemon(f"no such container {value}") from error
        return lambda record: record.number < number if before else record.number > number

    return make


def _by_code(_: Bench, value: str) -> Callable[[ContainerRecord], bool]:
    if not re.fullmatch(r"-?\d+", value):
        raise daemon(f'strconv.Atoi: parsing "{value}": invalid syntax')
    return lambda record: record.state == "exited" and str(record.code) == value


_FILTERS: Final[Mapping[str, Callable[[Bench, str], Callable[[ContainerRecord], bool]]]] = {
    "ancestor": _by_image,
    "before": _by_age(before=True),
    "exited": _by_code,
    "id": lambda _, value: lambda record: record.id.startswith(value),
    "label": lambda _, value: lambda record: labelled(record.labels, [value]),
    "name": _by_name,
    "network": lambda _, value: lambda record: value == "none",
    "since": _by_age(before=False),
    "status": _by_status,
    "volume": lambda _, value: lambda record: False,
}


VERBS: Final = {
    "ps": Verb(
        "List containers",
        "[OPTIONS]",
        _ps,
        (
            Flag("all", "Show all containers (default shows just running)", "a"),
            Flag("filter", "Filter output based on conditions provided", "f", "filter"),
            Flag("format", "Format output using a custom template", value="string"),
            Flag("last", "Show n last created containers (includes all states)", "n", "int"),
            Flag("latest", "Show the latest created container (includes all states)", "l"),
            Flag("no-trunc", "Don't truncate output"),
            Flag("quiet", "Only display container IDs", "q"),
            Flag("size", "Display total file sizes", "s"),
        ),
        aliases=("container ls", "container list", "container ps"),
    ),
}

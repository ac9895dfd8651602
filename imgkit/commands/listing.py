"""The images of the local repository: `images`, in the words of both Dockers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from imgkit import units
from imgkit.commands.bench import CONTAINERD, Bench, Refused, daemon
from imgkit.commands.names import found
from imgkit.commands.table import listed
from imgkit.commands.verb import UNKNOWN_FLAG, Flag, Options, Verb
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.inventory import Holding, holdings, targets
from imgkit.reference import Reference

NONE: Final = "<none>"
KIND: Final = "*formatter.imageContext"
HEADS: Final = {
    "ID": "IMAGE ID",
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
_RAW: Final = (
    "repository: {{.Repository}}\ntag: {{.Tag}}\n%simage_id: {{.ID}}\n"
    "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image of the list, with the names of it that are to be shown. Sizes in bytes."""

    id: Digest
    tags: Sequence[Reference]
    digests: Sequence[Reference]
    created: str
    size: int | None
    content: int = 0
    used: bool = False


def _images(bench: Bench, options: Options) -> int:
    filters = Filters.of(bench, options)
    entries = [kept for entry in _entries(bench) if (kept := filters.shown(entry))]
    entries.sort(key=lambda entry: _moment(entry.created), reverse=True)
    shown = options.value("format")
    plain = not (shown or any(map(options.on, ("quiet", "digests", "no-trunc"))))
    if bench.view == CONTAINERD and plain:
        lines = _tree(entries, everything=options.on("all"))
    elif options.on("quiet") and not shown:
        lines = [row["ID"] for row in _rows(bench, entries, options)]
    else:
        lines = _table(bench, entries, options)
    for line in lines:
        bench.say(line)
    return 0


def _entries(bench: Bench) -> list[Entry]:
    """The images that this Docker lists, before any filter."""
    if bench.view == CONTAINERD:
        in_use = {record.manifest["digest"] for record in bench.containers.records()}
        return [
            Entry(one.digest, one.tags, one.digests, one.created, one.size, one.content, one.used)
            for one in targets(bench.store, in_use)
        ]
    return [
        Entry(one.id, one.tags, one.digests, one.created, _size(bench, one))
        for one in holdings(bench.store)
    ]


def _size(bench: Bench, holding: Holding) -> int | None:
    """Bytes of all its files; None if a layer cannot be read."""
    try:
        return bench.store.unpacked_size(holding.image) if holding.image else None
    except ImgkitError:
        return None


def _moment(created: str) -> datetime:
    return datetime.fromisoformat(created)


def _rows(bench: Bench, entries: Sequence[Entry], options: Options) -> list[dict[str, Any]]:
    """A row for each name (with digests: for each pair of a tag and a digest)."""
    digests = options.on("digests") or "{{.Digest}}" in options.value("format")
    rows = []
    for entry in entries:
        for repository, tag, digest in _names(entry, digests):
            row = _facts(bench, entry, whole=options.on("no-trunc"))
            rows.append(row | {"Repository": repository, "Tag": tag, "Digest": digest})
    return rows


def _names(entry: Entry, digests: bool) -> list[tuple[str, str, str]]:
    """Repository, tag and digest of each row of an image."""
    known: dict[str, list[str]] = {}
    for name in entry.digests:
        known.setdefault(_repository(name), []).append(str(name.digest))
    rows = []
    for name in entry.tags:
        repository = _repository(name)
        of_this = known.get(repository, []) if digests else []
        rows += [(repository, name.tag or NONE, digest) for digest in of_this or [NONE]]
    tagged = set(map(_repository, entry.tags))
    for repository, several in known.items():
        if repository not in tagged:
            rows += [(repository, NONE, digest) for digest in (several if digests else [NONE])]
    return rows or [(NONE, NONE, NONE)]


def _repository(name: Reference) -> str:
    return name.with_tag("x").familiar.removesuffix(":x")


def _facts(bench: Bench, entry: Entry, *, whole: bool) -> dict[str, Any]:
    """What a template may name, but for the names."""
    made = _moment(entry.created)
    readable = entry.size is not None
    return {
        "ID": str(entry.id) if whole else entry.id.short,
        "CreatedSince": units.ago(entry.created, bench.now()),
        "CreatedAt": f"{made:%Y-%m-%d %H:%M:%S} +0000 UTC",
        "Size": units.size(entry.size or 0) if readable else "damaged: see verify",
        "VirtualSize": units.size(entry.size or 0, 4) if readable else "N/A",
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
    }


def _table(bench: Bench, entries: Sequence[Entry], options: Options) -> list[str]:
    shown = options.value("format")
    digest = "{{.Digest}}\t" if options.on("digests") else ""
    default = f"{{{{.Repository}}}}\t{{{{.Tag}}}}\t{digest}{{{{.ID}}}}\t"
    default += "{{.CreatedSince}}\t{{.Size}}"
    if options.on("quiet") and shown == "table":
        shown = "{{.ID}}"
    if shown == "raw":
        shown = _RAW % ("digest: {{.Digest}}\n" if digest else "")
    return listed(_rows(bench, entries, options), shown, HEADS, KIND, default)


def _tree(entries: Sequence[Entry], *, everything: bool) -> list[str]:
    """The table of Docker 29: sizes to the right, U where a container uses the image."""
    rows = [("IMAGE", "ID", "DISK USAGE", "CONTENT SIZE", "EXTRA")]
    for entry in entries:
        names = [name.familiar for name in entry.tags] or (["<untagged>"] if everything else [])
        damaged = entry.size is None
        size = "damaged" if damaged else units.size(entry.size or 0)
        for name in names:
            used = "U" if entry.used else ""
            rows.append((name, entry.id.short, size, units.size(entry.content), used))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{name:<{widths[0]}}   {short:<{widths[1]}}   {size:>{widths[2]}}   "
        f"{content:>{widths[3]}}   {used:^5}".rstrip()
        for name, short, size, content, used in rows
    ]


# -- filters --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filters:
    """What is to be shown of the list."""

    bench: Bench
    dangling: bool | None
    patterns: tuple[re.Pattern[str], ...]
    labels: tuple[str, ...]
    before: datetime | None
    since: datetime | None

    @classmethod
    def of(cls, bench: Bench, options: Options) -> Filters:
        """Raises `Refused` for a filter that there is not."""
        given = pairs(bench, options)
        for name in given:
            if name not in ("dangling", "reference", "label", "before", "since"):
                raise daemon(f"Invalid filter '{name}'")
        references = [*given.get("reference", ()), *options.words]
        times = {
            name: [_moment(found(bench, text)[0].created) for text in given.get(name, ())]
            for name in ("before", "since")
        }
        return cls(
            bench,
            boolean("dangling", given),
            tuple(map(_pattern, references)),
            tuple(given.get("label", ())),
            min(times["before"], default=None),
            max(times["since"], default=None),
        )

    def shown(self, entry: Entry) -> Entry | None:
        """The image with those of its names that are to be shown; None if it is not."""
        made = _moment(entry.created)
        if (self.before and made >= self.before) or (self.since and made <= self.since):
            return None
        if self.labels and not labelled(self._labels(entry.id), self.labels):
            return None
        tags, digests = entry.tags, entry.digests
        if self.patterns:
            tags, digests = (list(filter(self._matches, names)) for names in (tags, digests))
            if not tags and not digests:
                return None
        if self.dangling is not None and self.dangling == bool(tags):
            return None
        return Entry(entry.id, tags, digests, entry.created, entry.size, entry.content, entry.used)

    def _matches(self, name: Reference) -> bool:
        return any(
            pattern.fullmatch(text)
            for pattern in self.patterns
            for text in (name.familiar, _repository(name))
        )

    def _labels(self, identity: Digest) -> Mapping[str, str]:
        for one in holdings(self.bench.store):
            known = {one.id} | {row.index or row.descriptor.digest for row in one.records}
            if one.image and identity in known:
                return one.image.config.settings.get("Labels") or {}
        return {}


def pairs(bench: Bench, options: Options) -> dict[str, list[str]]:
    """The filters that are given, by name; raises `Refused` for one without a value."""
    given: dict[str, list[str]] = {}
    for text in options.values("filter"):
        name, equals, value = text.partition("=")
        if not equals:
            usage = f"{bench.prog} {options.called}"
            flag = "-f, --filter" if options.called != "image prune" else "--filter"
            raise Refused(
                f'invalid argument "{text}" for "{flag}" flag: bad format of filter '
                f"(expected name=value)\n\nUsage:  {usage} [OPTIONS] [REPOSITORY[:TAG]]\n\n"
                f"Run '{usage} --help' for more information",
                status=UNKNOWN_FLAG,
            )
        given.setdefault(name.strip().lower(), []).append(value.strip())
    return given


def boolean(name: str, given: Mapping[str, Sequence[str]]) -> bool | None:
    """The value of a filter that is true or false; None if it is not given."""
    if name not in given:
        return None
    values = set(given[name])
    if values <= {"true", "1"}:
        return True
    if values <= {"false", "0"}:
        return False
    raise daemon(f"Invalid filter '{name}=[{' '.join(given[name])}]'")


def labelled(labels: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether there are all the labels wanted: `name`, or `name=value`."""
    for text in wanted:
        name, equals, value = text.partition("=")
        if name not in labels or (equals and labels[name] != value):
            return False
    return True


def _pattern(text: str) -> re.Pattern[str]:
    """A shell pattern as Go's `path.Match` reads it: `*` and `?` match no slash."""
    parts = {"*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(parts.get(char) or re.escape(char) for char in text))


FORMAT: Final = (
    "Format output using a custom template: 'table' (the default), 'table TEMPLATE', 'json', or "
    "a Go template"
)

VERBS: Final = {
    "images": Verb(
        "List images",
        "[OPTIONS] [REPOSITORY[:TAG]]",
        _images,
        (
            Flag("all", "Show all images (default hides intermediate images)", "a"),
            Flag("digests", "Show digests"),
            Flag("filter", "Filter output based on conditions provided", "f", "filter"),
            Flag("format", FORMAT, value="string"),
            Flag("no-trunc", "Don't truncate output"),
            Flag("quiet", "Only show image IDs", "q"),
        ),
        most=1,
        aliases=("image ls", "image list"),
    ),
}

"""The images of the local repository: `images`, in the words of both Dockers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from imgkit import units
from imgkit.commands.bench import CONTAINERD, Bench
from imgkit.commands.filters import Filters
from imgkit.commands.names import repository_of
from imgkit.commands.table import listed
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.inventory import Entry, classic, containerd

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


def _images(bench: Bench, options: Options) -> int:
    filters = Filters.of(bench, options)
    entries = [kept for entry in _entries(bench) if (kept := filters.shown(entry))]
    entries.sort(key=lambda entry: entry.moment, reverse=True)
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
        return containerd(bench.store, in_use)
    return classic(bench.store)


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
        known.setdefault(repository_of(name), []).append(str(name.digest))
    rows = []
    for name in entry.tags:
        repository = repository_of(name)
        of_this = known.get(repository, []) if digests else []
        rows += [(repository, name.tag or NONE, digest) for digest in of_this or [NONE]]
    tagged = set(map(repository_of, entry.tags))
    for repository, several in known.items():
        if repository not in tagged:
            rows += [(repository, NONE, digest) for digest in (several if digests else [NONE])]
    return rows or [(NONE, NONE, NONE)]


def _facts(bench: Bench, entry: Entry, *, whole: bool) -> dict[str, Any]:
    """What a template may name, but for the names."""
    readable = entry.size is not None
    return {
        "ID": str(entry.id) if whole else entry.id.short,
        "CreatedSince": units.ago(entry.created, bench.now()),
        "CreatedAt": f"{entry.moment:%Y-%m-%d %H:%M:%S} +0000 UTC",
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

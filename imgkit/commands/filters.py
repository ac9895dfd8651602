"""What `--filter` leaves of a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from imgkit import units
from imgkit.commands.bench import Bench, Refused, daemon
from imgkit.commands.names import found, repository_of
from imgkit.commands.verb import UNKNOWN_FLAG, Options
from imgkit.digest import Digest
from imgkit.inventory import Entry, holdings
from imgkit.reference import Reference


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
        given = pairs(bench, options, "[OPTIONS] [REPOSITORY[:TAG]]")
        for name in given:
            if name not in ("dangling", "reference", "label", "before", "since"):
                raise daemon(f"Invalid filter '{name}'")
        references = [*given.get("reference", ()), *options.words]
        times = {
            name: [units.moment(found(bench, text)[0].created) for text in given.get(name, ())]
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
        made = entry.moment
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
        return replace(entry, tags=tags, digests=digests)

    def _matches(self, name: Reference) -> bool:
        return any(
            pattern.fullmatch(text)
            for pattern in self.patterns
            for text in (name.familiar, repository_of(name))
        )

    def _labels(self, identity: Digest) -> Mapping[str, str]:
        for one in holdings(self.bench.store):
            known = {one.id} | {row.index or row.descriptor.digest for row in one.records}
            if one.image and identity in known:
                return one.image.config.settings.get("Labels") or {}
        return {}


def pairs(bench: Bench, options: Options, usage: str = "[OPTIONS]") -> dict[str, list[str]]:
    """The filters that are given, by name; raises `Refused` for one without a value."""
    given: dict[str, list[str]] = {}
    for text in options.values("filter"):
        name, equals, value = text.partition("=")
        if not equals:
            called = f"{bench.prog} {options.called}"
            flag = "-f, --filter" if options.called != "image prune" else "--filter"
            raise Refused(
                f'invalid argument "{text}" for "{flag}" flag: bad format of filter '
                f"(expected name=value)\n\nUsage:  {called} {usage}\n\n"
                f"Run '{called} --help' for more information",
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

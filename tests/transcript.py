"""Sessions with Docker: what was typed, what a real engine answered, and how to record it anew.

A session begins with an empty local repository and with the sample images in every registry. Two
things are not kept as they were printed, because nobody could print them again: times of the day
of the recording, and what is random, IDs and names of containers. Every unknown ID gets a number
in the order of appearance, so that it is still told whether two lines speak of the same one.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from imgkit import samples, server
from imgkit.digest import Digest
from imgkit.store import Store

FOLDER: Final = Path(__file__).parent / "transcripts" / "docker"
HERE: Final = "/home/alice"
"""What the directory is called in which a session took place."""


@dataclass(frozen=True)
class Row:
    """One command line: with `stdin`, or on a terminal, of which the last screen is kept.

    Where Docker itself prints lines now in one order and now in another, they are in `any_order`
    and kept sorted (it walks over Go's maps, and sorts what was made in the same second anyhow).
    """

    line: str
    stdin: str | None = None
    terminal: bool = False
    any_order: bool = False
    status: int = 0
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Row:
        stdin = facts.get("stdin")
        return cls(**{**facts, "stdin": "\n".join(stdin) if stdin is not None else None})

    def answered(self, status: int, out: str, err: str) -> Row:
        lines = _lines(out)
        return replace(
            self, status=status, out=sorted(lines) if self.any_order else lines, err=_lines(err)
        )

    def to_json(self) -> dict[str, Any]:
        facts = {key: value for key, value in asdict(self).items() if value}
        if self.stdin is not None:
            facts["stdin"] = self.stdin.split("\n")
        return facts


def _lines(text: str) -> list[str]:
    """The lines; one that does not end has a backslash where the end would be."""
    if not text:
        return []
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines[:-1], lines[-1] + "\\"]


@dataclass(frozen=True)
class Session:
    """What was typed, one after another; `files` stand in the directory where it happened."""

    name: str
    about: str
    at: str
    files: dict[str, list[str]]
    rows: list[Row]

    @classmethod
    def read(cls, path: Path) -> Session:
        facts = json.loads(path.read_text())
        rows = [Row.of(row) for row in facts["rows"]]
        return cls(path.stem, facts["about"], facts.get("at", ""), facts.get("files", {}), rows)

    def write(self) -> None:
        facts = {"about": self.about, "at": self.at, "files": self.files}
        facts["rows"] = [row.to_json() for row in self.rows]  # type: ignore[assignment]
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        (FOLDER / f"{self.name}.json").write_text(text + "\n")

    def lay_out(self, folder: Path) -> None:
        """Write the files."""
        for name, lines in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("\n".join(lines) + "\n")


def sessions() -> list[Session]:
    """All that are recorded."""
    return [Session.read(path) for path in sorted(FOLDER.glob("*.json"))]


def registry(folder: Path) -> server.Registry:
    """The registry of a session: the samples, and room for what is pushed."""
    return server.Registry([Store(folder), samples.store()])


# -- what cannot be printed twice ----------------------------------------------------------------

_ID: Final = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{12})(?![0-9a-f])")
_STAMP: Final = re.compile(r"(20\d\d-\d\d-\d\d)[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[ ]?[+-]\d\d:?\d\d)?")
_MOMENT: Final = re.compile(
    r"(Less than a second|About a minute|About an hour|\d+ (second|minute|hour)s?)\b"
)
_LONG: Final = re.compile(r"\d+ (day|week|month|year)s?\b")
_BRIEFLY: Final = re.compile(r"[0-9a-f]{12}: (?:Verifying Checksum|Download complete)\n")
"""What is told on a pipe if it takes long enough, and only then."""

_RANDOM_NAME: Final = re.compile(r"\b[a-z]+_[a-z]+\d?\b")


@cache
def known() -> frozenset[str]:
    """Every digest of the samples, also of what is unpacked: whoever is right prints these."""
    blobs = list((samples.LAYOUT / "blobs" / "sha256").iterdir())
    found = {path.name for path in blobs}
    for path in blobs:
        raw = path.read_bytes()
        if raw.startswith(b"{"):
            diff_ids = json.loads(raw).get("rootfs", {}).get("diff_ids", [])
            found |= {text.removeprefix("sha256:") for text in [*diff_ids, *_chain(diff_ids)]}
    return frozenset(found | {name[:12] for name in found})


def _chain(diff_ids: list[str]) -> list[str]:
    """The ChainIDs: each names a stack of layers."""
    chain = diff_ids[:1]
    for diff_id in diff_ids[1:]:
        chain.append(str(Digest.of(f"{chain[-1]} {diff_id}".encode())))
    return chain


class Plain:
    """Takes times and random IDs out of the answers of one session, in the order they come."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, row: Row) -> Row:
        return row.answered(row.status, self._text(row, row.out), self._text(row, row.err))

    def _text(self, row: Row, lines: list[str]) -> str:
        def number(match: re.Match[str]) -> str:
            return match[0] if match[0] in row.line else self._id(match[0])

        text = _STAMP.sub(_stamp, _ID.sub(number, "".join(f"{line}\n" for line in lines)))
        if " ps" in row.line:
            text = _RANDOM_NAME.sub("random_name", text)
        plain = _MOMENT.sub("TIME", _BRIEFLY.sub("", text))
        if "TIME" not in plain:
            return plain
        return re.sub(" {2,}", "  ", plain)  # a column is as wide as its longest time

    def _id(self, text: str) -> str:
        if text in known():
            return text
        number = self._numbers.setdefault(text[:12], len(self._numbers) + 1)
        return f"id{number:0{len(text) - 2}}"


def _stamp(match: re.Match[str]) -> str:
    return match[0] if match[1] <= str(samples.NOW.date()) else "TIMESTAMP"


def ageless(row: Row) -> Row:
    """Without the age of the samples, which differs from one recording to the next."""

    def text(lines: list[str]) -> str:
        return "".join(re.sub(" {2,}", "  ", _LONG.sub("AGE", line)) + "\n" for line in lines)

    return row.answered(row.status, text(row.out), text(row.err))

"""A Dockerfile that is edited and built again: which steps the cache has, and why others are new.

    rebuild = Rebuild(store, "FROM alpine\\nCOPY a.txt /\\n", {"a.txt": b"one"}, options)
    rebuild.build()
    rebuild.files["a.txt"] = b"two"
    print(rebuild.build())

It carries nothing out itself: `imgkit.build.Builder` does, and says which steps it took from the
cache. Why, is found by comparing with the builds before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from imgkit.build import Builder, Options, Step
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.layer import Layer
from imgkit.manifest import OCI_CONFIG, Descriptor
from imgkit.store import Store
from imgkit.units import size

BASE: Final = "base"
LAYER: Final = "layer"
CONFIG: Final = "config"

_RUNNING: Final = " ---> Running in "


@dataclass(frozen=True, slots=True)
class Row:
    """A step that was done: where it began, what it made, and why it was, or was not, cached.

    `kind` says what it made: a layer, a config only, or nothing new (the base). `bytes` are those
    of the files in its layer, not compressed. `container` is the temporary one that it ran in, or
    "". `changes` are paths of its layer, or settings of the config.
    """

    number: int
    text: str
    kind: str
    cached: bool
    why: str
    before: Digest | None
    image: Digest | None
    told: str = ""
    diff_id: Digest | None = None
    bytes: int = 0
    container: str = ""
    changes: tuple[str, ...] = ()
    screen: str = ""

    @property
    def source(self) -> str:
        """Whence it came, in a word or two."""
        if self.kind == BASE:
            return "base image"
        return "from the cache" if self.cached else "carried out"

    @property
    def made(self) -> str:
        """What it made, in a few words."""
        return f"layer, {size(self.bytes)}" if self.kind == LAYER else f"{self.kind} only"

    def __str__(self) -> str:
        made = "" if self.kind == BASE else f"{self.made}; "
        return f"{self.number}. {self.text}: {self.source}; {made}{self.why}"


@dataclass(slots=True)
class Run:
    """One build on its way: the rows so far, of `total` steps, and what it was refused for."""

    total: int = 0
    rows: list[Row] = field(default_factory=list)
    error: str = ""
    is_done: bool = False

    @property
    def carried_out(self) -> int:
        """The steps that were done anew."""
        return sum(not row.cached and row.kind != BASE for row in self.rows)

    @property
    def cached(self) -> int:
        """The steps that came from the cache."""
        return sum(row.cached for row in self.rows)

    @property
    def said(self) -> str:
        """How it stands, in a sentence or two."""
        counts = f"{self.cached} from the cache, {self.carried_out} carried out"
        if self.error:
            return f"Refused: {self.error}"
        if not self.is_done:
            return f"Step {len(self.rows)} of {self.total} is done: {counts}."
        return f"Built: {counts}. Image {self.rows[-1].image.short if self.rows[-1].image else ''}."

    def __repr__(self) -> str:
        return "\n".join([*map(str, self.rows), self.said])


class Rebuild:
    """A Dockerfile and its context, and the builds of them so far, oldest first.

    `text`, `files`, `options` and `no_cache` may be changed between builds. Nothing that is wrong
    with a Dockerfile or a build is raised: `Run.error` says it.
    """

    def __init__(
        self, store: Store, text: str, files: Mapping[str, bytes], options: Options, tag: str = ""
    ) -> None:
        self.store = store
        self.text = text
        self.files = dict(files)
        self.tag = tag
        self.no_cache = False
        self.runs: list[Run] = []
        self.options = options
        self._lines: list[str] = []
        self._builder: Builder | None = None

    def __repr__(self) -> str:
        if not self.runs:
            return f"Nothing has been built yet.\n{self.text}"
        return f"Build {len(self.runs)}\n{self.runs[-1]!r}"

    @property
    def is_going(self) -> bool:
        """Whether a build was begun, and has steps left."""
        return bool(self.runs) and not self.runs[-1].is_done and not self.runs[-1].error

    def build(self) -> Run:
        """All steps that are left, or, if none are, a build from the beginning."""
        run = self.step()
        while self.is_going:
            self.step()
        return run

    def step(self) -> Run:
        """One step more; the first of a new build if the last one has ended."""
        if not self.is_going:
            self._begin()
        run, builder = self.runs[-1], self._builder
        if builder is None:
            return run
        start = len(self._lines)
        try:
            made = next(iter(builder), None)
            if made is not None:
                run.rows.append(self._row(made, self._lines[start:]))
            if len(run.rows) == run.total:
                builder.finish(*[self.tag] * bool(self.tag))
                run.is_done = True
        except ImgkitError as error:
            at = [f"{line}. " for line in self._lines[start:] if line.startswith("Step ")]
            run.error = "".join([*at, str(error)])
        return run

    def stop(self) -> None:
        """Afterwards the next step is the first of a new build."""
        if self.is_going:
            self.runs[-1].error = "the build was given up, because something was edited."

    def _begin(self) -> None:
        """Start a build; what can't be read is said at once."""
        run, self._lines, self._builder = Run(), [], None
        self.runs.append(run)
        options = replace(self.options, say=self._lines.append, no_cache=self.no_cache)
        try:
            self._builder = Builder(self.text, self.files, self.store, options)
            run.total = self._builder.total
        except ImgkitError as error:
            run.error = str(error)

    # -- what a step did ------------------------------------------------------------------------

    def _row(self, step: Step, lines: list[str]) -> Row:
        run = self.runs[-1]
        text, before = step.instruction.text, run.rows[-1].image if run.rows else None
        if step.instruction.verb == "FROM" or step.image is None:
            why = "nothing is done: here the build begins"
            return Row(step.number, text, BASE, False, why, before, step.image)
        ran = [line.removeprefix(_RUNNING) for line in lines if line.startswith(_RUNNING)]
        row = Row(
            step.number,
            text,
            LAYER if step.layer else CONFIG,
            step.cached,
            "",
            before,
            step.image,
            step.created_by,
            step.diff_id,
            container=ran[0] if ran else "",
            screen=step.screen,
        )
        row = self._with_layer(row, step.layer) if step.layer else self._with_settings(row)
        return replace(row, why=self._why(row))

    def _with_layer(self, row: Row, descriptor: Descriptor) -> Row:
        assert row.diff_id
        layer = Layer(partial(self.store.open, descriptor), descriptor, row.diff_id)
        entries = list(layer.entries)
        changes = tuple(f"/{entry.path}" for entry in entries)
        return replace(row, bytes=layer.unpacked_size, changes=changes)

    def _with_settings(self, row: Row) -> Row:
        old, new = self._settings(row.before), self._settings(row.image)
        changed = [name for name in new if new[name] != old.get(name)]
        return replace(row, changes=tuple(f"{name} = {new[name]}" for name in changed))

    def _settings(self, image: Digest | None) -> Mapping[str, Any]:
        if image is None:
            return {}
        descriptor = Descriptor(OCI_CONFIG, image, self.store.size_of(image) or 0)
        with self.store.open(descriptor) as stream:
            return Config.parse(stream.read()).settings

    # -- why ------------------------------------------------------------------------------------

    def _why(self, row: Row) -> str:
        """Why a step came from the cache, or did not."""
        if row.cached:
            return "the same step was done before, on the same image"
        if self.no_cache:
            return "the cache was not to be asked"
        for above in self._stage():
            if not above.cached:
                return f"step {above.number} was carried out, so nothing after it may be taken"
        return next(self._differences(row), "never done before on this image")

    def _stage(self) -> list[Row]:
        """The rows since the last FROM: in each stage the cache is asked anew."""
        rows = self.runs[-1].rows
        starts = [number for number, row in enumerate(rows, 1) if row.kind == BASE]
        return rows[starts[-1] :] if starts else []

    def _differences(self, row: Row) -> Iterator[str]:
        """How a step differs from the one that earlier builds did on the same image."""
        for run in reversed(self.runs[:-1]):
            for other in run.rows:
                if other.before == row.before and other.kind != BASE:
                    if other.text != row.text:
                        yield f"another step than before, which was {other.text}"
                    elif other.told != row.told:
                        yield f"the same words, but {_contents(row)} changed since"
                    else:
                        yield "its result is no longer in the repository"


def _contents(row: Row) -> str:
    """What a step depends on that its own words don't say."""
    is_copy = row.text.split(None, 1)[0].upper() in ("COPY", "ADD")
    return "the files that it copies" if is_copy else "the values of its variables"

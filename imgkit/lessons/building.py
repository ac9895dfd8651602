"""Exercises of `08-building-and-sharing`."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from imgkit import samples
from imgkit.build import Options
from imgkit.digest import Digest
from imgkit.image import copy
from imgkit.lab import PLATFORM
from imgkit.lessons.exercise import Exercise, Mistake
from imgkit.rebuild import Rebuild, Run
from imgkit.store import Store

DOCKERFILE: Final = """FROM alpine
WORKDIR /app
COPY words.txt .
RUN sort words.txt > sorted.txt
COPY greet.sh .
CMD ["sh", "greet.sh"]
"""
SLOW: Final = """FROM alpine
COPY . /app
RUN sort /app/words.txt > /app/sorted.txt
CMD ["sh", "/app/greet.sh"]
"""
PLAIN: Final = "FROM alpine\nCOPY . /app\n"

FILES: Final = {"words.txt": b"pear\napple\nfig\n", "greet.sh": b"head -n 1 /app/sorted.txt\n"}
OTHER_GREETING: Final = {**FILES, "greet.sh": b"tail -n 1 /app/sorted.txt\n"}
OTHER_WORDS: Final = {**OTHER_GREETING, "words.txt": b"quince\ncherry\n"}
WITH_SECRET: Final = {**FILES, ".env": b"PASSWORD=hunter2\n"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A build, the files below /app in its image, and the blobs that it is made of."""

    run: Run
    files: Mapping[str, bytes]
    blobs: frozenset[Digest]


def _built(text: str, *contexts: Mapping[str, bytes]) -> list[Outcome]:
    """The same Dockerfile with each of these contexts, one after the other, in a new repository."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        options = Options(
            clock=lambda: samples.NOW,
            native=PLATFORM,
            pull=lambda name, _: copy(samples.store(), store, name, platform=PLATFORM),
        )
        for files in contexts:
            rebuild = Rebuild(store, text, files, options, "app")
            found.append(_outcome(store, rebuild.build()))
    return found


def _outcome(store: Store, run: Run) -> Outcome:
    if not run.is_done:
        return Outcome(run, {}, frozenset())
    image = store.image("app")
    files = {
        node.path.removeprefix("app/"): image.overlay.read(node.path)
        for node in image.overlay
        if node.path.startswith("app/") and node.inode.entry.kind == "file"
    }
    return Outcome(run, files, frozenset(blob.digest for blob in image.manifest.children))


# -- 1: a Dockerfile ------------------------------------------------------------------------------

_UNBUILT: Final = "unbuilt"
_LACKS_GREETING: Final = "lacks greet.sh"
_LACKS_WORDS: Final = "lacks words"
_SORTS_AGAIN: Final = "sorts again"
_RIGHT: Final = "right"


@functools.cache
def _ordered(text: str) -> str:
    """What a Dockerfile does, when first the greeting changes, and then the words."""
    outcomes = _built(text, FILES, OTHER_GREETING, OTHER_WORDS)
    if not all(outcome.run.is_done for outcome in outcomes):
        return _UNBUILT
    for outcome, files in zip(outcomes, (FILES, OTHER_GREETING, OTHER_WORDS), strict=True):
        lines = sorted(files["words.txt"].splitlines(keepends=True))
        if outcome.files.get("sorted.txt") != b"".join(lines):
            return _LACKS_WORDS
        if outcome.files.get("greet.sh") != files["greet.sh"]:
            return _LACKS_GREETING
    again = [row for row in outcomes[1].run.rows if row.text.upper().startswith("RUN")]
    return _RIGHT if again and all(row.cached for row in again) else _SORTS_AGAIN


# -- 3: a .dockerignore --------------------------------------------------------------------------

_LEAKS: Final = "leaks"
_LEAVES_OUT: Final = "leaves out"


@functools.cache
def _ignored(text: str) -> str:
    """What a .dockerignore does to `COPY . /app`."""
    (outcome,) = _built(PLAIN, {**WITH_SECRET, ".dockerignore": text.encode()})
    if not outcome.run.is_done or not set(FILES) <= set(outcome.files):
        return _LEAVES_OUT
    return _LEAKS if ".env" in outcome.files else _RIGHT


def _in_lines(answer: Any) -> str:
    """A text, also where it is given as lines or as bytes."""
    if isinstance(answer, bytes):
        return answer.decode(errors="replace")
    if isinstance(answer, (list, tuple)) and all(isinstance(line, str) for line in answer):
        answer = "\n".join(answer)
    return answer.encode(errors="replace").decode() if isinstance(answer, str) else ""


def _does(judge: Any, outcome: str) -> Any:
    """Whether an answer does that, for a mistake or for being right."""
    return lambda answer, lab: bool(_in_lines(answer)) and judge(_in_lines(answer)) == outcome


def _leaks_with(word: str) -> Any:
    leaks = _does(_ignored, _LEAKS)
    return lambda answer, lab: word in _in_lines(answer) and leaks(answer, lab)


# -- 2: how much travels ----------------------------------------------------------------------


def _blobs() -> tuple[int, int]:
    """How many blobs the second image has that the first has not, and how many in all."""
    first, second = _built(DOCKERFILE, FILES, OTHER_GREETING)
    return len(second.blobs - first.blobs), len(second.blobs)


EXERCISES: Final = (
    Exercise(
        key="building-1",
        expects="the text of a Dockerfile",
        passes=_does(_ordered, _RIGHT),
        because="What changes often comes late: the sorting stands above it and stays cached.",
        hint=(
            "The cache breaks at the first step that sees the changed file. Which must come later?"
        ),
        mistakes=(
            Mistake(
                lambda lab: SLOW,
                "It sorts again: the RUN still comes after a step that sees `greet.sh`.",
                fits=_does(_ordered, _SORTS_AGAIN),
            ),
            Mistake(
                lambda lab: "FROM alpine\nRUN sort /app/words.txt > /app/sorted.txt\nCOPY . /app\n",
                "It can't be built: a step is written wrongly, or needs a file that is not there "
                "yet. Build it in the BuildStepper, which says where.",
                fits=_does(_ordered, _UNBUILT),
            ),
            Mistake(
                lambda lab: (
                    "FROM alpine\nCOPY words.txt /app/\nRUN sort /app/words.txt > /app/sorted.txt\n"
                ),
                "Fast, but `/app/greet.sh` is missing, or an old one.",
                fits=_does(_ordered, _LACKS_GREETING),
            ),
            Mistake(
                lambda lab: PLAIN,
                "`/app/sorted.txt` is not there, or has not the words of the newest `words.txt`.",
                fits=_does(_ordered, _LACKS_WORDS),
            ),
        ),
    ),
    Exercise(
        key="building-2",
        expects="a number of blobs",
        truth=lambda lab: _blobs()[0],
        because="The layer with `greet.sh`, and the config, which lists that layer's DiffID.",
        hint="Layers and the config are blobs. Which of them are not the same as before?",
        mistakes=(
            Mistake(
                lambda lab: _blobs()[0] - 1,
                "One is the layer. But another layer means another list of DiffIDs: the config is "
                "new, too.",
            ),
            Mistake(
                lambda lab: _blobs()[0] + 1,
                "The manifest travels, too, but it is no blob: it has an address of its own. Or "
                "did you count CMD? It makes no layer.",
            ),
            Mistake(
                lambda lab: _blobs()[1],
                "These are all blobs of the image. The registry has most of them.",
            ),
        ),
    ),
    Exercise(
        key="building-3",
        expects="the text of a .dockerignore",
        passes=_does(_ignored, _RIGHT),
        because="What is left out of the context can't be copied, by mistake or otherwise.",
        hint="A `.dockerignore` has one pattern a line: what matches is left out of the context.",
        mistakes=(
            Mistake(
                lambda lab: "/app/.env\n",
                "`.env` is in the image. Patterns are for paths in the context, before anything "
                "is copied to `/app`.",
                fits=_leaks_with("app"),
            ),
            Mistake(
                lambda lab: "RUN rm /file/.env\n",
                "`.env` is in the image. A `.dockerignore` holds patterns, not instructions; and "
                "to delete it in a later step would only hide it.",
                fits=_leaks_with("rm"),
            ),
            Mistake(
                lambda lab: "env\n",
                "`.env` is in the image: no line matches its name, or a later line takes it back.",
                fits=_does(_ignored, _LEAKS),
            ),
            Mistake(
                lambda lab: "*\n",
                "The secret is kept out, and so is a file that the image needs.",
                fits=_does(_ignored, _LEAVES_OUT),
            ),
        ),
    ),
)

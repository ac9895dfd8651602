"""Exercises of `10-digests`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, index, same_digest, sample
from imgkit.reference import Reference

NAME: Final = "redis"
DIGITS: Final = 5

# -- 1: a name that is pinned ---------------------------------------------------------------


def _targets(image: Image) -> set[Digest]:
    """What a registry hands out for the name of an image: its index, and each manifest in it."""
    found = index(image)
    return {found.digest, *(one.digest for one in found.manifests if not one.is_attestation)}


def _reference(answer: Any) -> Reference | None:
    try:
        return Reference.parse(answer.strip()) if isinstance(answer, str) else None
    except ImgkitError:
        return None


def _is_pinned(answer: Any, lab: Lab) -> bool:
    name = _reference(answer)
    return name is not None and _of_redis(answer) and name.digest in _targets(sample(lab, NAME))


def _of_redis(answer: Any) -> bool:
    name, truth = _reference(answer), Reference.parse(NAME)
    return name is not None and (name.registry, name.path) == (truth.registry, truth.path)


def _index(lab: Lab) -> Digest:
    return index(sample(lab, NAME)).digest


def _only_a_tag(answer: Any, _: Lab) -> bool:
    name = _reference(answer)
    return name is not None and _of_redis(answer) and name.digest is None


def _begins_with_a_digest(answer: Any, _: Lab) -> bool:
    return isinstance(answer, str) and answer.strip().startswith("sha256:")


def _is_cut_off(answer: Any, _: Lab) -> bool:
    after = str(answer).partition("@")[2].removeprefix("sha256:").strip()
    return 0 < len(after) < 64


# -- 2: a ChainID ---------------------------------------------------------------------------


def _two(lab: Lab, what: Callable[[Digest, Digest], str]) -> Digest:
    first, second = sample(lab, NAME).config.diff_ids[:2]
    return Digest.of(what(first, second).encode())


def _of_blobs(lab: Lab) -> Digest:
    first, second = sample(lab, NAME).manifest.layers[:2]
    return Digest.of(f"{first.digest} {second.digest}".encode())


# -- 3: a collision -------------------------------------------------------------------------


def _pair(answer: Any) -> tuple[bytes, bytes] | None:
    """The two byte strings of an answer; texts count as their UTF-8."""
    if isinstance(answer, str | bytes) or not hasattr(answer, "__len__") or len(answer) != 2:
        return None
    if not all(isinstance(one, str | bytes) for one in answer):
        return None
    first, second = (one.encode() if isinstance(one, str) else one for one in answer)
    return first, second


def _in_common(answer: Any) -> int:
    """How many digits the digests of two byte strings have in common at their beginning."""
    pair = _pair(answer)
    if pair is None or pair[0] == pair[1]:
        return 0
    first, second = (Digest.of(one).hex for one in pair)
    return next(n for n in range(65) if n == 64 or first[n] != second[n])


def collision(digits: int, cut: Callable[[str], str] = lambda text: text) -> tuple[bytes, bytes]:
    """Two different texts whose digests begin with the same digits, found by trying."""
    seen: dict[str, bytes] = {}
    for number in range(16**digits + 1):
        text = b"image %d" % number
        start = cut(Digest.of(text).hex)[:digits]
        if start in seen:
            return seen[start], text
        seen[start] = text
    raise AssertionError("more texts than beginnings: two must be the same")


def _backwards(text: str) -> str:
    return text[::-1]


def _same_texts(answer: Any, _: Lab) -> bool:
    pair = _pair(answer)
    return pair is not None and pair[0] == pair[1]


def _same_ends(answer: Any, _: Lab) -> bool:
    pair = _pair(answer)
    if pair is None or pair[0] == pair[1]:
        return False
    first, second = (Digest.of(one).hex for one in pair)
    return first[-DIGITS:] == second[-DIGITS:]


EXERCISES: Final = (
    Exercise(
        key="digests-1",
        expects="a name that could stand behind docker pull",
        passes=_is_pinned,
        because="Whatever becomes of the tags: these bytes, or an error.",
        hint="A tag can be moved, even one with three numbers. What can't?",
        mistakes=(
            Mistake(
                lambda lab: f"{NAME}:7.4.1",
                "That is a tag, and whoever owns the repository can push it again. Three numbers "
                "are a good custom, and no promise.",
                _only_a_tag,
            ),
            Mistake(
                lambda lab: f"{NAME}@sha256:{_index(lab).short}",
                "A digest in a name needs all of its digits. Twelve are for your eyes: whoever "
                "builds images can make two with the same twelve.",
                _is_cut_off,
            ),
            Mistake(
                lambda lab: f"{NAME}@{sample(lab, NAME).id}",
                "That is the digest of the config, the IMAGE ID of the classic store. A registry "
                "hands out manifests and indexes by name; a config is only a blob.",
            ),
            Mistake(
                lambda lab: f"docker pull {NAME}@{_index(lab)}",
                "That is the whole command. Asked for is only the name in it.",
                lambda answer, lab: isinstance(answer, str) and "docker " in answer,
            ),
            Mistake(
                lambda lab: f"{NAME}@{_index(lab).hex}",
                "The digits are there, but not of what: a digest begins with `sha256:`.",
                lambda answer, lab: isinstance(answer, str) and "@" in answer and ":" not in answer,
            ),
            Mistake(
                lambda lab: str(_index(lab)),
                "The digest is right. But who is asked for it, and in which repository?",
                _begins_with_a_digest,
            ),
        ),
    ),
    Exercise(
        key="digests-2",
        expects="a digest, 'sha256:' and 64 digits",
        truth=lambda lab: sample(lab, NAME).config.chain_ids[1],
        same=same_digest,
        because="It names the stack: the same second layer on another first one has another.",
        hint="A ChainID is the hash of a short text, not of any file.",
        mistakes=(
            Mistake(
                lambda lab: sample(lab, NAME).config.diff_ids[1],
                "That is the DiffID of the second layer alone, whatever it stands on.",
            ),
            Mistake(
                _of_blobs,
                "You chained the digests of the packed blobs. Then the same files, packed by "
                "another program, would be another stack; so DiffIDs are chained.",
            ),
            Mistake(
                lambda lab: _two(lab, lambda first, second: f"{first}{second}"),
                "Almost: there is one blank between the two digests.",
            ),
            Mistake(
                lambda lab: _two(lab, lambda first, second: f"{second} {first}"),
                "The other way round: what lies below comes first.",
            ),
            Mistake(
                lambda lab: _two(lab, lambda first, second: f"{first} {second}\n"),
                "There is a line break at the end of what you hashed. Did `echo` put it there?",
            ),
        ),
    ),
    Exercise(
        key="digests-3",
        expects="two texts, as (first, second)",
        passes=lambda answer, lab: _in_common(answer) >= DIGITS,
        because=f"{16**DIGITS:,} beginnings are possible, and some 1,300 tries were enough.",
        hint="Take texts that are numbered, and remember every beginning that you have seen.",
        mistakes=(
            Mistake(
                lambda lab: ("image 1", "image 1"),
                "These are the same text, so of course they have the same digest.",
                _same_texts,
            ),
            Mistake(
                lambda lab: collision(4),
                "Four digits are the same, and not the fifth.",
                lambda answer, lab: _in_common(answer) == DIGITS - 1,
            ),
            Mistake(
                lambda lab: collision(DIGITS, _backwards),
                "Their digests *end* with the same digits. Look at the beginning.",
                _same_ends,
            ),
        ),
    ),
)

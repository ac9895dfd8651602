"""Exercises of `13-capstone`: each answer is judged by what it is or does, not how."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from imgkit.digest import Digest
from imgkit.image import Image, read_document
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, index, same_digest, sample
from imgkit.tar import read, write
from imgkit.tar.compression import decompress
from imgkit.tar.entry import Entry, Kind

NAME: Final = "nigelpoulton/tu-demo:v2"
PATH: Final = "nigelpoulton/tu-demo"

# -- 1: a token -----------------------------------------------------------------------------


def _token(lab: Lab, path: str = PATH) -> dict[str, Any]:
    """A new token, with all that a registry says about it."""
    return lab.registry.tokens.issue([f"repository:{path}:pull"], lambda *_: True)


def _is_token(answer: Any, lab: Lab) -> bool:
    return isinstance(answer, str) and lab.registry.tokens.allows(answer.strip(), PATH, "pull")


def _of_another(answer: Any, lab: Lab) -> bool:
    known = isinstance(answer, str) and lab.registry.tokens.allows(answer, "", "pull")
    return known and not _is_token(answer, lab)


def _begins(text: str) -> Callable[[Any, Lab], bool]:
    return lambda answer, lab: isinstance(answer, str) and answer.startswith(text)


# -- 2 and 4: what is fetched ---------------------------------------------------------------


def _manifest_of(lab: Lab, *, other: bool = False) -> bytes:
    """The manifest of the bench's platform, or of the first other one."""
    image = sample(lab, NAME)
    entry = next(
        entry
        for entry in index(image).manifests
        if (entry.digest != image.digest) == other and not entry.is_attestation
    )
    return read_document(image.source, entry).raw


def _same_bytes(answer: Any, truth: Any) -> bool:
    return isinstance(answer, bytes | bytearray) and bytes(answer) == truth


def _blobs(image: Image) -> list[bytes]:
    """The layers as they travel, base first."""
    found = []
    for layer in image.manifest.layers:
        with image.source.open(layer) as stream:
            found.append(stream.read())
    return found


def _layers(lab: Lab) -> list[bytes]:
    return _blobs(sample(lab, NAME))


def _same_blobs(answer: Any, truth: Any) -> bool:
    return isinstance(answer, list | tuple) and list(answer) == truth


# -- 3: a check -----------------------------------------------------------------------------

_ABC: Final = Digest.of(b"abc")
CHECKS: Final = (
    (b"abc", str(_ABC)),
    (b"abd", str(_ABC)),
    (b"", str(Digest.of(b""))),
    (b"abc", f"{_ABC[:19]}{'0' * 52}"),
    (b"ab", str(_ABC)),
)
"""Bytes, and a digest that may be theirs."""


def _outcomes(answer: Any, questions: Iterable[Sequence[Any]]) -> list[Any]:
    """What a function of the learner's says to each question; an error counts as a saying."""
    if not callable(answer):
        return []
    found: list[Any] = []
    for question in questions:
        try:
            found.append(answer(*question))
        except Exception as error:  # noqa: BLE001 - it is the learner's code
            found.append(type(error))
    return found


def _judges(answer: Any, truth: Any) -> bool:
    """Whether two functions say the same of every pair of bytes and digest."""
    mine, theirs = _outcomes(answer, CHECKS), _outcomes(truth, CHECKS)
    return bool(mine) and list(map(bool, mine)) == list(map(bool, theirs))


def intact(data: bytes, digest: str) -> bool:
    """Whether the digest is that of the bytes."""
    return Digest.of(data) == digest


# -- 5: one tree out of many layers ---------------------------------------------------------


def _layer(*paths: str) -> bytes:
    """A compressed layer with an empty file at each path, or a directory (`d/`)."""
    entries = [
        Entry(p.rstrip("/"), Kind.DIR if p.endswith("/") else Kind.FILE, 0o755) for p in paths
    ]
    return gzip.compress(write((entry, b"") for entry in entries), mtime=0)


STACKS: Final = tuple(
    [_layer(*layer.split()) for layer in stack]
    for stack in (
        ["a b", "c"],
        ["a d/ d/x d/y", ".wh.a"],
        ["d/ d/x d/y e", ".wh.d"],
        ["d/ d/x", ".wh.d", "d/ d/new"],
        ["d/ d/x d/s/ d/s/z", "d/ d/.wh..wh..opq d/new"],
        ["d/ d/x", "d/ d/new d/.wh..wh..opq"],
        ["a", ".wh.a a"],
        ["d/ d/x d/xy", "d/ d/.wh.x"],
    )
)
"""Stacks of small layers, with what a layer may do to those below."""


def merge(
    layers: Sequence[bytes],
    *,
    whiteouts: bool = True,
    opaques: bool = True,
    below: bool = True,
) -> list[str]:
    """The paths that are there after all layers; without one of the rules it is a mistake."""
    tree: set[str] = set()
    for layer in layers:
        names = [entry.path for entry, _ in read(decompress(io.BytesIO(layer)))]
        for name in names:
            folder, _, last = name.rpartition("/")
            gone = f"{folder}/{last.removeprefix('.wh.')}".lstrip("/")
            if last == ".wh..wh..opq":
                tree = {path for path in tree if not (opaques and path.startswith(f"{folder}/"))}
            elif last.startswith(".wh.") and whiteouts:
                tree = {p for p in tree if p != gone and not (below and p.startswith(f"{gone}/"))}
        marked = ".wh..wh..opq" if not whiteouts else ".wh."
        tree |= {name for name in names if name and not name.rpartition("/")[2].startswith(marked)}
    return sorted(tree)


def _paths(answer: Any) -> list[str] | None:
    """What a function returned, as sorted paths; None if that is no collection of texts."""
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        return None
    found = list(answer)
    if not all(isinstance(path, str) for path in found):
        return None
    plain = {path.removeprefix("./").strip("/") for path in found}
    return sorted(plain - {"", "."})


def _trees(answer: Any) -> list[list[str] | None]:
    """What a function makes of every stack."""
    return [_paths(outcome) for outcome in _outcomes(answer, [(list(one),) for one in STACKS])]


def _all_paths(answer: Any) -> list[str]:
    return [path for tree in _trees(answer) for path in tree or ()]


def _merges(answer: Any, truth: Any) -> bool:
    """Whether two functions make the same tree of every stack."""
    return bool(mine := _trees(answer)) and mine == _trees(truth)


# -- 6: the proof ---------------------------------------------------------------------------


def _listing(lab: Lab, end: str = "\n") -> Digest:
    return Digest.of(("\n".join(sorted(sample(lab, NAME).overlay.paths)) + end).encode())


def _merged(lab: Lab, **rules: bool) -> Digest:
    return Digest.of(("\n".join(merge(_layers(lab), **rules)) + "\n").encode())


EXERCISES: Final = (
    Exercise(
        key="capstone-1",
        expects="a token, which is a text of letters and digits",
        passes=_is_token,
        because="The registry will let this one in, for this repository.",
        hint=(
            "The address is `lab.url` and `/token`; say in the parameter `scope` what it is for."
        ),
        mistakes=(
            Mistake(
                _token,
                "That is all that the registry said. The token is in it.",
                fits=lambda answer, lab: isinstance(answer, dict) and "token" in answer,
            ),
            Mistake(
                lambda lab: f"Bearer {_token(lab)['token']}",
                "That is the header already. The token is what comes after `Bearer`.",
                fits=_begins("Bearer "),
            ),
            Mistake(
                lambda lab: _token(lab, "library/alpine")["token"],
                "That is a good token, for another repository or for no pull.",
                fits=_of_another,
            ),
        ),
    ),
    Exercise(
        key="capstone-2",
        expects="bytes",
        truth=_manifest_of,
        same=_same_bytes,
        because="Their digest is the one in the index: nobody changed a byte on the way.",
        hint="What has the tag is an index. Which of its entries is yours?",
        mistakes=(
            Mistake(
                lambda lab: index(sample(lab, NAME)).raw,
                "That is the index, the list of platforms. Go one step further.",
            ),
            Mistake(
                lambda lab: _manifest_of(lab, other=True),
                "That is the manifest of another platform.",
            ),
            Mistake(
                lambda lab: sample(lab, NAME).config.raw,
                "That is the config. The manifest names it.",
            ),
            Mistake(
                lambda lab: _manifest_of(lab).decode(),
                "That is text. A digest is of bytes: take `.content`.",
                fits=lambda answer, lab: isinstance(answer, str | dict),
            ),
        ),
    ),
    Exercise(
        key="capstone-3",
        expects="a function of two arguments",
        truth=lambda lab: intact,
        same=_judges,
        because="It takes what is whole and refuses the rest. No pull should do with less.",
        hint="`hashlib.sha256(data).hexdigest()` gives the digits.",
        mistakes=(
            Mistake(
                lambda lab: lambda digest, data: intact(data, digest),
                "It ends with an error. It is given bytes and a digest, in this order, and answers "
                "True or False, to what is wrong, too.",
                fits=lambda answer, lab: any(
                    isinstance(o, type) for o in _outcomes(answer, CHECKS)
                ),
            ),
            Mistake(
                lambda lab: lambda data, digest: None,
                "It answers nothing. What you `print` is for your eyes; `return` gives an answer.",
                fits=lambda answer, lab: _outcomes(answer, CHECKS) == [None] * len(CHECKS),
            ),
            Mistake(
                lambda lab: lambda data, digest: True,
                "It takes everything, a flipped byte too.",
            ),
            Mistake(
                lambda lab: lambda data, digest: Digest.of(data).hex == digest,
                "It refuses everything. Does your side of the comparison begin with `sha256:`?",
            ),
            Mistake(
                lambda lab: lambda data, digest: Digest.of(data)[:19] == digest[:19],
                "It compares the first digits only, and was cheated by a digest with the same "
                "beginning.",
            ),
        ),
    ),
    Exercise(
        key="capstone-4",
        expects="a list of bytes objects",
        truth=_layers,
        same=_same_blobs,
        because="Every byte of the image is yours now, and checked.",
        hint='The manifest is JSON: `json.loads(raw)["layers"]` lists digests and sizes.',
        mistakes=(
            Mistake(
                lambda lab: _layers(lab)[::-1],
                "All of them, and upside down: the base comes first.",
            ),
            Mistake(
                lambda lab: [sample(lab, NAME).config.raw, *_layers(lab)],
                "One too many: the config is a blob, too, and no layer.",
            ),
            Mistake(
                lambda lab: [gzip.decompress(data) for data in _layers(lab)],
                "These are unpacked. The digests in the manifest are of the bytes as they came.",
            ),
        ),
    ),
    Exercise(
        key="capstone-5",
        expects="a function of one argument, a list of bytes",
        truth=lambda lab: merge,
        same=_merges,
        because="Eight small stacks came out of it as the specification says.",
        hint="`tarfile.open(fileobj=io.BytesIO(layer)).getnames()` lists a layer, gzip or not.",
        mistakes=(
            Mistake(
                lambda lab: lambda layers: merge(layers, whiteouts=False, opaques=False),
                "There are whiteouts in what it returns. They are marks for you, and no files.",
                fits=lambda answer, lab: any(".wh." in path for path in _all_paths(answer)),
            ),
            Mistake(
                lambda lab: lambda layers: merge(layers, below=False),
                "A directory was deleted, and what was in it is still there.",
            ),
            Mistake(
                lambda lab: lambda layers: merge(layers, opaques=False),
                "It knows `.wh.name`, but not `.wh..wh..opq`: the opaque directory.",
            ),
            Mistake(
                lambda lab: lambda layers: merge(layers[-1:]),
                "That is the top layer alone.",
            ),
        ),
    ),
    Exercise(
        key="capstone-6",
        expects="a digest, such as 'sha256:9bf5...'",
        truth=_listing,
        same=same_digest,
        because="The filesystem that you made is the one that imgkit, Docker and the kernel make.",
        hint=(r"The bytes are `('\n'.join(sorted(paths)) + '\n').encode()`."),
        mistakes=(
            Mistake(
                lambda lab: _listing(lab, end=""),
                "The line break after the last path is missing. One byte, another digest.",
            ),
            Mistake(
                lambda lab: _merged(lab, below=False),
                "Something that was in a deleted directory is still there.",
            ),
            Mistake(
                lambda lab: _merged(lab, whiteouts=False),
                "The whiteouts are in your list as if they were files.",
            ),
        ),
    ),
)

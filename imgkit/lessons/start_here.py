"""Exercises and quiz of `00-start-here`."""

from __future__ import annotations

import json
from typing import Any, Final

from imgkit.digest import Digest
from imgkit.image import read_document
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, same_digest, sample
from imgkit.lessons.quiz import Choice, Question
from imgkit.manifest import Index


def _same_secret(answer: Any, truth: Any) -> bool:
    """Whether an answer is that file's content: bytes or text, whole or after the `=`."""
    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace")
    if not isinstance(answer, str):
        return False
    line = truth.decode().strip()
    return answer.strip() in (line, line.partition("=")[2] or line)


def _listed(lab: Lab) -> int:
    """How many manifests the index of redis lists."""
    image = sample(lab, "redis")
    found = image.index and read_document(image.source, image.index)
    return len(found.manifests) if isinstance(found, Index) else 0


EXERCISES: Final = (
    Exercise(
        key="start-1",
        task="**Exercise 1.** How many layers does `redis` have? The answer is a number.",
        expects="a number, such as 3",
        types=int,
        truth=lambda lab: len(sample(lab, "redis").manifest.layers),
        because="Eight layers: the manifest lists them, base first.",
        hints=(
            "An image is what `lab.image(name)` gives, once you have pulled it.",
            'Its layers are `lab.image("redis").layers`, and `len(...)` counts.',
        ),
        solution='lab.pull("redis")\nanswer = len(lab.image("redis").layers)',
        mistakes=(
            Mistake(
                lambda lab: len(sample(lab, "redis").config.history),
                "These are the steps of the history. Many of them (ENV, CMD, EXPOSE) changed only "
                "the config and left no layer.",
            ),
            Mistake(
                lambda lab: len(sample(lab, "redis").manifest.children),
                "One too many: the manifest also points at the config, and that is no layer.",
            ),
            Mistake(
                _listed,
                "This counts what the index lists: one manifest for each platform, and notes about "
                "them. The layers are in the manifest.",
            ),
        ),
    ),
    Exercise(
        key="start-2",
        task=(
            "**Exercise 2.** `docker images` shows an IMAGE ID. Compute the one of `alpine` "
            "yourself, with `hashlib`, from the bytes of its config, "
            '`lab.image("alpine").config.raw`. The answer is a text that begins with `sha256:`.'
        ),
        expects='a text such as "sha256:6af8..."',
        types=str,
        truth=lambda lab: sample(lab, "alpine").id,
        same=same_digest,
        because="The ID is the digest of the config's bytes. Whoever has the bytes can check it.",
        hints=(
            "Pull `alpine` first. A digest is of bytes: hash `config.raw`, do not read the JSON.",
            '`hashlib.sha256(raw).hexdigest()` gives the digits; put `"sha256:"` before them.',
        ),
        solution=(
            "import hashlib\n\n"
            'lab.pull("alpine")\n'
            'raw = lab.image("alpine").config.raw\n'
            'answer = "sha256:" + hashlib.sha256(raw).hexdigest()'
        ),
        mistakes=(
            Mistake(
                lambda lab: Digest.of(_rewritten(lab, indent=2)),
                "This is the digest of the config printed prettily. Other bytes, other digest, "
                "although the JSON says the same: hash `config.raw` as it came.",
            ),
            Mistake(
                lambda lab: Digest.of(_rewritten(lab)),
                "This is the digest of the config read and written again. The blanks differ from "
                "those that came, so the digest does: hash `config.raw`.",
            ),
            Mistake(
                lambda lab: sample(lab, "alpine").digest,
                "This is the digest of the manifest. It names the image, too, and newer Dockers "
                "show it as the ID; asked for is the digest of the config.",
            ),
            Mistake(
                lambda lab: sample(lab, "alpine").config.diff_ids[0],
                "This is a DiffID, the digest of the first layer's uncompressed tar. "
                "The config lists it, but its own digest is another.",
            ),
        ),
    ),
    Exercise(
        key="start-3",
        task=(
            "**Exercise 3.** Somebody built `demo/leaky`: one step copied `/app/.env` into the "
            "image, the next one deleted it. Read the file anyway. The answer is its content."
        ),
        expects="the content of the file, as text or bytes",
        types=(str, bytes),
        truth=lambda lab: sample(lab, "demo/leaky").layers[2].read("app/.env"),
        same=_same_secret,
        because=(
            "Deleting a file in a later step hides it. The layer below still has every byte, and "
            "everybody who pulls the image has that layer."
        ),
        hints=(
            "The layer that deletes the file does not have it. Which layer brought it?",
            'Pull the image, and look for `app/.env` in each of `lab.image("demo/leaky").layers`.',
            "`layer.find(path)` says whether a layer has a file, and `layer.read(path)` reads it.",
        ),
        solution=(
            'lab.pull("demo/leaky")\n'
            'layers = lab.image("demo/leaky").layers\n'
            'answer = next(x.read("app/.env") for x in layers if x.find("app/.env"))'
        ),
        mistakes=(
            Mistake(
                lambda lab: sample(lab, "demo/leaky").layers[3].read("app/.wh..env"),
                "This is the whiteout: a file without content, which says only that the name is "
                "gone. The file itself is in a layer below.",
            ),
            Mistake(
                lambda lab: sample(lab, "demo/leaky").layers[2].read("app/deploy.key"),
                "This is the other secret of the same layer, deploy.key. Asked for is /app/.env.",
            ),
            Mistake(
                lambda lab: sample(lab, "demo/leaky").overlay.read("app/data.json"),
                "This is /app/data.json, which the deleting step added. You are one layer too "
                "high: look where the file was brought in.",
            ),
        ),
    ),
)


def _rewritten(lab: Lab, indent: int | None = None) -> bytes:
    """The config of alpine, read as JSON and written again."""
    return json.dumps(json.loads(sample(lab, "alpine").config.raw), indent=indent).encode()


QUIZ: Final = (
    Question(
        "What is an image made of?",
        (
            Choice(
                "One large file with a disk in it",
                "That would be a virtual machine's disk. An image is many blobs, tied together "
                "by digests.",
            ),
            Choice(
                "A manifest, a config and layers",
                "The manifest points at the config and at each layer, by digest.",
                right=True,
            ),
            Choice(
                "A Dockerfile that is run again on your machine",
                "The Dockerfile was run once, by whoever built the image. What you get are the "
                "bytes of the result.",
            ),
        ),
    ),
    Question(
        "Somebody changes one byte in a layer, somewhere between you and the registry. "
        "What happens?",
        (
            Choice(
                "The image runs, with one byte wrong",
                "It does not get that far: the bytes no longer have the digest that the manifest "
                "names.",
            ),
            Choice(
                "The layer is repaired from its digest",
                "A digest only tells bytes apart; nothing can be made whole from it. The layer is "
                "refused.",
            ),
            Choice(
                "The pull is refused, and nothing of that layer is kept",
                "Every blob is hashed while it comes in, and only a right digest gives it a name.",
                right=True,
            ),
        ),
    ),
    Question(
        "A step of a build copies a key into the image, and the next step deletes it. "
        "Is the key safe?",
        (
            Choice(
                "No: it is still in a layer",
                "Layers do not change. The later one only says: stop looking.",
                right=True,
            ),
            Choice(
                "Yes: it was deleted",
                "Only from view. Exercise 3 reads such a file.",
            ),
            Choice(
                "Yes, if the image is pulled by digest",
                "The digest says that you have the very bytes that were built: the key among them.",
            ),
        ),
    ),
)

"""Exercises of `00-start-here`."""

from __future__ import annotations

import json
from typing import Any, Final

from imgkit.digest import Digest
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, index, same_digest, sample


def _same_secret(answer: Any, truth: Any) -> bool:
    """Whether an answer is that file's content: bytes or text, whole or after the `=`."""
    if isinstance(answer, bytes):
        answer = answer.decode(errors="replace")
    if not isinstance(answer, str):
        return False
    line = truth.decode().strip()
    return answer.strip() in (line, line.partition("=")[2] or line)


EXERCISES: Final = (
    Exercise(
        key="start-1",
        expects="a number, such as 3",
        truth=lambda lab: len(sample(lab, "redis").manifest.layers),
        because="Eight layers: the manifest lists them, base first.",
        hint="An image is what `lab.image(name)` gives, once you have pulled it.",
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
                lambda lab: len(index(sample(lab, "redis")).manifests),
                "This counts what the index lists: one manifest for each platform, and notes about "
                "them. The layers are in the manifest.",
            ),
        ),
    ),
    Exercise(
        key="start-2",
        expects='a text such as "sha256:6af8..."',
        truth=lambda lab: sample(lab, "alpine").id,
        same=same_digest,
        because="The ID is the digest of the config's bytes. Whoever has the bytes can check it.",
        hint=(
            "Pull `alpine` first. A digest is of bytes: hash `config.raw`, do not read the JSON."
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
        expects="the content of the file, as text or bytes",
        truth=lambda lab: sample(lab, "demo/leaky").layers[2].read("app/.env"),
        same=_same_secret,
        because=(
            "Deleting a file in a later step hides it. The layer below still has every byte, and "
            "everybody who pulls the image has that layer."
        ),
        hint="The layer that deletes the file does not have it. Which layer brought it?",
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

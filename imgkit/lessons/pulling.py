"""Exercises of `02-pulling`."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from imgkit.digest import Digest
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, index, same, same_digest, sample
from imgkit.reference import Reference


def _travelled(lab: Lab) -> int:
    """The layers of postgres:16 that node does not have."""
    there = {layer.digest for layer in sample(lab, "node").manifest.layers}
    return sum(layer.digest not in there for layer in sample(lab, "postgres:16").manifest.layers)


def _both(lab: Lab) -> int:
    image = sample(lab, "nginx")
    return image.packed_size + image.unpacked_size


def _path(_: Lab) -> str:
    name = Reference.parse("nginx").with_default_tag()
    return f"/v2/{name.path}/manifests/{name.target}"


def _same_path(answer: Any, truth: Any) -> bool:
    """Whether an answer is that path: alone, after GET, or as a whole URL."""
    if not isinstance(answer, str):
        return False
    return same(urlsplit(answer.strip().removeprefix("GET ")).path, truth)


EXERCISES: Final = (
    Exercise(
        key="pulling-1",
        expects="a number of layers",
        truth=_travelled,
        because="All but one: both stand on the same Debian layer, which had come with node.",
        hint="A pull prints one line for each layer. Which of them say that it came?",
        mistakes=(
            Mistake(
                lambda lab: len(sample(lab, "postgres:16").manifest.layers),
                "Postgres has that many layers, but one was in the local repository already. "
                "(If you counted `copied.fetched`: the config is in it, and is no layer.)",
            ),
            Mistake(
                lambda lab: len(sample(lab, "postgres:16").manifest.layers) - _travelled(lab),
                'That is how many were there already ("Already exists"). Asked for are the others.',
            ),
            Mistake(
                lambda lab: len(sample(lab, "postgres:16").manifest.children),
                "This counts every blob of the image, the config among them, whether it travelled "
                "or not.",
            ),
            Mistake(
                lambda lab: _travelled(lab) + 5,
                "These are all requests of the pull. Five of them were for something else: "
                "the version check, a token, the index, the manifest and the config.",
            ),
        ),
    ),
    Exercise(
        key="pulling-2",
        expects="a number of bytes",
        truth=_both,
        because=(
            "Compressed and unpacked bytes, added up: more than either of the numbers that other "
            "documents give, and nobody is wrong."
        ),
        hint=(
            "An image has two sizes: `packed_size`, as on the wire, and `unpacked_size`, on disk."
        ),
        mistakes=(
            Mistake(
                lambda lab: sample(lab, "nginx").packed_size,
                "These are the compressed bytes, which travel. The unpacked ones are missing.",
            ),
            Mistake(
                lambda lab: sample(lab, "nginx").unpacked_size,
                "These are the unpacked bytes, which Dockers up to 28 show. Dockers from 29 on "
                "keep the compressed layers, too, and count them.",
            ),
            Mistake(
                lambda lab: _both(lab) / 1024,
                "Those are bytes divided by 1024. Asked for are bytes; and Docker would divide by "
                "1000.",
            ),
            Mistake(
                lambda lab: 2 * sample(lab, "nginx").unpacked_size,
                "Twice the unpacked bytes: but the second copy that is kept is the compressed one, "
                "which is smaller.",
            ),
        ),
    ),
    Exercise(
        key="pulling-3",
        expects="a path, such as /v2/...",
        truth=_path,
        same=_same_path,
        because=(
            "The name was short for docker.io/library/nginx:latest. The registry is who is asked; "
            "the rest is in the path."
        ),
        hint="Which two things does Docker put in by itself? `Reference.parse` does the same.",
        mistakes=(
            Mistake(
                lambda lab: "/v2/nginx/manifests/latest",
                "On Docker Hub, a name of one word is short for library/ and that word: the "
                "official images live there.",
            ),
            Mistake(
                lambda lab: "/v2/docker.io/library/nginx/manifests/latest",
                "The registry is who is asked, so it stands before the path, not in it.",
            ),
            Mistake(
                lambda lab: "/v2/library/nginx:latest",
                "A tag follows a colon where people write names. In the protocol, repository and "
                "tag are apart, with /manifests/ between them.",
            ),
            Mistake(
                lambda lab: "/v2/library/nginx/tags/latest",
                "/tags/list lists tags. What one of them points at is asked under /manifests/.",
            ),
            Mistake(
                lambda lab: "/v2/library/nginx/blobs/latest",
                "Blobs have no names, only digests. A tag points at a manifest.",
            ),
        ),
    ),
    Exercise(
        key="pulling-4",
        expects='a text such as "sha256:9bf5..."',
        truth=lambda lab: sample(lab, "redis").digest,
        same=same_digest,
        because="The registry could not have lied about these bytes: you have checked them.",
        hint="A digest is of bytes as they came, not of the JSON that can be read in them.",
        mistakes=(
            Mistake(
                lambda lab: Digest.of(_pretty(sample(lab, "redis").manifest.raw)),
                "This is the digest of the manifest printed prettily. A program that reads JSON "
                "sees no difference; a digest does. Hash `manifest.raw`.",
            ),
            Mistake(
                lambda lab: Digest.of(sample(lab, "redis").manifest.raw + b"\n"),
                "There is a line end too many behind the manifest: one byte more, another digest.",
            ),
            Mistake(
                lambda lab: index(sample(lab, "redis")).digest,
                "This is the digest that the pull printed: of the index, which the tag points at. "
                "The manifest of your platform is one of those it lists.",
            ),
            Mistake(
                lambda lab: sample(lab, "redis").id,
                "This is the digest of the config, the IMAGE ID of Dockers up to 28.",
            ),
        ),
    ),
)


def _pretty(raw: bytes) -> bytes:
    return json.dumps(json.loads(raw), indent=2).encode()

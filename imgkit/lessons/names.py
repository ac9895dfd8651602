"""Exercises of `04-names-and-tags`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.address import Address
from imgkit.lessons.exercise import Exercise, Mistake, tags, unordered
from imgkit.reference import DOCKER_HUB, Reference

SHORT: Final = "nigelpoulton/tu-demo"
CANDIDATES: Final = (
    "Alpine",
    "alpine:3.20",
    "my--app",
    "my..app",
    "localhost:5000",
    "web:V1",
    "https://ghcr.io/regclient/regsync",
)


def _legal() -> list[str]:
    return [text for text in CANDIDATES if Address.of(text).reference]


def _images_with(condition: Any) -> int:
    return len({digest for tag, digest in tags("library/alpine").items() if condition(tag)})


EXERCISES: Final = (
    Exercise(
        key="names-1",
        expects="a text such as 'ghcr.io/somebody/something:1.0'",
        truth=lambda lab: Reference.parse(SHORT).canonical,
        because="Two things were left out: the registry and the tag. The user was there.",
        hint="Which parts were typed, and which of the four are missing?",
        mistakes=(
            Mistake(
                lambda lab: f"{DOCKER_HUB}/library/{SHORT}:latest",
                "`library/` is put in only where no user or organization was named, for official "
                "images. Here there is one.",
            ),
            Mistake(
                lambda lab: f"{SHORT}:latest",
                "The tag is there now, but who is asked? The registry is still left out.",
            ),
            Mistake(
                lambda lab: f"{DOCKER_HUB}/{SHORT}",
                "The registry is there now, but a repository holds many images: the tag is still "
                "left out.",
            ),
            Mistake(
                lambda lab: f"registry-1.{DOCKER_HUB}/{SHORT}:latest",
                "That is the host that answers for Docker Hub. In names it is called docker.io.",
            ),
        ),
    ),
    Exercise(
        key="names-2",
        expects="a number of images",
        truth=lambda lab: len(set(tags("library/alpine").values())),
        because="Most of these images have two tags, and the newest release has three.",
        hint='`lab.repository("alpine").tags()` lists them. Tags of one image have one digest.',
        mistakes=(
            Mistake(
                lambda lab: len(tags("library/alpine")),
                "That is the number of tags. Several of them name the same image.",
            ),
            Mistake(
                lambda lab: len(set(tags("library/alpine").values())) + 1,
                "One too many. Did you count `latest` as an image of its own?",
            ),
            Mistake(
                lambda lab: _images_with(lambda tag: tag.startswith("3.")),
                "These are the images with a version number. `edge` names another one.",
            ),
        ),
    ),
    Exercise(
        key="names-3",
        expects="a list of texts",
        truth=lambda lab: _legal(),
        same=unordered(str),
        because="A tag may have capitals; two hyphens are fine, two dots are not.",
        hint="Try each of them in the NameExplorer.",
        mistakes=(
            Mistake(
                lambda lab: [text for text in _legal() if text != "web:V1"],
                "One is missing. The rule about lower case is for the repository; a tag may have "
                "capitals.",
            ),
            Mistake(
                lambda lab: [*_legal(), "Alpine"],
                "One too many: a repository with a capital letter is refused before anybody is "
                "asked.",
            ),
            Mistake(
                lambda lab: [text for text in _legal() if text != "localhost:5000"],
                "One is missing. `localhost:5000` looks like an address, but without a slash it is "
                "a repository called localhost, and a tag.",
            ),
            Mistake(
                lambda lab: [*_legal(), "https://ghcr.io/regclient/regsync"],
                "One too many: a name is no web address; the scheme is never written.",
            ),
            Mistake(
                lambda lab: [text for text in _legal() if text != "my--app"],
                "One is missing: several hyphens may stand together (dots may not).",
            ),
        ),
    ),
)

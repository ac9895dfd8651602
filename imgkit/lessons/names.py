"""Exercises and quiz of `04-names-and-tags`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from imgkit.address import Address
from imgkit.lessons.exercise import Exercise, Mistake, tags
from imgkit.lessons.quiz import Choice, Question
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


def _same_texts(answer: Any, truth: Any) -> bool:
    """Whether an answer has the same texts, in any order and any kind of collection."""
    if isinstance(answer, str) or not isinstance(answer, Iterable):
        return False
    return sorted(map(str, answer)) == sorted(truth)


def _images_with(condition: Any) -> int:
    return len({digest for tag, digest in tags("library/alpine").items() if condition(tag)})


EXERCISES: Final = (
    Exercise(
        key="names-1",
        task=(
            f"**Exercise 1.** Write `{SHORT}` with nothing left out: registry, user, repository "
            "and tag. The answer is a text."
        ),
        expects="a text such as 'ghcr.io/somebody/something:1.0'",
        types=str,
        truth=lambda lab: Reference.parse(SHORT).canonical,
        because="Two things were left out: the registry and the tag. The user was there.",
        hints=(
            "Which parts were typed, and which of the four are missing?",
            "`Address.of(...)` shows each part, and says whether it was assumed.",
            "`Reference.parse(text).canonical` writes any name in full.",
        ),
        solution=(
            "from imgkit.reference import Reference\n\n"
            f'answer = Reference.parse("{SHORT}").canonical'
        ),
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
        task=(
            "**Exercise 2.** How many different images do the tags of `alpine` in this registry "
            "name? The answer is a number."
        ),
        expects="a number of images",
        types=(int, float),
        truth=lambda lab: len(set(tags("library/alpine").values())),
        because="Most of these images have two tags, and the newest release has three.",
        hints=(
            '`lab.repository("alpine").tags()` lists them. Tags of one image have one digest.',
            "`lab.pull(name).copied.target.digest` is the digest that a name points at.",
            "A `set` keeps each digest once, and `len` counts.",
        ),
        solution=(
            'tags = lab.repository("alpine").tags()\n'
            'answer = len({lab.pull(f"alpine:{tag}").copied.target.digest for tag in tags})'
        ),
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
        task=(
            "**Exercise 3.** Which of these are legal image names? The answer is a list of those "
            "that are.\n\n" + "\n".join(f"- `{text}`" for text in CANDIDATES)
        ),
        expects="a list of texts",
        types=(list, tuple, set, frozenset),
        truth=lambda lab: _legal(),
        same=_same_texts,
        because="A tag may have capitals; two hyphens are fine, two dots are not.",
        hints=(
            "Try each of them in the NameExplorer.",
            "Capitals are allowed in tags. And `localhost:5000` has no slash: what is it then?",
            "`Address.of(text).reference` is None for a text that is no name.",
        ),
        solution=(
            "from imgkit.address import Address\n\n"
            f"texts = {list(CANDIDATES)!r}\n"
            "answer = [text for text in texts if Address.of(text).reference]"
        ),
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

QUIZ: Final = (
    Question(
        "docker pull localhost:5000. Who is asked, and for what?",
        (
            Choice(
                "A registry on your own machine, for a list of what it has",
                "There is no slash in that name, so nothing in it is a registry.",
            ),
            Choice(
                "Docker Hub, for the official repository localhost and its tag 5000",
                "What comes before the first slash may be a registry. Here there is no slash.",
                right=True,
            ),
            Choice("Nobody: the name is illegal", "It is legal, and means something surprising."),
        ),
    ),
    Question(
        "Two rows of docker images have different tags and the same IMAGE ID. What is on the disk?",
        (
            Choice("The image twice, once for each tag", "A tag is a name, not a copy."),
            Choice(
                "One image, and a link from the older tag to the newer",
                "Tags do not point at each other: each points at the image.",
            ),
            Choice(
                "One image with two names",
                "The ID is computed from the bytes: the same ID means the same image.",
                right=True,
            ),
        ),
    ),
    Question(
        "Your deployment runs my-app:latest. What do you know about it?",
        (
            Choice(
                "That somebody gave that tag to some image at some time",
                "`latest` is a word like any other. It is what Docker puts in when you name none.",
                right=True,
            ),
            Choice(
                "That it is the newest version in the repository",
                "Nothing moves `latest` by itself: in tu-demo, v2 is newer than latest.",
            ),
            Choice(
                "That Docker checks for a newer one each time a container starts",
                "`run` uses the image that is there. Only a pull asks the registry again.",
            ),
        ),
    ),
)

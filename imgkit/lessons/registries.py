"""Exercises and quiz of `03-registries`."""

from __future__ import annotations

from typing import Any, Final

from imgkit.digest import Digest
from imgkit.lab import Lab
from imgkit.lessons.exercise import Exercise, Mistake, same_digest, sample, tags
from imgkit.lessons.quiz import Choice, Question

SCOPE: Final = "repository:library/nginx:pull"


def _index_digest(lab: Lab, name: str) -> Digest | None:
    index = sample(lab, name).index
    return index.digest if index else None


def _same_scope(answer: Any, truth: Any) -> bool:
    """Whether an answer is that scope, perhaps as it stands in a query."""
    if not isinstance(answer, str):
        return False
    scope = answer.strip().replace("%3A", ":").replace("%2F", "/").removeprefix("scope=")
    return bool(scope == truth)


EXERCISES: Final = (
    Exercise(
        key="registries-1",
        task=(
            "**Exercise 1.** How many tags does the repository `library/ubuntu` have? "
            "The answer is a number."
        ),
        expects="a number of tags",
        types=(int, float),
        truth=lambda lab: len(tags("library/ubuntu")),
        because="Release numbers, code names, and `latest`: most images here have several tags.",
        hints=(
            "There is an address that lists them: `/v2/`, the repository, `/tags/list`.",
            'Without a token the answer is 401; `lab.repository("ubuntu")` gets one for you.',
            '`lab.repository("ubuntu").tags()` makes the request, page by page.',
        ),
        solution='answer = len(list(lab.repository("ubuntu").tags()))',
        mistakes=(
            Mistake(
                lambda lab: len(set(tags("library/ubuntu").values())),
                "That is the number of different images. Several tags name the same one.",
            ),
            Mistake(
                lambda lab: len(tags("library/ubuntu")) - 1,
                "One too few. `latest` is a tag like the others.",
            ),
            Mistake(
                lambda lab: len(sample(lab, "ubuntu").platforms),
                "That is the number of platforms behind one of the tags.",
            ),
        ),
    ),
    Exercise(
        key="registries-2",
        task=(
            "**Exercise 2.** Your client wants to pull `nginx`. Which *scope* does it name when it "
            "asks for a token? The answer is a text."
        ),
        expects="a text such as 'repository:some/thing:pull'",
        types=str,
        truth=lambda lab: SCOPE,
        same=_same_scope,
        because="A token is for one repository and for named actions, not for a registry or a tag.",
        hints=(
            "A scope has three parts with colons between: kind of thing, its name, what to do.",
            "The name of the repository is the full one, without registry and tag.",
            'Pull it, and look for `/token` in the `.url` of `lab.pull("nginx").requests`.',
        ),
        solution=(
            "from urllib.parse import parse_qs, urlsplit\n\n"
            'urls = [request.url for request in Lab().pull("nginx").requests]\n'
            'asked = next(url for url in urls if "/token" in url)\n'
            'answer = parse_qs(urlsplit(asked).query)["scope"][0]'
        ),
        mistakes=(
            Mistake(
                lambda lab: "repository:nginx:pull",
                "Nobody has a repository of that name: official images are kept under library/.",
            ),
            Mistake(
                lambda lab: "repository:library/nginx:latest",
                "The last part is what you want to do. A token opens a repository with all its "
                "tags.",
            ),
            Mistake(
                lambda lab: "repository:library/nginx:pull,push",
                "That asks for more than a pull needs, and nobody gets it without a login.",
            ),
            Mistake(
                lambda lab: "repository:docker.io/library/nginx:pull",
                "The registry is not part of it: whoever is asked knows its own name.",
            ),
        ),
    ),
    Exercise(
        key="registries-3",
        task=(
            "**Exercise 3.** Pull `busybox:glibc`, give it the name `workshop/tools:1.0`, and push "
            "it. Which digest has `workshop/tools:1.0` in the registry? The answer is a text that "
            "begins with `sha256:`."
        ),
        expects="a digest, such as 'sha256:9bf5...'",
        types=str,
        truth=lambda lab: sample(lab, "busybox:glibc").digest,
        same=same_digest,
        because=(
            "You pulled one platform of an index, so one manifest is what you could push. It has "
            "another digest than the index that you pulled by."
        ),
        hints=(
            "`%docker tag` gives a name; the last line that `%docker push` prints has a digest.",
            "It is not the digest that the pull printed. What does your disk hold of the image?",
            '`lab.repository("workshop/tools").resolve(name).digest` asks the registry.',
        ),
        solution=(
            "from imgkit.image import copy\n"
            "from imgkit.reference import Reference\n\n"
            'lab.pull("busybox:glibc")\n'
            'name = Reference.parse("workshop/tools:1.0")\n'
            'lab.store.name(name, lab.image("busybox:glibc").descriptor, None)\n'
            'copy(lab.store, lab.repository("workshop/tools"), name)\n'
            'answer = lab.repository("workshop/tools").resolve(name).digest'
        ),
        mistakes=(
            Mistake(
                lambda lab: _index_digest(lab, "busybox:glibc"),
                "That is the index, which lists all platforms. Of these you pulled one, and a push "
                "sends what you have.",
            ),
            Mistake(
                lambda lab: sample(lab, "busybox:glibc").id,
                "That is the digest of the config, the IMAGE ID. A name in a registry points at a "
                "manifest.",
            ),
            Mistake(
                lambda lab: sample(lab, "busybox:glibc").manifest.layers[0].digest,
                "That is the digest of a layer, one of the blobs that the manifest names.",
            ),
        ),
    ),
)

QUIZ: Final = (
    Question(
        "A registry holds ...",
        (
            Choice(
                "images, and repositories with links to them",
                "The other way round: every image belongs to a repository.",
            ),
            Choice(
                "repositories, and each of those holds images",
                "Registry, repositories, images: each name has the three in this order.",
                right=True,
            ),
            Choice(
                "Dockerfiles, and builds an image for whoever asks",
                "A registry keeps bytes that somebody built elsewhere. It runs nothing.",
            ),
        ),
    ),
    Question(
        "docker pull redis, without having logged in. Does the client send a token?",
        (
            Choice(
                "Yes: it gets one without a name or password, for this repository",
                "Docker Hub answers 401 first, and says where tokens are to be had.",
                right=True,
            ),
            Choice(
                "No: public images need none", "On Docker Hub even an anonymous pull needs one."
            ),
            Choice(
                "Yes: the one that was installed with Docker",
                "There is none. A token is good for minutes, and is got anew.",
            ),
        ),
    ),
    Question(
        "An image from an official repository. What do you know?",
        (
            Choice(
                "That it is free of security holes",
                "Nobody knows that of any image. Scan it, and build on a recent one.",
            ),
            Choice(
                "That nobody but its author has seen it",
                "Docker and the authors look after official images together.",
            ),
            Choice(
                "That people whom Docker chose keep it, by published rules",
                "That is worth much, and it is not the same as safe.",
                right=True,
            ),
        ),
    ),
)

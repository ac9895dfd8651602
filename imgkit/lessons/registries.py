"""Exercises of `03-registries`."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from imgkit.lessons.exercise import Exercise, Mistake, index, same_digest, sample, tags

SCOPE: Final = "repository:library/nginx:pull"


def _same_scope(answer: Any, truth: Any) -> bool:
    """Whether an answer is that scope, perhaps as it stands in a query."""
    if not isinstance(answer, str):
        return False
    return bool(unquote(answer.strip()).removeprefix("scope=") == truth)


EXERCISES: Final = (
    Exercise(
        key="registries-1",
        expects="a number of tags",
        truth=lambda lab: len(tags("library/ubuntu")),
        because="Release numbers, code names, and `latest`: most images here have several tags.",
        hint="There is an address that lists them: `/v2/`, the repository, `/tags/list`.",
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
        expects="a text such as 'repository:some/thing:pull'",
        truth=lambda lab: SCOPE,
        same=_same_scope,
        because="A token is for one repository and for named actions, not for a registry or a tag.",
        hint="A scope has three parts with colons between: kind of thing, its name, what to do.",
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
        expects="a digest, such as 'sha256:9bf5...'",
        truth=lambda lab: sample(lab, "busybox:glibc").digest,
        same=same_digest,
        because=(
            "You pulled one platform of an index, so one manifest is what you could push. It has "
            "another digest than the index that you pulled by."
        ),
        hint="`%docker tag` gives a name; the last line that `%docker push` prints has a digest.",
        mistakes=(
            Mistake(
                lambda lab: index(sample(lab, "busybox:glibc")).digest,
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

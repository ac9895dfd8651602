"""Where an image is, in one word, wherever it is; read there, and not copied first.

    redis:7                          in the local repository, by name, digest or ID
    docker://redis:7                 in its registry
    oci:DIRECTORY[:NAME]             in an OCI image layout
    oci-archive:FILE[:NAME]          in a tar of one
    docker-archive:FILE[:NAME]       in a tar as `docker save` writes it
    FILE or DIRECTORY                one of these, told by what is in it; any other tar, of files,
                                     is an image of one layer

The prefixes are those of skopeo, podman and others (containers-transports(5)).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from imgkit.archive import Archive
from imgkit.client import Client
from imgkit.digest import Digest
from imgkit.errors import InvalidReference, NotFound
from imgkit.image import Image
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store

REGISTRY: Final = "docker://"
FILES: Final = ("oci-archive", "docker-archive")


@contextmanager
def located(
    text: str,
    store: Store,
    client: Callable[[], Client],
    platform: Platform | None = None,
) -> Iterator[Image]:
    """The image that `text` means, for that platform (default: this machine's), to be read.

    Raises `NotFound`, and what its place raises.
    """
    kind, colon, rest = text.partition(":")
    if text.startswith(REGISTRY):
        name = Reference.parse(text.removeprefix(REGISTRY)).with_default_tag()
        yield Image.of(client().repository(name), name, platform)
    elif colon and kind == "oci":
        yield _in_layout(*_split(rest), platform)
    elif colon and kind in FILES:
        yield from _in_archive(*_split(rest), platform)
    elif (image := _in_store(text, store)) is not None:
        yield image
    elif Path(text).is_dir():
        yield _in_layout(text, "", platform)
    elif Path(text).is_file():
        yield from _in_archive(text, "", platform)
    else:
        raise NotFound(
            f"there is no image {text!r} in the local repository, and no such file or directory. "
            f"To look at one in its registry, write {REGISTRY}{text}; or pull it first.",
            name=text,
        )


def _split(text: str) -> tuple[str, str]:
    path, _, name = text.partition(":")
    return path, name


def _in_store(text: str, store: Store) -> Image | None:
    try:
        return store.image(text)
    except (NotFound, InvalidReference):
        return None


def _in_layout(path: str, name: str, platform: Platform | None) -> Image:
    layout = Store(path, read_only=True)
    rows = layout.records()
    places = {row.name: row.descriptor.digest for row in rows if row.name}
    digest = _one(path, name, places, {row.descriptor.digest for row in rows})
    return Image.of(layout, Reference("layout", "image", None, digest), platform)


def _in_archive(path: str, name: str, platform: Platform | None) -> Iterator[Image]:
    with Archive.of(Path(path), rootfs=True) as archive:
        images = {stored.descriptor.digest: stored for stored in archive.images}
        places = {
            each.canonical: digest for digest, stored in images.items() for each in stored.names
        }
        yield archive.image(images[_one(path, name, places, images)], platform)


def _one(path: str, name: str, places: Mapping[str, Digest], all_: Collection[Digest]) -> Digest:
    """The image of that name at that place; without a name, the only one there."""
    if not name and len(all_) == 1:
        return next(iter(all_))
    full = name
    with suppress(InvalidReference):
        full = Reference.parse(name).with_default_tag().canonical
    found = places.get(name) or places.get(full)
    if found is None:
        said = f"no image {name!r}" if name else f"{len(all_)} images"
        names = ", ".join(places) or "none has a name"
        raise NotFound(f"{path} has {said}. Name one, after a colon: {names}.", name=name)
    return found

"""Images out of the local repository into a tar, and back: save, load."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from imgkit.archive import Archive, load, save
from imgkit.commands.bench import Bench, Refused, daemon
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.digest import Digest
from imgkit.errors import ImgkitError, InvalidReference, NotFound, StoreError
from imgkit.image import Image
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar import Writable


def _save(bench: Bench, options: Options) -> int:
    path = options.value("output")
    if not path and (bench.output is None or bench.output.isatty()):
        raise Refused("cowardly refusing to save to a terminal. Use the -o flag or redirect")
    images = _chosen(bench.store, options.words)
    if path:
        with _replacing(Path(path)) as file:
            save(images, file)
    elif bench.output:
        save(images, bench.output)
        bench.output.flush()
    return 0


def _chosen(store: Store, words: Sequence[str]) -> list[tuple[Image, list[Reference]]]:
    """The images that the words name, each once, with the names by which it was called."""
    found: dict[Digest, tuple[Image, list[Reference]]] = {}
    for word in words:
        for image, name in _meant(store, word):
            _, names = found.setdefault(image.id, (image, []))
            if name and name not in names:
                names.append(name)
    return list(found.values())


def _meant(store: Store, word: str) -> list[tuple[Image, Reference | None]]:
    """The image of a name or an ID; of a name without a tag, all tags of its repository."""
    with contextlib.suppress(InvalidReference):
        wanted = Reference.parse(word)
        named = [
            (row, Reference.parse(row.name))
            for row in store.records()
            if row.name and "@" not in row.name
        ]
        found = [
            (store.open_image(row), name)
            for row, name in named
            if name.tag and name.repository == wanted.repository and wanted.tag in (None, name.tag)
        ]
        if found and not wanted.digest:
            return list(found)
        if wanted.tag and not wanted.digest:
            raise daemon("reference does not exist")
    try:
        return [(store.image(word), None)]
    except InvalidReference as error:
        reason = "repository name must be lowercase" if error.reason == "uppercase" else ""
        raise daemon(f"invalid reference format{reason and f': {reason}'}") from None
    except NotFound:
        raise daemon(f"No such image: {word}") from None


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Writable]:
    """A file that takes that name when the block ends well; else nothing has changed."""
    problem = _problem(path)
    if problem:
        raise Refused(f"failed to save image: {problem}")
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name[:64]}.", delete=False
        ) as file:
            try:
                yield file
                file.close()
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise Refused(f"failed to save image: write {path}: {reason}") from None


def _problem(path: Path) -> str:
    """Why no file of that name can be made, as Docker says it."""
    if not path.parent.is_dir():
        reason = "not a directory" if path.parent.exists() else "no such file or directory"
        return f"invalid output path: stat {path.parent}: {reason}"
    if path.is_dir():
        return "cannot write to a directory"
    if path.exists() and not path.is_file():
        return "cannot write to a character device file"
    return ""


def _load(bench: Bench, options: Options) -> int:
    with _archive(bench, options.value("input")) as archive:
        before = {name: _id(bench.store, name) for s in archive.images for name in s.names}
        images = load(archive, bench.store, bench.platform)
    for stored, image in zip(archive.images, images, strict=True):
        for name in stored.names:
            if before[name] not in (None, image.id):
                bench.say(
                    f"The image {name.familiar} already exists, renaming the old one with ID "
                    f"{before[name]} to empty string"
                )
            bench.say(f"Loaded image: {name.familiar}")
        if not stored.names:
            bench.say(f"Loaded image ID: {image.id}")
    return 0


def _id(store: Store, name: Reference) -> Digest | None:
    """The ID of the image that has this name now."""
    row = store.find(name)
    with contextlib.suppress(ImgkitError):
        return store.open_image(row).id if row else None
    return None


def _archive(bench: Bench, path: str) -> Archive:
    """The archive in that file, or on standard input."""
    if path:
        try:
            return Archive.of(Path(path))
        except StoreError as error:
            raise Refused(str(error)) from None
    if bench.stdin is None or bench.stdin.isatty():
        raise Refused("requested load from stdin, but stdin is empty")
    return Archive(bench.stdin, "standard input")


VERBS: Final = {
    "save": Verb(
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        "[OPTIONS] IMAGE [IMAGE...]",
        _save,
        (Flag("output", "Write to a file, instead of STDOUT", "o", "string"),),
        least=1,
        most=None,
        aliases=("image save",),
    ),
    "load": Verb(
        "Load an image from a tar archive or STDIN",
        "[OPTIONS]",
        _load,
        (
            Flag("input", "Read from tar archive file, instead of STDIN", "i", "string"),
            Flag("quiet", "Suppress the load output", "q"),
        ),
        aliases=("image load",),
    ),
}

"""The containers beside the images of a local repository, so that another process finds them.

HOME/containers/543738fe442e....json    what is kept of a container: `record.ContainerRecord`
HOME/containers/543738fe442e...-2cf24dba5fb0.tar    its writable layer, as the tar of a layer

The first has its own digest in it, and that of the second, so that a damaged one is no container.
"""

from __future__ import annotations

import dataclasses
import io
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from imgkit import document
from imgkit.container import Clock, Container
from imgkit.container.record import CREATED, REMOVED, ContainerRecord
from imgkit.digest import Digest, VerifyingReader
from imgkit.draft import moment
from imgkit.errors import ContainerError, ImgkitError, StoreError
from imgkit.image import Image
from imgkit.ingest import disk
from imgkit.layer import Layer
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.store import Store

NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

ADJECTIVES: Final = re.findall(
    r"\w+",
    """
    amber ample brave brisk calm candid clever coral curious deft eager early fair fleet gentle
    glad golden hardy honest humble jolly keen kind lively lucid mellow merry nimble noble patient
    plain proud quick quiet ready sharp silver steady sunny swift tidy vivid warm wise witty
    """,
)
NOUNS: Final = re.findall(
    r"\w+",
    """
    anchor arch badger beacon birch bridge brook canyon cedar comet crane delta dune ember falcon
    fern fjord glacier harbor heron island jetty juniper kestrel lagoon lantern lynx maple meadow
    mesa nebula orchid otter pebble pier plover prairie quay raven reef river sparrow spruce tern
    tide walrus willow
    """,
)


class Containers:
    """All containers of one local repository.

    `rng` gives IDs and names: one with a seed gives the same ones every time.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng or random.SystemRandom()
        self.folder = store.home / "containers"

    def __repr__(self) -> str:
        return f"<Containers: {len(self.records())} in {self.folder}>"

    def create(
        self,
        image: Image,
        command: Sequence[str] = (),
        *,
        name: str = "",
        entrypoint: Sequence[str] | None = None,
        env: Sequence[str] = (),
        workdir: str = "",
        user: str = "",
        interactive: bool = False,
        labels: Mapping[str, str] | None = None,
        fleeting: bool = False,
        hostname: str = "",
        asked: str = "",
    ) -> Container:
        """A new container, not yet started. What is not given comes from the image's config.

        `interactive` is `-it`: a shell then waits for lines. `fleeting` is `--rm`. `asked` is how
        the image was named. Raises `ContainerError` for a name that is taken or is none, where
        there is no program to run, and for a relative working directory.
        """
        settings = image.config.settings
        program = list(settings.get("Entrypoint") or []) if entrypoint is None else entrypoint
        inherited = settings.get("Cmd") or [] if entrypoint is None else []
        record = ContainerRecord(
            id=self.rng.randbytes(32).hex(),
            name=self._free(name),
            image=asked or (image.name.familiar if image.name else str(image.id)),
            manifest=image.descriptor.to_json(),
            config=str(image.id),
            entrypoint=list(program),
            cmd=list(command or inherited),
            env=_merged(settings.get("Env") or [], env),
            workdir=workdir or settings.get("WorkingDir") or "",
            user=user or settings.get("User") or "",
            interactive=interactive,
            created=moment(self.clock()),
            labels={**(settings.get("Labels") or {}), **(labels or {})},
            fleeting=fleeting,
            hostname=hostname,
            number=1 + max((one.number for one in self.records()), default=0),
        )
        _refuse_unfit(record)
        made = Container(record, image, self.clock, self._keep)
        self._keep(made)
        return made

    def get(self, text: str) -> Container:
        """The container of that name, ID, or beginning of an ID; raises `ContainerError`."""
        record = self.find(text)
        image = Image(self.store, Descriptor.from_json(record.manifest))
        return Container(record, image, self.clock, self._keep, self.written(record))

    def rename(self, text: str, name: str) -> None:
        """Afterwards the container has another name; raises `ContainerError`."""
        container = self.get(text)
        if container.name == name:
            raise ContainerError(
                "Renaming a container with the same name as its current name", name=name
            )
        try:
            container.record.name = self._free(name)
        except ContainerError as error:
            raise ContainerError(f"Error when allocating new name: {error}", name=name) from None
        self._keep(container)

    def written(self, record: ContainerRecord) -> Layer:
        """The writable layer; raises `StoreError` where it is missing or damaged."""
        path = self._path(record)
        with disk(path):
            data = path.read_bytes()
        descriptor = Descriptor.of(data, OCI_LAYER)
        if descriptor.digest != record.written:
            raise StoreError(
                f"the writable layer of container {record.name} is damaged: {path} should have the "
                f"digest {record.written}, but has {descriptor.digest}. Remove the container.",
                path=path,
            )

        def opened() -> VerifyingReader:
            return VerifyingReader(io.BytesIO(data), descriptor.digest, descriptor.size)

        return Layer(opened, descriptor, descriptor.digest)

    def find(self, text: str) -> ContainerRecord:
        """What is kept of a container, by name, ID, or beginning of an ID."""
        records = self.records()
        for record in records:
            if text in (record.name, f"/{record.name}", record.id):
                return record
        begins = [r for r in records if text and r.id.startswith(text)]
        if len(begins) > 1:
            raise ContainerError(
                f"Multiple IDs found with provided prefix: {text}", name=text, available=begins
            )
        if not begins:
            raise ContainerError(f"No such container: {text}", name=text)
        return begins[0]

    def records(self) -> list[ContainerRecord]:
        """All that are kept, the newest first."""
        return sorted(
            self._read(), key=lambda record: (record.created, record.number), reverse=True
        )

    def using(self, digest: Digest) -> list[ContainerRecord]:
        """The containers of an image, by the digest of its manifest or config."""
        wanted = str(digest)
        return [r for r in self.records() if wanted in (r.config, r.manifest["digest"])]

    # -- on disk --------------------------------------------------------------------------------

    def _keep(self, container: Container) -> None:
        """Afterwards the directory has the container as it is now, or has it no more.

        Raises `ContainerError` for one that somebody else has removed meanwhile.
        """
        record = container.record
        place = self.folder / f"{record.id}.json"
        with self.store.locked():
            if record.state not in (CREATED, REMOVED) and not place.exists():
                raise ContainerError(f"No such container: {record.name}", name=record.name)
            if record.state == REMOVED:
                place.unlink(missing_ok=True)
            else:
                data = container.written_tar(root=True)
                record.written = str(Digest.of(data))
                self.store.write(self._path(record), data)
                self.store.write(place, document.seal(dataclasses.asdict(record)))
            for path in self.folder.glob(f"{record.id}-*.tar"):
                if record.state == REMOVED or path != self._path(record):
                    path.unlink(missing_ok=True)

    def _read(self) -> Iterator[ContainerRecord]:
        for path in list(self.folder.glob("*.json")):  # an open scan would outlive an error
            try:
                yield ContainerRecord(**document.unseal(path.read_bytes(), "container"))
            except FileNotFoundError:
                continue
            except (TypeError, ImgkitError) as error:
                raise StoreError(
                    f"{path} is no record of a container: {error}. Remove it.", path=path
                ) from error

    def _path(self, record: ContainerRecord) -> Path:
        return self.folder / f"{record.id}-{record.written.removeprefix('sha256:')[:12]}.tar"

    def _free(self, name: str) -> str:
        """The name if it can be had, or a new one."""
        taken = {record.name: record.id for record in self.records()}
        if not name:
            while not name or name in taken:
                name = f"{self.rng.choice(ADJECTIVES)}_{self.rng.choice(NOUNS)}"
            return name
        if not NAME.fullmatch(name):
            raise ContainerError(
                f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                name=name,
            )
        if name in taken:
            raise ContainerError(
                f'Conflict. The container name "/{name}" is already in use by container '
                f'"{taken[name]}". You have to remove (or rename) that container to be able to '
                "reuse that name.",
                name=name,
            )
        return name


def _refuse_unfit(record: ContainerRecord) -> None:
    """Raise `ContainerError` where there is nothing to run, or no place to run it in."""
    if not record.command:
        raise ContainerError("No command specified", name=record.name)
    if not record.workdir.startswith("/") and record.workdir:
        raise ContainerError(
            f"the working directory '{record.workdir}' is invalid, it needs to be an absolute path",
            name=record.name,
        )


def _merged(env: Sequence[str], more: Sequence[str]) -> list[str]:
    """The environment of the image, with variables of `more` added or put in their place."""
    names = {pair.partition("=")[0]: pair for pair in [*env, *more]}
    return list(names.values())

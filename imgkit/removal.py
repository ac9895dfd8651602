"""What `rmi` and `image prune` do: names go first, then images, then layers that nobody uses.

The rules are those of Docker's classic image store:

    by name   the name goes; with the last one, the image. Not while a container uses the image.
    by ID     all names go, unless they are of several repositories; then the image.
    forced    names of several repositories go too. With a container that does not run, the image
              goes, and its layers stay for the container; with one that does, it stays, dangling.

A layer goes with the last image or container that has it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imgkit.container import Container
from imgkit.container.containers import Containers
from imgkit.container.record import RUNNING, ContainerRecord
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.inventory import Holding, find, holdings
from imgkit.leftovers import finish, letting_go, reached, unheld
from imgkit.manifest import Descriptor
from imgkit.reference import Reference
from imgkit.store import Store

UNTAGGED = "Untagged"
DELETED = "Deleted"


class Conflict(ImgkitError):
    """Something still needs the image. Facts: `id`, `forcible` (whether force would do)."""


@dataclass(frozen=True, slots=True)
class Removed:
    """One thing that went: a name, an image by its ID, or a layer by its ChainID."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True, slots=True)
class Removal:
    """Removes from one local repository; every method returns what went, in order."""

    store: Store
    containers: Containers

    def remove(self, text: str, *, force: bool = False) -> list[Removed]:
        """Afterwards the name, or the image of that ID, is gone.

        Raises `NotFound`, or `Conflict` when something still needs it.
        """
        with self._settled():
            holding, name = find(self.store, text)
            if name is None:
                return self._by_id(holding, force)
            return self._by_name(holding, name, text, force)

    def prune(self, unwanted: Sequence[Holding]) -> tuple[list[Removed], int]:
        """Afterwards these images are gone, and what was left behind; and bytes reclaimed.

        One that a container uses stays, and one that was given a name or lost one meanwhile.
        """
        gone: list[Removed] = []
        with self._settled():
            freed = self._sweep()  # first: on a full disk, that makes room to write the names
            before = self._layers()
            now = {holding.id: holding.records for holding in holdings(self.store)}
            for holding in unwanted:
                if not self._using(holding) and now.get(holding.id) == holding.records:
                    gone += self._delete(holding, holding.names)
            after = self._layers()
        return gone, freed + sum(size for one, size in before.items() if one not in after)

    def discard(self, container: Container, *, force: bool = False) -> None:
        """Afterwards the container is gone, and every blob that was kept for it alone."""
        image = Descriptor.from_json(container.record.manifest)
        with self._settled():
            blobs = set(reached(self.store, image))
            with letting_go(self.store, blobs):
                container.remove(force=force)

    # -- the two ways ---------------------------------------------------------------------------

    def _by_name(self, holding: Holding, name: Reference, text: str, force: bool) -> list[Removed]:
        same = [tag for tag in holding.tags if _repository(tag) == _repository(name)]
        using = self._using(holding)
        single = len(set(map(_repository, holding.names))) == 1
        last = single and (len(same) == 1 or bool(name.digest and len(holding.names) == 1))
        if last and using and not force and not (name.digest and holding.tags):
            raise Conflict(
                f'conflict: unable to remove repository reference "{text}" (must force) - '
                f"container {using[0].short} is using its referenced image {holding.id.short}",
                id=holding.id,
                forcible=True,
            )
        names = [name]
        if not name.digest and same == [name]:  # the digests of a repository go with its last tag
            names += [one for one in holding.digests if _repository(one) == _repository(name)]
        left = [one for one in holding.names if one not in names]
        running = any(one.state == RUNNING for one in using)
        if not left and not running:
            return self._delete(holding, names)
        gone = self._untag(names)
        if not left:
            self.store.keep(holding.records[0].descriptor)
        return gone

    def _by_id(self, holding: Holding, force: bool) -> list[Removed]:
        repositories = set(map(_repository, holding.names))
        using = self._using(holding)
        running = [one for one in using if one.state == RUNNING]
        if running:
            why = f"image is being used by running container {running[0].short}"
            raise self._conflict(holding, "cannot be forced", why)
        if not force and (len(repositories) > 1 or len(holding.tags) > 1):
            raise self._conflict(
                holding, "must be forced", "image is referenced in multiple repositories"
            )
        if using and not force:
            why = f"image is being used by stopped container {using[0].short}"
            raise self._conflict(holding, "must be forced", why)
        return self._delete(holding, holding.names)

    @staticmethod
    def _conflict(holding: Holding, how: str, why: str) -> Conflict:
        return Conflict(
            f"conflict: unable to delete {holding.id.short} ({how}) - {why}",
            id=holding.id,
            forcible=how.startswith("must"),
        )

    # -- steps ----------------------------------------------------------------------------------

    def _untag(self, names: Sequence[Reference]) -> list[Removed]:
        gone = []
        for name in names:
            self.store.unname(name)
            gone.append(Removed(UNTAGGED, name.familiar))
        return gone

    def _delete(self, holding: Holding, names: Sequence[Reference]) -> list[Removed]:
        """Afterwards its last names are gone, the image, and every layer that nothing else has."""
        had = _chain(holding.image) if holding.image else []
        rows = holding.records
        blobs = {one for row in rows for one in reached(self.store, row.descriptor, row.index)}
        with letting_go(self.store, blobs):
            gone = [*self._untag(names), Removed(DELETED, str(holding.id))]
            self.store.forget({row.descriptor.digest for row in rows})
        left = {one for image in self._images() for one in _chain(image)}
        gone += [Removed(DELETED, str(one)) for one in reversed(had) if one not in left]
        return gone

    @contextlib.contextmanager
    def _settled(self) -> Iterator[None]:
        """While the block lasts nobody else removes; what one who was killed let go is gone."""
        with self.store.locked():
            finish(self.store)
            yield

    def _sweep(self) -> int:
        """Afterwards nothing is left of what was broken off; returns the bytes freed."""
        freed = self.store.sweep(beginnings=True)
        for digest in list(unheld(self.store)):
            freed += self.store.size_of(digest) or 0
            self.store.remove(digest)
        return freed

    def _using(self, holding: Holding) -> list[ContainerRecord]:
        return self.containers.using(holding.id)[::-1]

    def _images(self) -> Iterator[Image]:
        """Every image that a row or a container holds."""
        for holding in holdings(self.store):
            if holding.image:
                yield holding.image
        for record in self.containers.records():
            image = Image(self.store, Descriptor.from_json(record.manifest))
            if self.store.size_of(image.digest) is not None:
                yield image

    def _layers(self) -> dict[Digest, int]:
        """Every layer in use, by ChainID, with the bytes of its files."""
        return {
            chain: self.store.layer_size(layer)
            for image in self._images()
            for chain, layer in zip(_chain(image), image.layers, strict=True)
        }


def _repository(name: Reference) -> str:
    return name.repository


def _chain(image: Image) -> list[Digest]:
    return list(image.config.chain_ids)

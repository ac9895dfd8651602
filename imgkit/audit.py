"""A whole local repository, byte by byte: what in it is broken, and what was left behind.

Broken is what an image or a container needs and has not, or has with other bytes. Left behind is
what nothing needs: the blobs of a pull that was broken off, say, which the next one goes on with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from imgkit import document
from imgkit.container.containers import Containers
from imgkit.container.record import ContainerRecord
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.image import Image, verify
from imgkit.ingest import disk
from imgkit.layout import DAMAGED
from imgkit.leftovers import LETTING_GO
from imgkit.manifest import Descriptor
from imgkit.store import Store


@dataclass
class Audit:
    """What was found, as sentences; a repository is sound when nothing is `broken`."""

    store: Store
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: int = 0
    containers: int = 0

    @classmethod
    def of(cls, store: Store) -> Audit:
        """Reads everything: each blob, image, container, and what was derived from them.

        Damaged blobs are aside afterwards, and wrong derived files gone, to be made anew.
        """
        found = cls(store)
        found._layout()
        found._images()
        found._containers()
        found._blobs()
        found._derived()
        found._leftovers()
        return found

    def _layout(self) -> None:
        if not self.store.sealed:
            self.broken.append(
                f"{self.store.home / 'index.json'} is not as imgkit wrote it: another program has "
                "written names, or it is damaged. Look at them (imgkit images); the next name that "
                "is given seals them."
            )

    def _images(self) -> None:
        records = self.store.records()
        self.images = len({record.descriptor.digest for record in records})
        for record in records:
            try:
                found = verify(self.store.open_image(record))
            except ImgkitError as error:
                found = [str(error)]
            self._broken(record.name or record.descriptor.digest, found)

    def _containers(self) -> None:
        containers = Containers(self.store)
        try:
            records = containers.records()
        except ImgkitError as error:
            self.broken.append(str(error))
            return
        self.containers = len(records)
        for record in records:
            try:
                found = [*verify(self._image(record)), *self._layer(containers, record)]
            except ImgkitError as error:
                found = [str(error)]
            self._broken(f"container {record.name}", found)

    def _image(self, record: ContainerRecord) -> Image:
        return Image(self.store, Descriptor.from_json(record.manifest))

    @staticmethod
    def _layer(containers: Containers, record: ContainerRecord) -> Iterator[str]:
        try:
            assert containers.written(record).entries
        except ImgkitError as error:
            yield str(error)

    def _broken(self, what: str, found: list[str]) -> None:
        self.broken += [f"{what}: {line}" for line in found]

    def _blobs(self) -> None:
        """Those that no image led to are asked here; the others have been."""
        for path in sorted((self.store.home / "blobs").glob("*/*")):
            try:
                digest = Digest(f"{path.parent.name}:{path.name}")
                with self.store.open(Descriptor("", digest, path.stat().st_size)) as blob:
                    for _ in blob:
                        pass
            except (OSError, ImgkitError) as error:
                self.broken.append(str(error))

    def _derived(self) -> None:
        """What can be made anew is removed where it is wrong."""
        for folder in ("stored-sizes", "cache"):
            for path in sorted((self.store.home / folder).glob("*")):
                try:
                    with disk(path):
                        document.unseal(path.read_bytes(), "file")
                except ImgkitError as error:
                    self.broken.append(f"{path}: {error}. It is made anew when it is needed.")
                    with disk(path):
                        path.unlink()

    def _leftovers(self) -> None:
        home = self.store.home
        for folder, what in ((DAMAGED, "damaged, put aside"), ("ingest", "not whole")):
            for path in sorted((home / folder).glob("*")):
                self.notes.append(f"{path}: {what} ({_size(path)} bytes)")
        if (home / LETTING_GO).exists():
            self.notes.append(
                f"{home / LETTING_GO}: a removal was broken off; the next one ends it"
            )


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0

"""An image that is being built: its config and layers after a step, and the cache of such steps.

The cache is a small file a step, in `HOME/cache/`, under the digest of three things: the image
before the step, the step as the history tells it (with the checksum of what COPY copies), and the
flags that the history does not tell. So a step is reused when nothing that it can see has changed.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from imgkit import document
from imgkit.config import Config, History
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import ImgkitError
from imgkit.image import Image
from imgkit.layer import Layer
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, Descriptor, Manifest
from imgkit.platforms import Platform
from imgkit.store import Store

_OCI: Final = {
    "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": OCI_LAYER + "+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd": OCI_LAYER + "+zstd",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """An image after some step; without a config it is scratch, with a `base` just that image."""

    platform: Platform
    config: Config | None = None
    layers: tuple[Descriptor, ...] = ()
    base: Image | None = None

    @classmethod
    def of(cls, image: Image) -> Draft:
        """Where a stage begins that is FROM this image."""
        layers = tuple(
            replace(layer, media_type=_OCI.get(layer.media_type, layer.media_type))
            for layer in image.manifest.layers
        )
        return cls(image.config.platform, image.config, layers, image)

    @property
    def id(self) -> Digest | None:
        """The digest of the config: what Docker shows after `--->`."""
        return self.config.digest if self.config else None

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.config.settings) if self.config else {}

    def open(self, store: Store) -> list[Layer]:
        """The layers, base first, to be read."""
        diff_ids = self.config.diff_ids if self.config else ()
        pairs = zip(self.layers, diff_ids, strict=True)
        return [Layer(partial(store.open, layer), layer, diff_id) for layer, diff_id in pairs]

    def commit(
        self,
        store: Store,
        step: History,
        settings: Mapping[str, Any],
        author: str,
        tar: bytes | None,
    ) -> Draft:
        """This image and a step more, in the store; `tar` is its layer, if it made one.

        Raises `InvalidLayer` for a layer that nobody could read: of a file called `.wh..`, say.
        """
        diff_ids = [*self.config.diff_ids] if self.config else []
        layers = self.layers
        if tar is not None:
            _refuse_unreadable(tar)
            packed = gzip.compress(tar, compresslevel=6, mtime=0)
            layers = (*layers, store.put_bytes(packed, OCI_LAYER + "+gzip"))
            diff_ids.append(Digest.of(tar))
        history = [*(self.config.history if self.config else ()), step]
        config = Config.make(
            self.platform, diff_ids, history, settings, step.created, author=author or None
        )
        store.put_bytes(config.raw, OCI_CONFIG)
        return Draft(self.platform, config, layers)

    def image(self, store: Store) -> Image:
        """The whole image, in the store, with a manifest."""
        if self.base and self.base.source is store:
            return self.base
        assert self.config
        manifest = Manifest.make(self.config.descriptor, self.layers)
        return Image(store, store.put_bytes(manifest.raw, manifest.media_type))


def _refuse_unreadable(tar: bytes) -> None:
    layer = Descriptor.of(tar, OCI_LAYER)
    opened = partial(VerifyingReader, io.BytesIO(tar), layer.digest, layer.size)
    Layer(opened, layer, layer.digest).entries  # noqa: B018  reading them checks them


class Cache:
    """What earlier builds made of which step."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def key(self, before: Draft, told: str, more: Mapping[str, str]) -> str:
        """The name of a step: what it starts from, what it does."""
        start = str(before.id or f"scratch {before.platform}")
        return Digest.of(document.dump({"from": start, "step": told, **more})).hex

    def find(self, key: str, before: Draft) -> Draft | None:
        """The image after that step, if it was made before and its blobs are still there."""
        try:
            data = document.unseal(self._path(key).read_bytes(), "cache entry")
            found = Descriptor.from_json(data["config"])
            layers = before.layers
            if data.get("layer"):
                layers = (*layers, Descriptor.from_json(data["layer"]))
            if not all(map(self.store.has, (found, *layers))):
                return None
            with self.store.open(found) as stream:
                config = Config.parse(stream.read())
        except (OSError, KeyError, ImgkitError):
            return None
        return Draft(before.platform, config, layers)

    def add(self, key: str, before: Draft, after: Draft) -> None:
        """Afterwards the step is found again."""
        assert after.config
        facts: dict[str, Any] = {"config": after.config.descriptor.to_json()}
        if len(after.layers) > len(before.layers):
            facts["layer"] = after.layers[-1].to_json()
        self.store.write(self._path(key), document.seal(facts))

    def _path(self, key: str) -> Path:
        return self.store.home / "cache" / f"{key}.json"


def nanoseconds(time: datetime) -> int:
    """Nanoseconds since 1970, as files have it."""
    return (time - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000


def moment(time: datetime) -> str:
    """A time as a config has it (RFC 3339, in UTC)."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{time.microsecond:06d}Z" if time.microsecond else f"{text}Z"

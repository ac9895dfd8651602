"""Images in a tar that is no OCI layout: manifests are made for them, of what is in it."""

from __future__ import annotations

import io
from typing import Any

from imgkit import document
from imgkit.archive.members import Members, Span
from imgkit.config import Config
from imgkit.digest import Digest, Readable, digest_of_stream
from imgkit.errors import InvalidReference
from imgkit.manifest import OCI_LAYER, Descriptor, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.tar.compression import form


class Plain:
    """The images of a `manifest.json`, or a root filesystem as one; configs and layers as they are.

    What the tar does not have, the manifests, is made; the same tar always gives the same.
    """

    def __init__(self, members: Members) -> None:
        self.members = members
        self._made: dict[Digest, bytes] = {}
        self._spans: dict[Digest, Span] = {}
        self._layers: dict[Span, Descriptor] = {}

    def open(self, digest: Digest) -> Readable | None:
        """The bytes of a manifest, config or layer of these images; None for others."""
        if digest in self._made:
            return io.BytesIO(self._made[digest])
        span = self._spans.get(digest)
        return self.members.section(span) if span else None

    def images(self) -> list[tuple[Descriptor, tuple[Reference, ...]]]:
        """The manifest of each image, and its names."""
        found = []
        for entry in document.load_objects(self.members.read("manifest.json"), "manifest.json"):
            tags = document.sequence(entry, "RepoTags", optional=True)
            names = [self._tag(text) for text in tags]
            found.append((self._manifest(entry), tuple(names)))
        return found

    def _tag(self, text: Any) -> Reference:
        try:
            name = Reference.parse(text if isinstance(text, str) else "")
        except InvalidReference as error:
            self.members.refuse(f"in its manifest.json, {error}")
        if name.digest:
            self.members.refuse(f"its manifest.json calls an image {text!r}, which is no tag")
        return name.with_default_tag()

    def _manifest(self, entry: dict[str, Any]) -> Descriptor:
        """The descriptor of a manifest made for an image of `manifest.json`."""
        where = document.text(entry, "Config")
        config = Config.parse(self.members.read(where))
        self._check_name(where, config.digest)
        self._spans[config.digest] = self.members.find(where)
        paths = document.strings(entry, "Layers") if entry.get("Layers") else []
        if len(paths) != len(config.diff_ids):
            self.members.refuse(
                f"its manifest.json names {len(paths)} layers for an image whose config {where!r} "
                f"has {len(config.diff_ids)} DiffIDs"
            )
        layers = [self._layer(path) for path in paths]
        for path, layer, diff_id in zip(paths, layers, config.diff_ids, strict=True):
            if layer.media_type == OCI_LAYER and layer.digest != diff_id:
                self.members.refuse(
                    f"{path!r} should be the layer with the DiffID {diff_id}, but has the digest "
                    f"{layer.digest}"
                )
        return self._make(Manifest.make(config.descriptor, layers))

    def _check_name(self, path: str, actual: Digest) -> None:
        """Refuse a file that is named by a digest, and has another."""
        said = path.rpartition("/")[2].removesuffix(".json").removeprefix("sha256:")
        if len(said) == len(actual.hex) and said != actual.hex:
            self.members.refuse(f"the config {path!r} has another digest: {actual}")

    def _layer(self, path: str) -> Descriptor:
        """The descriptor of a layer, as it is in the archive; each is read once."""
        span = self.members.find(path)
        if span not in self._layers:
            packed = form(self.members.section(span).read(4))
            digest = digest_of_stream(self.members.section(span))
            media_type = f"{OCI_LAYER}+{packed}" if packed else OCI_LAYER
            self._layers[span] = Descriptor(media_type, digest, span.size)
            self._spans[digest] = span
        return self._layers[span]

    def _make(self, manifest: Manifest) -> Descriptor:
        self._made[manifest.digest] = manifest.raw
        return manifest.descriptor

    def rootfs(self) -> Descriptor:
        """The manifest of an image whose only layer is the whole tar."""
        span = self.members.whole
        diff_id = digest_of_stream(self.members.section(span))
        config = Config.make(Platform.here(), [diff_id])
        self._made[config.digest] = config.raw
        self._spans[diff_id] = span
        layer = Descriptor(OCI_LAYER, diff_id, span.size)
        return self._make(Manifest.make(config.descriptor, [layer]))

"""Manifests and indexes, made from bytes and keeping those bytes.

A digest is of the bytes that came, never of a document written out again, so every value here
carries its `raw`. Two documents tie an image together (image-spec: manifest.md, image-index.md):

    Index     one name, many platforms: a list of descriptors of manifests
    Manifest  one image for one platform: a descriptor of the config, and one of each layer

Docker's "manifest list" and "manifest, schema 2" are the same two documents under older names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from imgkit import document
from imgkit.digest import Digest
from imgkit.errors import InvalidDigest, NoMatchingPlatform, UnsupportedMediaType
from imgkit.limits import current
from imgkit.platforms import Platform

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

INDEX_TYPES: Final = (OCI_INDEX, DOCKER_LIST)
MANIFEST_TYPES: Final = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIG_TYPES: Final = (OCI_CONFIG, DOCKER_CONFIG)
LAYER_TYPES: Final = (
    OCI_LAYER,
    OCI_LAYER + "+gzip",
    OCI_LAYER + "+zstd",
    DOCKER_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
)

_SCHEMA_1: Final = "application/vnd.docker.distribution.manifest.v1"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer by digest: media type, digest and size (bytes, as stored) (descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes, media_type: str, **more: Any) -> Descriptor:
        """The descriptor of these bytes."""
        return cls(media_type, Digest.of(data), len(data), **more)

    @classmethod
    def from_json(cls, data: Any) -> Descriptor:
        """Raise `InvalidManifest` when a required field is missing or of the wrong kind."""
        if not isinstance(data, dict):
            raise document.refused(f"a descriptor must be an object, not {document.kind_of(data)}")
        size = data.get("size")
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 1 << 63:
            raise document.refused(f"a descriptor's size must be a number of bytes, not {size!r}")
        try:
            digest = Digest(document.text(data, "digest"))
        except InvalidDigest as error:
            raise document.refused(f"a descriptor has no valid digest: {error}") from None
        return cls(
            document.text(data, "mediaType"),
            digest,
            size,
            Platform.from_json(document.mapping(data, "platform"))
            if data.get("platform")
            else None,
            document.string_map(data, "annotations"),
        )

    def to_json(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            facts["annotations"] = dict(self.annotations)
        if self.platform:
            facts["platform"] = self.platform.to_json()
        return facts

    @property
    def is_attestation(self) -> bool:
        """True of the `unknown/unknown` entries that BuildKit adds beside the images."""
        return "vnd.docker.reference.type" in self.annotations


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform, by digest: a config and a stack of layers, base first."""

    raw: bytes
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        config: Descriptor,
        layers: Sequence[Descriptor],
        annotations: Mapping[str, str] | None = None,
        media_type: str = OCI_MANIFEST,
    ) -> Manifest:
        """A new manifest; the same parts always give the same bytes."""
        data: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.to_json(),
            "layers": [layer.to_json() for layer in layers],
        }
        if annotations:
            data["annotations"] = dict(annotations)
        return cls(document.dump(data), media_type, config, tuple(layers), dict(annotations or {}))

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, self.media_type)

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """Everything this manifest points at: the config, then the layers, base first."""
        return (self.config, *self.layers)


@dataclass(frozen=True, slots=True)
class Index:
    """One name for many platforms: a list of manifests (Docker: a manifest list)."""

    raw: bytes
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        manifests: Sequence[Descriptor],
        annotations: Mapping[str, str] | None = None,
        media_type: str = OCI_INDEX,
    ) -> Index:
        """A new index; the same parts always give the same bytes."""
        data: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "manifests": [manifest.to_json() for manifest in manifests],
        }
        if annotations:
            data["annotations"] = dict(annotations)
        return cls(document.dump(data), media_type, tuple(manifests), dict(annotations or {}))

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, self.media_type)

    @property
    def platforms(self) -> list[Platform]:
        """The platforms listed, in order, without attestations."""
        return [d.platform for d in self.manifests if d.platform and not d.is_attestation]

    def choose(self, platform: Platform) -> Descriptor:
        """The manifest to use on `platform`: the first match of its best candidate.

        Attestations never match. Raises `NoMatchingPlatform` with what there is instead.
        """
        images = [d for d in self.manifests if d.platform and not d.is_attestation]
        platforms = [d.platform for d in images if d.platform]
        best = platform.best(platforms)
        if best is not None:
            return images[best]
        available = ", ".join(dict.fromkeys(found.full for found in platforms)) or "none at all"
        raise NoMatchingPlatform(
            f"there is no image for {platform.full} under this name. There is one for: "
            f"{available}. Name another platform (--platform), or another image.",
            name=None,
            platform=platform,
            available=platforms,
        )


def parse(raw: bytes, media_type: str | None = None) -> Manifest | Index:
    """The manifest or index in these bytes.

    `media_type` is what the registry or the descriptor called it; when the document names its own
    type they must agree (CVE-2021-41190). Raises `InvalidManifest`, or `UnsupportedMediaType` for
    schema 1 and everything that is not an image, or `LimitExceeded` above 4 MiB.
    """
    data = document.load(raw, "manifest")
    named = data.get("mediaType")
    media_type = (media_type or "").partition(";")[0].strip() or None
    _refuse_schema_1(data, named or media_type)
    if named is not None and media_type is not None and named != media_type:
        raise document.refused(f"it was announced as {media_type}, but calls itself {named!r}")
    kind = named or media_type
    has_layers = "layers" in data or "config" in data
    has_manifests = "manifests" in data or "fsLayers" in data
    if has_layers and has_manifests:
        raise document.refused(
            "it could be read as a manifest and as an index; only one is allowed"
        )
    if kind is None:
        kind = OCI_INDEX if has_manifests else OCI_MANIFEST
    if kind in INDEX_TYPES:
        return _index(raw, kind, data)
    if kind in MANIFEST_TYPES:
        return _manifest(raw, kind, data)
    raise UnsupportedMediaType(
        f"{kind!r} is not an image: expected an OCI or Docker manifest or index", media_type=kind
    )


def _index(raw: bytes, kind: str, data: Mapping[str, Any]) -> Index:
    entries = document.sequence(data, "manifests")
    if len(entries) > (most := current().manifests):
        said = f"an index with {len(entries)} manifests is refused: at most {most} are read"
        current().refuse("manifests", said, len(entries))
    return Index(
        raw,
        kind,
        tuple(map(Descriptor.from_json, entries)),
        document.string_map(data, "annotations"),
    )


def _manifest(raw: bytes, kind: str, data: Mapping[str, Any]) -> Manifest:
    layers = document.sequence(data, "layers")
    if len(layers) > (most := current().layers):
        said = f"an image with {len(layers)} layers is refused: at most {most} are read"
        current().refuse("layers", said, len(layers))
    return Manifest(
        raw,
        kind,
        Descriptor.from_json(data.get("config")),
        tuple(map(Descriptor.from_json, layers)),
        document.string_map(data, "annotations"),
    )


def _refuse_schema_1(data: Mapping[str, Any], kind: Any) -> None:
    if data.get("schemaVersion") == 1 or str(kind).startswith(_SCHEMA_1):
        raise UnsupportedMediaType(
            "this is a manifest of schema 1, the format before 2016, in which an image cannot be "
            "checked by its digest. Docker no longer pulls it either: ask for another tag.",
            media_type=kind,
        )
    if data.get("schemaVersion") != 2:
        raise document.refused(f"schemaVersion must be 2, not {data.get('schemaVersion')!r}")

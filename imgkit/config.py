"""The config of an image: how to run it, its layers by DiffID, and its history (config.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgkit import document
from imgkit.digest import Digest
from imgkit.errors import InvalidDigest
from imgkit.manifest import OCI_CONFIG, Descriptor
from imgkit.platforms import Platform

_TEXTS: Final = ("User", "WorkingDir", "StopSignal")
_LISTS: Final = ("Cmd", "Entrypoint", "Env", "OnBuild")
_OBJECTS: Final = ("ExposedPorts", "Volumes")


@dataclass(frozen=True, slots=True)
class History:
    """One step of how an image was built; an empty layer changed the config only."""

    created_by: str = ""
    created: str | None = None
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """How to run an image, the DiffIDs of its layers, base first, and its history (config.md)."""

    raw: bytes
    platform: Platform
    created: str | None
    diff_ids: tuple[Digest, ...]
    history: tuple[History, ...]
    settings: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: bytes) -> Config:
        """The config in these bytes; raises `InvalidManifest` when it is none."""
        data = document.load(raw, "config")
        rootfs = document.mapping(data, "rootfs")
        if rootfs.get("type") != "layers":
            raise document.refused(
                f"the config's rootfs.type must be 'layers', not {rootfs.get('type')!r}"
            )
        try:
            diff_ids = tuple(Digest(text) for text in document.strings(rootfs, "diff_ids"))
        except InvalidDigest as error:
            raise document.refused(f"a DiffID in the config is not valid: {error}") from None
        return cls(
            raw,
            Platform.from_json(data),
            document.text(data, "created", optional=True) or None,
            diff_ids,
            tuple(_history(step) for step in document.sequence(data, "history", optional=True)),
            _settings(data),
        )

    @classmethod
    def make(
        cls,
        platform: Platform,
        diff_ids: Sequence[Digest],
        history: Sequence[History] = (),
        settings: Mapping[str, Any] | None = None,
        created: str | None = None,
        author: str | None = None,
    ) -> Config:
        """A new config; the same parts always give the same bytes."""
        data: dict[str, Any] = {**platform.to_json(), "config": dict(settings or {})}
        if author:
            data["author"] = author
        if created:
            data["created"] = created
        data["rootfs"] = {"type": "layers", "diff_ids": [str(d) for d in diff_ids]}
        data["history"] = [_history_json(step) for step in history]
        return cls.parse(document.dump(data))

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, OCI_CONFIG)

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """The ChainID of each stack of layers from the base up (config.md, "Layer ChainID")."""
        chain: list[Digest] = []
        for diff_id in self.diff_ids:
            chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
        return tuple(chain)


def _settings(data: Mapping[str, Any]) -> dict[str, Any]:
    """How to run it, each setting that is used of the kind that it must be."""
    found = document.mapping(data, "config", optional=True)
    # A command of one word may stand without a list, as Docker reads it.
    found |= {key: [found[key]] for key in ("Cmd", "Entrypoint") if isinstance(found.get(key), str)}
    for key in _TEXTS:
        document.text(found, key, optional=True)
    for key in _LISTS:
        document.strings(found, key, optional=True)
    for key in _OBJECTS:
        document.mapping(found, key, optional=True)
    document.string_map(found, "Labels")
    return found


def _history(step: Any) -> History:
    if not isinstance(step, dict):
        raise document.refused(
            f"a step of the history must be an object, not {document.kind_of(step)}"
        )
    return History(
        str(step.get("created_by", "")),
        document.text(step, "created", optional=True) or None,
        str(step.get("comment", "")),
        step.get("empty_layer") is True,
    )


def _history_json(step: History) -> dict[str, Any]:
    facts: dict[str, Any] = {"created": step.created, "created_by": step.created_by}
    facts |= {"comment": step.comment, "empty_layer": step.empty_layer}
    return {key: value for key, value in facts.items() if value}

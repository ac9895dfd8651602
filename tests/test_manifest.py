"""Manifests, indexes, configs and platforms: made from bytes, refused when two-faced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imgkit import manifest
from imgkit.config import Config, History
from imgkit.digest import Digest
from imgkit.errors import (
    ImgkitError,
    InvalidManifest,
    LimitExceeded,
    NoMatchingPlatform,
    UnsupportedMediaType,
)
from imgkit.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from imgkit.platforms import Platform

BLOB = Descriptor.of(b"{}", OCI_CONFIG)
LAYER = Descriptor.of(b"layer", OCI_LAYER)


def document(**changes: Any) -> dict[str, Any]:
    """A sound manifest, changed; a field set to None is left out."""
    sound = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": BLOB.to_json(),
        "layers": [LAYER.to_json()],
    }
    return {key: value for key, value in (sound | changes).items() if value is not None}


def raw(**changes: Any) -> bytes:
    return json.dumps(document(**changes)).encode()


REFUSED = [
    ("not JSON", b"<html>", InvalidManifest),
    ("not UTF-8", b'{"schemaVersion": 2, "x": "\xff"}', InvalidManifest),
    ("not an object", b"[]", InvalidManifest),
    ("nothing", b"", InvalidManifest),
    ("deep nesting", b"[" * 100_000, InvalidManifest),
    ("a number no parser agrees on", b'{"schemaVersion": NaN}', InvalidManifest),
    ("a very long number", b'{"schemaVersion": ' + b"1" * 5000 + b"}", InvalidManifest),
    ("schema 1", raw(schemaVersion=1), UnsupportedMediaType),
    (
        "schema 1 by its type",
        raw(mediaType="application/vnd.docker.distribution.manifest.v1+prettyjws"),
        UnsupportedMediaType,
    ),
    ("no schema version", raw(schemaVersion=None), InvalidManifest),
    ("a type that is no image", raw(mediaType="text/html"), UnsupportedMediaType),
    ("both manifest and index", raw(manifests=[]), InvalidManifest),
    ("an index with layers", raw(mediaType=OCI_INDEX, manifests=[]), InvalidManifest),
    ("a manifest with fsLayers", raw(fsLayers=[]), InvalidManifest),
    ("a key twice", raw()[:-1] + b', "schemaVersion": 2}', InvalidManifest),
    ("a key twice, inside", raw().replace(b'"size"', b'"size": 1, "size"'), InvalidManifest),
    ("no config", raw(config=None), InvalidManifest),
    ("no layers", raw(layers=None), InvalidManifest),
    ("layers that are no list", raw(layers={}), InvalidManifest),
    ("a layer that is a string", raw(layers=["x"]), InvalidManifest),
    ("a negative size", raw(layers=[LAYER.to_json() | {"size": -1}]), InvalidManifest),
    ("a size that is a word", raw(layers=[LAYER.to_json() | {"size": "5"}]), InvalidManifest),
    ("a size that is true", raw(layers=[LAYER.to_json() | {"size": True}]), InvalidManifest),
    ("no digest", raw(config={"mediaType": OCI_CONFIG, "size": 2}), InvalidManifest),
    ("a digest that is a path", raw(config=BLOB.to_json() | {"digest": "../x"}), InvalidManifest),
    ("annotations that are numbers", raw(annotations={"a": 1}), InvalidManifest),
    ("a platform that is a list", raw(config=BLOB.to_json() | {"platform": [1]}), InvalidManifest),
    ("126 layers", raw(layers=[LAYER.to_json()] * 126), LimitExceeded),
    ("4 MiB and a byte", raw() + b" " * (4 << 20), LimitExceeded),
]


@pytest.mark.parametrize(("data", "error"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(data: bytes, error: type[ImgkitError]) -> None:
    """What could be read in two ways, or is none of ours, is refused in words."""
    with pytest.raises(error) as caught:
        manifest.parse(data)
    assert str(caught.value)


def test_125_layers_pass() -> None:
    """As many layers as Docker takes are taken."""
    found = manifest.parse(raw(layers=[LAYER.to_json()] * 125))
    assert isinstance(found, Manifest)
    assert len(found.layers) == 125


def test_what_it_was_announced_as_must_be_what_it_says() -> None:
    """A manifest served under an index's type is refused (CVE-2021-41190)."""
    with pytest.raises(InvalidManifest):
        manifest.parse(raw(), OCI_INDEX)
    assert manifest.parse(raw(), OCI_MANIFEST + "; charset=utf-8").media_type == OCI_MANIFEST


def test_a_document_that_does_not_name_its_type() -> None:
    """An OCI document may leave its own media type out; then the announced one holds."""
    assert manifest.parse(raw(mediaType=None)).media_type == OCI_MANIFEST
    assert manifest.parse(raw(mediaType=None), DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
    bare = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    assert manifest.parse(bare).media_type == OCI_INDEX


def test_the_digest_is_of_the_bytes_that_came() -> None:
    """White space counts: two spellings of one document have two digests."""
    pretty = json.dumps(document(), indent=3).encode()
    assert manifest.parse(pretty).digest == Digest.of(pretty)
    assert manifest.parse(pretty).digest != manifest.parse(raw()).digest
    assert manifest.parse(pretty).raw == pretty


def test_made_documents_read_back() -> None:
    """What `make` writes, `parse` reads, to the same value."""
    made = Manifest.make(BLOB, [LAYER], {"a": "b"})
    assert manifest.parse(made.raw) == made
    listed = Index.make([made.descriptor], {"c": "d"}, DOCKER_LIST)
    assert manifest.parse(listed.raw) == listed
    assert manifest.parse(listed.raw).descriptor == listed.descriptor


def entry(text: str, **more: Any) -> Descriptor:
    os, architecture, *variant = text.split("/")
    return Descriptor(
        OCI_MANIFEST, Digest.of(text.encode()), 1, Platform(os, architecture, *variant), **more
    )


ATTESTATION = entry(
    "unknown/unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"}
)

CHOICES = [
    # (asked for, offered, chosen)
    ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
    ("linux/amd64", ["linux/386"], "linux/386"),
    ("linux/amd64", ["windows/amd64", "linux/386"], "linux/386"),
    ("linux/amd64", ["windows/amd64"], None),
    ("linux/amd64", [], None),
    ("linux/386", ["linux/amd64"], None),
    ("linux/arm64", ["linux/arm/v7", "linux/arm64/v8"], "linux/arm64/v8"),
    ("linux/arm64/v8", ["linux/arm64"], "linux/arm64"),
    ("linux/aarch64", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
    ("linux/arm", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
    ("linux/arm/v6", ["linux/arm/v7", "linux/arm/v5"], "linux/arm/v5"),
    ("linux/arm/v6", ["linux/arm/v7"], None),
    ("linux/arm/v7", ["linux/arm"], "linux/arm"),
    ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], "linux/amd64/v2"),
    ("linux/s390x", ["linux/amd64", "linux/s390x"], "linux/s390x"),
    ("windows/amd64", ["linux/amd64", "windows/amd64"], "windows/amd64"),
    ("linux/riscv64", ["linux/amd64"], None),
]


@pytest.mark.parametrize(("asked", "offered", "chosen"), CHOICES)
def test_choice(asked: str, offered: list[str], chosen: str | None) -> None:
    """The first match of the best candidate is chosen, as containerd does; else none is."""
    index = Index.make([ATTESTATION, *map(entry, offered)])
    if chosen is None:
        with pytest.raises(NoMatchingPlatform) as caught:
            index.choose(Platform.parse(asked))
        assert all(platform in str(caught.value) for platform in offered)
    else:
        assert index.choose(Platform.parse(asked)).digest == entry(chosen).digest


def test_attestations_are_never_an_image() -> None:
    """`unknown/unknown` is not a machine, so it is neither offered nor chosen."""
    index = Index.make([ATTESTATION])
    assert index.platforms == []
    with pytest.raises(NoMatchingPlatform):
        index.choose(Platform("unknown", "unknown"))


@pytest.mark.parametrize("text", ["", "/", "linux/", "linux/amd64/v1/x", "linux amd64", "a/b\n/c"])
def test_platforms_that_are_none(text: str) -> None:
    """A platform is two or three words between slashes."""
    with pytest.raises(InvalidManifest):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AArch64", "linux/arm64"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("arm64", "linux/arm64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/i686", "linux/386"),
    ],
)
def test_platforms_have_other_names(text: str, normal: str) -> None:
    """What a kernel calls a CPU and what an image calls it are the same platform."""
    assert str(Platform.parse(text)) == normal


DIFF = Digest.of(b"tar")


def config(**changes: Any) -> bytes:
    sound: dict[str, Any] = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [DIFF]},
    }
    return json.dumps({k: v for k, v in (sound | changes).items() if v is not None}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"rootfs": None},
        {"rootfs": {"type": "folders", "diff_ids": []}},
        {"rootfs": {"type": "layers", "diff_ids": ["sha256:x"]}},
        {"rootfs": {"type": "layers", "diff_ids": DIFF}},
        {"os": None},
        {"architecture": 64},
        {"history": {}},
        {"history": ["RUN"]},
        {"config": []},
        {"created": 5},
        {"history": [{"created": 5}]},
        {"variant": 5},
        {"os.version": ["10"]},
        {"os.features": "win32k"},
        {"config": {"User": ["root"]}},
        {"config": {"WorkingDir": 5}},
        {"config": {"Env": "A=1"}},
        {"config": {"Env": [1]}},
        {"config": {"Cmd": [1]}},
        {"config": {"Entrypoint": {}}},
        {"config": {"Labels": ["a"]}},
        {"config": {"Volumes": "/data"}},
    ],
)
def test_configs_that_are_none(changes: dict[str, Any]) -> None:
    """A config that breaks config.md is refused in words."""
    with pytest.raises(InvalidManifest):
        Config.parse(config(**changes))


def test_a_config_reads_back() -> None:
    """What `make` writes, `parse` reads; steps that made no layer say so."""
    steps = [History("ADD rootfs /", "2024-01-01T00:00:00Z"), History("CMD sh", empty_layer=True)]
    made = Config.make(Platform("linux", "arm", "v7"), [DIFF], steps, {"Cmd": ["sh"]})
    assert Config.parse(made.raw) == made
    assert made.history == tuple(steps)
    assert made.platform == Platform("linux", "arm", "v7")


def test_what_is_left_out_of_a_config() -> None:
    """Nothing and null are the same, and a command of one word may stand alone, as in Docker."""
    nothing = dict.fromkeys(("Cmd", "Env", "Labels", "User", "Volumes", "WorkingDir"))
    sound = Config.parse(config(config=nothing, created="", history=None))
    assert (sound.created, sound.history, sound.settings) == (None, (), nothing)
    assert Config.parse(config(config={"Cmd": "sh"})).settings == {"Cmd": ["sh"]}


def test_chain_ids() -> None:
    """ChainID(1) is DiffID(1); then each is the digest of the one below, a space, and the next."""
    a, b, c = (Digest.of(x) for x in (b"a", b"b", b"c"))
    chain = Config.make(Platform("linux", "amd64"), [a, b, c]).chain_ids
    assert chain[0] == a
    assert chain[1] == Digest.of(f"{a} {b}".encode())
    assert chain[2] == Digest.of(f"{chain[1]} {c}".encode())

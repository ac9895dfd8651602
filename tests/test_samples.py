"""The sample images: sound, as small as said, and still what their recipes give."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from imgkit import samples
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.image import Image, read_document, verify
from imgkit.layer import OPAQUE, WHITEOUT_PREFIX
from imgkit.manifest import Index, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.samples import bake
from imgkit.samples.compose import compose
from imgkit.samples.recipe import Recipe, find, recipes
from imgkit.store import Store

NAMES_IN_THE_SOURCE_DOCUMENTS = [
    "alpine:latest",
    "alpine:3.18",
    "busybox:glibc",
    "gcr.io/google-containers/git-sync:v3.1.5",
    "ghcr.io/regclient/regsync:latest",
    "golftrack:1.5",
    "mcr.microsoft.com/powershell:latest",
    "mongo:4.2.24",
    "mongo:7.0.5",
    "nginx:1.27-alpine",
    "nginx:latest",
    "nigelpoulton/k8sbook:latest",
    "nigelpoulton/tu-demo:latest",
    "nigelpoulton/tu-demo:v1",
    "nigelpoulton/tu-demo:v2",
    "node:latest",
    "portainer/portainer-ce:latest",
    "postgres:16",
    "redis:latest",
    "ubuntu:24.04",
    "ubuntu:latest",
]

LAYERS = {"redis": 8, "node": 5, "ghcr.io/regclient/regsync": 5, "golftrack:1.5": 3, "alpine": 1}

# MB of all files of the real linux/amd64 image, which a stand-in has in kB.
UNPACKED = {
    "alpine": 7.8,
    "ubuntu:24.04": 78.1,
    "redis": 117,
    "nginx": 192,
    "postgres:16": 430,
    "mongo:7.0.5": 745,
}

EMPTY_LAYER = "sha256:4f4fb700ef54461cfa02571ae0db9a0dc1e0cdb5577484a6d75e68dc38e8acc1"


def target(name: str) -> Manifest | Index:
    """What a registry serves under that name."""
    store = samples.store()
    return read_document(store, store.resolve(Reference.parse(name).with_default_tag()))


def label(recipe: Recipe) -> str:
    return f"{recipe.familiar}-{recipe.platform}"


def baked(recipe: Recipe) -> Image:
    store = samples.store()
    return Image.of(store, Reference.parse(recipe.names[0]), recipe.platform)


@pytest.mark.parametrize("recipe", recipes(), ids=label)
def test_recipe_gives_what_is_baked(recipe: Recipe) -> None:
    """DiffIDs, history and settings come out of the recipe to the byte; no digest of gzip does."""
    assert compose(recipe).config.raw == baked(recipe).config.raw


@pytest.mark.parametrize("recipe", recipes(), ids=label)
def test_every_image_is_sound(recipe: Recipe) -> None:
    """Every digest, size, DiffID and tar entry of every image for every platform."""
    assert verify(baked(recipe)) == []


@pytest.mark.parametrize("recipe", recipes(), ids=label)
def test_every_image_says_that_it_is_a_stand_in(recipe: Recipe) -> None:
    """Nobody can take a sample for the image that it is named after."""
    config = baked(recipe).config
    assert "not the real" in config.settings["Labels"]["dev.imgkit.stand-in"]
    assert config.settings["Labels"]["dev.imgkit.scale"] == "1:1000"
    assert config.history[0].comment == "stand-in made by imgkit"


@pytest.mark.parametrize("name", NAMES_IN_THE_SOURCE_DOCUMENTS)
def test_every_name_of_the_source_documents_is_there(name: str) -> None:
    assert target(name)


def test_names_are_in_full_and_complete() -> None:
    """What is listed is what the recipes name."""
    assert samples.names() == sorted({name for recipe in recipes() for name in recipe.names})


def test_every_blob_has_its_digest_and_a_use() -> None:
    """The layout holds what the names need, and not a byte more."""
    store = samples.store()
    used: set[Digest] = set()
    for record in store.records():
        used |= closure(record.descriptor.digest)
    folder = store.home / "blobs" / "sha256"
    found = {f"sha256:{path.name}": path for path in folder.iterdir()}
    assert set(found) == used
    assert all(Digest.of(path.read_bytes()) == digest for digest, path in found.items())
    assert sum(path.stat().st_size for path in found.values()) < 5_000_000


def closure(digest: Digest) -> set[Digest]:
    document = samples.store().document(digest)
    if isinstance(document, Index):
        return {digest}.union(*(closure(child.digest) for child in document.manifests))
    return {digest, *(child.digest for child in document.children)}


@pytest.mark.parametrize(("name", "count"), LAYERS.items())
def test_layers_are_as_many_as_documented(name: str, count: int) -> None:
    assert len(samples.image(name).layers) == count


def test_redis_shares_one_layer_with_portainer() -> None:
    """Eight layers, of which a machine with Portainer pulls seven: the empty one is there."""
    redis = {layer.digest for layer in samples.image("redis").manifest.layers}
    portainer = {layer.digest for layer in samples.image("portainer/portainer-ce").manifest.layers}
    assert len(redis) == 8
    assert redis & portainer == {EMPTY_LAYER}


def test_bases_are_shared() -> None:
    """Images from one base have its layer by the same digest."""
    names = ["debian:bookworm-slim", "redis", "nginx", "postgres:16", "node"]
    assert len({samples.image(name).manifest.layers[0].digest for name in names}) == 1


def test_two_tags_of_one_image_and_one_of_another() -> None:
    one, two, three = (target(f"nigelpoulton/tu-demo:{tag}") for tag in ("latest", "v1", "v2"))
    assert one.digest == two.digest != three.digest


def test_latest_need_not_be_the_newest() -> None:
    """`alpine:edge` was made after `alpine:latest`, which is 3.20."""
    assert target("alpine").digest == target("alpine:3.20").digest
    latest, edge = (samples.image(name).config.created for name in ("alpine", "alpine:edge"))
    assert latest is not None
    assert edge is not None
    assert latest < edge < f"{samples.NOW:%Y-%m-%d}"


def test_alpine_has_six_platforms_each_attested() -> None:
    """Every attestation names the manifest that it is about, and its statements do, too."""
    index = target("alpine")
    assert isinstance(index, Index)
    assert len(index.platforms) == len(set(map(str, index.platforms))) == 6
    images = {str(d.digest) for d in index.manifests if not d.is_attestation}
    notes = [d for d in index.manifests if d.is_attestation]
    assert {d.annotations["vnd.docker.reference.digest"] for d in notes} == images
    for descriptor in notes:
        assert str(descriptor.platform) == "unknown/unknown"
        manifest = samples.store().document(descriptor.digest)
        assert isinstance(manifest, Manifest)
        for layer in manifest.layers:
            assert layer.media_type == "application/vnd.in-toto+json"
            with samples.store().open(layer) as stream:
                subject = json.loads(stream.read())["subject"][0]["digest"]["sha256"]
            assert f"sha256:{subject}" == descriptor.annotations["vnd.docker.reference.digest"]


def test_powershell_is_for_windows_too() -> None:
    """The Windows entry has its version, and layers with Files and Hives."""
    index = target("mcr.microsoft.com/powershell")
    assert isinstance(index, Index)
    assert [str(p) for p in index.platforms] == ["linux/amd64", "windows/amd64"]
    assert index.platforms[1].os_version == "10.0.20348.2849"
    image = samples.image("mcr.microsoft.com/powershell", "windows/amd64")
    tops = {entry.path.partition("/")[0] for entry in image.layers[0].entries}
    assert tops == {"Files", "Hives", "UtilityVM"}


@pytest.mark.parametrize(("name", "size"), UNPACKED.items())
def test_sizes_are_in_proportion(name: str, size: float) -> None:
    """A kB here is a MB in the real image: within a tenth (a quarter for the smallest)."""
    tolerance = 0.25 if size < 10 else 0.1
    assert samples.image(name).unpacked_size / 1000 == pytest.approx(size, rel=tolerance)


@pytest.mark.parametrize("name", ["alpine", "redis", "nginx", "postgres:16"])
def test_compression_is_as_of_real_images(name: str) -> None:
    """Between a third and a half of the unpacked bytes travel."""
    image = samples.image(name)
    assert 2.0 < image.unpacked_size / image.packed_size < 3.2


def test_a_deleted_secret_is_still_there() -> None:
    """One layer brings it, a later one hides it."""
    image = samples.image("demo/leaky:1.0")
    changes = [{entry.path for entry in layer.entries} for layer in image.layers]
    brings = next(n for n, paths in enumerate(changes) if "app/.env" in paths)
    hides = next(n for n, paths in enumerate(changes) if f"app/{WHITEOUT_PREFIX}.env" in paths)
    assert brings < hides
    assert "app/.env" not in image.overlay.paths


def test_there_is_something_of_everything() -> None:
    """Media types of OCI and Docker, three compressions, whiteouts, links, setuid, owners."""
    store = samples.store()
    kinds: Counter[str] = Counter()
    for recipe in recipes():
        image = Image.of(store, Reference.parse(recipe.names[0]), recipe.platform)
        kinds.update(descriptor.media_type for descriptor in image.manifest.layers)
        kinds[image.manifest.media_type] += 1
        for layer in image.layers:
            kinds.update(str(entry.kind) for entry in layer.entries)
            kinds["opaque"] += any(entry.name == OPAQUE for entry in layer.entries)
            kinds["setuid"] += any(entry.mode & 0o4000 for entry in layer.entries)
            kinds["owned"] += any(entry.uid for entry in layer.entries)
    wanted = ["hard link", "symlink", "opaque", "setuid", "owned"]
    wanted += [f"application/vnd.oci.image.layer.v1.tar{end}" for end in ("", "+gzip", "+zstd")]
    wanted += ["application/vnd.docker.image.rootfs.diff.tar.gzip"]
    wanted += ["application/vnd.oci.image.manifest.v1+json"]
    wanted += ["application/vnd.docker.distribution.manifest.v2+json"]
    assert [kind for kind in wanted if not kinds[kind]] == []


def test_a_slim_image_has_no_shell() -> None:
    """Not a shell, not a package manager: the program, its certificates, its user."""
    paths = samples.image("ghcr.io/regclient/regsync").overlay.paths
    assert "regsync" in paths
    assert not [path for path in paths if path.endswith(("/sh", "/bash", "/busybox", "/apk"))]


def test_golftrack_was_built_again() -> None:
    """Another image for the same tag: same base, same Python, another application."""
    old, new = samples.image("golftrack:1.5"), samples.image(samples.REBUILT)
    assert old.digest != new.digest
    assert old.manifest.layers[:2] == new.manifest.layers[:2]
    assert old.manifest.layers[2] != new.manifest.layers[2]


def test_history_has_a_step_for_each_layer() -> None:
    """Steps that are not marked empty are as many as layers, in every image."""
    for recipe in recipes():
        config = compose(recipe).config
        assert len([s for s in config.history if not s.empty_layer]) == len(config.diff_ids)


def test_baking_writes_an_image_layout(tmp_path: Path) -> None:
    """What `python -m imgkit.samples.bake` writes can be read back, and has the same DiffIDs."""
    chosen = [find("golftrack:1.5", Platform("linux", "amd64"))]
    bake.bake(chosen).write(tmp_path / "layout")
    store = Store(tmp_path / "layout", read_only=True)
    image = store.image("golftrack:1.5")
    assert verify(image) == []
    assert image.config.diff_ids == samples.image("golftrack:1.5").config.diff_ids


def test_the_empty_layer_is_that_of_docker() -> None:
    """The 32 bytes that every registry knows as 4f4fb700ef54."""
    assert Digest.of(bake.EMPTY_LAYER) == EMPTY_LAYER


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize(
    "name", ["docker.io/library/redis:latest", "docker.io/library/alpine:3.18"]
)
def test_skopeo_reads_the_layout(name: str) -> None:
    """Another tool finds the same digest of the same name."""
    place = f"oci:{samples.LAYOUT}:{name}"
    line = ["skopeo", "--override-os", "linux", "--override-arch", "amd64", "inspect", place]
    done = subprocess.run(line, capture_output=True, check=True, text=True)
    found = json.loads(done.stdout)
    assert found["Layers"] == [layer.digest for layer in samples.image(name).manifest.layers]
    assert found["Labels"]["dev.imgkit.scale"] == "1:1000"


def test_config_of_redis() -> None:
    """The settings that a lesson shows."""
    config: Config = samples.image("redis").config
    assert config.settings["Entrypoint"] == ["docker-entrypoint.sh"]
    assert config.settings["Cmd"] == ["redis-server"]
    assert config.settings["ExposedPorts"] == {"6379/tcp": {}}
    assert config.settings["Volumes"] == {"/data": {}}
    assert config.settings["WorkingDir"] == "/data"
    assert "REDIS_VERSION=7.4.1" in config.settings["Env"]

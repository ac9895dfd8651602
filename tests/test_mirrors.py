"""One registry in the place of all others; images from registry to registry; all tags at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from images import AMD64, add_image, add_index
from recorder import hurried

from benchmarks.registry import registry
from imgkit import commands, samples
from imgkit.client import Client, Exchange
from imgkit.image import copy, verify
from imgkit.lab import Lab, Pulled, Text
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

HUBS = {
    "team/app": "docker.io",
    "docker.io/team/app": "docker.io",
    "ghcr.io/team/app": "ghcr.io",
    "gcr.io/team/app": "gcr.io",
    "mcr.microsoft.com/team/app": "mcr.microsoft.com",
}


class Bench:
    """Two registries, and a client that hears all that is asked."""

    def __init__(self, tmp_path: Path) -> None:
        self.stores = [Store(tmp_path / name) for name in ("one", "two")]
        self.local = Store(tmp_path / "local")
        self.served = [transport.serve(Registry([store])) for store in self.stores]
        self.asked: list[Exchange] = []
        self.client = Client(patience=hurried(), on_exchange=self.asked.append)

    def name(self, which: int, name: str) -> Reference:
        return Reference.parse(f"{self.served[which].host}/{name}").with_default_tag()

    def blobs(self, method: str) -> list[str]:
        """The paths of the blobs that were asked for, by that method."""
        return [e.url for e in self.asked if e.method == method and "/blobs/" in e.url]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.client.session.close()
    for served in made.served:
        served.close()


@contextmanager
def mirrored(tmp_path: Path) -> Iterator[tuple[Client, list[Exchange], Store]]:
    """A client for which one registry answers for all."""
    asked: list[Exchange] = []
    store = Store(tmp_path / "mirror")
    client = Client(mirror=EMBEDDED, patience=hurried(), on_exchange=asked.append)
    transport.mount(client.session, Registry([store]))
    yield client, asked, store
    client.session.close()


@pytest.mark.parametrize(("text", "meant"), HUBS.items())
def test_a_mirror_is_told_each_time(tmp_path: Path, text: str, meant: str) -> None:
    """Every request about a repository says `ns=`, whatever it asks for (spec: "Proxying")."""
    with mirrored(tmp_path) as (client, asked, store):
        for name, hub in HUBS.items():
            add_image(store, name, [{"of": hub.encode()}])
        reference = Reference.parse(text).with_default_tag()
        repository = client.repository(reference)
        local = Store(tmp_path / "local")
        copy(repository, local, reference, platform=AMD64)
        assert local.image(text).overlay.read("of") == meant.encode()
        assert repository.tags() == ["latest"]
        assert repository.has(local.resolve(reference))
        assert repository.referrers(local.resolve(reference).digest) == []
        add_image(local, f"{text}:mine", [{"mine": b"1"}])
        mine = reference.with_tag("mine")
        copy(local, repository, mine)
        repository.delete(mine)
    about = [e.url for e in asked if urlsplit(e.url).path not in ("/v2/", "/token")]
    assert {e.method for e in asked} == {"GET", "HEAD", "POST", "PUT", "DELETE"}
    assert [url for url in about if parse_qs(urlsplit(url).query).get("ns") != [meant]] == []


def test_a_registry_that_is_asked_itself_is_told_nothing(bench: Bench) -> None:
    """Without a mirror there is no `ns=`."""
    add_image(bench.stores[0], "app")
    bench.client.mirror = EMBEDDED
    copy(bench.client.repository(bench.name(0, "app")), bench.local, bench.name(0, "app"))
    assert [e.url for e in bench.asked if "ns=" in e.url] == []


@pytest.mark.peer("docker-registry")
def test_a_lesson_pulls_live_through_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With IMGKIT_MIRROR, `lab.pull_live` asks that alone; Docker Hub's password stays here."""
    logins = {"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"}}}
    (tmp_path / "config.json").write_text(json.dumps(logins))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    lab = Lab()
    with transport.serve(Registry([samples.store()], auth=False)) as hub:
        cache = f"proxy: {{remoteurl: '{hub.url}'}}\n"
        with registry("docker-registry", tmp_path, cache) as host:
            monkeypatch.setenv("IMGKIT_MIRROR", f"http://{host}")
            pulled = lab.pull_live("redis")
    assert isinstance(pulled, Pulled)
    index = samples.image("redis").index
    assert index
    assert f"Digest: {index.digest}" in pulled.said
    assert {urlsplit(e.url).netloc for e in pulled.requests} == {host}
    assert (
        "/v2/library/redis/manifests/latest?ns=docker.io" in (tmp_path / "registry.log").read_text()
    )
    assert "bWU6c2VjcmV0" not in (tmp_path / "registry.log").read_text()
    assert verify(Store(lab.home.with_name("live")).image("redis")) == []
    assert lab.store.records() == []


def test_a_lesson_says_which_cache_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache does not answer, the cell says so calmly, and names it and not Docker Hub."""
    with transport.serve(Registry([samples.store()])) as gone:
        monkeypatch.setenv("IMGKIT_MIRROR", gone.url)
    said = Lab().pull_live("redis")
    assert isinstance(said, Text)
    assert said.startswith(f"{gone.host} cannot be reached from here, so nothing was pulled live.")


def test_a_lesson_asks_other_registries_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with Docker's `registry-mirrors`, a cache stands for Docker Hub alone."""
    store = Store(tmp_path / "cache")
    add_image(store, "team/app")
    with transport.serve(Registry([store], auth=False)) as cache:
        monkeypatch.setenv("IMGKIT_MIRROR", cache.url)
        lab = Lab()
        assert isinstance(lab.pull_live("team/app"), Pulled)
        asked = len(lab.exchanges)
        said = lab.pull_live("ghcr.io/team/app")
    assert isinstance(said, Text)
    assert said.startswith("ghcr.io cannot be reached from here")
    assert [e.url for e in lab.exchanges[asked:] if cache.host in e.url] == []


def test_a_cache_stands_for_docker_hub_alone(tmp_path: Path) -> None:
    """`--mirror` is asked for `team/app`, not for `ghcr.io/team/app`, which is another image.

    Nor is anything pushed to it: as with Docker, that goes to Docker Hub itself.
    """
    store = Store(tmp_path / "cache")
    add_image(store, "team/app")
    said: list[str] = []
    with transport.serve(Registry([store], auth=False)) as cache:
        bench = commands.Bench.of_user(said.append, said.append)
        words = ["--home", os.fspath(tmp_path / "home"), "--mirror", cache.url, "pull"]
        assert commands.run(bench, [*words, "team/app"]) == 0
        assert commands.run(bench, [*words, "ghcr.io/team/app"]) == 1
        assert "ghcr.io" in said[-1]
        assert commands.run(bench, [*words[:-1], "push", "team/app"]) == 1
        assert "registry-1.docker.io" in said[-1]
    names = [str(record.name) for record in Store(tmp_path / "home").records()]
    assert names
    assert [name for name in names if not name.startswith("docker.io/team/app")] == []


def test_from_registry_to_registry(bench: Bench) -> None:
    """A copy needs no local repository: the same digest is then in the other registry."""
    index = add_index(bench.stores[0], "multi", [AMD64])
    source, target = bench.name(0, "multi"), bench.name(1, "team/copy")
    done = copy(bench.client.repository(source), bench.client.repository(target), target)
    assert done.target.digest == index.digest
    assert bench.client.repository(target).resolve(target).digest == index.digest
    copy(bench.client.repository(target), bench.local, target, platform=AMD64)
    assert verify(bench.local.image(str(target))) == []


def test_within_a_registry(bench: Bench) -> None:
    """From one repository to another of a registry, layers are mounted: no byte of them travels."""
    made = add_image(bench.stores[0], "team/app", [{"a": b"1" * 9999}, {"b": b"2" * 9999}])
    source, target = bench.name(0, "team/app"), bench.name(0, "team/copy")
    repository = bench.client.repository(target)
    repository.siblings = (source.path,)
    config = bench.stores[0].image("team/app").manifest.config
    copy(bench.client.repository(source), repository, target)
    assert repository.resolve(target).digest == made.digest
    assert [url for url in bench.blobs("GET") if config.digest not in url] == []
    assert bench.blobs("PUT") == bench.blobs("PATCH") == []
    assert len(bench.blobs("POST")) == 3


def test_a_stream_from_a_registry_is_rewound(bench: Bench) -> None:
    """A blob that comes from another registry can be sent once more, too."""
    add_image(bench.stores[0], "app")
    layer = bench.stores[0].image("app").manifest.layers[0]
    with bench.client.repository(bench.name(0, "app")).open(layer) as stream:
        assert stream.read(10)
        assert stream.rewind()
        bench.client.repository(bench.name(1, "app")).put(layer, stream)
    assert bench.stores[1].has(layer)
    assert len(bench.blobs("GET")) == 2


def test_all_tags(bench: Bench) -> None:
    """All tags of a repository, whose list comes in pages, one copy each; layers come once."""
    tags = [f"v{n:03}" for n in range(130)]
    made = add_image(bench.stores[0], "app:v000", [{"a": b"1" * 9999}])
    for tag in tags:
        bench.stores[0].name(Reference.parse(f"app:{tag}"), made, None)
    repository = bench.client.repository(bench.name(0, "app"))
    for tag in repository.tags():
        copy(repository, bench.local, bench.name(0, f"app:{tag}"))
    assert len(bench.blobs("GET")) == 2
    assert sorted(str(r.name).rpartition(":")[2] for r in bench.local.records()) == tags

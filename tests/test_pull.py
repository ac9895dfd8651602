"""A pull, over the real protocol, from a real server in a thread or with no socket at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from images import AMD64, add_image, add_index
from recorder import Answers, answering, hurried

from imgkit.client import Client, Exchange
from imgkit.digest import Digest
from imgkit.errors import (
    DigestMismatch,
    ImgkitError,
    InvalidManifest,
    NoMatchingPlatform,
    NotFound,
    RateLimited,
    RegistryError,
    Unauthorized,
    Unreachable,
)
from imgkit.image import COMPLETE, DOWNLOADING, EXISTS, WAITING, Progress, copy, verify
from imgkit.manifest import OCI_MANIFEST
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.pull import Pull
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.server.faults import Fault
from imgkit.store import Store

ARM = Platform("linux", "arm64")
BASE = {"bin/sh": b"#!" * 5000, "etc/os-release": b"ID=test\n"}


class Bench:
    """A registry with images, a client that knows the way to it, and an empty store."""

    def __init__(self, tmp_path: Path, *, auth: bool = True, served: bool = False) -> None:
        self.remote = Store(tmp_path / "remote")
        self.registry = Registry([self.remote], auth=auth)
        self.local = Store(tmp_path / "local")
        self.exchanges: list[Exchange] = []
        self.served = transport.serve(self.registry) if served else None
        self.mirror = self.served.url if self.served else EMBEDDED
        self.pauses: list[float] = []
        patience = hurried(self.pauses)
        self.client = Client(
            mirror=self.mirror, on_exchange=self.exchanges.append, patience=patience
        )
        if not served:
            transport.mount(self.client.session, self.registry)

    def pull(self, name: str, **more: Any) -> Any:
        reference = Reference.parse(name).with_default_tag()
        return copy(self.client.repository(reference), self.local, reference, **more)

    def asked(self) -> list[str]:
        """The paths asked for, without the address and the query."""
        paths = [e.url.removeprefix(self.mirror).partition("?")[0] for e in self.exchanges]
        self.exchanges.clear()
        return paths


@pytest.fixture(params=["socket", "in-process"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, served=request.param == "socket")
    yield made
    made.client.session.close()
    if made.served:
        made.served.close()


def test_a_pull_from_nothing(bench: Bench) -> None:
    """Version check, challenge, token, index, manifest, config, layers: each asked once."""
    index = add_index(bench.remote, "multi", [ARM, AMD64])
    done = bench.pull("multi", platform=AMD64)
    asked = bench.asked()
    manifest = bench.local.image("multi").manifest
    repository = "/v2/library/multi"
    assert asked == [
        "/v2/",
        "/token",
        f"{repository}/manifests/latest",
        f"{repository}/manifests/{done.manifest.digest}",
        *(f"{repository}/blobs/{blob.digest}" for blob in manifest.children),
    ]
    assert done.target.digest == index.digest
    assert verify(bench.local.image("multi")) == []


def test_the_bytes_are_the_registrys(bench: Bench) -> None:
    """What was pulled has the digests that the registry holds: nothing was written anew."""
    made = add_image(bench.remote, "app", [BASE, {"app/main": b"print()"}])
    bench.pull("app")
    assert bench.local.resolve(Reference.parse("app")).digest == made.digest
    for blob in bench.local.image("app").manifest.children:
        assert bench.local.path(blob.digest).read_bytes() == (
            bench.remote.path(blob.digest).read_bytes()
        )


def test_what_is_there_is_not_fetched_again(bench: Bench) -> None:
    """A second pull asks for the manifest only; a shared layer travels once."""
    add_image(bench.remote, "one", [BASE, {"one": b"1"}])
    add_image(bench.remote, "two", [BASE, {"two": b"2"}])
    first = bench.pull("one")
    second = bench.pull("two")
    assert len(first.fetched) == 3
    shared = bench.local.image("one").manifest.layers[0]
    assert second.existing == (shared,)
    bench.asked()
    again = bench.pull("two")
    assert again.fetched == ()
    assert [path for path in bench.asked() if "/blobs/" in path] == []


def test_progress_tells_the_whole_story(bench: Bench) -> None:
    """Each blob waits, comes, and is complete; one that is there already exists."""
    add_image(bench.remote, "one", [BASE])
    add_image(bench.remote, "two", [BASE, {"two": b"2"}])
    bench.pull("one")
    events: list[Progress] = []
    bench.pull("two", on_progress=events.append, jobs=1)
    config, base, top = bench.local.image("two").manifest.children
    kinds = {blob.digest: [e.kind for e in events if e.descriptor == blob] for blob in (base, top)}
    assert kinds[base.digest] == [EXISTS]
    assert kinds[top.digest] == [WAITING, DOWNLOADING, COMPLETE]
    assert [e.done for e in events if e.descriptor == config][-1] == config.size


@pytest.mark.parametrize("jobs", [1, 3])
def test_one_changed_byte_is_refused(bench: Bench, jobs: int) -> None:
    """A blob with another digest is not kept, and the name is not given."""
    made = add_image(bench.remote, "app", [BASE, {"app": b"x" * 100}])
    victim = bench.remote.image("app").manifest.layers[1]
    bench.registry.faults.append(Fault("flip", match=str(victim.digest)))
    with pytest.raises(DigestMismatch) as caught:
        bench.pull("app", jobs=jobs)
    assert caught.value.expected == victim.digest
    assert not bench.local.has(victim)
    assert bench.local.records() == []
    assert list((bench.local.home / "ingest").iterdir()) == []
    done = bench.pull("app")  # the registry tells the truth again
    assert done.manifest.digest == made.digest
    assert verify(bench.local.image("app")) == []


def test_a_cut_off_blob_is_gone_on_with(bench: Bench) -> None:
    """Of a body that ends early only the rest is asked for, and the whole is verified."""
    add_image(bench.remote, "app", [BASE, {"app": b"x"}])
    base, _ = bench.remote.image("app").manifest.layers
    bench.registry.faults.append(Fault("truncate", match=str(base.digest)))
    done = bench.pull("app", jobs=1)
    assert len(done.fetched) == 3
    statuses = [e.status for e in bench.exchanges if base.digest in e.url]
    assert statuses == [200, 206]
    assert verify(bench.local.image("app")) == []


def test_what_was_whole_is_kept(bench: Bench) -> None:
    """When a layer cannot be had, the next pull fetches that one and what came after it alone."""
    add_image(bench.remote, "app", [BASE, {"app": b"x"}])
    base, top = bench.remote.image("app").manifest.layers
    bench.registry.faults.append(Fault("status", match=str(base.digest), times=4))
    with pytest.raises(RegistryError):
        bench.pull("app", jobs=1)
    assert not bench.local.has(base)
    done = bench.pull("app")
    assert {blob.digest for blob in done.fetched} == {base.digest, top.digest}


def test_a_manifest_with_another_digest_is_refused(bench: Bench) -> None:
    """The platform's manifest must be the one that the index names."""
    add_index(bench.remote, "multi", [AMD64])
    digest = bench.remote.image("multi").descriptor.digest
    listed = bench.remote.document(digest)
    victim = listed.manifests[0].digest  # type: ignore[union-attr]
    bench.registry.faults.append(Fault("flip", match=str(victim)))
    with pytest.raises(DigestMismatch):
        bench.pull("multi", platform=AMD64)
    assert bench.local.records() == []


def test_pulling_by_digest(bench: Bench) -> None:
    """A digest names one manifest for ever; a registry that sends another is refused."""
    made = add_image(bench.remote, "app")
    bench.pull(f"app@{made.digest}")
    assert bench.local.image(f"app@{made.digest}").digest == made.digest
    other = Digest.of(b"another")
    with pytest.raises(NotFound, match=other):
        bench.pull(f"app@{other}")
    bench.registry.faults.append(Fault("flip", match="manifests"))
    with pytest.raises(DigestMismatch):
        bench.pull(f"app@{made.digest}")


def test_a_platform_that_is_not_there(bench: Bench) -> None:
    """The error says which platforms there are; nothing was fetched."""
    add_index(bench.remote, "multi", [ARM])
    with pytest.raises(NoMatchingPlatform, match="linux/arm64"):
        bench.pull("multi", platform=Platform("linux", "s390x"))
    assert not [path for path in bench.asked() if "/blobs/" in path]


@pytest.mark.parametrize("name", ["nothing", "app:nothing", "app@sha256:" + "0" * 64])
def test_an_unknown_name(bench: Bench, name: str) -> None:
    """What the registry does not have is said with the registry's name and the tag."""
    add_image(bench.remote, "app")
    with pytest.raises(NotFound, match=r"docker\.io"):
        bench.pull(name)


@pytest.mark.parametrize(
    ("status", "error"), [(429, RateLimited), (500, RegistryError), (403, Unauthorized)]
)
def test_what_a_registry_says_no_to(bench: Bench, status: int, error: type[RegistryError]) -> None:
    """The status becomes an error of that kind, which keeps the facts."""
    add_image(bench.remote, "app")
    bench.registry.faults.append(Fault("status", match="manifests", status=status, times=9))
    with pytest.raises(error) as caught:
        bench.pull("app")
    assert caught.value.status == status


def test_a_token_that_has_died_is_replaced(tmp_path: Path) -> None:
    """A 401 in the middle leads to one new token, not to an error."""
    bench = Bench(tmp_path)
    add_image(bench.remote, "app")
    repository = bench.client.repository(Reference.parse("app"))
    found = repository.resolve(Reference.parse("app"))
    assert bench.asked().count("/token") == 1
    bench.registry.faults.append(Fault("expired", match="/manifests/"))
    repository._documents.clear()
    with repository.open(found) as stream:
        stream.read()
    assert bench.asked().count("/token") == 1


def test_no_authentication_is_fine_too(tmp_path: Path) -> None:
    """A registry that asks for nothing is given nothing."""
    bench = Bench(tmp_path, auth=False)
    add_image(bench.remote, "app")
    bench.pull("app")
    assert "/token" not in bench.asked()


def test_a_mirror_is_told_which_registry_was_meant(bench: Bench) -> None:
    """The same path under two registries is two repositories."""
    add_image(bench.remote, "team/app", [{"from": b"hub"}])
    add_image(bench.remote, "ghcr.io/team/app", [{"from": b"ghcr"}])
    bench.pull("team/app")
    bench.pull("ghcr.io/team/app")
    assert bench.local.image("team/app").overlay.read("from") == b"hub"
    assert bench.local.image("ghcr.io/team/app").overlay.read("from") == b"ghcr"


def test_a_registry_with_a_port_is_asked_itself(tmp_path: Path) -> None:
    """`127.0.0.1:PORT/app` goes to that port, whatever the mirror."""
    bench = Bench(tmp_path)
    add_image(bench.remote, "app")
    with transport.serve(bench.registry) as served:
        bench.pull(f"{served.host}/app")
        assert bench.exchanges[0].url == f"{served.url}/v2/"
    assert verify(bench.local.image(f"{served.host}/app")) == []
    bench.client.session.close()


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("redis", "https://registry-1.docker.io"),
        ("ghcr.io/a/b", "https://ghcr.io"),
        ("example.com:5000/a", "https://example.com:5000"),
        ("localhost/a", "http://localhost"),
        ("127.0.0.1:5000/a", "http://127.0.0.1:5000"),
        ("[::1]:5000/a", "http://[::1]:5000"),
    ],
)
def test_only_this_machine_is_asked_over_http(name: str, base: str) -> None:
    """Every registry is asked over https, but for those on the loopback addresses."""
    assert Client().repository(Reference.parse(name)).base == base


def test_another_machine_is_asked_over_http_by_name_only() -> None:
    """Whoever wants http to another machine names that registry, with its port."""
    client = Client(plain=["box.example:5000"])
    for name, base in (
        ("box.example:5000/a", "http://box.example:5000"),
        ("box.example/a", "https://box.example"),
        ("box.example:5001/a", "https://box.example:5001"),
    ):
        assert client.repository(Reference.parse(name)).base == base


WEATHER: list[tuple[Fault, type[ImgkitError] | None]] = [
    (Fault("drop", "/blobs/"), None),
    (Fault("drop", "/blobs/", at=0), None),
    (Fault("drop", "/blobs/", at=0, times=3), None),
    (Fault("drop", "/blobs/", at=0, times=40), Unreachable),
    (Fault("drop", "/manifests/latest"), None),
    (Fault("truncate", "/blobs/", times=2), None),
    (Fault("truncate", "/manifests/latest"), None),
    (Fault("digest", "/manifests/latest"), None),
    (Fault("slow", "/blobs/", rate=1 << 20), None),
    (Fault("stall", "/blobs/", seconds=0.05), None),
    (Fault("status", "/blobs/", status=503, times=3), None),
    (Fault("status", "/blobs/", status=429, times=3), None),
    (Fault("status", "/blobs/", status=429, retry_after=None), None),
    (Fault("status", "/blobs/", status=429, retry_after="600"), RateLimited),
    (Fault("status", "/token", status=503), None),
    (Fault("expired", "/blobs/", times=2), None),
    (Fault("redirect", "/blobs/", times=3), None),
    (Fault("redirect", "/blobs/", to="https://10.0.0.1/x"), RegistryError),
    (Fault("redirect", "/manifests/latest"), None),
]


@pytest.mark.parametrize(("fault", "error"), WEATHER)
def test_every_fault_of_the_registry(
    bench: Bench, fault: Fault, error: type[ImgkitError] | None
) -> None:
    """What passes is survived, what stays is an error; the repository is sound either way."""
    add_image(bench.remote, "app", [BASE, {"app": b"x" * 100}])
    bench.registry.faults.append(fault)
    if error is None:
        bench.pull("app")
    else:
        with pytest.raises(error):
            bench.pull("app")
        assert bench.local.records() == []
        bench.registry.faults.clear()
        bench.pull("app")
    assert verify(bench.local.image("app")) == []


def test_nobody_there(tmp_path: Path) -> None:
    """A port where nothing listens is one sentence with the address in it."""
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1"):
        Bench(tmp_path).pull("127.0.0.1:1/app")


def test_not_an_image(bench: Bench) -> None:
    """A chart or a signature, stored like an image, is refused by name of its type."""
    remote = bench.remote
    config = remote.put_bytes(b"{}", "application/vnd.cncf.helm.config.v1+json")
    raw = add_raw_manifest(config.to_json(), [])
    remote.name(Reference.parse("chart"), remote.put_bytes(raw, OCI_MANIFEST), None)
    with pytest.raises(InvalidManifest, match="helm"):
        bench.pull("chart")


def add_raw_manifest(config: Any, layers: list[Any]) -> bytes:
    import json

    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    return json.dumps(document).encode()


def test_two_layers_that_are_the_same_blob(bench: Bench) -> None:
    """A layer that occurs twice travels once, and stands twice in the stack."""
    add_image(bench.remote, "twice", [{"a": b"1"}, {"b": b"2"}, {"a": b"1"}])
    done = bench.pull("twice")
    assert len(done.fetched) == 3
    assert len(bench.local.image("twice").layers) == 3


# -- servers that are not registries, or evil ones --------------------------------------------


OK: Answers = {"/v2/": (200, {}, b"{}")}


def ask(host: str, tmp_path: Path, target: str = ":tag") -> None:
    reference = Reference.parse(f"{host}/app{target}")
    client = Client(patience=hurried())
    try:
        copy(client.repository(reference), Store(tmp_path / "store"), reference)
    finally:
        client.session.close()


def manifest_answer(body: bytes, kind: str = OCI_MANIFEST, **headers: str) -> Answers:
    return OK | {"/v2/app/manifests/tag": (200, {"Content-Type": kind, **headers}, body)}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "not as a registry"),
        ({"/v2/": (500, {}, b"oops")}, "500"),
        ({"/v2/": (401, {"WWW-Authenticate": 'Bearer realm="x'}, b"")}, "cannot be read"),
        ({"/v2/": (401, {"WWW-Authenticate": 'Bearer realm="file:///x"'}, b"")}, "not asked"),
        (
            {"/v2/": (401, {"WWW-Authenticate": 'Bearer realm="https://10.0.0.1/t"'}, b"")},
            "private network",
        ),
        (
            {
                "/v2/": (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""),
                "/v2/app/manifests/tag": (401, {"WWW-Authenticate": 'Basic realm="x"'}, b""),
            },
            "does not let us",
        ),
        (manifest_answer(b"<html>"), "not JSON"),
        (manifest_answer(b"{}" + b" " * (5 << 20)), "more than"),
        (manifest_answer(b"{}", "text/html"), "text/html|schemaVersion"),
        (manifest_answer(b"{}", **{"Content-Encoding": "gzip"}), "encoded"),
        (
            OK | {"/v2/app/manifests/tag": (302, {"Location": "/v2/app/manifests/tag"}, b"")},
            "times",
        ),
        (OK | {"/v2/app/manifests/tag": (302, {"Location": "http://1.2.3.4/"}, b"")}, "not asked"),
        (OK | {"/v2/app/manifests/tag": (307, {"Location": "ftp://x/"}, b"")}, "not asked"),
        (OK | {"/v2/app/manifests/tag": (404, {}, b'{"errors": 5}')}, "no 'tag'"),
        (
            OK | {"/v2/app/manifests/tag": (403, {}, b'{"errors":[{"message":"\x1b[31mred"}]}')},
            "403",
        ),
    ],
)
def test_strange_answers(tmp_path: Path, answers: Answers, words: str) -> None:
    """Whatever a server answers, the error is one of ours and says what came."""
    with answering(answers) as server:
        with pytest.raises(ImgkitError, match=words) as caught:
            ask(server.host, tmp_path)
        assert "\x1b" not in str(caught.value)
        assert not (tmp_path / "store" / "ingest").exists() or not list(
            (tmp_path / "store" / "ingest").iterdir()
        )


def test_a_token_goes_to_its_own_origin_only(tmp_path: Path) -> None:
    """Sent on to another host, the client leaves its token at home."""
    with answering({}) as evil, answering({}) as server:
        challenge = f'Bearer realm="http://{server.host}/token",service="s"'
        elsewhere = f"http://{evil.host}/blob"
        server.answers |= {
            "/v2/": (401, {"WWW-Authenticate": challenge}, b""),
            "/token": (200, {}, b'{"token": "secret"}'),
            "/v2/app/manifests/tag": (307, {"Location": elsewhere}, b""),
        }
        with pytest.raises(ImgkitError):
            ask(server.host, tmp_path)
        asked = [r.headers for r in server.received if "/manifests/" in r.path]
        assert asked[0]["Authorization"] == "Bearer secret"
        assert evil.received
        assert all("secret" not in str(request) for request in evil.received)


def test_a_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests would add by itself from ~/.netrc is not sent."""
    with answering(OK) as server:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        with pytest.raises(NotFound):
            ask(server.host, tmp_path)
        assert all("Authorization" not in r.headers for r in server.received)
        assert all(r.headers["Accept-Encoding"] == "identity" for r in server.received)


# -- a pull that is watched -------------------------------------------------------------------


def test_waits_and_faults_are_told(bench: Bench) -> None:
    """Whoever watches hears each second of a pause, and reads what was wrong on purpose."""
    add_image(bench.remote, "app", [BASE])
    layer = bench.remote.image("app").manifest.layers[0]
    bench.registry.faults += [
        Fault("status", layer.digest, status=429, retry_after="2"),
        Fault("drop", layer.digest, at=40),
    ]
    pull = Pull(bench.client, bench.local, bench.registry, Platform("linux", "amd64"))
    heard: list[str] = []
    pull.on_change = lambda: heard.append(pull.waiting)
    pull.run("app")
    assert pull.copied
    waits = [waiting for waiting in dict.fromkeys(heard) if waiting]
    host = urlsplit(bench.mirror).hostname
    assert waits == [
        f"Waiting 2 seconds: {host} asks us to wait (429)",
        f"Waiting 1 second: {host} asks us to wait (429)",
        f"Waiting 1 second: docker.io broke off after 40 of {layer.size} bytes",
    ]
    assert pull.waiting == ""
    asked = f"GET …/blobs/sha256:{layer.digest.short}"
    assert [answer for request, answer in pull.said() if request == asked] == [
        "429: asked too often, come back later (fault: status)",
        f"200: layer 1, {layer.size}B (fault: drop)",
        f"206: the rest of layer 1, {layer.size - 40}B",
    ]
    assert bench.client.on_wait(1, "nobody listens any more") is None

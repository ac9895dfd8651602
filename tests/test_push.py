"""A push, to the embedded registry and to the CNCF one; what refers to an image; deletes."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from images import AMD64, add_image, add_index
from recorder import Answer, Answers, Request, answering, hurried

from imgkit import commands
from imgkit.client import Client, Exchange, Repository
from imgkit.client.credentials import Credentials, Login
from imgkit.digest import Digest
from imgkit.errors import DigestMismatch, ImgkitError, NotFound, RegistryError, Unauthorized
from imgkit.image import copy, verify
from imgkit.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from imgkit.place import EMBEDDED
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

ARM = Platform("linux", "arm64")
BIG = {"big": bytes(range(256)) * 1000}
LOGIN = Login("me", "hunter2")


class Bench:
    """A local repository with images, and a registry to push them to."""

    def __init__(self, tmp_path: Path, host: str) -> None:
        self.host = host
        self.tmp_path = tmp_path
        self.local = Store(tmp_path / "local")
        self.exchanges: list[Exchange] = []
        self.client = Client(patience=hurried(), on_exchange=self.exchanges.append)

    def name(self, name: str) -> Reference:
        return Reference.parse(
            f"{self.host}/{self.tmp_path.name.lower()}/{name}"
        ).with_default_tag()

    def repository(self, name: str) -> Repository:
        return self.client.repository(self.name(name))

    def push(self, name: str, local: str | None = None, **more: Any) -> Any:
        """Push a local image under the name that it has here."""
        source = self.local.image(local or name)
        named = self.name(name)
        self.local.name(named, source.descriptor, source.index)
        return copy(self.local, self.repository(name), named, **more)

    def pull(self, name: str, **more: Any) -> Store:
        store = Store(self.tmp_path / f"pulled-{len(list(self.tmp_path.iterdir()))}")
        copy(self.repository(name), store, self.name(name), **more)
        assert verify(store.image(str(self.name(name)))) == []
        return store

    def methods(self) -> list[str]:
        found = [exchange.method for exchange in self.exchanges]
        self.exchanges.clear()
        return found


@pytest.fixture(params=["embedded", "docker-registry"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    served = None
    registry = Registry([Store(tmp_path / "remote")], auth=True)
    if request.param == "embedded":
        served = transport.serve(registry)
        host = served.host
    else:
        host = request.getfixturevalue("docker_registry")
    made = Bench(tmp_path, host)
    yield made
    made.client.session.close()
    if served:
        served.close()
    registry.close()  # a push that was broken off has left an upload going on


def test_there_and_back(bench: Bench) -> None:
    """What was pushed is pulled with the same digests."""
    made = add_image(bench.local, "app", [BIG, {"etc/motd": b"hello"}])
    bench.push("app")
    assert bench.repository("app").tags() == ["latest"]
    back = bench.pull("app")
    assert back.image(str(bench.name("app"))).digest == made.digest


def test_one_request_for_the_manifest(bench: Bench) -> None:
    """As from Docker: a HEAD for each blob, a POST and a PUT for each, one PUT of the manifest."""
    add_image(bench.local, "app", [BIG, {"small": b"1"}])
    bench.push("app", jobs=1)
    path = f"/v2/{bench.name('app').path}/"
    asked = [e for e in bench.exchanges if e.status < 400 or e.status == 404]
    about = [(e.method, urlsplit(e.url).path) for e in asked if path in e.url]
    assert [method for method, _ in about] == ["HEAD"] * 3 + ["POST", "PUT"] * 3 + ["PUT"]
    assert about[-1] == ("PUT", f"{path}manifests/latest")


def test_by_digest_or_by_tag(bench: Bench) -> None:
    """A name by digest needs no tag; a tag that was moved meanwhile is moved back."""
    made = add_image(bench.local, "app")
    other = add_image(bench.local, "other", [{"other": b"1"}])
    repository, named = bench.repository("app"), bench.name("app")
    bench.local.name(named, made, None)
    copy(bench.local, repository, Reference(named.domain, named.path).with_digest(made.digest))
    assert repository.has(made)
    with pytest.raises(NotFound):
        repository.resolve(named)
    copy(bench.local, repository, named)
    bench.local.name(named, other, None)
    copy(bench.local, bench.repository("app"), named)
    repository.name(named, made, None)
    assert bench.repository("app").resolve(named).digest == made.digest


def test_in_pieces(bench: Bench) -> None:
    """A blob may go in pieces, each after the other; the digest is of the whole."""
    add_image(bench.local, "app", [{"big": Digest.of(b"").encode() * 2000}, {"small": b"1"}])
    layer = bench.local.image("app").manifest.layers[0]
    bench.client.piece = layer.size // 3
    bench.push("app")
    assert bench.methods().count("PATCH") >= 4
    bench.pull("app")


def test_what_is_there_is_not_sent_again(bench: Bench) -> None:
    """A second push asks whether the blobs are there, and sends the manifest only."""
    add_image(bench.local, "app", [BIG])
    bench.push("app")
    bench.exchanges.clear()
    done = bench.push("app")
    assert done.fetched == ()
    assert "POST" not in bench.methods()


def test_a_blob_is_mounted(bench: Bench) -> None:
    """A layer that a sibling has does not travel; one that none has does."""
    add_image(bench.local, "base", [BIG])
    add_image(bench.local, "app", [BIG, {"app": b"1"}])
    bench.push("base")
    target = bench.repository("app")
    target.siblings = (bench.name("base").path,)
    bench.exchanges.clear()
    source = bench.local.image("app")
    bench.local.name(bench.name("app"), source.descriptor, None)
    copy(bench.local, target, bench.name("app"), jobs=1)
    posts = [e for e in bench.exchanges if e.method == "POST"]
    assert [e.status for e in posts] == [202, 201, 202]  # config, the shared layer, the other
    bench.pull("app")


def test_one_repository_is_asked_for_each_layer(tmp_path: Path) -> None:
    """Of ten that have it the last, and a token is asked for with its name, not with all names."""
    seen: list[Exchange] = []
    client = Client(patience=hurried(), on_exchange=seen.append)
    here = commands.Bench(tmp_path / "home", lambda: client, say=lambda line: None)
    registry = Registry([Store(tmp_path / "there")])
    with closing(registry), transport.serve(registry) as served:
        for number in range(10):
            seen.clear()
            name = f"{served.host}/team/app-{number}:v1"
            add_image(here.store, name, [BIG, {"app": b"%d" % number}])
            assert commands.run(here, ["push", "-q", name]) == 0
    tokens = [exchange.url for exchange in seen if "/token" in exchange.url]
    assert {url.count("scope=") for url in tokens} == {1, 2}
    mounts = [e.status for e in seen if "mount=" in e.url and e.url.endswith("from=team%2Fapp-8")]
    assert mounts.count(201) == 1
    assert len(mounts) == len([e for e in seen if "mount=" in e.url]) == 3


def test_an_index_that_is_whole(bench: Bench) -> None:
    """With all its images there, the name is of the index."""
    index = add_index(bench.local, "multi", [AMD64])
    named = bench.name("multi")
    bench.local.name(named, index, None)
    done = copy(bench.local, bench.repository("multi"), named, platform=AMD64)
    assert done.target.digest == index.digest
    assert bench.repository("multi").resolve(named).digest == index.digest


def test_an_index_that_is_not_whole(bench: Bench) -> None:
    """With one of its images missing, the name is of the image that was pushed."""
    index = add_index(bench.local, "multi", [ARM, AMD64])
    named = bench.name("multi")
    bench.local.name(named, index, None)
    done = copy(bench.local, bench.repository("multi"), named, platform=AMD64)
    assert bench.repository("multi").resolve(named).digest == done.manifest.digest
    bench.pull("multi")


def test_a_tag_and_a_manifest_are_deleted(bench: Bench) -> None:
    """Afterwards the name, or the manifest itself, is not found."""
    made = add_image(bench.local, "app")
    bench.push("app")
    repository, named = bench.repository("app"), bench.name("app")
    repository.delete(named.with_digest(made.digest))
    with pytest.raises(NotFound):
        bench.repository("app").resolve(named)
    with pytest.raises(NotFound):
        repository.delete(named.with_digest(made.digest))


def test_what_the_registry_has(bench: Bench) -> None:
    """Asked by digest and size; a blob is no manifest."""
    made = add_image(bench.local, "app")
    bench.push("app")
    repository = bench.repository("app")
    (layer,) = bench.local.image("app").manifest.layers
    assert repository.has(made)
    assert repository.has(layer)
    assert not repository.has(Descriptor.of(b"other", OCI_LAYER))
    assert not repository.has(Descriptor.of(b"other", OCI_MANIFEST))


def test_bytes_that_changed_on_the_disk(bench: Bench) -> None:
    """A local blob that is damaged is not pushed."""
    add_image(bench.local, "app", [BIG])
    (layer,) = bench.local.image("app").manifest.layers
    raw = bytearray(bench.local.path(layer.digest).read_bytes())
    raw[len(raw) // 2] ^= 1
    bench.local.path(layer.digest).write_bytes(raw)
    with pytest.raises((DigestMismatch, RegistryError)):
        bench.push("app")
    assert not bench.repository("app").has(layer)


def test_a_signature_refers_to_an_image(bench: Bench) -> None:
    """What refers to an image is listed; for an older registry, from the tag of the fallback."""
    made = add_image(bench.local, "app")
    bench.push("app")
    repository, named = bench.repository("app"), bench.name("app")
    empty = Descriptor.of(b"{}", OCI_CONFIG)
    note = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/x.note",
        "config": empty.to_json(),
        "layers": [],
        "subject": made.to_json(),
    }
    raw = json.dumps(note).encode()
    repository.put(empty, io.BytesIO(b"{}"))
    repository.put(Descriptor.of(raw, OCI_MANIFEST), io.BytesIO(raw))
    if bench.repository("app").referrers(made.digest) == []:  # an older registry
        entry = Descriptor.of(raw, OCI_MANIFEST).to_json() | {"artifactType": "application/x.note"}
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
        older = json.dumps(index).encode()
        listed = Descriptor.of(older, OCI_INDEX)
        repository.put(listed, io.BytesIO(older))
        tag = str(made.digest).replace(":", "-")
        repository.name(named.with_tag(tag), listed, None)
    found = repository.referrers(made.digest)
    assert [d.digest for d in found] == [Digest.of(raw)]
    assert repository.referrers(made.digest, "application/x.note") == found
    assert repository.referrers(made.digest, "application/x.other") == []
    assert repository.referrers(Digest.of(b"nothing")) == []


# -- registries that lead astray --------------------------------------------------------------

UPLOADS = "/v2/app/blobs/uploads/"
BLOB = Descriptor.of(b"data", OCI_LAYER)


def sent(answers: Answers, login: Login | None = LOGIN, piece: int | None = None) -> Any:
    """The error, if any; what the registry was asked; what the evil host was told."""
    with answering({}) as server, answering({}) as evil:

        def gate(found: Answer) -> Any:
            def answer(request: Request) -> Answer:
                if login and request.headers.get("Authorization") != login.basic:
                    return 401, {"WWW-Authenticate": "Basic realm=x"}, b""
                swapped = {k: v.replace("EVIL", evil.url) for k, v in found[1].items()}
                return found[0], swapped, found[2]

            return answer

        table: dict[str, Any] = {"/v2/": (200, {}, b""), **answers}
        server.answers |= {path: gate(found) for path, found in table.items()}
        evil.answers["/up"] = (201, {}, b"")
        credentials = Credentials({server.host: login} if login else {})
        client = Client(credentials=credentials, patience=hurried(), piece=piece)
        error: ImgkitError | None = None
        try:
            client.repository(Reference.parse(f"{server.host}/app")).put(BLOB, io.BytesIO(b"data"))
        except ImgkitError as caught:
            error = caught
        finally:
            client.session.close()
        return error, server.received, evil.received


def test_an_upload_elsewhere_gets_no_login() -> None:
    """A registry may have us upload to another host: that one gets the bytes, and nothing else."""
    error, asked, evil = sent({UPLOADS: (202, {"Location": "EVIL/up?x=1"}, b"")})
    assert error is None
    assert asked[-1].headers["Authorization"] == LOGIN.basic
    assert [(r.method, r.path, r.body) for r in evil] == [
        ("PUT", f"/up?x=1&digest={BLOB.digest}", b"data")
    ]
    assert "Authorization" not in evil[0].headers


ASTRAY: list[tuple[Answers, int | None, type[ImgkitError], str]] = [
    ({UPLOADS: (202, {"Location": "https://10.0.0.1/up"}, b"")}, None, RegistryError, "private"),
    ({UPLOADS: (202, {"Location": "http://example.com/"}, b"")}, None, RegistryError, "another"),
    ({UPLOADS: (202, {"Location": "file:///x"}, b"")}, None, RegistryError, "only http"),
    ({UPLOADS: (202, {}, b"")}, None, RegistryError, "does not say where"),
    ({UPLOADS: (307, {"Location": "EVIL/up"}, b"")}, None, RegistryError, "307"),
    ({UPLOADS: (403, {}, b"")}, None, Unauthorized, "write"),
    ({UPLOADS: (404, {}, b"")}, None, NotFound, "upload"),
    (
        {UPLOADS: (202, {"Location": "/up"}, b""), "/up": (307, {"Location": "EVIL/up"}, b"")},
        None,
        RegistryError,
        "307",
    ),
    (
        {
            UPLOADS: (202, {"Location": "/up"}, b""),
            "/up": (202, {"Location": "/up", "Range": "0-0"}, b""),
        },
        2,
        RegistryError,
        "says that it has",
    ),
]


@pytest.mark.parametrize(("answers", "piece", "error", "words"), ASTRAY)
def test_an_upload_led_astray(
    answers: Answers, piece: int | None, error: type[ImgkitError], words: str
) -> None:
    """An upload goes only where a registry may send it, and no login goes with it."""
    found, _, evil = sent(answers, piece=piece)
    assert isinstance(found, error)
    assert words in str(found)
    assert evil == []


# -- pushes that break off --------------------------------------------------------------------

HALF = 100_000
Spoil = tuple[str, str, Any]
"""A method, a part of a path, and what goes wrong: a status, or an answer that gets lost."""


class Stormy:
    """A registry that is spoilt: each spoil once, in their order."""

    def __init__(self, app: Any, spoils: list[Spoil]) -> None:
        self.app = app
        self.spoils = list(spoils)
        self.came: list[tuple[str, int]] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.came.append((method, int(environ.get("CONTENT_LENGTH") or 0)))
        due = self.spoils and self.spoils[0][0] == method and self.spoils[0][1] in path
        spoil = self.spoils.pop(0)[2] if due else None
        if isinstance(spoil, int):
            environ["wsgi.input"].read()
            start_response(f"{spoil} SPOILT", [("Content-Length", "0")])
            return []
        if spoil == "half":  # as registries do that keep what came
            body = environ["wsgi.input"].read(HALF)
            environ |= {"REQUEST_METHOD": "PATCH", "CONTENT_LENGTH": str(HALF)}
            environ |= {"wsgi.input": io.BytesIO(body)}
            environ.pop("HTTP_CONTENT_RANGE", None)
        if spoil in ("half", "lost", "forgotten"):
            list(self.app(environ, lambda *_: None))
            if spoil == "forgotten":
                self.app.close()
            raise ConnectionResetError("lost")
        return self.app(environ, start_response)

    def sent(self, *methods: str) -> list[tuple[str, int]]:
        return [(method, size) for method, size in self.came if method in methods]


UPLOAD = "/blobs/uploads/"
STORMS: dict[str, tuple[int | None, list[Spoil], list[tuple[str, Any]]]] = {
    "fair": (None, [], [("PUT", 1)]),
    "no upload at first": (None, [("POST", UPLOAD, 503)], [("PUT", 1)]),
    "the POST is lost": (None, [("POST", UPLOAD, "lost")], [("PUT", 1)]),
    "the PUT is refused": (None, [("PUT", UPLOAD, 502)], [("PUT", 1), ("PUT", 1)]),
    "the PUT is lost": (None, [("PUT", UPLOAD, "lost")], [("PUT", 1)]),
    "half of it comes": (
        None,
        [("PUT", UPLOAD, "half")],
        [("PUT", 1), ("PATCH", -HALF), ("PUT", 0)],
    ),
    "half, then it is forgotten": (
        None,
        [("PUT", UPLOAD, "half"), ("GET", UPLOAD, 404)],
        [("PUT", 1), ("PUT", 1)],
    ),
    "a piece is refused": (
        200_000,
        [("PATCH", UPLOAD, 503)],
        [("PATCH", 200_000), ("PATCH", 200_000), ("PATCH", -200_000), ("PUT", 0)],
    ),
    "half a piece comes": (
        200_000,
        [("PATCH", UPLOAD, "half")],
        [("PATCH", 200_000), ("PATCH", 200_000), ("PUT", 0)],
    ),
    "a piece comes, its answer is lost": (
        200_000,
        [("PATCH", UPLOAD, "lost")],
        [("PATCH", 200_000), ("PATCH", -200_000), ("PUT", 0)],
    ),
    "all pieces come, the end is refused": (
        200_000,
        [("PUT", UPLOAD, 500)],
        [("PATCH", 200_000), ("PATCH", -200_000), ("PUT", 0), ("PUT", 0)],
    ),
    "the token dies on the way": (None, [("PUT", UPLOAD, 401)], [("PUT", 1), ("PUT", 1)]),
}


@pytest.mark.parametrize(("piece", "spoils", "sent"), STORMS.values(), ids=STORMS)
def test_a_push_in_a_storm(
    tmp_path: Path, piece: int | None, spoils: list[Spoil], sent: list[tuple[str, Any]]
) -> None:
    """A blob that breaks off is gone on with where the registry has it; nothing is sent twice."""
    data = random.Random(4).randbytes(300_000)
    blob = Descriptor.of(data, OCI_LAYER)
    local = Store(tmp_path / "local")
    local.put_bytes(data, OCI_LAYER)
    remote = Store(tmp_path / "remote")
    stormy = Stormy(Registry([remote]), spoils)
    client = Client(mirror=EMBEDDED, patience=hurried(), piece=piece)
    transport.mount(client.session, stormy)
    with local.open(blob) as stream:
        client.repository(Reference.parse("team/app")).put(blob, stream)
    client.session.close()
    stormy.app.close()
    assert stormy.spoils == []
    assert remote.path(blob.digest).read_bytes() == data
    lengths = {1: len(data), 0: 0}
    expected = [(m, lengths.get(n, n if n > 0 else len(data) + n)) for m, n in sent]
    assert stormy.sent("PATCH", "PUT") == expected


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504, 522])
def test_a_manifest_is_pushed_again(tmp_path: Path, status: int) -> None:
    """A manifest may come twice: it is the same."""
    local, remote = Store(tmp_path / "local"), Store(tmp_path / "remote")
    made = add_image(local, "app")
    stormy = Stormy(Registry([remote]), [("PUT", "/manifests/", status)])
    client = Client(mirror=EMBEDDED, patience=hurried())
    transport.mount(client.session, stormy)
    named = Reference.parse("app:latest")
    copy(local, client.repository(named), named)
    client.session.close()
    assert remote.resolve(named).digest == made.digest


@pytest.mark.parametrize(
    ("spoils", "error", "tries"),
    [
        ([("PUT", UPLOAD, 503)] * 9, RegistryError, 4),
        ([("PUT", UPLOAD, 400)], RegistryError, 1),
        ([("PUT", UPLOAD, 413)], RegistryError, 1),
        ([("PUT", UPLOAD, 403)], Unauthorized, 1),
        ([("PUT", UPLOAD, 401)] * 9, Unauthorized, 2),
    ],
)
def test_a_push_is_given_up(
    tmp_path: Path, spoils: list[Spoil], error: type[ImgkitError], tries: int
) -> None:
    """What does not pass is raised: at once, or after all tries."""
    stormy = Stormy(Registry([Store(tmp_path)]), spoils)
    client = Client(mirror=EMBEDDED, patience=hurried())
    transport.mount(client.session, stormy)
    with pytest.raises(error):
        client.repository(Reference.parse("app")).put(BLOB, io.BytesIO(b"data"))
    client.session.close()
    stormy.app.close()
    assert len(stormy.sent("PUT")) == tries


@pytest.mark.parametrize("basic", [True, False])
def test_only_who_may_write_does(tmp_path: Path, basic: bool) -> None:
    """With users, by token or by password: no login, or a wrong one, is refused."""
    local = Store(tmp_path / "local")
    add_image(local, "app")
    registry = Registry([Store(tmp_path / "remote")], users={"me": "hunter2"}, basic=basic)
    with transport.serve(registry) as served:
        name = Reference.parse(f"{served.host}/team/app:latest")
        local.name(name, local.image("app").descriptor, None)
        for login, right in ((None, False), (Login("me", "wrong"), False), (LOGIN, True)):
            credentials = Credentials({served.host: login} if login else {})
            client = Client(credentials=credentials, patience=hurried())
            if right:
                copy(local, client.repository(name), name)
                assert client.repository(name).tags() == ["latest"]
            else:
                with pytest.raises(Unauthorized) as caught:
                    copy(local, client.repository(name), name)
                assert "wrong" not in str(caught.value)
            client.session.close()

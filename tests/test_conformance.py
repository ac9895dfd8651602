"""What the official conformance suite of the distribution-spec asks, asked of our registry.

Its data sets are the table DATA, its API switches the tests below them; each test names the section
of the specification (version 1.1 and what is merged after it) that it holds the registry to.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from asker import NOWHERE, Asker, codes
from recorder import Answer, Answers, Request, answering, hurried

from imgkit.client import Client
from imgkit.digest import Digest
from imgkit.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.transport import mount, serve
from imgkit.store import Store

REPO, OTHER = "/v2/conformance/one", "/v2/conformance/two"
EMPTY_JSON = "application/vnd.oci.empty.v1+json"
SBOM, SIGNATURE = "application/vnd.example.sbom", "application/vnd.example.signature"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"

ALGORITHMS = ["sha256", "sha512"]


@dataclass
class Data:
    """What is pushed: blobs and manifests in that order, tags at the end."""

    algorithm: str = "sha256"
    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    referrers: dict[Digest, list[dict[str, Any]]] = field(default_factory=dict)
    rng: random.Random = field(default_factory=lambda: random.Random(4))

    def blob(self, media_type: str, data: bytes | None = None) -> dict[str, Any]:
        """The descriptor of a new blob; of random bytes unless they are given."""
        data = self.rng.randbytes(512) if data is None else data
        digest = Digest.of(data, self.algorithm)
        self.blobs[digest] = data
        return Descriptor(media_type, digest, len(data)).to_json()

    def keep(self, media_type: str, tag: str | None, **fields: Any) -> dict[str, Any]:
        """The descriptor of a new manifest of these fields."""
        facts = {"schemaVersion": 2, "mediaType": media_type, **fields}
        raw = json.dumps(facts, indent=2).encode()
        digest = Digest.of(raw, self.algorithm)
        self.manifests[digest] = media_type, raw
        if tag:
            self.tags[tag] = digest
        descriptor = Descriptor(media_type, digest, len(raw)).to_json()
        if "subject" in fields:
            kind = fields.get("artifactType") or fields.get("config", {}).get("mediaType")
            listed = descriptor | ({"artifactType": kind} if kind else {})
            if "annotations" in fields:
                listed["annotations"] = fields["annotations"]
            self.referrers.setdefault(Digest(fields["subject"]["digest"]), []).append(listed)
        return descriptor

    def image(self, tag: str | None = None, **fields: Any) -> dict[str, Any]:
        """An image of two layers, unless other ones are given."""
        config = self.blob(OCI_CONFIG, b'{"os":"linux","no":%d}' % self.rng.randrange(1 << 32))
        layers = fields.get("layers", [self.blob(OCI_LAYER), self.blob(OCI_LAYER)])
        return self.keep(OCI_MANIFEST, tag, **{"config": config} | fields | {"layers": layers})

    def artifact(self, kind: str, tag: str | None = None, **fields: Any) -> dict[str, Any]:
        """Something that is no image, kept as if it were one (image-spec, manifest.md)."""
        config, layers = self.blob(EMPTY_JSON, b"{}"), [self.blob(kind)]
        return self.keep(
            OCI_MANIFEST, tag, artifactType=kind, config=config, layers=layers, **fields
        )

    def index(self, tag: str | None = None, **fields: Any) -> dict[str, Any]:
        """An index of two platforms."""
        platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64")]
        children = [self.image() | {"platform": platform} for platform in platforms]
        return self.keep(OCI_INDEX, tag, **{"manifests": children} | fields)


def _large(data: Data) -> None:
    data.image("large", annotations={f"large-{n}": "A" * 10_000 for n in range(390)})


def _nested(data: Data) -> None:
    data.keep(OCI_INDEX, "nested", manifests=[data.index(), data.index()])


def _artifact_index(data: Data) -> None:
    children = [data.artifact(SBOM), data.artifact(SBOM)]
    data.keep(OCI_INDEX, "index", artifactType=SBOM, manifests=children)


def _without_layers(data: Data) -> None:
    empty = data.blob(EMPTY_JSON, b"{}")
    data.keep(OCI_MANIFEST, "artifact", artifactType=SBOM, config=empty, layers=[empty])


def _subject(data: Data) -> None:
    about = data.image("image")
    notes = {"org.example.note": "hello"}
    data.image(subject=about)
    data.artifact(SBOM, "sbom", subject=about, annotations=notes)
    data.artifact(SIGNATURE, subject=about, annotations=notes)


def _subject_index(data: Data) -> None:
    about = data.index("index")
    data.index("list", artifactType=SBOM, subject=about, annotations={"a": "b"})


def _missing_subject(data: Data) -> None:
    about = Descriptor(OCI_MANIFEST, NOWHERE, 123).to_json()
    data.artifact(SBOM, "sbom", subject=about)


def _data_field(data: Data) -> None:
    config = data.blob(OCI_CONFIG, b"{}") | {"data": "e30="}
    data.image("data", config=config)


def _foreign(data: Data) -> None:
    away = [Descriptor(kind, NOWHERE, 12345).to_json() for kind in (FOREIGN, f"{FOREIGN}+gzip")]
    urls = [layer | {"urls": ["https://store.example.com/blob"]} for layer in away]
    data.image("foreign", layers=[*urls, data.blob(OCI_LAYER)])


def _custom_fields(data: Data) -> None:
    data.index("custom", **{"org.example.custom": {"a": [1, 2.5, None]}})
    data.image("custom-image", **{"org.example.custom": "x"})


def _sha512(data: Data) -> None:
    data.algorithm = "sha512"
    data.index()


DATA: dict[str, Callable[[Data], object]] = {
    "image": lambda data: data.image("image"),
    "large manifest": _large,
    "index": lambda data: data.index("index"),
    "nested index": _nested,
    "empty index": lambda data: data.keep(OCI_INDEX, "empty", manifests=[]),
    "artifact": lambda data: data.artifact(SBOM, "artifact"),
    "artifact index": _artifact_index,
    "artifact without layers": _without_layers,
    "artifacts with subject": _subject,
    "index with subject": _subject_index,
    "missing subject": _missing_subject,
    "data field": _data_field,
    "nondistributable layers": _foreign,
    "custom fields": _custom_fields,
    "no layers": lambda data: data.image("none", layers=[]),
    "empty layer": lambda data: data.image("empty", layers=[data.blob(OCI_LAYER, b"")]),
    "sha512": _sha512,
}


@pytest.fixture(params=["port", "process"])
def asker(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Asker]:
    """Asks an empty registry that is open to everybody, both ways."""
    registry = Registry([Store(tmp_path / "store")], auth=False)
    if request.param == "port":
        with serve(registry) as served, Asker(served.url) as asker:
            yield asker
    else:
        with Asker(EMBEDDED) as asker:
            mount(asker, registry)
            yield asker
    registry.close()


def put_blob(asker: Asker, data: bytes, digest: Digest, repo: str = REPO) -> requests.Response:
    """POST, then all of it by PUT."""
    location = asker.post(f"{repo}/blobs/uploads/").headers["Location"]
    return asker.put(location, params={"digest": digest}, data=data)


def put_manifest(asker: Asker, where: str, found: tuple[str, bytes], **more: Any) -> Any:
    """PUT of a manifest under its media type."""
    media_type, raw = found
    headers = {"Content-Type": media_type}
    return asker.put(f"{REPO}/manifests/{where}", data=raw, headers=headers, **more)


def push(asker: Asker, data: Data) -> None:
    """Everything, in the order in which it must come; each Location leads to the bytes."""
    for digest, blob in data.blobs.items():
        done = put_blob(asker, blob, digest)
        assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest)
        assert asker.get(done.headers["Location"]).content == blob
    by_digest = [(str(digest), digest) for digest in data.manifests]
    for where, digest in [*by_digest, *data.tags.items()]:
        done = put_manifest(asker, where, data.manifests[digest])
        assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest)
        assert asker.get(done.headers["Location"]).content == data.manifests[digest][1]
        subjects = [s for s, all_ in data.referrers.items() if digest in str(all_)]
        assert [done.headers.get("OCI-Subject")] == (subjects or [None])


def check(asker: Asker, data: Data) -> None:
    """HEAD and GET of everything tell the same, and give the exact bytes."""
    by_digest = {str(digest): digest for digest in data.manifests}
    wanted = [
        (f"manifests/{where}", digest, *data.manifests[digest])
        for where, digest in (by_digest | data.tags).items()
    ]
    wanted += [
        (f"blobs/{digest}", digest, "application/octet-stream", blob)
        for digest, blob in data.blobs.items()
    ]
    for path, digest, media_type, body in wanted:
        head, got = asker.head(f"{REPO}/{path}"), asker.get(f"{REPO}/{path}")
        assert (head.content, got.content) == (b"", body)
        for answer in (head, got):
            assert answer.status_code == 200
            assert answer.headers["Content-Type"] == media_type
            assert answer.headers["Content-Length"] == str(len(body))
            assert answer.headers["Docker-Content-Digest"] == digest


def listed(asker: Asker, subject: Digest, **query: str) -> list[dict[str, Any]]:
    """The referrers, from an answer that is a valid index."""
    answer = asker.get(f"{REPO}/referrers/{subject}", params=query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, OCI_INDEX)
    assert answer.headers.get("OCI-Filters-Applied") == ("artifactType" if query else None)
    index = answer.json()
    assert (index["schemaVersion"], index["mediaType"]) == (2, OCI_INDEX)
    return sorted(index["manifests"], key=lambda found: found["digest"])


def delete(asker: Asker, data: Data) -> None:
    """Tags, then manifests from the top, then blobs: each is gone at once."""
    paths = [f"manifests/{tag}" for tag in data.tags]
    paths += [f"manifests/{digest}" for digest in reversed(data.manifests)]
    paths += [f"blobs/{digest}" for digest in data.blobs]
    for path in paths:
        assert asker.delete(f"{REPO}/{path}").status_code == 202
        assert asker.head(f"{REPO}/{path}").status_code == 404
        assert asker.delete(f"{REPO}/{path}").status_code == 404


@pytest.mark.parametrize("name", DATA)
def test_every_kind_of_content(asker: Asker, name: str) -> None:
    """Pushed, found, listed, referred to and deleted again (all sections of "Conformance")."""
    data = Data()
    DATA[name](data)
    push(asker, data)
    check(asker, data)
    tags = asker.get(f"{REPO}/tags/list")
    assert tags.json()["tags"] == sorted(data.tags) if data.tags else tags.status_code == 404
    for subject, goal in data.referrers.items():
        goal = sorted(goal, key=lambda found: found["digest"])
        assert listed(asker, subject) == goal
        for kind in (SBOM, SIGNATURE, OCI_CONFIG, "no/such"):
            only = [found for found in goal if found.get("artifactType") == kind]
            assert listed(asker, subject, artifactType=kind) == only
    delete(asker, data)
    assert all(listed(asker, subject) == [] for subject in data.referrers)
    push(asker, data)
    check(asker, data)


# -- pull -------------------------------------------------------------------------------------


def test_support_is_told(asker: Asker) -> None:
    """GET /v2/ is 200 ("Determining Support")."""
    assert asker.get("/v2/").status_code == 200


def test_an_empty_registry(asker: Asker) -> None:
    """No tags is 404; no referrers is an empty index, never 404 ("Listing Referrers")."""
    assert asker.get(f"{REPO}/tags/list").status_code == 404
    assert listed(asker, NOWHERE) == []
    assert listed(asker, Digest.of(b"", "sha512")) == []


@pytest.mark.parametrize("target", ["no-such-tag", NOWHERE])
def test_a_missing_manifest(asker: Asker, target: str) -> None:
    """404 with a code for GET, without a body for HEAD ("Pulling manifests")."""
    got = asker.get(f"{REPO}/manifests/{target}")
    assert (got.status_code, codes(got)) == (404, ["MANIFEST_UNKNOWN"])
    head = asker.head(f"{REPO}/manifests/{target}")
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_missing_blob(asker: Asker, algorithm: str) -> None:
    """404 with a code ("Pulling blobs")."""
    got = asker.get(f"{REPO}/blobs/{Digest.of(b'nothing', algorithm)}")
    assert (got.status_code, codes(got)) == (404, ["BLOB_UNKNOWN"])


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-499", 206, 0, 499),
        ("bytes=500-999", 206, 500, 999),
        ("bytes=2000-5000", 206, 2000, 2047),
        ("bytes=-10", 206, 2038, 2047),
        ("bytes=500-0", 416, 0, 0),
        ("bytes=5000-10000", 416, 0, 0),
    ],
)
def test_a_range(asker: Asker, asked: str, status: int, first: int, last: int) -> None:
    """A part of a blob, or 416 ("Pulling blobs", RFC 9110 14)."""
    blob = random.Random(1).randbytes(2048)
    put_blob(asker, blob, Digest.of(blob))
    got = asker.get(f"{REPO}/blobs/{Digest.of(blob)}", headers={"Range": asked})
    assert got.status_code == status
    if status == 206:
        assert got.content == blob[first : last + 1]
        assert got.headers["Content-Range"] == f"bytes {first}-{last}/2048"
        assert got.headers["Content-Length"] == str(last + 1 - first)


# -- push -------------------------------------------------------------------------------------

BLOB = random.Random(2).randbytes(3000)


def post_only(asker: Asker, digest: Digest, blob: bytes) -> requests.Response:
    return asker.post(f"{REPO}/blobs/uploads/", params={"digest": digest}, data=blob)


def post_put(asker: Asker, digest: Digest, blob: bytes) -> requests.Response:
    return put_blob(asker, blob, digest)


def streamed(asker: Asker, digest: Digest, blob: bytes) -> requests.Response:
    location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
    sent = asker.patch(location, data=iter([blob[:700], blob[700:]]))
    assert sent.status_code == 202
    return asker.put(sent.headers["Location"], params={"digest": digest})


def chunked(asker: Asker, digest: Digest, blob: bytes, last_by_put: bool = False) -> Any:
    location = asker.post(
        f"{REPO}/blobs/uploads/", params={"digest-algorithm": digest.algorithm}
    ).headers["Location"]
    for begin in range(0, len(blob), 1024):
        part = blob[begin : begin + 1024]
        span = {"Content-Range": f"{begin}-{begin + len(part) - 1}"}
        if last_by_put and begin + 1024 >= len(blob):
            return asker.put(location, params={"digest": digest}, data=part, headers=span)
        sent = asker.patch(location, data=part, headers=span)
        assert (sent.status_code, sent.headers["Range"]) == (202, f"0-{begin + len(part) - 1}")
        location = sent.headers["Location"]
    return asker.put(location, params={"digest": digest})


def chunked_and_put(asker: Asker, digest: Digest, blob: bytes) -> Any:
    return chunked(asker, digest, blob, last_by_put=True)


WAYS = [post_only, post_put, streamed, chunked, chunked_and_put]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_push_a_blob(asker: Asker, way: Any, algorithm: str) -> None:
    """Monolithic, streamed and chunked; what the upload was begun for does not matter for the
    digest that it ends with ("Pushing blobs")."""
    digest = Digest.of(BLOB, algorithm)
    done = way(asker, digest, BLOB)
    assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest)
    assert asker.get(done.headers["Location"]).content == BLOB


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_push_another_blob(asker: Asker, way: Any, algorithm: str) -> None:
    """Bytes of another digest are refused, and nobody gets them ("Pushing blobs")."""
    digest = Digest.of(BLOB, algorithm)
    done = way(asker, digest, BLOB + b"oh no")
    assert (done.status_code, codes(done)) == (400, ["DIGEST_INVALID"])
    assert asker.head(f"{REPO}/blobs/{digest}").status_code == 404


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
@pytest.mark.parametrize("span", ["6-7", "0-1", "4-5", "bytes=5-6", "5", "x-y", "-1-2"])
def test_out_of_order(asker: Asker, verb: str, span: str) -> None:
    """416, where to go on is told, and the upload goes on ("Pushing a blob in chunks")."""
    location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
    assert asker.patch(location, data=b"12345", headers={"Content-Range": "0-4"}).ok
    digest = Digest.of(b"1234567")
    wrong = asker.request(
        verb, location, params={"digest": digest}, data=b"67", headers={"Content-Range": span}
    )
    assert (wrong.status_code, codes(wrong)) == (416, ["BLOB_UPLOAD_INVALID"])
    assert (wrong.headers["Range"], wrong.headers["Location"]) == ("0-4", location)
    status = asker.get(location)
    assert (status.status_code, status.headers["Range"]) == (204, "0-4")
    last = {"params": {"digest": digest}, "data": b"67", "headers": {"Content-Range": "5-6"}}
    assert asker.put(status.headers["Location"], **last).status_code == 201


def test_a_chunk_is_as_long_as_it_says(asker: Asker) -> None:
    """A Content-Range that is not of Content-Length bytes is refused ("Error Codes")."""
    location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
    wrong = asker.patch(location, data=b"12345", headers={"Content-Range": "0-6"})
    assert (wrong.status_code, codes(wrong)) == (400, ["SIZE_INVALID"])
    assert asker.get(location).headers["Range"] == "0-0"


@pytest.mark.parametrize(
    ("least", "sizes"),
    [(None, [100] * 10), ("0", [100] * 10), ("400", [400, 400, 200]), ("nonsense", [100] * 10)],
)
def test_a_registry_that_wants_longer_chunks(least: str | None, sizes: list[int]) -> None:
    """OCI-Chunk-Min-Length is obeyed by our client, but for the last ("Pushing a blob in chunks").

    Our registry takes chunks of any length, and announces none.
    """
    blob, came = BLOB[:1000], list[bytes]()

    def take(request: Request) -> Answer:
        if request.method == "POST":
            more = {"OCI-Chunk-Min-Length": least} if least else {}
            return 202, {"Location": "/upload", **more}, b""
        if request.method == "PUT":
            return 201, {}, b""
        came.append(request.body)
        end = sum(map(len, came)) - 1
        return 202, {"Location": "/upload", "Range": f"0-{end}"}, b""

    answers: Answers = {"/v2/": (200, {}, b"{}"), "/v2/app/blobs/uploads/": take, "/upload": take}
    with answering(answers) as server:
        client = Client(piece=100, patience=hurried())
        remote = client.repository(Reference.parse(f"{server.host}/app"))
        remote.put(Descriptor.of(blob, OCI_LAYER), io.BytesIO(blob))
        client.session.close()
    assert [len(chunk) for chunk in came] == sizes
    assert b"".join(came) == blob


def test_a_cancelled_upload(asker: Asker) -> None:
    """DELETE of an upload is 204, then it is unknown ("Canceling a blob upload")."""
    location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
    assert asker.delete(location).status_code == 204
    for verb in ("GET", "PATCH", "DELETE"):
        gone = asker.request(verb, location)
        assert (gone.status_code, codes(gone)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


def test_an_upload_is_of_one_repository(asker: Asker) -> None:
    """Its key is no key to another repository."""
    location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
    assert asker.get(location.replace(REPO, OTHER)).status_code == 404
    assert asker.get(location).status_code == 204


@pytest.mark.parametrize("query", [{"from": "conformance/one"}, {}])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_mount(asker: Asker, algorithm: str, query: dict[str, str]) -> None:
    """201 from a repository that has it, named or not ("Mounting a blob")."""
    digest = Digest.of(BLOB, algorithm)
    put_blob(asker, BLOB, digest)
    assert asker.head(f"{OTHER}/blobs/{digest}").status_code == 404
    done = asker.post(f"{OTHER}/blobs/uploads/", params=query | {"mount": digest})
    assert (done.status_code, done.headers["Location"]) == (201, f"{OTHER}/blobs/{digest}")
    assert asker.get(done.headers["Location"]).content == BLOB


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("conformance/one", NOWHERE),
        ("conformance/none", Digest.of(BLOB)),
        ("Not/A/Name", Digest.of(BLOB)),
        ("conformance/one", "sha256:abc"),
    ],
)
def test_a_mount_that_cannot_be(asker: Asker, source: str, what: str) -> None:
    """202, and the blob may be pushed as any other ("Mounting a blob")."""
    put_blob(asker, BLOB, Digest.of(BLOB))
    begun = asker.post(f"{OTHER}/blobs/uploads/", params={"mount": what, "from": source})
    assert begun.status_code == 202
    done = asker.put(begun.headers["Location"], params={"digest": Digest.of(BLOB)}, data=BLOB)
    assert done.status_code == 201


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tags_come_with_the_digest(asker: Asker, algorithm: str) -> None:
    """PUT by digest with `tag`s gives it all of them ("Pushing Manifests")."""
    data = Data(algorithm)
    data.image()
    push(asker, data)
    [(digest, found)] = data.manifests.items()
    tags = [f"v{number}" for number in range(12)]
    done = put_manifest(asker, digest, found, params={"tag": tags})
    assert (done.status_code, done.headers["OCI-Tag"]) == (201, ", ".join(tags))
    assert asker.get(f"{REPO}/tags/list").json()["tags"] == sorted(tags)
    data.tags = dict.fromkeys(tags, digest)
    check(asker, data)


def test_a_bad_tag_changes_nothing(asker: Asker) -> None:
    """One bad tag among good ones: none is given ("Pushing Manifests")."""
    data = Data()
    data.image()
    push(asker, data)
    [(digest, found)] = data.manifests.items()
    wrong = put_manifest(asker, digest, found, params={"tag": ["good", "-bad"]})
    assert (wrong.status_code, codes(wrong)) == (400, ["NAME_INVALID"])
    assert asker.get(f"{REPO}/tags/list").status_code == 404


@pytest.mark.parametrize("where", [NOWHERE, "sha256:baddigeststring"])
def test_a_manifest_under_a_wrong_digest(asker: Asker, where: str) -> None:
    """400, and it is not there ("Pushing Manifests")."""
    data = Data()
    data.image()
    push(asker, data)
    wrong = put_manifest(asker, where, *data.manifests.values())
    assert (wrong.status_code, codes(wrong)) == (400, ["DIGEST_INVALID"])
    assert asker.get(f"{REPO}/manifests/{where}").status_code in (400, 404)


def test_a_manifest_needs_what_it_points_at_here(asker: Asker) -> None:
    """That another repository has its blobs does not help ("MANIFEST_BLOB_UNKNOWN")."""
    data = Data()
    data.image()
    for digest, blob in data.blobs.items():
        put_blob(asker, blob, digest, OTHER)
    wrong = put_manifest(asker, "tag", *data.manifests.values())
    assert (wrong.status_code, codes(wrong)) == (400, ["MANIFEST_BLOB_UNKNOWN"])


def test_sparse_manifests(tmp_path: Path) -> None:
    """Where it is allowed, an image may lack layers; an index may always lack platforms."""
    data = Data()
    data.image("image")
    data.blobs.popitem()
    data.image("whole")
    missing = Descriptor(OCI_MANIFEST, NOWHERE, 1024).to_json()
    data.keep(OCI_INDEX, "index", manifests=[missing])
    registry = Registry([Store(tmp_path)], auth=False, sparse=True)
    with serve(registry) as served, Asker(served.url) as asker:
        push(asker, data)
        check(asker, data)
        delete(asker, data)


# -- discovery and management -----------------------------------------------------------------


def test_a_tag_is_deleted_alone(asker: Asker) -> None:
    """Its manifest stays, and so do other tags of it ("Deleting tags")."""
    data = Data()
    data.tags["other"] = Digest(data.image("tag")["digest"])
    push(asker, data)
    assert asker.delete(f"{REPO}/manifests/tag").status_code == 202
    del data.tags["tag"]
    check(asker, data)
    assert asker.get(f"{REPO}/tags/list").json()["tags"] == ["other"]


def test_a_manifest_is_deleted_with_its_tags(asker: Asker) -> None:
    """Afterwards its tags are 404 as well ("Deleting Manifests")."""
    data = Data()
    data.tags["other"] = Digest(data.image("tag")["digest"])
    data.image("third")
    push(asker, data)
    assert asker.delete(f"{REPO}/manifests/{data.tags['tag']}").status_code == 202
    for target in ("tag", "other", data.tags["tag"]):
        assert asker.head(f"{REPO}/manifests/{target}").status_code == 404
    assert asker.get(f"{REPO}/tags/list").json()["tags"] == ["third"]


def test_deleting_is_of_one_repository(asker: Asker) -> None:
    """The same blob in another repository stays ("Deleting Blobs")."""
    digest = Digest.of(BLOB)
    for repo in (REPO, OTHER):
        put_blob(asker, BLOB, digest, repo)
    assert asker.delete(f"{REPO}/blobs/{digest}").status_code == 202
    assert asker.head(f"{REPO}/blobs/{digest}").status_code == 404
    assert asker.get(f"{OTHER}/blobs/{digest}").content == BLOB


def test_tags_in_pages(asker: Asker) -> None:
    """`n` and `last`, and a Link that leads to every page ("Listing Tags")."""
    data = Data()
    tags = sorted(["latest", "v1", "V1", "v10", "v2", "_x", "0.1"])
    data.tags = dict.fromkeys(tags, Digest(data.image()["digest"]))
    push(asker, data)
    for size in (1, 2, 3, 7, 100):
        url, pages = f"{REPO}/tags/list?n={size}", []
        while url and len(pages) <= len(tags):
            answer = asker.get(url)
            pages.append(answer.json()["tags"])
            url = answer.links.get("next", {}).get("url", "")
        assert [tag for page in pages for tag in page] == tags
        assert all(len(page) == size for page in pages[:-1])
    for last in (*tags, "between"):
        rest = [tag for tag in tags if tag > last]
        assert asker.get(f"{REPO}/tags/list", params={"last": last}).json()["tags"] == rest
        two = asker.get(f"{REPO}/tags/list", params={"last": last, "n": "2"}).json()["tags"]
        assert two == rest[:2]

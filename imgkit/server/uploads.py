"""Blobs on their way in: what a client has begun to push, and is not through with.

A blob is pushed by several requests. Until the last one came, and the digest fitted, its bytes are
in a file aside, which nobody takes for a blob.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Final

from werkzeug.wrappers import Response

from imgkit.digest import CHUNK, Digest
from imgkit.errors import InvalidDigest, InvalidReference
from imgkit.ingest import Ingest
from imgkit.reference import Reference
from imgkit.server.answers import Asked, created, refused
from imgkit.server.repositories import Repositories

MOST: Final = 200
"""Uploads that go on at the same time: each has a file open, and clients leave some behind."""


class Uploads:
    """The uploads of one registry, each under a key that only its client knows.

    `may_pull` says whether a request could also pull from a repository, to mount its blobs.
    """

    def __init__(self, repositories: Repositories, may_pull: Callable[[Asked, str], bool]) -> None:
        self._repositories = repositories
        self._may_pull = may_pull
        self._going_on: dict[tuple[str, str], Ingest] = {}
        self._closed = False

    def post(self, request: Asked) -> Response:
        """Begin an upload, or end it at once (spec: "Pushing blobs", "Mounting a blob")."""
        if mounted := self._mounted(request):
            self._repositories.add(request.repository, mounted)
            return created(request, "blobs", mounted)
        store = self._repositories.stores[0]
        if "digest" in request.args:
            digest = Digest(request.args["digest"])
            with store.ingest(digest.algorithm) as upload:
                _receive(request, upload)
                return self._finish(request, upload, digest)
        upload = store.ingest(request.args.get("digest-algorithm", "sha256"))
        key = secrets.token_urlsafe(12)
        self._keep(request, key, upload)
        return _progress(request, key, upload, 202)

    def get(self, request: Asked, key: str) -> Response:
        """How much of it has come (spec: "Pushing a blob in chunks")."""
        with self._resumed(request, key) as upload:
            return _progress(request, key, upload, 204)

    def patch(self, request: Asked, key: str) -> Response:
        """Take the next part of a blob (spec: "Pushing a blob in chunks")."""
        with self._resumed(request, key) as upload:
            _refuse_gap(request, key, upload)
            _receive(request, upload)
            return _progress(request, key, upload, 202)

    def put(self, request: Asked, key: str) -> Response:
        """Take the last part, if any; then the blob gets its name, if it has that digest."""
        digest = Digest(request.args.get("digest", ""))
        with self._resumed(request, key) as upload:
            _refuse_gap(request, key, upload)
            _receive(request, upload)
        with self._taken(request, key) as upload:
            return self._finish(request, upload, digest)

    def delete(self, request: Asked, key: str) -> Response:
        """Forget an upload (spec: "Canceling a blob upload")."""
        self._taken(request, key).discard()
        return Response(status=204)

    def close(self) -> None:
        """Afterwards nothing is left of uploads that were never finished."""
        self._closed = True
        while self._going_on:
            self._going_on.popitem()[1].discard()

    def _keep(self, request: Asked, key: str, upload: Ingest) -> None:
        self._going_on[request.repository.repository, key] = upload
        for longest in list(self._going_on)[:-MOST]:  # of which nothing was heard for longest
            if forgotten := self._going_on.pop(longest, None):
                forgotten.discard()
        if self._closed:  # meanwhile: nobody comes for it any more
            self.close()

    def _taken(self, request: Asked, key: str) -> Ingest:
        """The upload of this key in this repository, which is no longer here afterwards."""
        upload = self._going_on.pop((request.repository.repository, key), None)
        if upload is None:
            raise refused(404, "BLOB_UPLOAD_UNKNOWN", "no upload with this address is going on")
        return upload

    @contextlib.contextmanager
    def _resumed(self, request: Asked, key: str) -> Iterator[Ingest]:
        """The upload of this key, for one request at a time: a second one finds none."""
        upload = self._taken(request, key)
        try:
            yield upload
        finally:
            self._keep(request, key, upload)

    def _finish(self, request: Asked, upload: Ingest, digest: Digest) -> Response:
        """The blob is whole, has its true name, and the repository has it; or this raises."""
        upload.commit(digest)
        self._repositories.add(request.repository, digest)
        return created(request, "blobs", digest)

    def _mounted(self, request: Asked) -> Digest | None:
        """The blob that is to be taken from another repository, if that is possible.

        If not, for whatever reason, the client may push it: the answer must not tell whether a
        repository that this client cannot read has that blob.
        """
        with contextlib.suppress(InvalidDigest, InvalidReference):
            digest = Digest(request.args.get("mount", ""))
            holds, place = self._repositories.holds, self._repositories.place
            if place(digest) and any(holds(source, digest) for source in self._open(request)):
                return digest
        return None

    def _open(self, request: Asked) -> Iterator[Reference]:
        """The repository that is named, or all of them when none is, where it may be pulled from.

        A token is for the name that its client used: `redis`, it may be, not `library/redis`.
        """
        domain, named = request.repository.domain, request.args.get("from")
        if named is None:
            for source in self._repositories.all(domain):
                if self._may_pull(request, source.path):
                    yield source
        elif self._may_pull(request, named):
            yield Reference.parse(f"{domain}/{named}")


def _receive(request: Asked, upload: Ingest) -> None:
    """The body of the request is added to the upload."""
    while chunk := request.stream.read(CHUNK):
        upload.write(chunk)


def _refuse_gap(request: Asked, key: str, upload: Ingest) -> None:
    """Raise unless the part to come begins where the last one ended, and is as long as it says."""
    given = request.headers.get("Content-Range")
    if given is None:
        return
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", given)
    if not found or int(found[1]) != upload.size:
        message = f"the next byte to send is number {upload.size}"
        headers = dict(_progress(request, key, upload, 416).headers)
        raise refused(416, "BLOB_UPLOAD_INVALID", message, headers=headers)
    size = int(found[2]) + 1 - int(found[1])
    if request.content_length not in (None, size):
        message = f"{given} are {size} bytes, but {request.content_length} are to come"
        raise refused(400, "SIZE_INVALID", message)


def _progress(request: Asked, key: str, upload: Ingest, status: int) -> Response:
    """The answer that says how far an upload has come, and where it goes on."""
    headers = {
        "Location": request.address("blobs/uploads", key),
        "Range": f"0-{max(upload.size - 1, 0)}",
        "Docker-Upload-UUID": key,
    }
    return Response(status=status, headers=headers)

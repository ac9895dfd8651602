"""Blobs on their way in: what a client has begun to push, and is not through with.

A blob is pushed by several requests. Until the last one came, and the digest fitted, its bytes are
in a file aside, which nobody takes for a blob.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from werkzeug.wrappers import Response

from imgkit.answers import Asked, refused
from imgkit.digest import CHUNK
from imgkit.store import Ingest


class Uploads:
    """The uploads of one registry, each under a key that only its client knows."""

    def __init__(self) -> None:
        self._ingests: dict[str, Ingest] = {}

    def add(self, upload: Ingest) -> str:
        """The key under which it is found again."""
        key = secrets.token_urlsafe(12)
        self._ingests[key] = upload
        return key

    def take(self, key: str) -> Ingest:
        """The upload of this key, which is no longer here afterwards."""
        upload = self._ingests.pop(key, None)
        if upload is None:
            raise refused(404, "BLOB_UPLOAD_UNKNOWN", "no upload with this address is going on")
        return upload

    @contextlib.contextmanager
    def resumed(self, key: str) -> Iterator[Ingest]:
        """The upload of this key, for one request at a time: a second one finds none."""
        upload = self.take(key)
        try:
            yield upload
        finally:
            self._ingests[key] = upload

    def close(self) -> None:
        """Afterwards nothing is left of uploads that were never finished."""
        while self._ingests:
            self._ingests.popitem()[1].discard()


def receive(request: Asked, upload: Ingest) -> None:
    """The body of the request is added to the upload."""
    while chunk := request.stream.read(CHUNK):
        upload.write(chunk)


def progress(request: Asked, key: str, upload: Ingest, status: int) -> Response:
    """The answer that says how far an upload has come, and where it goes on."""
    headers = {
        "Location": f"/v2/{request.name}/blobs/uploads/{key}",
        "Range": f"0-{max(upload.size - 1, 0)}",
        "Docker-Upload-UUID": key,
    }
    return Response(status=status, headers=headers)

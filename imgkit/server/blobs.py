"""Blobs on their way out: configs and layers, each under its digest."""

from __future__ import annotations

import contextlib
import io

from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from imgkit.digest import CHUNK, Digest
from imgkit.errors import NotFound
from imgkit.server.answers import Asked
from imgkit.server.repositories import Repositories
from imgkit.store import Store


class _File(io.FileIO):
    """A file that is closed when nobody has it: werkzeug forgets it when a client hangs up."""

    def __del__(self) -> None:
        self.close()


class Blobs:
    """The blobs of all repositories."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def get(self, request: Asked, text: str) -> Response:
        """The blob, or the range of it that was asked for (spec: "Pulling blobs")."""
        digest = Digest(text)
        store, size = self._place(request, digest)
        with contextlib.ExitStack() as undo:
            file = undo.enter_context(_File(store.path(digest)))
            body = wrap_file(request.environ, file, CHUNK)
            response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
            response.headers["Docker-Content-Digest"] = digest
            response.content_length = size
            response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
            undo.pop_all()  # from here on, the response closes the file
        return response

    def delete(self, request: Asked, text: str) -> Response:
        """The repository no longer has this blob (spec: "Deleting Blobs")."""
        digest = Digest(text)
        self._place(request, digest)
        self._repositories.delete(request.repository, digest)
        return Response(status=202)

    def _place(self, request: Asked, digest: Digest) -> tuple[Store, int]:
        found = self._repositories.place(digest)
        if found is None or not self._repositories.holds(request.repository, digest):
            message = f"there is no blob {digest} in {request.name}"
            raise NotFound(message, name=digest, detail={"digest": digest})
        return found

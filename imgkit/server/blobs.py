"""Blobs on their way out: configs and layers, each under its digest."""

from __future__ import annotations

import contextlib
import io

from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from imgkit.digest import CHUNK, Digest
from imgkit.errors import NotFound, VerificationError
from imgkit.manifest import Descriptor
from imgkit.server.answers import Asked
from imgkit.server.repositories import Repositories
from imgkit.store import Store


class _File(io.FileIO):
    """A file that is closed when nobody has it: werkzeug forgets it when a client hangs up."""

    def __del__(self) -> None:
        self.close()


class Blobs:
    """The blobs of all repositories.

    What no longer has its digest is never handed on: a file is read through when it is first asked
    for, and again when it is another file since.
    """

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._sound: set[tuple[Digest, int, int, int]] = set()

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
        holds = self._repositories.holds(request.repository, digest)
        if found is None or not holds or not self._is_sound(*found, digest):
            message = f"there is no blob {digest} in {request.name}"
            raise NotFound(message, name=digest, detail={"digest": digest})
        return found

    def _is_sound(self, store: Store, size: int, digest: Digest) -> bool:
        try:
            found = store.path(digest).stat()
        except FileNotFoundError:  # removed beside us
            return False
        file = (digest, found.st_ino, found.st_size, found.st_mtime_ns)
        if file not in self._sound:
            with contextlib.suppress(VerificationError):
                with store.open(Descriptor("", digest, size)) as stream:
                    while stream.read(CHUNK):
                        pass
                self._sound.add(file)
        return file in self._sound

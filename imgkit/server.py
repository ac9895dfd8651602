"""The embedded registry: the OCI distribution-spec (version 1.1) as a WSGI application.

    GET     /v2/                              is there a registry, and may I come in?
    GET     /v2/<name>/tags/list              the tags of a repository
    GET     /v2/<name>/manifests/<target>     a manifest or index, by tag or digest
    GET     /v2/<name>/blobs/<digest>         a config or layer
    POST    /v2/<name>/blobs/uploads/         begin to push a blob
    PATCH   /v2/<name>/blobs/uploads/<id>     here is more of it
    PUT     /v2/<name>/blobs/uploads/<id>     that was all, and this is its digest
    PUT     /v2/<name>/manifests/<target>     push a manifest, after all that it points at
    GET     /token                            a token, for whoever asks

`<name>` is a repository of `docker.io`, or of the registry in the query `ns`: so a mirror is asked
(distribution-spec, "Registry Proxying"). Names belong to a repository, content to the registry.
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response
from werkzeug.wsgi import wrap_file

from imgkit import document
from imgkit.answers import Asked, failure, http_failure, json_answer, refused
from imgkit.digest import CHUNK, Digest, VerifyingReader
from imgkit.errors import ImgkitError, InvalidManifest, NotFound, VerificationError
from imgkit.faults import Fault, take
from imgkit.manifest import Descriptor, Index, Manifest, parse
from imgkit.store import Ingest, Store
from imgkit.tokens import Tokens, challenge
from imgkit.uploads import Uploads, progress, receive

_NAME: Final = "/v2/<path:name>"
_ROUTES: Final = Map(
    [
        Rule("/token", endpoint="get_token", methods=["GET"]),
        Rule("/v2/", endpoint="get_version", methods=["GET"]),
        Rule(f"{_NAME}/tags/list", endpoint="get_tags", methods=["GET"]),
        Rule(f"{_NAME}/manifests/<target>", endpoint="get_manifest", methods=["GET"]),
        Rule(f"{_NAME}/manifests/<target>", endpoint="put_manifest", methods=["PUT"]),
        Rule(f"{_NAME}/blobs/<text>", endpoint="get_blob", methods=["GET"]),
        Rule(f"{_NAME}/blobs/uploads/", endpoint="post_upload", methods=["POST"]),
        Rule(f"{_NAME}/blobs/uploads/<key>", endpoint="get_upload", methods=["GET"]),
        Rule(f"{_NAME}/blobs/uploads/<key>", endpoint="patch_upload", methods=["PATCH"]),
        Rule(f"{_NAME}/blobs/uploads/<key>", endpoint="put_upload", methods=["PUT"]),
        Rule(f"{_NAME}/blobs/uploads/<key>", endpoint="delete_upload", methods=["DELETE"]),
    ],
    merge_slashes=False,
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of a registry's log. `bytes` is the length of the body that was announced."""

    method: str
    path: str
    status: int
    bytes: int


class Registry:
    """A registry over stores: all are searched for what is asked, the first takes what is pushed.

    With `auth`, every request needs a token, and anybody gets one (good for `token_life` seconds);
    without `push`, nothing can be written. `faults` is what goes wrong on purpose, `log` what was
    asked and answered, oldest first.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        *,
        auth: bool = True,
        push: bool = True,
        token_life: float = 300,
    ) -> None:
        self.stores = tuple(stores)
        self.auth = auth
        self.push = push and not stores[0].read_only
        self.tokens = Tokens(token_life)
        self.faults: list[Fault] = []
        self.log: deque[Exchange] = deque(maxlen=1000)
        self.uploads = Uploads()
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request = Asked(environ)
        response = self._answer(request)
        if request.method == "GET" and response.status_code < 300:
            with self._lock:
                response = take(self.faults, request.path, response)
        response.headers["Docker-Distribution-API-Version"] = "registry/2.0"
        size = 0 if request.method == "HEAD" else response.content_length or 0
        path = request.full_path.removesuffix("?")
        self.log.append(Exchange(request.method, path, response.status_code, size))
        return response(environ, start_response)

    def close(self) -> None:
        """Afterwards nothing is left of uploads that were never finished."""
        self.uploads.close()

    def _answer(self, request: Asked) -> Response:
        """The answer to a request, or to what is wrong with it."""
        try:
            method, found = _ROUTES.bind_to_environ(request.environ).match()
            facts = dict(found)
            request.name = facts.pop("name", "")
            if method != "get_token":
                self._admit(request)
            answer: Response = getattr(self, method)(request, **facts)
        except HTTPException as error:
            return http_failure(error, request)
        except ImgkitError as error:
            return failure(error)
        return answer

    # -- who may come in ----------------------------------------------------------------------

    def get_version(self, _: Asked) -> Response:
        """There is a registry here, and the token is good (spec: "Determining Support")."""
        return json_answer({})

    def get_token(self, request: Asked) -> Response:
        """A token for every scope asked for (Docker's token specification; not in the OCI one)."""
        actions = frozenset({"pull", "push"} if self.push else {"pull"})
        scopes = [scope for value in request.args.getlist("scope") for scope in value.split()]
        return json_answer(self.tokens.issue(scopes, actions))

    def _admit(self, request: Asked) -> None:
        """Raise unless the name is one and the token is good."""
        if request.name:
            request.repository  # noqa: B018 - parsed here, so that no wrong name gets further
        if request.action == "push" and not self.push:
            raise refused(403, "DENIED", "nothing can be pushed to this registry")
        if not self.auth:
            return
        problem = self.tokens.problem(request.token, request.name, request.action)
        if problem is not None:
            realm = f"{request.host_url}token"
            header = challenge(realm, request.name, request.action, problem)
            message = f"a token is needed; get one from {realm}"
            headers = {"WWW-Authenticate": header}
            raise refused(401, "UNAUTHORIZED", message, {"error": problem}, headers)

    # -- pull ---------------------------------------------------------------------------------

    def get_tags(self, request: Asked) -> Response:
        """The tags, sorted, at most `n` of them, those after `last` (spec: "Listing Tags")."""
        prefix = f"{request.repository.repository}:"
        names = {record.name or "" for store in self.stores for record in store.records()}
        tags = sorted(
            n.removeprefix(prefix) for n in names if n.startswith(prefix) and "@" not in n
        )
        if not tags:
            message = f"there is no repository {request.name}"
            raise refused(404, "NAME_UNKNOWN", message, {"name": request.name})
        tags = [tag for tag in tags if tag > request.args.get("last", "")]
        limit = request.args.get("n", str(len(tags)))
        if not re.fullmatch(r"[0-9]{1,9}", limit):
            raise refused(400, "PAGINATION_NUMBER_INVALID", f"n must be a number, not {limit!r}")
        page = tags[: int(limit)]
        response = json_answer({"name": request.name, "tags": page})
        if page and len(page) < len(tags):
            query = urlencode(request.args | {"n": limit, "last": page[-1]})
            response.headers["Link"] = f'</v2/{request.name}/tags/list?{query}>; rel="next"'
        return response

    def get_manifest(self, request: Asked, target: str) -> Response:
        """The exact bytes that were pushed (spec: "Pulling manifests"; HEAD: without them)."""
        try:
            digest = Digest(target) if ":" in target else self._tagged(request, target)
            found = self._place(digest)[0].document(digest)
        except (NotFound, InvalidManifest, VerificationError):  # also: bytes, but no manifest's
            message = f"there is no manifest {target} in {request.name}"
            raise refused(404, "MANIFEST_UNKNOWN", message, {"target": target}) from None
        headers = {"Docker-Content-Digest": digest}
        return Response(found.raw, content_type=found.media_type, headers=headers)

    def get_blob(self, request: Asked, text: str) -> Response:
        """The blob, or the range of it that was asked for (spec: "Pulling blobs")."""
        digest = Digest(text)
        store, size = self._place(digest)
        with contextlib.ExitStack() as undo:
            file = undo.enter_context(store.path(digest).open("rb"))
            body = wrap_file(request.environ, file, CHUNK)
            response = Response(body, mimetype="application/octet-stream", direct_passthrough=True)
            response.headers["Docker-Content-Digest"] = digest
            response.content_length = size
            response.make_conditional(request.environ, accept_ranges=True, complete_length=size)
            undo.pop_all()  # from here on, the response closes the file
        return response

    def _tagged(self, request: Asked, tag: str) -> Digest:
        name = request.repository.with_tag(tag).canonical
        for store in self.stores:
            if descriptor := store.lookup(name):
                return descriptor.digest
        raise NotFound(f"{name} is not here", name=name)

    def _place(self, digest: Digest) -> tuple[Store, int]:
        """The store that has these bytes, and how many they are."""
        for store in self.stores:
            if (size := store.size_of(digest)) is not None:
                return store, size
        message = f"there is no blob {digest}"
        raise NotFound(message, name=digest, detail={"digest": digest})

    # -- push ---------------------------------------------------------------------------------

    def post_upload(self, request: Asked) -> Response:
        """Begin an upload, or end it at once (spec: "Pushing blobs", "Mounting a blob")."""
        if mounted := self._mounted(request):
            return _created(request, "blobs", mounted)
        if "digest" in request.args:
            digest = Digest(request.args["digest"])
            return self._finish(request, self.stores[0].ingest(digest.algorithm), digest)
        upload = self.stores[0].ingest(request.args.get("digest-algorithm", "sha256"))
        return progress(request, self.uploads.add(upload), upload, 202)

    def get_upload(self, request: Asked, key: str) -> Response:
        """How much of it has come (spec: "Pushing a blob in chunks")."""
        with self.uploads.resumed(key) as upload:
            return progress(request, key, upload, 204)

    def patch_upload(self, request: Asked, key: str) -> Response:
        """Take the next part of a blob (spec: "Pushing a blob in chunks")."""
        with self.uploads.resumed(key) as upload:
            begin = request.headers.get("Content-Range", str(upload.size)).partition("-")[0]
            if begin != str(upload.size):
                message = f"the next byte to send is number {upload.size}"
                headers = dict(progress(request, key, upload, 416).headers)
                raise refused(416, "BLOB_UPLOAD_INVALID", message, headers=headers)
            receive(request, upload)
            return progress(request, key, upload, 202)

    def put_upload(self, request: Asked, key: str) -> Response:
        """Take the last part, if any; then the blob gets its name, if it has that digest."""
        digest = Digest(request.args.get("digest", ""))
        return self._finish(request, self.uploads.take(key), digest)

    def delete_upload(self, _: Asked, key: str) -> Response:
        """Forget an upload (spec: "Canceling a blob upload")."""
        self.uploads.take(key).discard()
        return Response(status=204)

    def put_manifest(self, request: Asked, target: str) -> Response:
        """Keep these very bytes, and name them if `target` is a tag (spec: "Pushing Manifests")."""
        request.max_content_length = document.LIMIT
        raw = request.get_data(cache=False)
        found = parse(raw, request.content_type)
        tag = None if ":" in target else request.repository.with_tag(target)
        digest = Digest.of(raw) if tag else Digest(target)
        descriptor = Descriptor(found.media_type, digest, len(raw))
        self._refuse_dangling(found)
        with VerifyingReader(io.BytesIO(raw), digest, len(raw), "manifest") as stream:
            self.stores[0].put(descriptor, stream)
        if tag:
            self.stores[0].name(tag, descriptor, None)
        return _created(request, "manifests", digest)

    def _refuse_dangling(self, found: Manifest | Index) -> None:
        """Raise when a manifest points at something that was not pushed before it."""
        children = found.manifests if isinstance(found, Index) else found.children
        for child in children:
            elsewhere = "nondistributable" in child.media_type or "foreign" in child.media_type
            if not elsewhere and not any(store.has(child) for store in self.stores):
                message = f"push {child.digest} first: the manifest points at it"
                detail = {"digest": child.digest}
                raise refused(400, "MANIFEST_BLOB_UNKNOWN", message, detail)

    def _mounted(self, request: Asked) -> Digest | None:
        """The blob that is to be taken from another repository, if that is possible."""
        source = request.args.get("from")
        if "mount" not in request.args:
            return None
        if self.auth and source and not self.tokens.allows(request.token, source, "pull"):
            return None
        digest = Digest(request.args["mount"])
        return digest if any(s.size_of(digest) is not None for s in self.stores) else None

    def _finish(self, request: Asked, upload: Ingest, digest: Digest) -> Response:
        """The blob is whole and has its true name; or an error was raised and it is gone."""
        with upload:
            receive(request, upload)
            upload.commit(digest)
        return _created(request, "blobs", digest)


def _created(request: Asked, kind: str, digest: Digest) -> Response:
    headers = {"Location": f"/v2/{request.name}/{kind}/{digest}", "Docker-Content-Digest": digest}
    return Response(status=201, headers=headers)

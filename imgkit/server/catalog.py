"""Manifests and the names they have: tags, digests, and what refers to them."""

from __future__ import annotations

import io
import re
from urllib.parse import urlencode

from werkzeug.wrappers import Response

from imgkit import document
from imgkit.digest import Digest, VerifyingReader
from imgkit.errors import NotFound, StoreError
from imgkit.limits import current
from imgkit.manifest import OCI_INDEX, Descriptor, Index, Manifest, parse
from imgkit.server.answers import Asked, created, json_answer, refused
from imgkit.server.repositories import Repositories, subject_of


class Catalog:
    """The manifests of all repositories.

    With `sparse`, a manifest may be pushed before what it points at. Indexes always may be: a
    mirror of one platform has the whole index, for its digest's sake, and one manifest of it.
    """

    def __init__(self, repositories: Repositories, sparse: bool) -> None:
        self._repositories = repositories
        self._sparse = sparse

    def tags(self, request: Asked) -> Response:
        """The tags, sorted, at most `n` of them, those after `last` (spec: "Listing Tags")."""
        tags = sorted(self._repositories.tags(request.repository))
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
            query = urlencode(request.args.to_dict() | {"n": limit, "last": page[-1]})
            response.headers["Link"] = f'</v2/{request.name}/tags/list?{query}>; rel="next"'
        return response

    def referrers(self, request: Asked, text: str) -> Response:
        """An index of all that refers to this digest (spec: "Listing Referrers").

        It is empty when nothing does, or nothing is known of that digest.
        """
        found = self._repositories.referrers(request.repository, Digest(text))
        kind = request.args.get("artifactType")
        if kind:
            found = [descriptor for descriptor in found if descriptor.get("artifactType") == kind]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        headers = {"OCI-Filters-Applied": "artifactType"} if kind else None
        return Response(document.dump(index), 200, headers, content_type=OCI_INDEX)

    def get(self, request: Asked, target: str) -> Response:
        """The exact bytes that were pushed (spec: "Pulling manifests"; HEAD: without them)."""
        digest = self._digest(request, target)
        found = self._repositories.document(request.repository, digest) if digest else None
        if found is None:
            raise _unknown(request, target)
        headers = {"Docker-Content-Digest": str(digest)}
        return Response(found.raw, content_type=found.media_type, headers=headers)

    def put(self, request: Asked, target: str) -> Response:
        """Keep these very bytes, and give them every tag that was named.

        That is the target if it is no digest, and else the query's `tag`s (spec: "Pushing
        Manifests", "Pushing Manifests with Subject").
        """
        request.max_content_length = current().document
        raw = request.get_data(cache=False)
        found = parse(raw, request.content_type)
        tags = request.args.getlist("tag") if ":" in target else [target]
        names = [request.repository.with_tag(tag) for tag in tags]
        digest = Digest(target) if ":" in target else Digest.of(raw)
        subject = subject_of(found)
        self._refuse_dangling(request, found)
        self._keep(request, Descriptor(found.media_type, digest, len(raw)), raw, subject)
        for name in names:
            self._repositories.tag(name, Descriptor(found.media_type, digest, len(raw)))
        response = created(request, "manifests", digest)
        if subject:
            response.headers["OCI-Subject"] = subject
        if ":" in target:
            for tag in tags:
                response.headers.add("OCI-Tag", tag)
        return response

    def delete(self, request: Asked, target: str) -> Response:
        """A tag is gone, or a manifest with all of its tags (spec: "Deleting tags")."""
        digest = self._digest(request, target)
        if digest is None or self._repositories.document(request.repository, digest) is None:
            raise _unknown(request, target)
        tags = self._repositories.tags(request.repository)
        doomed = [tag for tag in tags if target in (tag, tags[tag])]
        for tag in doomed:
            self._untag(request, tag)
        if target == digest:
            self._repositories.delete(request.repository, digest)
        return Response(status=202)

    def _digest(self, request: Asked, target: str) -> Digest | None:
        if ":" in target:
            return Digest(target)
        tag = request.repository.with_tag(target).tag or ""
        return self._repositories.tags(request.repository).get(tag)

    def _untag(self, request: Asked, tag: str) -> None:
        """Raise when the tag is in a store that can only be read."""
        try:
            self._repositories.untag(request.repository.with_tag(tag))
        except (NotFound, StoreError):
            message = f"{request.name}:{tag} came with this registry and cannot be deleted"
            raise refused(405, "UNSUPPORTED", message, {"tag": tag}) from None

    def _keep(
        self, request: Asked, descriptor: Descriptor, raw: bytes, subject: Digest | None
    ) -> None:
        """Afterwards the bytes have their digest, and the repository has them."""
        advice = "The digest in the address must be of the bytes in the body; nothing was kept."
        digest, size = descriptor.digest, descriptor.size
        with VerifyingReader(io.BytesIO(raw), digest, size, "manifest", advice) as stream:
            self._repositories.stores[0].put(descriptor, stream)
        if subject:
            self._repositories.refer(request.repository, subject, digest)
        self._repositories.add(request.repository, digest)

    def _refuse_dangling(self, request: Asked, found: Manifest | Index) -> None:
        """Raise when a manifest points at something that was not pushed before it.

        What it refers to (`subject`) may come later, or never.
        """
        if self._sparse or isinstance(found, Index):
            return
        for child in found.children:
            elsewhere = "nondistributable" in child.media_type or "foreign" in child.media_type
            place = self._repositories.place(child.digest)
            here = place is not None and place[1] == child.size
            if not elsewhere and not (
                here and self._repositories.holds(request.repository, child.digest)
            ):
                message = f"push {child.digest} first: the manifest points at it"
                detail = {"digest": child.digest}
                raise refused(400, "MANIFEST_BLOB_UNKNOWN", message, detail)


def _unknown(request: Asked, target: str) -> Exception:
    message = f"there is no manifest {target} in {request.name}"
    return refused(404, "MANIFEST_UNKNOWN", message, {"target": target})

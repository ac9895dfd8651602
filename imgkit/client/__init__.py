"""A remote repository over the registry protocol (OCI distribution-spec 1.1, "Pull").

One pull asks for:

    GET /v2/                               is there a registry, and what does it want? (401)
    GET <realm>?scope=repository:...:pull  a token, without a name or password
    GET /v2/<name>/manifests/<tag>         an index or a manifest, by name
    GET /v2/<name>/manifests/<digest>      the manifest for our platform
    GET /v2/<name>/blobs/<digest>          the config, then each layer
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection
from threading import Event
from typing import Final

import requests

from imgkit import document
from imgkit.client import origins, tls
from imgkit.client.credentials import Credentials, Login
from imgkit.client.download import Download
from imgkit.client.endpoint import Endpoint
from imgkit.client.patience import Patience
from imgkit.client.upload import Upload
from imgkit.client.wire import Exchange, Question, Wire
from imgkit.digest import Digest, Readable, VerifyingReader
from imgkit.errors import NotFound
from imgkit.limits import current
from imgkit.manifest import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    Index,
    parse,
)
from imgkit.reference import DOCKER_HUB, Reference

__all__ = ["Client", "Exchange", "Repository", "asks_itself"]

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DOCUMENT_TYPES: Final = (*INDEX_TYPES, *MANIFEST_TYPES)


class Client(Wire):
    """Talks to registries: one connection pool for all of them.

    `mirror` is the address of a registry that answers for all others (the embedded one, say); it
    is told which one was meant (`?ns=docker.io`). A `cache` answers for Docker Hub alone, as the
    `registry-mirrors` of Docker do: it would look for the same path of another registry there, and
    could find another image. Registries named with a port, or `localhost`, are always asked
    themselves. Blobs are sent at once, or in pieces of `piece` bytes. Registries
    are asked over https, but for those named in `plain`, and those on this machine that cannot.
    """

    def __init__(
        self,
        *,
        piece: int | None = None,
        plain: Collection[str] = (),
        session: requests.Session | None = None,
        mirror: str | None = None,
        cache: str | None = None,
        credentials: Credentials | None = None,
        patience: Patience | None = None,
        on_exchange: Callable[[Exchange], None] | None = None,
        on_wait: Callable[[float, str], None] | None = None,
    ) -> None:
        super().__init__(session, patience=patience, on_exchange=on_exchange, on_wait=on_wait)
        self.piece = piece
        self.plain = frozenset(plain)
        self.mirror = mirror
        self.cache = cache
        self.credentials = credentials or Credentials()
        self._tls: dict[str, bool] = {}

    def repository(self, reference: Reference) -> Repository:
        """The repository that a name belongs to."""
        return Repository(self, reference)

    def address(self, reference: Reference) -> str:
        """Where the registry of a name is itself; one on this machine is asked how it speaks."""
        host = reference.registry_host
        where = origins.origin(f"https://{host}")
        if reference.registry in self.plain:
            return f"http://{host}"
        if not origins.is_loopback(where[1]):
            return f"https://{host}"
        in_process = self.session.get_adapter(f"http://{host}/") != self.session.adapters["http://"]
        if host not in self._tls and not in_process:
            spoken = tls.is_spoken(*where[1:])
            if spoken is not None:  # once somebody answered, the scheme stays
                self._tls[host] = spoken
        return f"{'https' if self._tls.get(host) else 'http'}://{host}"


class Repository(Endpoint):
    """One repository of one registry: a `Source`, and a `Target` where we may write.

    `siblings` are other repositories of the same registry, whose blobs need not be sent again.
    """

    def __init__(self, client: Client, reference: Reference) -> None:
        domain, path = reference.registry, reference.path
        mirror = client.mirror or (client.cache if domain == DOCKER_HUB else None)
        mirror = None if asks_itself(domain) else mirror
        base = client.address(reference) if mirror is None else mirror.rstrip("/")

        def login() -> Login | None:  # which is no business of a mirror
            return client.credentials.find(domain, path) if mirror is None else None

        super().__init__(client, reference, base, login, mirrored=mirror is not None)
        self.client = client
        self.siblings: tuple[str, ...] = ()
        self._documents: dict[Digest, bytes] = {}
        self._tagged: tuple[str, Digest] | None = None

    def resolve(self, reference: Reference) -> Descriptor:
        """The manifest or index of that tag or digest, fetched and, for a digest, checked."""
        target = reference.with_default_tag().target
        answer, raw = self.fetch(f"manifests/{target}", ", ".join(_DOCUMENT_TYPES))
        digest = Digest.of(raw, reference.digest.algorithm if reference.digest else "sha256")
        if reference.digest:
            VerifyingReader(io.BytesIO(raw), reference.digest, None, "manifest").read()
        media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        generic = media_type in ("", "application/json", "application/octet-stream", "text/plain")
        found = parse(raw, None if generic else media_type)
        announced = answer.headers.get("Docker-Content-Digest", str(digest))
        if announced.startswith(f"{digest.algorithm}:") and announced != digest:
            note = f"its header says {announced}, but the bytes are {digest}"
            self.client.on_exchange(Exchange("GET", answer.url, answer.status_code, None, note))
        self._documents[digest] = raw
        return Descriptor(found.media_type, digest, len(raw))

    def open(self, descriptor: Descriptor) -> VerifyingReader:
        """The bytes of a manifest or blob, checked against the descriptor while they are read."""
        known = self._documents.get(descriptor.digest)
        what = f"{descriptor.media_type} from {self.domain}"
        if known is not None:
            return VerifyingReader(io.BytesIO(known), descriptor.digest, descriptor.size, what)
        if descriptor.media_type in _DOCUMENT_TYPES:
            path, accept = f"manifests/{descriptor.digest}", descriptor.media_type
        else:
            path, accept = f"blobs/{descriptor.digest}", "*/*"
        stopped = Event()
        download = Download(
            lambda span: self.get(path, accept, span, stopped),
            descriptor.size,
            self.domain,
            self.client.patience,
            lambda seconds, why: self.client.wait(seconds, why, stopped),
            stopped,
        )
        return VerifyingReader(download, descriptor.digest, descriptor.size, what)

    def tags(self) -> list[str]:
        """All tags of this repository, in the order of the registry, page after page."""
        found: dict[str, None] = {}
        for page in self.pages("tags/list", "list of tags"):
            if page.get("tags") is not None:  # some registries say null for none
                found |= dict.fromkeys(document.strings(page, "tags"))
        strange = [tag for tag in found if not _TAG.fullmatch(tag)]
        if strange:
            raise document.refused(f"{strange[0][:200]!r}, in the list of tags, is not a tag")
        return list(found)

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """What refers to a manifest: signatures, lists of parts (spec: "Listing Referrers").

        A registry that does not know them keeps them under a tag, `sha256-<hex>`.
        """
        what, query = f"referrers/{digest}", {"artifactType": artifact_type or ""}
        try:
            pages = list(self.pages(what, "list of referrers", **(query if artifact_type else {})))
        except NotFound:
            try:
                _, raw = self.fetch(f"manifests/{digest.algorithm}-{digest.hex[:64]}", OCI_INDEX)
            except NotFound:
                return []
            pages = [document.load(raw, "list of referrers")]
        entries = [entry for page in pages for entry in document.sequence(page, "manifests")]
        if len(entries) > (most := current().manifests):
            said = f"{len(entries)} manifests refer to {digest}; at most {most} are read"
            current().refuse("manifests", said, len(entries))
        found = {Descriptor.from_json(entry).digest: entry for entry in entries}
        return [
            Descriptor.from_json(entry)
            for entry in found.values()
            if artifact_type in (None, entry.get("artifactType"))  # not every registry filters
        ]

    # -- writing ----------------------------------------------------------------------------

    def has(self, descriptor: Descriptor) -> bool:
        """Whether these bytes are in the repository (spec: "Checking if content exists")."""
        kind = "manifests" if descriptor.media_type in _DOCUMENT_TYPES else "blobs"
        accept = {"Accept": descriptor.media_type if kind == "manifests" else "*/*"}
        what = f"{kind}/{descriptor.digest}"
        answer = self.call(what, Question(self.url(what), "HEAD", accept), good=(200, 404))
        answer.close()
        size = answer.headers.get("Content-Length", str(descriptor.size))
        return answer.status_code == 200 and size == str(descriptor.size)

    def put(self, descriptor: Descriptor, stream: Readable, name: Reference | None = None) -> None:
        """Afterwards the repository has these bytes, whole; or an error was raised.

        A manifest or index that is to get a `name` is put there at once, as Docker does.
        An index is left out if a manifest that it lists is not there: registries refuse it, as
        they should, and the image that was copied gets the name by itself.
        """
        self.access.need(f"repository:{self.path}:pull,push")
        stream = VerifyingReader.of(stream, descriptor.digest, descriptor.size)
        if descriptor.media_type not in _DOCUMENT_TYPES:
            for sibling in self.siblings:
                self.access.need(f"repository:{sibling}:pull")
            client = self.client
            going = Upload(self, descriptor, stream, client.patience, client.wait, client.piece)
            going.run(self.siblings)
            return
        raw = stream.read()
        found = parse(raw, descriptor.media_type)
        if isinstance(found, Index) and not all(map(self.has, found.manifests)):
            return
        tag = _tag(name) if name else ""
        self._put_document(tag or str(descriptor.digest), descriptor, raw)
        self._tagged = tag, descriptor.digest

    def name(self, reference: Reference, manifest: Descriptor, index: Descriptor | None) -> None:
        """Afterwards the tag points at the index, if that is there, or else at the manifest."""
        target = index if index and index.digest in self._documents else manifest
        tag, done = _tag(reference), self._tagged
        self._tagged = None
        if tag and done != (tag, target.digest):
            self._put_document(tag, target, self._documents[target.digest])

    def delete(self, reference: Reference) -> None:
        """Afterwards the repository has no such tag; or, named by digest, no such manifest."""
        self.access.need(f"repository:{self.path}:pull,push,delete")
        what = f"manifests/{reference.with_default_tag().target}"
        question = Question(self.url(what), "DELETE")
        self.call(what, question, good=(200, 202, 204), doing="delete from").close()

    def _put_document(self, target: str, descriptor: Descriptor, raw: bytes) -> None:
        headers = {"Content-Type": descriptor.media_type}
        what = f"manifests/{target}"
        question = Question(self.url(what), "PUT", headers, raw, again=True)
        self.call(what, question, good=(200, 201, 202), doing="write").close()
        self._documents[descriptor.digest] = raw


def _tag(reference: Reference) -> str:
    """The tag that a name means; "" where it is a name by digest alone."""
    return reference.with_default_tag().tag or ""


def asks_itself(domain: str) -> bool:
    """Whether a registry of that name is asked itself, whatever mirror there is."""
    return ":" in domain or domain == "localhost"

"""What is said in one pull, and what it means: the log of requests, read aloud.

A log is a list of `client.Exchange`. Which blob is the config, and which are layers, is known from
what the copy reports; layers that came side by side are told in the manifest's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from imgkit.client import Exchange
from imgkit.digest import Digest
from imgkit.image import Copied
from imgkit.manifest import CONFIG_TYPES, Descriptor
from imgkit.units import size

REGISTRY: Final = "registry"
TOKENS: Final = "token service"
LOCAL: Final = "repository"


@dataclass(frozen=True, slots=True)
class Step:
    """The client asks one party for something, and this is the answer.

    `requests` are the requests of this step: none for a question to the local repository,
    several for layers.
    """

    to: str
    asks: str
    answer: str
    requests: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"client to {self.to}: {self.asks} - {self.answer}"


def steps(log: Sequence[Exchange], copied: Copied) -> list[Step]:
    """The pull that `log` and `copied` report, step by step, the local repository's part too."""
    blobs = {str(blob.digest): blob for blob in (*copied.fetched, *copied.existing)}
    layers = [e for e in log if (blob := blobs.get(_target(e))) and not _is_config(blob)]
    order = [str(blob.digest) for blob in copied.fetched]
    layers.sort(key=lambda exchange: order.index(_target(exchange)))
    told = [_step(e, copied) for e in log if e not in layers]
    here = f"{len(copied.existing)} of them" if copied.existing else "none of them"
    told.append(Step(LOCAL, f"{len(blobs)} blobs: which are here?", here))
    if layers:
        told.append(_layers(layers, [blobs[_target(e)] for e in layers]))
    told.append(Step(LOCAL, "keep the new, then the name", "kept: every digest was right"))
    return told


def short(digest: Digest) -> str:
    """A digest as pictures and tables show it: the algorithm and twelve digits."""
    return f"{digest.algorithm}:{digest.short}"


def request(exchange: Exchange) -> str:
    """Method and path, as in a registry's log; of a query, only the scope of a token."""
    parts = urlsplit(exchange.url)
    scope = parse_qs(parts.query).get("scope")
    return f"{exchange.method} {parts.path}{f'?scope={scope[0]}' if scope else ''}"


def brief(exchange: Exchange) -> str:
    """The same in at most forty characters or so: `…` for the repository, twelve digits."""
    asked = request(exchange)
    if "/v2/" not in asked or len(asked) <= 40:
        return asked
    *_, kind, target = asked.split("/")
    algorithm, colon, digits = target.partition(":")
    return f"{exchange.method} …/{kind}/{algorithm}{colon}{digits[:12]}"


def meaning(exchange: Exchange, known: dict[str, str]) -> str:
    """What came back, in words; `known` says of a digest or tag what it stands for."""
    status, path = exchange.status, urlsplit(exchange.url).path
    size_of = f", {size(exchange.size)}" if exchange.size is not None else ""
    if exchange.note:
        return f"{status}: {exchange.note}"
    if status == 401:
        return "401: not without a token"
    if status in (301, 302, 303, 307, 308):
        return f"{status}: it is kept elsewhere"
    if status == 206:
        return f"206: the rest of {known.get(path.rpartition('/')[2], 'a blob')}{size_of}"
    if status == 429:
        return "429: asked too often, come back later"
    if status != 200:
        return f"{status}: refused"
    if path == "/v2/":
        return "200: yes, and it wants no token"
    if "/manifests/" in path or "/blobs/" in path:
        return f"200: {known.get(path.rpartition('/')[2], 'what was asked for')}{size_of}"
    return "200: a token, for this repository"


def _step(exchange: Exchange, copied: Copied) -> Step:
    path = urlsplit(exchange.url).path
    known = {str(blob.digest): "the config" for blob in copied.fetched + copied.existing}
    known[copied.manifest.digest] = "the manifest"
    if "/manifests/" in path and ":" not in path.rpartition("/")[2]:
        known[path.rpartition("/")[2]] = "the index" if copied.index else "the manifest"
    to = REGISTRY if path.startswith("/v2/") else TOKENS
    return Step(to, brief(exchange), meaning(exchange, known), (request(exchange),))


def _layers(log: Sequence[Exchange], layers: Sequence[Descriptor]) -> Step:
    if len(log) == 1:
        answer = meaning(log[0], {str(layers[0].digest): "the layer"})
        return Step(REGISTRY, brief(log[0]), answer, (request(log[0]),))
    asks = f"{len(log)} times {brief(log[0]).partition('sha256:')[0]}sha256:…"
    total = size(sum(layer.size for layer in layers))
    return Step(REGISTRY, asks, f"200: {len(layers)} layers, {total}", tuple(map(request, log)))


def _target(exchange: Exchange) -> str:
    return urlsplit(exchange.url).path.rpartition("/")[2]


def _is_config(blob: Descriptor) -> bool:
    return blob.media_type in CONFIG_TYPES

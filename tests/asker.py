"""Asking a registry, one request at a time, as its tests do; and an image for it to have."""

from __future__ import annotations

import requests

from imgkit.digest import Digest
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, Manifest
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.store import Store

LAYER = bytes(range(256)) * 5000
CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
REDIS = "/v2/library/redis"
NOWHERE = Digest.of(b"nobody has this")


class Asker(requests.Session):
    """Asks one origin, with a token if it has one."""

    registry: Registry

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.trust_env = False
        self.origin = origin

    def request(self, method: str, url: str, **more: object) -> requests.Response:  # type: ignore[override]
        return super().request(method, url if "://" in url else self.origin + url, **more)  # type: ignore[arg-type]

    def login(self, *scopes: str) -> None:
        """Get a token, and show it from now on."""
        token = self.get("/token", params={"scope": list(scopes)}).json()["token"]
        self.headers["Authorization"] = f"Bearer {token}"


def fill(store: Store, *names: str) -> Manifest:
    """One image of one layer, under these names."""
    layer = store.put_bytes(LAYER, OCI_LAYER)
    manifest = Manifest.make(store.put_bytes(CONFIG, OCI_CONFIG), [layer])
    store.put_bytes(manifest.raw, manifest.media_type)
    for name in names:
        store.name(Reference.parse(name), manifest.descriptor, None)
    return manifest


def codes(answer: requests.Response) -> list[str]:
    """The codes of an error body, whose shape is checked by the way."""
    errors = answer.json()["errors"]
    assert all(set(error) == {"code", "message", "detail"} for error in errors)
    assert all(error["message"] for error in errors)
    return [error["code"] for error in errors]

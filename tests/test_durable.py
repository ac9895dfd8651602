"""A registry that is killed at any moment has all that it acknowledged, and nothing half."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import requests
from asker import Asker
from conftest import NIGHTLY

from imgkit.digest import Digest
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Manifest
from imgkit.place import EMBEDDED
from imgkit.server import Registry
from imgkit.server.transport import mount
from imgkit.store import Store

KILLS = 200 if NIGHTLY else 20
SERVE = """
import sys
from imgkit.server import Registry
from imgkit.store import Store
from imgkit.server.transport import serve
with serve(Registry([Store(sys.argv[1])], auth=False)) as served:
    print(served.url, flush=True)
    served.wait()
"""
REPO = "/v2/library/app"


class Pusher(threading.Thread):
    """Pushes small images until nobody answers; `done` is what was acknowledged, path and bytes."""

    def __init__(self, url: str, seed: str) -> None:
        super().__init__()
        self.url, self.seed = url, seed
        self.rng = random.Random(seed)
        self.done: dict[str, bytes] = {}

    def run(self) -> None:
        with contextlib.suppress(requests.RequestException), Asker(self.url) as asker:
            for number in range(10_000):
                self.push(asker, f"{self.seed}.{number}")

    def push(self, asker: Asker, tag: str) -> None:
        """One image: a layer in two chunks, a config at once, a manifest under a tag."""
        layer = self.rng.randbytes(self.rng.randrange(200_000))
        location = asker.post(f"{REPO}/blobs/uploads/").headers["Location"]
        asker.patch(location, data=layer[:70_000])
        digest = Digest.of(layer)
        put = asker.put(location, params={"digest": digest}, data=layer[70_000:])
        self.acknowledged(put, f"blobs/{digest}", layer)
        config = b'{"of":"%s"}' % tag.encode()
        where = {"digest": Digest.of(config)}
        posted = asker.post(f"{REPO}/blobs/uploads/", params=where, data=config)
        self.acknowledged(posted, f"blobs/{Digest.of(config)}", config)
        layers = [Descriptor.of(layer, OCI_LAYER)]
        raw = Manifest.make(Descriptor.of(config, OCI_CONFIG), layers).raw
        headers = {"Content-Type": OCI_MANIFEST}
        named = asker.put(f"{REPO}/manifests/{tag}", data=raw, headers=headers)
        self.acknowledged(named, f"manifests/{tag}", raw)

    def acknowledged(self, answer: requests.Response, path: str, data: bytes) -> None:
        """Remember it, for it was promised."""
        assert answer.status_code == 201, answer.text
        self.done[path] = data


def killed(home: Path, number: int, rng: random.Random) -> dict[str, bytes]:
    """What a registry acknowledged to two clients before it was killed."""
    command = [sys.executable, "-c", SERVE, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        pushers = [Pusher(url, f"{number}.{which}") for which in "ab"]
        for pusher in pushers:
            pusher.start()
        threading.Event().wait(rng.uniform(0.02, 0.25))
        process.send_signal(signal.SIGKILL)
    for pusher in pushers:
        pusher.join()
    return pushers[0].done | pushers[1].done


def each_blob(store: Store, check: Callable[[Path], None]) -> int:
    """How many files have the name of a blob; each was checked."""
    paths = [path for path in (store.home / "blobs").rglob("*") if path.is_file()]
    for path in paths:
        check(path)
    return len(paths)


def test_kill_at_any_moment(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Kills during pushes: what was answered 201 is there, byte for byte, after each."""
    rng, promised = random.Random(9), dict[str, bytes]()

    def check(path: Path) -> None:
        assert Digest.of(path.read_bytes(), path.parent.name).hex == path.name

    for number in range(KILLS):
        new = killed(tmp_path, number, rng)
        promised |= new
        store = Store(tmp_path)
        with Asker(EMBEDDED) as asker:
            mount(asker, Registry([store], auth=False))
            for path, data in (promised if number == KILLS - 1 else new).items():
                assert asker.get(f"{REPO}/{path}").content == data
    record_property("kills", KILLS)
    record_property("acknowledged", len(promised))
    assert each_blob(store, check) >= len(promised)
    assert len(promised) > KILLS

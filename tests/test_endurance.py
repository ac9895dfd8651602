"""Processes that are killed, interrupted, or pull beside each other, into one local repository."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Final

import pytest
import requests
from images import AMD64, add_image
from recorder import Request, answering

from imgkit import ingest
from imgkit.client import Client
from imgkit.digest import Digest
from imgkit.errors import DigestMismatch, ImgkitError, Stopped
from imgkit.image import copy, verify
from imgkit.manifest import OCI_LAYER, Descriptor
from imgkit.reference import Reference
from imgkit.server import Registry, transport
from imgkit.server.faults import Fault
from imgkit.store import Store

KILLS: Final = 12
LAYERS: Final = [{"data": random.Random(n).randbytes(400_000)} for n in range(5)]
SOON: Final = 15
"""Seconds that end a test which hangs; a silent server is borne for longer."""

PULLER: Final = """
import sys
from imgkit.client import Client
from imgkit.image import copy
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
home, host, *names = sys.argv[1:]
client = Client()
for name in names:
    reference = Reference.parse(f"{host}/{name}")
    copy(client.repository(reference), Store(home), reference, platform=Platform("linux", "amd64"))
"""


class Bench:
    """A registry with one image of five layers, and a local repository to pull it into."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        self.remote = Store(tmp_path / "remote")
        self.registry = Registry([self.remote], auth=False)
        self.served = transport.serve(self.registry)
        self.host = self.served.host
        add_image(self.remote, "app", LAYERS)
        image = self.remote.image("app")
        self.sizes = {d.digest: d.size for d in image.manifest.children}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A pull in a process of its own."""
        asked = ["-m", "imgkit", "pull", f"{self.host}/app", "--platform", "linux/amd64"]
        return subprocess.Popen(
            [sys.executable, *(words or asked)],
            env=os.environ | {"IMGKIT_HOME": str(self.home), "IMGKIT_LIVE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def whole(self) -> set[Digest]:
        """The layers and configs that are there; each is what its name says."""
        found = set()
        for path in (self.home / "blobs" / "sha256").glob("*"):
            assert Digest.of(path.read_bytes()).hex == path.name
            found.add(Digest(f"sha256:{path.name}"))
        return found & self.sizes.keys()

    def begun(self) -> dict[Digest, int]:
        """How many bytes there are of each layer that is not whole."""
        found = (self.home / "ingest").glob("sha256-*")
        sizes = {Digest(path.name.replace("-", ":")): path.stat().st_size for path in found}
        return {digest: size for digest, size in sizes.items() if size}

    def came(self) -> int:
        """Bytes in all files but index.json and the like."""
        folders = (self.home / "blobs" / "sha256", self.home / "ingest")
        total = 0
        for path in (path for folder in folders for path in folder.glob("*")):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # it got its name just now
                continue
        return total

    def settle(self) -> None:
        """Afterwards nothing that a killed process asked for is still to be answered.

        The system may hold a request of it that no thread has taken up; ours comes behind that.
        """
        requests.get(f"http://{self.host}/v2/", timeout=60, headers={"Connection": "close"})
        until(lambda: not any("process_request" in t.name for t in threading.enumerate()))

    def asked(self) -> dict[Digest, list[int]]:
        """The lengths of what was sent of each blob since the last time."""
        found: dict[Digest, list[int]] = {}
        for line in self.registry.log:
            target = line.path.partition("?")[0].rpartition("/")[2]
            if "/blobs/" in line.path:
                found.setdefault(Digest(target), []).append(line.bytes)
        self.registry.log.clear()
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.served.close()


def until(fact: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Returns when that is so, or the process has ended."""
    end = time.monotonic() + 60
    while not fact() and (process is None or process.poll() is None):
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Afterwards the process is gone, whatever happens."""
    with process:
        try:
            yield
        finally:
            process.kill()


def test_killed_at_any_moment(bench: Bench, record_property: Callable[[str, object], None]) -> None:
    """Whatever came before SIGKILL need not come again, and the local repository is sound."""
    rng = random.Random(4)
    bench.registry.faults.append(Fault("slow", "/blobs/", times=10_000, rate=1_000_000))
    gone_on = 0
    for _ in range(KILLS):
        enough = bench.came() + rng.randrange(150_000)
        whole, begun = bench.whole(), bench.begun()
        process = bench.start()
        with ended(process):
            until(lambda enough=enough: bench.came() > enough, process)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        bench.settle()
        for digest, sizes in bench.asked().items():
            assert digest not in whole
            assert sizes == [bench.sizes[digest] - begun.get(digest, 0)]
            gone_on += digest in begun
        assert all(bench.begun().get(digest, size) >= size for digest, size in begun.items())
    assert gone_on
    record_property("kills", KILLS)
    bench.registry.faults.clear()
    whole, begun = bench.whole(), bench.begun()
    with ended(process := bench.start()):
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    expected = {d: [n - begun.get(d, 0)] for d, n in bench.sizes.items() if d not in whole}
    assert bench.asked() == {d: sizes for d, sizes in expected.items() if sizes != [0]}
    assert verify(Store(bench.home).image(f"{bench.host}/app")) == []
    assert list((bench.home / "ingest").iterdir()) == []


SILENCES: Final = {
    "a pause that the registry asked for": Fault("status", "/blobs/", 99, 429, retry_after="50"),
    "a server that fell silent": Fault("stall", "/blobs/", 99, at=300_000, seconds=50),
}


@pytest.mark.parametrize("fault", SILENCES.values(), ids=SILENCES)
def test_ctrl_c(bench: Bench, fault: Fault) -> None:
    """It ends a pull soon, whatever that waits for; what came is gone on with the next time."""
    config = bench.remote.image("app").manifest.config.digest
    bench.registry.faults += [Fault("slow", config), fault]
    some_comes = fault.what == "stall"
    with ended(process := bench.start()):
        until(lambda: len(bench.registry.log) > 5 and layers_asked(bench, config) == 3, process)
        until(lambda: bool(bench.begun()) == some_comes, process)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=SOON)
    assert said.splitlines()[-1] == "imgkit: stopped. What was whole has been kept."
    assert process.returncode == 130
    bench.registry.faults.clear()
    bench.asked()
    begun = bench.begun()
    assert bool(begun) == some_comes
    with ended(process := bench.start()):
        process.communicate(timeout=60)
    asked = bench.asked()
    assert all(asked[digest] == [bench.sizes[digest] - size] for digest, size in begun.items())
    assert verify(Store(bench.home).image(f"{bench.host}/app")) == []


def layers_asked(bench: Bench, config: Digest) -> int:
    """How many layers were asked for until now."""
    return sum("/blobs/" in line.path and config not in line.path for line in bench.registry.log)


def test_ctrl_c_while_nobody_answers(tmp_path: Path, bench: Bench) -> None:
    """A server that takes the question and says nothing is no reason to wait either."""
    over = Event()
    asked: list[str] = []

    def silent(request: Request) -> tuple[int, dict[str, str], bytes]:
        asked.append(request.path)
        over.wait(50)
        return 200, {}, b""

    image = bench.remote.image("app")
    config, *layers = image.manifest.children
    answers = {f"/v2/app/blobs/{layer.digest}": silent for layer in layers} | {
        "/v2/": (200, {}, b""),
        "/v2/app/manifests/latest": (
            200,
            {"Content-Type": image.descriptor.media_type},
            image.manifest.raw,
        ),
        f"/v2/app/blobs/{config.digest}": (200, {}, image.config.raw),
    }
    with answering(answers) as server:  # type: ignore[arg-type]
        words = ("-m", "imgkit", "pull", f"{server.host}/app", "--platform", "linux/amd64")
        with ended(process := bench.start(*words)):
            until(lambda: len(asked) == 3, process)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=SOON)
        over.set()
    assert process.returncode == 130
    assert Store(bench.home).records() == []


@pytest.mark.parametrize("fault", SILENCES.values(), ids=SILENCES)
def test_a_failure_ends_the_others(bench: Bench, fault: Fault) -> None:
    """When one layer is false, the others are given up wherever they are; no thread is left."""
    image = bench.remote.image("app")
    false, *others = (layer.digest for layer in image.manifest.layers)
    bench.registry.faults += [replace(fault, match=digest) for digest in others]
    bench.registry.faults.append(Fault("flip", false, at=399_000))
    client = Client()
    name = Reference.parse(f"{bench.host}/app:latest")
    with pytest.raises(DigestMismatch):
        copy(client.repository(name), Store(bench.home), name, platform=AMD64)
    until(lambda: not any("_work" in thread.name for thread in threading.enumerate()))
    client.session.close()
    assert bench.whole() == {image.manifest.config.digest}


def test_a_pause_ends_at_once() -> None:
    """Who waits in another thread for a busy server is told to stop, and does."""
    blob = Descriptor.of(BLOB, OCI_LAYER)
    waits: Queue[float] = Queue()
    errors: list[Exception] = []
    answers = {
        "/v2/": (200, {}, b""),
        f"/v2/app/blobs/{blob.digest}": (503, {"Retry-After": "50"}, b""),
    }
    with answering(answers) as server:  # type: ignore[arg-type]
        client = Client(on_wait=lambda seconds, why: waits.put(seconds))
        stream = client.repository(Reference.parse(f"{server.host}/app")).open(blob)

        def read() -> None:
            try:
                stream.read()
            except ImgkitError as error:
                errors.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        assert waits.get(timeout=SOON) == 50
        stream.stop()
        thread.join(SOON)
        assert not thread.is_alive()
        client.session.close()
    assert [type(error) for error in errors] == [Stopped]
    assert waits.empty()


def all_end_well(processes: list[subprocess.Popen[str]]) -> None:
    with ExitStack() as stack:
        for process in processes:
            stack.enter_context(ended(process))
        said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(said), said


def test_some_pull_the_same_at_once(bench: Bench) -> None:
    """None writes into the file of another, and all have the image at the end."""
    bench.registry.faults.append(Fault("slow", "/blobs/", times=10_000, rate=1_000_000))
    all_end_well([bench.start() for _ in range(3)])
    assert verify(Store(bench.home).image(f"{bench.host}/app")) == []
    assert list((bench.home / "ingest").iterdir()) == []


def test_many_pull_at_once(bench: Bench) -> None:
    """Different names and the same ones: index.json loses none of them."""
    names = [f"many{n % 3}:{n}" for n in range(100)]
    made = [add_image(bench.remote, f"many{n}", [{"n": b"%d" % n}, *LAYERS[:1]]) for n in range(3)]
    for n, name in enumerate(names):
        bench.remote.name(Reference.parse(name), made[n % 3], None)
    # Each name but four in one process alone: what another loses, nobody gives again.
    mine = [[*names[n::4], *names[:4]] for n in range(4)]
    words = ("-c", PULLER, str(bench.home), bench.host)
    all_end_well([bench.start(*words, *some) for some in mine])
    store = Store(bench.home)
    expected = {f"{bench.host}/{name}" for name in names}
    assert sorted(names_of(store)) == sorted(expected)
    assert all(verify(store.image(name)) == [] for name in names_of(store)[:12])


def names_of(store: Store) -> list[str]:
    return [record.name for record in store.records() if record.name]


def test_killed_while_it_was_made(tmp_path: Path) -> None:
    """A repository that was not yet whole when its maker died is made whole by the next."""
    Store(tmp_path)
    (tmp_path / "oci-layout").unlink()
    assert Store(tmp_path).records() == []
    (tmp_path / "oci-layout").unlink()
    (tmp_path / "index.json").unlink()
    assert Store(tmp_path).records() == []


# -- what lies in ingest/ ---------------------------------------------------------------------

BLOB: Final = b"0123456789" * 1000


def test_what_the_dead_left_is_swept(tmp_path: Path) -> None:
    """Opening a repository removes what nobody writes any more; never what somebody does."""
    store = Store(tmp_path / "home")
    folder = store.home / "ingest"
    (folder / "tmpdead").write_bytes(b"half")
    with store.ingest() as alive:
        alive.write(b"more")
        Store(tmp_path / "home")
        assert list(folder.iterdir()) == [alive.path]
        digest = alive.commit()
    assert store.path(digest).read_bytes() == b"more"


def test_beginnings_are_swept_when_asked(tmp_path: Path) -> None:
    """The beginning of a blob waits to be gone on with, until it is asked to go."""
    store = Store(tmp_path / "home")
    digest = Digest.of(BLOB)
    path = store.home / "ingest" / digest.replace(":", "-")
    path.write_bytes(BLOB[:100])
    assert (store.sweep(), path.exists()) == (0, True)
    with store.ingest(None, digest) as alive:
        alive.write(b"x")
        assert (store.sweep(beginnings=True), path.exists()) == (0, True)
    assert (store.sweep(beginnings=True), path.exists()) == (101, False)


def test_a_second_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    """Two that write one blob do not meet; the name is for the first."""
    store = Store(tmp_path / "home")
    digest = Digest.of(BLOB)
    with store.ingest(None, digest) as first, store.ingest(None, digest) as second:
        assert first.path != second.path
        for file in (first, second):
            file.write(BLOB)
        second.commit(digest)
        first.commit(digest)
    assert store.path(digest).read_bytes() == BLOB
    assert list((store.home / "ingest").iterdir()) == []


def test_a_name_that_leads_elsewhere(tmp_path: Path) -> None:
    """A link in the place of a beginning is not followed."""
    store = Store(tmp_path / "home")
    digest = Digest.of(BLOB)
    victim = tmp_path / "victim"
    victim.write_bytes(BLOB[:5])
    (store.home / "ingest" / digest.replace(":", "-")).symlink_to(victim)
    store.put_bytes(BLOB, "application/octet-stream")
    assert (store.path(digest).read_bytes(), victim.read_bytes()) == (BLOB, BLOB[:5])


def test_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files cannot be locked, nothing is swept and nothing gone on with; a put works."""
    monkeypatch.setattr(ingest, "LOCKS", False)
    monkeypatch.setattr(ingest, "fcntl", None)
    store = Store(tmp_path / "home")
    digest = Digest.of(BLOB)
    begun = store.home / "ingest" / digest.replace(":", "-")
    begun.write_bytes(BLOB[:100])
    store.put_bytes(BLOB, "application/octet-stream")
    assert (store.path(digest).read_bytes(), begun.exists()) == (BLOB, True)

"""Measure, and print one line a measurement (`make bench`).

A figure is the best of several runs, imgkit's and its peer's taken in turn, so that a busy machine
slows both; the ratio means more than the seconds.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import serving
from benchmarks.overlay import measure_overlay
from benchmarks.registry import registry
from imgkit import tar
from imgkit.config import Config
from imgkit.manifest import OCI_LAYER, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry, Kind

LAYERS: Final = 4
LAYER_SIZE: Final = 32 << 20
"""Bytes of each layer; random, so that compressing on the way would win nothing."""


def main() -> None:
    """Every measurement that the programs on this machine allow."""
    measure_import()
    measure_overlay()
    serving.main()
    missing = [name for name in ("skopeo", "docker-registry") if shutil.which(name) is None]
    if missing:
        print(f"pull: not measured, {' and '.join(missing)} not installed")
        return
    with tempfile.TemporaryDirectory(prefix="imgkit-bench-") as folder:
        measure_pull(Path(folder))


def measure_import() -> None:
    """`import imgkit` beside `import requests`, each over a bare Python."""
    python = [sys.executable, "-c"]
    bare, ours, theirs = best(
        lambda: run([*python, "pass"]),
        lambda: run([*python, "import imgkit"]),
        lambda: run([*python, "import requests"]),
        rounds=15,
    )
    compare("import", ours - bare, "import requests", theirs - bare)


def measure_pull(folder: Path) -> None:
    """`imgkit pull` into an empty local repository, beside `skopeo copy` into an OCI layout."""
    layout = folder / "source"
    make_image(layout)
    with registry("docker-registry", folder) as address:
        name = f"{address}/bench/image:v1"
        skopeo = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
        run([*skopeo, f"oci:{layout}:docker.io/library/bench:v1", f"docker://{name}"])
        target = folder / "target"

        def ours() -> None:
            home = ["--home", str(target)]
            run([sys.executable, "-m", "imgkit", "pull", *home, "--quiet", name])

        def theirs() -> None:
            run([*skopeo, f"docker://{name}", f"oci:{target}:v1"])

        fastest = best(ours, theirs, rounds=5, before=lambda: shutil.rmtree(target, True))
        compare(f"pull of {LAYERS * LAYER_SIZE >> 20} MiB", fastest[0], "skopeo copy", fastest[1])


def make_image(home: Path) -> None:
    """An OCI layout with one image, `bench:v1`, of plain layers of random bytes."""
    store = Store(home)
    layers = []
    for number in range(LAYERS):
        entry = Entry("data", Kind.FILE, mode=0o644)
        layer = tar.write([(entry, random.Random(number).randbytes(LAYER_SIZE))])
        layers.append(store.put_bytes(layer, OCI_LAYER))
    config = Config.make(Platform.here(), [layer.digest for layer in layers])
    store.put_bytes(config.raw, config.descriptor.media_type)
    manifest = Manifest.make(config.descriptor, layers)
    store.put_bytes(manifest.raw, manifest.media_type)
    store.name(Reference.parse("bench:v1"), manifest.descriptor, None)


def best(
    *actions: Callable[[], None], rounds: int, before: Callable[[], None] = lambda: None
) -> list[float]:
    """The shortest time in seconds of each action; they take turns, `before` runs unmeasured."""
    fastest = [float("inf")] * len(actions)
    for _ in range(rounds):
        for number, action in enumerate(actions):
            before()
            start = time.perf_counter()
            action()
            fastest[number] = min(fastest[number], time.perf_counter() - start)
    return fastest


def run(command: list[str]) -> None:
    """Run a program silently; stop here, with what it said, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\nfailed: {done.stderr}")


def compare(what: str, ours: float, peer: str, theirs: float) -> None:
    """Print both figures and their ratio; below 1 we are faster."""
    print(
        f"{what}: imgkit {ours * 1000:.0f} ms, {peer} {theirs * 1000:.0f} ms, "
        f"ratio {ours / theirs:.2f}"
    )


if __name__ == "__main__":
    main()

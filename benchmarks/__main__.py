"""Measure, and write the table (`make bench`): docs/benchmarks.md.

python -m benchmarks                 every row, into the table; the rest to the screen
python -m benchmarks pull unpack     these rows alone, to the screen
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks import clicks, images, report, scaling, serving
from benchmarks.overlay import measure_overlay
from benchmarks.registry import registry
from benchmarks.rows import INSECURE, ROWS, SKOPEO, Bench
from imgkit.store import Store
from tests.docker_engine import engine

PROGRAMS: Final = ("skopeo", "umoci", "podman", "dockerd", "docker-registry", "gzip", "tar")


def main(words: Sequence[str]) -> None:
    """Every row, or those named."""
    unknown = [word for word in words if word not in ROWS]
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if unknown or missing:
        sys.exit(
            f"no such row: {unknown[0]}; there are {', '.join(ROWS)}"
            if unknown
            else f"not measured: {', '.join(missing)} not installed"
        )
    with bench() as here:
        lines = [line for name in words or ROWS for line in ROWS[name](here)]
    if words:
        print("\n".join(report.table(lines)))
        return
    report.write(lines, clicks.measured())
    scaling.main()
    measure_overlay()
    serving.main()


@contextmanager
def bench() -> Iterator[Bench]:
    """Images in a registry and in layouts, in memory where the system has such a filesystem."""
    memory = Path("/dev/shm")  # noqa: S108  not for secrets: for its speed
    if memory.is_dir():
        tempfile.tempdir = str(memory)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imgkit-bench-")))
        host = stack.enter_context(registry("docker-registry", folder))
        sources = {"small": images.small(folder), "big": folder / "source"}
        shutil.copytree(images.large(), sources["big"])
        layouts = {}
        for name, source in sources.items():
            there = f"docker://{host}/bench/{name}"
            _copy(_first(source), f"{there}:latest")
            layouts[name] = folder / f"oci-{name}"
            _copy(f"{there}:latest", f"oci:{layouts[name]}:{name}")
            images.with_layer(source, f"{name}-2", b"one more layer")
            _copy(f"oci:{source}:docker.io/library/{name}-2:latest", f"{there}-2:latest")
            shutil.rmtree(source)
        docker = stack.enter_context(engine(f"--insecure-registry={host}"))
        yield Bench(folder, layouts, host, {"DOCKER_HOST": docker.host})


def _first(layout: Path) -> str:
    return f"oci:{layout}:{Store(layout).records()[0].name}"


def _copy(source: str, target: str) -> None:
    insecure = [
        word
        for word, place in zip(INSECURE, (source, target), strict=True)
        if place.startswith("docker:")
    ]
    subprocess.run([*SKOPEO, *insecure, source, target], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])

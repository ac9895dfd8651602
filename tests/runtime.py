"""A container runtime for Docker: runc, with a real BusyBox where the samples have a stand-in.

The programs of the sample images are filler and cannot run. Over every one that BusyBox knows, the
machine's own static BusyBox is mounted; nothing else of the container is changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

BUSYBOX: Final = "/usr/bin/busybox"
FOLDERS: Final = ("bin", "sbin", "usr/bin", "usr/sbin")


def cover(bundle: Path) -> None:
    """Afterwards the bundle's config mounts BusyBox over what it can stand for."""
    config = json.loads((bundle / "config.json").read_text())
    root = Path(config["root"]["path"])
    applets = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    known = {*applets.stdout.split(), "busybox", "dash"}
    for folder in FOLDERS:
        if (root / folder).is_symlink() or not (root / folder).is_dir():
            continue
        for path in sorted((root / folder).iterdir()):
            if path.name in known and path.is_file() and not path.is_symlink():
                where = f"/{path.relative_to(root)}"
                mount = {"destination": where, "type": "bind", "source": BUSYBOX}
                config["mounts"].append({**mount, "options": ["bind", "ro"]})
    (bundle / "config.json").write_text(json.dumps(config))


if __name__ == "__main__":
    if "create" in sys.argv:
        cover(Path(sys.argv[sys.argv.index("--bundle") + 1]))
    os.execvp("runc", ["runc", *sys.argv[1:]])  # noqa: S606

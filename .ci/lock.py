"""Write `requirements.lock` and, as a part of it, `binder/requirements.txt` (`make lock`).

The lock holds every third-party package of every extra, for every platform, pinned and with its
hashes on PyPI. Binder's file, which `make lab` installs too, holds the entries of the lock that the
notebooks need, word for word: one resolution, so the two cannot disagree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
BINDER = ROOT / "binder" / "requirements.txt"
CONSTRAINTS = Path(__file__).with_name("constraints.txt")
PYPI = "https://pypi.org/simple"
HEADER = "# {what}\n# Written by `make lock`; do not edit.\n"


def main() -> None:
    """Resolve everything anew and write both files."""
    whole = entries(resolve("--all-extras"))
    LOCK.write_text(HEADER.format(what="Everything, pinned: all extras.") + "".join(whole))
    needed = {name(entry) for entry in entries(resolve("--extra", "notebooks", "-c", str(LOCK)))}
    part = "".join(entry for entry in whole if name(entry) in needed)
    BINDER.write_text(HEADER.format(what="The part that running the notebooks needs.") + part)
    print(f"{len(whole)} entries in {LOCK.name}, {len(needed)} of them in binder/{BINDER.name}")


def resolve(*arguments: str) -> str:
    """What uv resolves for Python 3.11 and later on every platform, from PyPI alone."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "pyproject.toml"]
    command += ["--group", "build", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--no-config", "--default-index", PYPI]
    command += ["--constraints", str(CONSTRAINTS)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("UV_")}
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=clean, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def entries(text: str) -> list[str]:
    """The requirements in `text`, each with its hash lines."""
    return re.findall(r"^[A-Za-z0-9].*\n(?: .*\n)*", text, re.MULTILINE)


def name(entry: str) -> str:
    """The name of the package that an entry pins."""
    return entry.partition("==")[0]


if __name__ == "__main__":
    main()

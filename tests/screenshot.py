"""Make a picture of a notebook in JupyterLab, run from top to bottom, to be looked at.

python tests/screenshot.py NOTEBOOK PICTURE.png [--dark] [--full] [--as-is] [--width PIXELS]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import browser


def main() -> None:
    """The picture is made of the first screen, or (`--full`) of the whole notebook."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("notebook", type=Path)
    words.add_argument("picture", type=Path)
    words.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    words.add_argument("--full", action="store_true", help="the whole notebook, however long")
    words.add_argument("--as-is", action="store_true", help="do not run it: show what is stored")
    words.add_argument("--width", type=int, default=1200, help="of the window, in pixels")
    options = words.parse_args()
    folder, name = options.notebook.resolve().parent, options.notebook.name
    with (
        browser.jupyterlab(folder) as lab,
        lab.open(name, width=options.width, dark=options.dark) as page,
    ):
        errors = [] if options.as_is else lab.run_all(page)
        lab.picture(page, options.picture, full=options.full)
    sys.exit("\n".join(errors))


if __name__ == "__main__":
    main()

"""Make a picture of a notebook in JupyterLab, run from top to bottom, to be looked at.

python tests/screenshot.py NOTEBOOK PICTURE.png [--dark] [--full] [--keep] [--width PIXELS]
"""

from __future__ import annotations

import argparse
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
    with browser.jupyterlab(options.notebook.resolve().parent) as lab:
        with lab.open(options.notebook.name, width=options.width, dark=options.dark) as page:
            if not options.as_is:
                print(*lab.run_all(page), sep="\n", end="")
            lab.picture(page, options.picture, full=options.full)


if __name__ == "__main__":
    main()

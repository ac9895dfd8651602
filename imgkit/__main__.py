"""The `imgkit` command: it reads the words, prints the lines, and gives the exit status.

0: done. 1: it could not be done, and why. 2: the words cannot be understood.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from imgkit.client import Client, asks_itself
from imgkit.client.credentials import Credentials
from imgkit.commands import FAILED, USAGE, VERBS, Bench, parser
from imgkit.errors import ImgkitError, InvalidReference, NotFound
from imgkit.reference import Reference

INTERRUPTED = 130


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    options = parser().parse_args(words)
    live = getattr(options, "live", False) or os.environ.get("IMGKIT_LIVE", "") not in ("", "0")
    home = getattr(options, "home", None) or os.environ.get("IMGKIT_HOME")
    bench = Bench(
        home=Path(home) if home else platformdirs.user_data_path("imgkit"),
        client=_live if live else _embedded,
        say=_say,
    )
    try:
        return VERBS[options.verb].does(bench, options)
    except ImgkitError as error:
        hint = "" if live else _hint(error, options)
        print(f"imgkit: {_plain(str(error) + hint)}", file=sys.stderr)
        return USAGE if isinstance(error, InvalidReference) else FAILED
    except KeyboardInterrupt:
        print("imgkit: stopped. What was whole has been kept.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _hint(error: ImgkitError, options: argparse.Namespace) -> str:
    """What a learner should know of a pull from the embedded registry that found nothing."""
    if options.verb != "pull" or not isinstance(error, NotFound):
        return ""
    if asks_itself(Reference.parse(options.ref).registry):
        return ""
    return " (The embedded registry was asked, which has samples only; --live asks the real one.)"


def _live() -> Client:
    """A client that asks every registry itself, with the logins that this user has."""
    return Client(credentials=Credentials.of_user())


def _embedded() -> Client:
    """A client for which the embedded registry answers, in this process, without a socket."""
    from imgkit import samples, server  # noqa: PLC0415  only a pull needs them
    from imgkit.server import transport  # noqa: PLC0415  only a pull needs them

    client = Client(mirror=transport.HOME, credentials=Credentials.of_user())
    transport.mount(client.session, server.Registry([samples.store()]))
    return client


def _say(line: str) -> None:
    print(_plain(line), flush=True)


def _plain(text: str) -> str:
    """The text without control characters: what comes from an image must not steer a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


if __name__ == "__main__":
    sys.exit(main())

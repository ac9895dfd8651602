"""`%docker` and `%%docker`: the verbs in a notebook, on its newest `Lab()`.

    %load_ext imgkit
    %docker pull redis
    ids = %docker images -q
    %docker rmi -f $(docker images -q)

With no `Lab()` in the notebook they work on the local repository of whoever runs it, as in a
terminal. The body of a `%%docker` cell is standard input. A variable of the notebook may stand in
a line as `$name` or `{name}`.
"""

from __future__ import annotations

import io
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from imgkit.commands import Bench, Refused, parse, run
from imgkit.commands.line import complete, words
from imgkit.lab import Lab
from imgkit.platforms import Platform
from imgkit.printable import shown
from imgkit.pull import Pull

_VARIABLE: Final = re.compile(r"'[^']*'|\$([A-Za-z_]\w*)|(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")


class Output(str):
    """What a verb printed, line by line. It shows nothing as a result: it is printed already."""

    __slots__ = ("status",)
    status: int

    def _ipython_display_(self) -> None:
        """Show nothing."""


def load(shell: Any) -> None:
    """Afterwards the notebook knows the magics, and completes their words."""
    from IPython.core.magic import no_var_expand  # noqa: PLC0415  a notebook has it

    @no_var_expand  # type: ignore[misc, unused-ignore]  # `{{.ID}}` must stay as it is
    def docker(line: str, cell: str | None = None) -> Output:
        """Carry out one command line of Docker, without Docker."""
        return carry_out(variables(line, shell.user_ns), cell)

    shell.register_magic_function(docker, "line_cell", "docker")
    shell.set_hook("complete_command", _completer, re_key=r"^%{1,2}docker\b")


def carry_out(line: str, cell: str | None = None) -> Output:
    """Do what the line says, print what it says, and return it; nothing is raised."""
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        sys.stdout.write(f"{shown(text)}\n")

    def warn(text: str) -> None:
        sys.stdout.flush()  # a notebook shows the two streams in the order of their flushes
        sys.stderr.write(f"{shown(text)}\n")
        sys.stderr.flush()

    bench = current(say, warn)
    bench.stdin = None if cell is None else io.BytesIO(cell.encode())
    try:
        given = words(bench, line)
        _look_on(bench, given)
        status = run(bench, given)
    except Refused as refused:
        warn(str(refused))
        status = refused.status
    output = Output("\n".join(said))
    output.status = status
    return output


def current(say: Any = lambda line: None, warn: Any = lambda line: None) -> Bench:
    """The bench of the newest lab; or, without one, that of whoever runs this."""
    return Lab.newest.bench(say, warn) if Lab.newest else Bench.of_user(say, warn)


def variables(line: str, known: Mapping[str, Any]) -> str:
    """The line with the variables of the notebook put in, but not between single quotes."""

    def put_in(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name is None or name not in known:
            return found[0]
        value = known[name]
        several = isinstance(value, Iterable) and not isinstance(value, str)
        return shlex.join(map(str, value) if several else str(value).split())

    return _VARIABLE.sub(put_in, line)


def _look_on(bench: Bench, given: list[str]) -> None:
    """Afterwards a pull is shown while it goes on, and a container's terminal can be typed into."""
    from imgkit.widgets import PullView, TerminalView  # noqa: PLC0415  a notebook has them

    def attach(terminal: Any) -> int:
        _display(TerminalView(terminal))
        return 0

    bench.attach = attach
    try:
        called, options = parse(bench.prog, given)
    except Refused:
        return
    plain = options.on("quiet") or options.on("all-tags") or options.on("help")
    if called not in ("pull", "image pull") or plain or options.on("live"):
        return
    pull = Pull(bench.client(), bench.store, platform=bench.platform or Platform.here())
    view = PullView(pull)
    _display(view)
    bench.watch, bench.on_progress = pull.watching, pull.progress


def _display(view: object) -> None:
    from IPython.display import display  # noqa: PLC0415  a notebook has it

    display(view)  # type: ignore[no-untyped-call, unused-ignore]


def _completer(_: object, event: Any) -> list[str]:
    """What IPython offers for the word at the cursor."""
    given = event.text_until_cursor.split()[1:]
    last = event.symbol
    if given and event.text_until_cursor.endswith(given[-1]):
        last = given.pop()
    found = complete(current(), given, last)
    cut = len(last) - len(event.symbol)  # the editor counts a part of the word only
    return [word[cut:] for word in found] if last.endswith(event.symbol) else found

"""A shell at a prompt: the plain object, its widget, and the prompt of a real terminal."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from imgkit import samples
from imgkit.container import Container
from imgkit.container.containers import Containers
from imgkit.container.record import EXITED, REMOVED, RUNNING
from imgkit.container.terminal import Terminal, plain
from imgkit.image import copy
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.widgets.terminal import TerminalView

STEER: Final = {
    "\x1b[31mred\x1b[0m": "red",
    "\x1b[2J\x1b[1;1Hgone": "gone",
    "\x1b]0;title\x07left": "left",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
    "\x1bcreset": "reset",
    "\x1b(B\x1b)0": "",
    "a\r\nb\x00\x08\x9b31m": "a\nb31m",
    "a\tb\n": "a\tb\n",
    "\x1b]never closed": "",
    "\u202eright to left": "right to left",
}


@pytest.mark.parametrize(("text", "shown"), STEER.items(), ids=map(ascii, STEER))
def test_nothing_steers_a_terminal(text: str, shown: str) -> None:
    """Escape sequences go as a whole, other control characters by themselves."""
    assert plain(text) == shown


@pytest.fixture
def shelf(tmp_path: Path) -> Containers:
    return Containers(Store(tmp_path / "home"))


Opened = Callable[..., Terminal]


@pytest.fixture
def opened(shelf: Containers) -> Opened:
    """`docker run -it IMAGE COMMAND`: a terminal whose container others can change."""

    def run(name: str = "alpine", *command: str, fleeting: bool = False) -> Terminal:
        copy(samples.store(), shelf.store, Reference.parse(name).with_default_tag())
        image = shelf.store.image(name)
        container = shelf.create(image, command or ["sh"], interactive=True, fleeting=fleeting)
        assert container.start() is None
        return Terminal(container, again=partial(shelf.get, container.id))

    return run


def state(shelf: Containers, container: Container) -> tuple[str, int]:
    """What another process sees of a container."""
    record = shelf.find(container.id)
    return record.state, record.code


def test_a_session(opened: Opened, shelf: Containers) -> None:
    """Lines, their output, and a prompt that tells where the shell is; what it makes is kept."""
    terminal = opened()
    assert terminal.prompt == "/ # "
    assert terminal.type("echo hello > /file1") == ""
    assert terminal.type("cat /file1; nosuch") == "hello\nsh: nosuch: not found\n"
    terminal.type("cd /srv\nprintf x")
    terminal.type("cd")
    assert str(terminal.transcript).splitlines() == [
        "/ # echo hello > /file1",
        "/ # cat /file1; nosuch",
        "hello",
        "sh: nosuch: not found",
        "/ # cd /srv",
        "/srv # printf x",
        "x",
        "/srv # cd",
        "~ #",
    ]
    assert ("A", "/file1") in shelf.get(terminal.container.id).diff()
    assert terminal.history[-2:] == ["printf x", "cd"]


def test_a_command_of_many_lines(opened: Opened) -> None:
    """A line that cannot stand alone waits for the next, after another prompt; Ctrl-C forgets."""
    terminal = opened()
    assert terminal.type("for i in 1 2; do") == ""
    assert terminal.prompt == "> "
    assert terminal.type("echo $i\ndone") == "1\n2\n"
    terminal.type("echo 'a")
    terminal.interrupt()
    assert terminal.prompt == "/ # "
    assert terminal.type("echo b") == "b\n"


ENDS: Final = {"exit 3": 3, "false\nexit": 1, "true; exit": 0}


@pytest.mark.parametrize(("typed", "code"), ENDS.items())
def test_the_end(typed: str, code: int, opened: Opened, shelf: Containers) -> None:
    """`exit` ends the container, with the code of the shell; after that nothing can be typed."""
    terminal = opened()
    terminal.type(typed)
    assert (terminal.code, terminal.prompt) == (code, "")
    assert state(shelf, terminal.container) == (EXITED, code)
    assert terminal.type("echo more") == ""


def test_ctrl_d(opened: Opened, shelf: Containers) -> None:
    """The end of input ends the shell with the last exit code; with --rm, the container goes."""
    terminal = opened(fleeting=True)
    terminal.type("false")
    terminal.end()
    assert (terminal.code, terminal.container.state) == (1, REMOVED)
    assert shelf.records() == []


def test_exec(opened: Opened, shelf: Containers) -> None:
    """A second shell sees what the first does, and the reverse; its end is only its own."""
    first = opened()
    again = partial(shelf.get, first.container.id)
    second = Terminal(again(), is_main=False, again=again)
    first.type("echo 1 > /a")
    second.type("echo 2 > /b")
    assert first.type("cat /a /b") == "1\n2\n"
    assert second.type("exit 4") == ""
    assert (second.code, state(shelf, first.container)[0]) == (4, RUNNING)
    shelf.get(first.container.id).stop()
    assert first.type("echo more") == ""
    assert first.code == 137


def test_refusals(opened: Opened) -> None:
    """What needs a real machine is one sentence, and the shell goes on."""
    terminal = opened("nginx", "bash")
    assert terminal.prompt.endswith(":/# ")
    assert terminal.prompt.startswith("root@")
    said = terminal.type("echo before; nginx")
    assert said.startswith("before\nimgkit: /usr/sbin/nginx is a program for a real machine")
    assert terminal.type("echo $?") == "126\n"
    assert terminal.type("sleep 1 &").startswith("imgkit: the small shell of imgkit does not know")


def test_other_users(shelf: Containers, opened: Opened) -> None:
    """Whoever is not root has another sign; what they may not do is refused as Linux does."""
    root = opened()
    terminal = Terminal(root.container, user="nobody", workdir="/srv", is_main=False)
    assert terminal.prompt == "/srv $ "
    assert "Permission denied" in terminal.type("echo 1 > /etc/x")


# -- the widget ----------------------------------------------------------------------------------


def test_the_widget(opened: Opened) -> None:
    """Enter puts a newline into the line: what was typed is carried out, and shown."""
    view = TerminalView(opened())
    view.type("echo '<b>bold</b>' > /x; cat /x")
    assert "&lt;b&gt;bold&lt;/b&gt;" in view.screen.value
    assert "<b>" not in view.screen.value
    assert repr(view) == "/ # echo '<b>bold</b>' > /x; cat /x\n<b>bold</b>\n/ #"
    assert view._repr_mimebundle_()["text/plain"] == repr(view)
    view.line.value = "ls"
    assert view.line.value == "ls"
    view.line.value = "echo 1\necho 2\necho"
    assert view.line.value == "echo"
    assert repr(view).splitlines()[-5:] == ["/ # echo 1", "1", "/ # echo 2", "2", "/ #"]


def test_the_widget_remembers(opened: Opened) -> None:
    """Lines come back by the buttons; Ctrl-D ends the shell, and the line goes."""
    view = TerminalView(opened())
    view.type("echo 1")
    view.type("echo 2")
    up, down, forget, end = view.buttons.children
    seen = []
    for button in (up, up, up, down, down, down):
        button.click()
        seen.append(view.line.value)
    assert seen == ["echo 2", "echo 1", "echo 1", "echo 2", "", ""]
    view.type("echo 'a")
    forget.click()
    assert repr(view).endswith("> ^C\n/ #")
    end.click()
    assert view.row.layout.display == "none"
    assert "the shell has ended, exit status 0" in view.screen.value

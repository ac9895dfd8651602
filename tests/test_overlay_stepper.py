"""OverlayStepper: what is clicked is done, and what is shown is what there is."""

from __future__ import annotations

import re
from typing import Final

import pytest

from imgkit import samples
from imgkit.mount import Mount
from imgkit.mount.inode import tree
from imgkit.stepper import OPERATIONS, Stepper
from imgkit.widgets import OverlayStepper
from imgkit.widgets.overlay_stepper import page, trees

NASTY: Final = '<b onclick="x">&\x1b[31m'


@pytest.fixture
def widget() -> OverlayStepper:
    return OverlayStepper(Mount(samples.image("demo/leaky").layers), "/app/data.json")


def test_a_click_is_a_step(widget: OverlayStepper) -> None:
    """The fields say what to do; the button does it, and the views follow."""
    assert "No step yet" in widget.view.value
    widget.operation.value = "append"
    widget.more.value = "x"
    widget.go.click()
    assert widget.stepper.mount.read("/app/data.json").endswith(b"x\n")
    assert "18B of content copied up" in widget.view.value
    assert "20B, upper" in widget.trees.value


def test_only_the_fields_that_are_needed(widget: OverlayStepper) -> None:
    """The third field is there, under its right name, for operations that need it."""
    seen = {}
    for name in OPERATIONS:
        widget.operation.value = name
        seen[name] = widget.more.description if widget.more.layout.display != "none" else ""
    assert seen == {
        "read": "",
        "write": "Text",
        "append": "Text",
        "delete": "",
        "mkdir": "",
        "rename": "New path",
        "chmod": "Mode",
    }
    assert widget.path.layout.display is None


def test_the_directory_of_the_step_is_shown(widget: OverlayStepper) -> None:
    """The view goes where the last step was, or as near to it as there is a directory."""
    assert widget.folder.value == "/app"
    widget.step("delete", "/etc/apk/arch")
    assert widget.folder.value == "/etc/apk"
    widget.step("read", "/etc/none/x")
    assert widget.folder.value == "/etc"
    widget.folder.value = "/app"
    assert "/app/deploy.key" in widget.trees.value
    assert "/app/deploy.key" in repr(widget)


def test_starting_again(widget: OverlayStepper) -> None:
    """The button takes everything back."""
    before = repr(widget)
    widget.step("write", "/app/new", "x")
    widget.again.click()
    assert repr(widget) == before
    assert "No step yet" in widget.view.value


def test_linux_is_asked_when_its_button_is_pressed(
    widget: OverlayStepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence stands beside the outcome, and in the words, until the next step."""
    monkeypatch.setattr(Stepper, "ask_kernel", lambda self: "Linux says yes.")
    widget.step("delete", "/app/app.sh")
    assert "Linux" not in repr(widget)
    widget.kernel.click()
    assert "copied. Linux says yes." in widget.view.value
    assert repr(widget).endswith("\nLinux says yes.")
    widget.step("read", "/app")
    assert "Linux" not in repr(widget)


def test_the_words_have_what_the_picture_has(widget: OverlayStepper) -> None:
    """Every cell of the tables is in the words, too, and the words are the same each time."""
    widget.step("rename", "/app/app.sh", "/app/run.sh")
    html = widget.view.value + widget.trees.value
    texts = re.findall(r"<td[^>]*>([^<]+)</td>|<code>([^<]+)</code>", html)
    assert len(texts) > 30
    for cell, code in texts:
        assert (cell or code) in repr(widget)
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == repr(widget)


def test_text_from_outside_stays_text() -> None:
    """Whatever a file is called and holds, it is shown as text, and steers nothing."""
    stepper = Stepper(Mount([tree({NASTY: NASTY.encode()})]), [NASTY])
    for name in OPERATIONS:
        stepper.take(name, NASTY, NASTY)
        shown = page(stepper, NASTY) + trees(stepper, "/")
        assert "<b " not in shown
        assert "\x1b" not in shown
        assert "\x1b" not in repr(stepper)

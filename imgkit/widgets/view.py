"""What every widget has: a box of controls, the same in words, and one order of events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets


class View:
    """A widget: `box` is what can be seen and clicked, `repr` says the same in words."""

    box: ipywidgets.DOMWidget

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        in_order(self.box)
        bundle = self.box._repr_mimebundle_(**more) or {}
        return {**bundle, "text/plain": repr(self)}


def in_order(*controls: ipywidgets.Widget) -> None:
    """Afterwards no click on one of these overtakes what was typed or chosen in another before.

    ipykernel 7.4 hands what was done to a control to the thread that this control last spoke from:
    for a button always the main thread, for a field soon another. Here the main thread gets it
    all, as in kernels that have but one; so nothing is done while a cell runs, either.
    (Kernels 7.0 to 7.3 hand all of it to one other thread.)
    """
    for control in controls:
        control.comm._reply_subshell_for = _main_thread
        in_order(*getattr(control, "children", ()))


def _main_thread(*_: object) -> None:
    """None: so ipykernel names the main thread."""


def field(kind: type[ipywidgets.Text | ipywidgets.Textarea], text: str = "", **more: Any) -> Any:
    """A field that the kernel hears of when it is left, before the click on a button.

    Told of each letter, it would often be busy with one: the next would wait in the browser, and
    the click would not.
    """
    made = kind(text, continuous_update=False, **more)
    made.add_class("imgkit-mono")
    return made


def button(text: str, says: str, do: Callable[..., object], style: str = "") -> ipywidgets.Button:
    """A button that does this; what it `says` is shown below the mouse."""
    made = ipywidgets.Button(description=text, tooltip=says, button_style=style)
    made.on_click(do)
    return made


def show(control: ipywidgets.DOMWidget, *, on: bool) -> None:
    """Afterwards the control is on the page, or is not."""
    control.layout.display = None if on else "none"


def checkbox(text: str) -> ipywidgets.Checkbox:
    """A box to tick, as wide as what is said of it."""
    layout = ipywidgets.Layout(width="auto", margin="0 20px 0 4px")
    return ipywidgets.Checkbox(description=text, indent=False, layout=layout)


def labelled(width: str, label: int) -> dict[str, Any]:
    """How wide a field is, at most as wide as the page, and its label, in pixels."""
    return {
        "layout": ipywidgets.Layout(width=width, max_width="100%"),
        "style": {"description_width": f"{label}px"},
    }

"""NameExplorer: type any image name and see what it means, or exactly why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import ipywidgets

from imgkit.address import ASSUMED, Address
from imgkit.printable import shown
from imgkit.widgets.style import CSS, caption, safe, told
from imgkit.widgets.view import View

EXAMPLES: Final = (
    "redis",
    "mongo:7.0.5",
    "nigelpoulton/tu-demo:v2",
    "ghcr.io/regclient/regsync",
    "mcr.microsoft.com/powershell:7.4",
    "localhost:5000/my-app:1.0",
    "localhost:5000",
    "Redis",
    "alpine@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)


class NameExplorer(View):
    """A view of one `Address`: type a name, or choose an example."""

    def __init__(self, text: str = "redis", examples: Sequence[str] = EXAMPLES) -> None:
        wide = {"description_width": "70px"}
        self.text = ipywidgets.Text(
            text, description="Name", style=wide, layout=ipywidgets.Layout(width="640px")
        )
        self.text.add_class("imgkit-mono")
        self.example = ipywidgets.Dropdown(
            options=[("choose one", ""), *((shown(name), name) for name in examples)],
            description="Examples",
            style=wide,
            layout=ipywidgets.Layout(width="640px"),
        )
        self.view = ipywidgets.HTML()
        self.box = ipywidgets.VBox([self.text, self.example, self.view])
        self.text.observe(self._typed, "value")
        self.example.observe(self._chose, "value")
        self._typed()

    def __repr__(self) -> str:
        return f"NameExplorer: {self.text.value!r}\n{shown(repr(self.address))}"

    def _chose(self, change: dict[str, Any]) -> None:
        if change["new"]:
            self.text.value = change["new"]

    def _typed(self, *_: object) -> None:
        self.address = Address.of(self.text.value)
        self.view.value = page(self.address)


def page(address: Address) -> str:
    """The name's parts and the address that is asked; or what is wrong with the name."""
    if address.reference is None:
        body = told(f"{address.problem} (Reason: {address.reason}.)", "refused")
        return f'{CSS}<div class="imgkit">{body}</div>'
    rows = "".join(
        f"<tr><td>{part.role}</td><td><code>{safe(part.value)}</code></td>"
        f"<td>{'<strong>assumed</strong>' if part.state == ASSUMED else part.state}</td>"
        f"<td>{safe(part.says)}</td></tr>"
        for part in address.parts
    )
    head = "<tr><th>Part</th><th>Value</th><th>How it got here</th><th>What it says</th></tr>"
    full = told(f"In full: {address.reference.canonical}", "kept")
    return (
        f'{CSS}<div class="imgkit"><table><thead>{head}</thead><tbody>{rows}</tbody></table>{full}'
        f"{caption('What is asked')}<pre tabindex='0'>GET {safe(address.url)}</pre></div>"
    )

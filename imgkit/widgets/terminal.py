"""TerminalView: type commands into a running container, as after `docker run -it IMAGE sh`."""

from __future__ import annotations

from typing import Any, Final

import ipywidgets

from imgkit.container.terminal import Terminal
from imgkit.printable import shown
from imgkit.widgets.style import CSS, safe
from imgkit.widgets.view import View, button

LOOK: Final = """<style>
.imgkit-terminal { border: 1px solid var(--jp-border-color1, #c8ccd0); border-radius: 4px;
  padding: 6px 10px; max-width: 840px; background: var(--jp-layout-color1, #ffffff); }
.imgkit-terminal .widget-html, .imgkit-terminal .widget-html-content { line-height: 1.45; }
.imgkit-terminal pre, .imgkit-terminal textarea, .imgkit-terminal .prompt {
  font-family: var(--jp-code-font-family, monospace) !important; font-size: 13px !important;
  line-height: 19px !important; margin: 0; padding: 0; white-space: pre;
  color: var(--jp-content-font-color1, #1b1f23); background: none; }
.imgkit-terminal .screen { display: flex; flex-direction: column-reverse; max-height: 320px;
  overflow: auto; }
.imgkit-terminal .screen pre { max-height: none; overflow: visible; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.imgkit-terminal .widget-html:has(.prompt) { max-width: 60%; }
.imgkit-terminal .prompt { display: block; overflow: hidden; text-overflow: ellipsis; }
.imgkit-terminal .widget-html-content { min-width: 0; }
.imgkit-terminal .asked { font-weight: 600; }
.imgkit-terminal textarea { border: none; border-bottom: 1px solid
  var(--jp-border-color1, #c8ccd0); resize: none; overflow: hidden; height: 21px !important;
  min-height: 21px; box-shadow: none; outline-offset: 2px; }
.imgkit-terminal .jupyter-widgets.jupyter-button { width: auto; height: 24px; line-height: 24px;
  margin: 4px 6px 0 0; }
</style>"""

_HINT: Final = "type a command, then Enter"


class TerminalView(View):
    """A view of one `Terminal`: a screen, a prompt, and a line to type into."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.screen = ipywidgets.HTML()
        self.prompt = ipywidgets.HTML(layout=ipywidgets.Layout(width="auto", margin="0 6px 0 0"))
        layout = ipywidgets.Layout(width="100%", margin="0")
        self.line = ipywidgets.Textarea(rows=1, placeholder=_HINT, layout=layout)
        self.line.observe(self._typed, "value")
        self.row = ipywidgets.HBox([self.prompt, self.line])
        self.buttons = ipywidgets.HBox(
            [
                button("▲", "the line typed before", lambda _: self._recall(-1)),
                button("▼", "the line typed after", lambda _: self._recall(1)),
                button("Ctrl-C", "forget the line", lambda _: self._pressed(self._interrupt)),
                button("Ctrl-D", "end the shell", lambda _: self._pressed(self.terminal.end)),
            ]
        )
        self.box = ipywidgets.VBox([self.screen, self.row, self.buttons])
        self.box.add_class("imgkit-terminal")
        self._at = 0
        self._show()

    def type(self, text: str) -> None:
        """Type a line, or several, and press Enter."""
        self.line.value = f"{text}\n"

    def __repr__(self) -> str:
        return shown(self.terminal.transcript)

    def _typed(self, change: dict[str, Any]) -> None:
        """Enter puts a newline into the line: everything before the last one is carried out."""
        whole, newline, rest = change["new"].rpartition("\n")
        if newline:
            self.terminal.type(whole)
            self.line.value = rest
            self._at = len(self.terminal.history)
            self._show()

    def _recall(self, step: int) -> None:
        """Put a line that was typed before into the line to type into."""
        history = self.terminal.history
        self._at = min(max(self._at + step, 0), len(history))
        self.line.value = history[self._at] if self._at < len(history) else ""
        self.line.focus()

    def _interrupt(self) -> None:
        self.terminal.interrupt()
        self.line.value = ""

    def _pressed(self, do: Any) -> None:
        do()
        self._show()

    def _show(self) -> None:
        self.screen.value = page(self.terminal)
        self.prompt.value = f'<span class="prompt">{safe(self.terminal.prompt)}</span>'
        if self.terminal.code is not None:
            self.row.layout.display = self.buttons.layout.display = "none"


def page(terminal: Terminal) -> str:
    """Everything typed and printed so far, as HTML."""
    lines = [
        f'{safe(one.prompt)}<span class="asked">{safe(one.typed)}</span>\n{safe(one.printed)}'
        for one in terminal.lines
    ]
    if terminal.code is not None:
        lines.append(f"[the shell has ended, exit status {terminal.code}]\n")
    screen = f'<pre role="log" tabindex="0">{"".join(lines)}</pre>' if lines else ""
    return f'{CSS}{LOOK}<div class="screen">{screen}</div>'

"""LayerExplorer: walk through an image layer by layer, and through the life of a file."""

from __future__ import annotations

from typing import Any, Final

import ipywidgets

from imgkit.conversation import short
from imgkit.image import Image
from imgkit.printable import shown
from imgkit.tar.entry import Kind
from imgkit.units import size
from imgkit.walk import Touch, Walk
from imgkit.widgets.style import CSS, safe

_LABELLED: Final = {
    "layout": ipywidgets.Layout(width="auto", max_width="860px"),
    "style": {"description_width": "44px"},
}


class LayerExplorer:
    """A view of one `Walk`: choose a layer, then one of the paths that it touches."""

    def __init__(self, image: Image) -> None:
        self.walk = Walk(image)
        layers = [(_line(self.walk, number), number) for number in self.walk.numbers]
        self.layer = ipywidgets.RadioButtons(options=layers, **_LABELLED, description="Layer")
        self.about = ipywidgets.HTML()
        self.path = ipywidgets.Select(rows=11, **_LABELLED, description="Path")
        self.path.add_class("imgkit-mono")
        self.file = ipywidgets.HTML()
        self.box = ipywidgets.VBox(
            [
                ipywidgets.HTML(f'{CSS}<div class="imgkit">{safe(self.walk.summary)}</div>'),
                self.layer,
                self.about,
                self.path,
                self.file,
            ]
        )
        self.layer.observe(self._chose_layer, "value")
        self.path.observe(self._chose_path, "value")
        self._chose_layer()

    @property
    def touch(self) -> Touch | None:
        """The chosen path, and what the chosen layer does to it."""
        found = [t for t in self.walk.touches(self.layer.value) if t.path == self.path.value]
        return found[0] if found else None

    def __repr__(self) -> str:
        number = self.layer.value
        touches = self.walk.touches(number)
        lines = [repr(self.walk), "", f"layer {number}, made by {self.walk.made_by[number - 1]}"]
        lines += [f"  {touch}" for touch in touches[:20]]
        lines += [f"  and {len(touches) - 20} more"] * (len(touches) > 20)
        if self.touch:
            lines += ["", f"/{self.touch.path}", *map("  ".__add__, self._story(self.touch))]
        return shown("\n".join(lines))

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        bundle = self.box._repr_mimebundle_(**more) or {}
        return {**bundle, "text/plain": repr(self)}

    def _chose_layer(self, *_: object) -> None:
        number = self.layer.value
        touches = self.walk.touches(number)
        first = next((t.path for t in touches if t.kind is Kind.FILE), None)
        self.path.options = [(shown(str(touch)), touch.path) for touch in touches]
        self.path.value = first or (touches[0].path if touches else None)
        self.path.disabled = not touches
        self.path.rows = min(11, max(3, len(touches)))
        layer = self.walk.layer(number)
        self.about.value = (
            f'<div class="imgkit"><h4>Layer {number}</h4>'
            f"Made by <code>{safe(self.walk.made_by[number - 1])}</code><br>"
            f'Blob <code title="{layer.digest}">{short(layer.digest)}</code>, {size(layer.size)}; '
            f'DiffID <code title="{layer.diff_id}">{short(layer.diff_id)}</code></div>'
        )
        self._chose_path()

    def _chose_path(self, *_: object) -> None:
        touch = self.touch
        if touch is None:
            self.file.value = '<div class="imgkit">This layer touches no path.</div>'
            return
        content = self.walk.content(self.layer.value, touch.path)
        story = "; ".join(self._story(touch))
        self.file.value = (
            f'<div class="imgkit"><h4><code>/{safe(touch.path)}</code></h4>{safe(story)}'
            f'<pre tabindex="0">{safe(content)}</pre></div>'
        )

    def _story(self, touch: Touch) -> list[str]:
        return self.walk.history(touch.path)


def _line(walk: Walk, number: int) -> str:
    return f"{number}{', the base' * (number == 1)}: {shown(walk.told(number))}"

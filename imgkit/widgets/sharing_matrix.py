"""SharingMatrix: images and their layers, and what would really go with some of the names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import ipywidgets

from imgkit.conversation import short
from imgkit.lab import Lab
from imgkit.legend import LEGEND
from imgkit.printable import shown
from imgkit.sharing import Holder, Outcome, Shared, Sharing, rehearse, remove
from imgkit.units import counted, size
from imgkit.widgets.style import CSS, safe, told
from imgkit.widgets.view import View, button, checkbox, field, in_order, labelled

LOOK: Final = f"""<style>
.imgkit-matrix {{ overflow-x: auto; margin: 6px 0; }}
.imgkit-matrix tbody th {{ font-weight: 400; border-left: 4px solid transparent;
  padding-left: 8px; border-bottom: 1px solid var(--jp-border-color2, #e1e4e8); }}
.imgkit-matrix .stays th {{ border-left-color: {LEGEND["layer"].colour}; }}
.imgkit-matrix .goes th {{ border-left: 4px dashed {LEGEND["upper layer"].colour}; }}
.imgkit-matrix .goes code, .imgkit-matrix .goes .size {{ text-decoration: line-through; }}
.imgkit-matrix .many td.then {{ font-weight: 600; }}
.imgkit-matrix td.then {{ white-space: normal; }}
.imgkit-matrix tfoot td, .imgkit-matrix tfoot th {{ border: none; font-weight: 400; }}
.imgkit-matrix thead small {{ font-weight: 400; }}
</style>"""


class SharingMatrix(View):
    """A view of `Sharing`: choose names, and see what a removal would do; or do it."""

    def __init__(self, lab: Lab) -> None:
        self.store = lab.store
        self.sharing = Sharing.of(self.store)
        self.plan: Outcome | None = None
        self.names: dict[str, ipywidgets.Checkbox] = {}
        self.also = field(
            ipywidgets.Text,
            description="Also",
            placeholder="IDs or digests, with blanks between them",
            **labelled("560px", 44),
        )
        self.force = checkbox("-f, by force")
        self.go = button("Remove", "Do what is written above", self._go, "danger")
        self.again = button("Look again", "The local repository as it is now", self._look)
        self.choice = ipywidgets.VBox()
        self.view = ipywidgets.HTML()
        self.box = ipywidgets.VBox(
            [
                self.choice,
                self.also,
                ipywidgets.HBox([self.force, self.go, self.again]),
                self.view,
            ]
        )
        self.box.add_class("imgkit-sharing")
        self.also.observe(self._chose, "value")
        self.force.observe(self._chose, "value")
        self._look()

    @property
    def words(self) -> list[str]:
        """What is chosen: names that are ticked, and what was typed."""
        ticked = [name for name, box in self.names.items() if box.value]
        return [*ticked, *self.also.value.split()]

    def pick(self, *names: str, force: bool = False) -> Outcome | None:
        """Tick these names and no others, and give what their removal would do."""
        for name, box in self.names.items():
            box.value = name in names
        self.also.value = " ".join(name for name in names if name not in self.names)
        self.force.value = force
        return self.plan

    def __repr__(self) -> str:
        if self.plan is None:
            return shown(f"SharingMatrix: {self.sharing!r}")
        return shown(f"SharingMatrix: {_line(self.words, self.force.value)}\n{self.plan!r}")

    # -- what was clicked -----------------------------------------------------------------------

    def _look(self, *_: object) -> None:
        """Afterwards nothing is chosen, and all that is there can be."""
        self._renew()
        self._chose()

    def _chose(self, *_: object) -> None:
        force = self.force.value
        self.plan = rehearse(self.store, self.words, force=force) if self.words else None
        self.go.disabled = self.plan is None
        line = _line(self.words, force)
        self.view.value = page(self.plan, line) if self.plan else overview(self.sharing)

    def _go(self, *_: object) -> None:
        words, force = self.words, self.force.value
        done = remove(self.store, words, force=force)
        self._renew()
        self.plan = None
        self.go.disabled = True
        self.view.value = overview(done.after, _log(done, _line(words, force)) + _sum(done, "went"))

    def _renew(self) -> None:
        self.sharing = Sharing.of(self.store)
        self.names = {name: checkbox(name) for name in self.sharing.names}
        self.also.value = ""
        self.force.value = False
        for box in self.names.values():
            box.observe(self._chose, "value")
        self.choice.children = list(self.names.values())
        in_order(self.choice)


def overview(sharing: Sharing, before: str = "") -> str:
    """The images and their layers as they are; nothing is chosen."""
    packed, unpacked = sharing.apart
    says = "The local repository is empty."
    if sharing.holders:
        says = (
            f"{counted(len(sharing.layers), 'layer')}, each kept once: "
            f"{size(sharing.packed)} packed, {size(sharing.unpacked)} unpacked. "
            f"With a copy for each image it would be {size(packed)} and {size(unpacked)}."
        )
    rows = [(layer, _kept(layer), "stays") for layer in sharing.layers]
    return _page(before + told(says), _matrix(sharing.holders, rows, "Kept once for"))


def page(plan: Outcome, line: str) -> str:
    """What a removal would do: what Docker would say, then each layer with its fate."""
    rows = []
    for layer in plan.before.layers:
        digest = layer.blob.digest
        kept = plan.kept_by(digest)
        fate = "stays" if kept else "goes"
        then = fate if kept in ((), layer.holders) else f"stays: {_several(kept)}"
        rows.append((layer, then, fate))
    body = _log(plan, line) + _sum(plan, "would go")
    return _page(body, _matrix(plan.before.holders, rows, "Then"))


def _page(top: str, matrix: str) -> str:
    return f'{CSS}{LOOK}<div class="imgkit" style="max-width: 1000px">{top}{matrix}</div>'


def _log(outcome: Outcome, line: str) -> str:
    """The command, and what it prints or would print."""
    text = "\n".join([f"$ docker {line}", *map(str, outcome.steps)])
    return f'<pre tabindex="0" aria-label="What Docker says">{safe(text)}</pre>'


def _sum(outcome: Outcome, went: str) -> str:
    disk, unpacked = outcome.freed
    before, gone = outcome.before.layers, outcome.gone
    shared = sum(len(set(layer.holders)) > 1 for layer in before if layer.blob.digest not in gone)
    refused = [step.refused for step in outcome.steps if step.refused]
    says = (
        f"{counted(len(outcome.untagged), 'name')} and {len(gone)} of "
        f"{counted(len(before), 'layer')} {went}: "
        f"{disk:,} bytes on the disk, {unpacked:,} unpacked. "
        f"{counted(shared, 'shared layer')} {'stays' if shared == 1 else 'stay'}."
    )
    if refused:
        says += f" Refused: {len(refused)} of {len(outcome.steps)}."
    return told(says, "refused" if refused else "kept" if outcome.steps else "none")


def _matrix(holders: Sequence[Holder], rows: Sequence[tuple[Shared, str, str]], last: str) -> str:
    """Images side by side, layers below one another; a cell has the layer's place in the image."""
    heads = "".join(f'<th scope="col">{_head(holder)}</th>' for holder in holders)
    body = "".join(_row(holders, layer, then, fate) for layer, then, fate in rows)
    if not holders:
        return ""
    return (
        '<div class="imgkit-matrix" tabindex="0" role="region" aria-label="Images and layers">'
        '<table><thead><tr><th scope="col">Layer</th><th scope="col" class="size">Packed</th>'
        f'<th scope="col" class="size">Unpacked</th><th scope="col">{last}</th>{heads}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _head(holder: Holder) -> str:
    used = f"<br><small>used by {safe(', '.join(holder.containers))}</small>"
    more = f"<br><small>{safe(', '.join(holder.names[1:]))}</small>"
    head = safe(holder.label)
    return head + more * bool(holder.names[1:]) + used * bool(holder.containers and holder.id)


def _row(holders: Sequence[Holder], layer: Shared, then: str, fate: str) -> str:
    digest = layer.blob.digest
    places = (
        [n for n, part in enumerate(holder.parts, 1) if part.blob.digest == digest]
        for holder in holders
    )
    cells = "".join(f"<td>{', '.join(f'layer {n}' for n in found)}</td>" for found in places)
    many = " many" * (len(layer.holders) > 1)
    return (
        f'<tr class="{fate}{many}"><th scope="row"><code title="{digest}">{short(digest)}</code>'
        f'</th><td class="size">{size(layer.blob.size)}</td>'
        f'<td class="size">{size(layer.unpacked)}</td>'
        f'<td class="then">{safe(then)}</td>{cells}</tr>'
    )


def _kept(layer: Shared) -> str:
    count = len(layer.holders)
    return "one image" if count == 1 else f"{count}: {size(layer.saved)} saved"


def _several(labels: Sequence[str]) -> str:
    first, *rest = dict.fromkeys(labels)
    return f"{first} and {len(rest)} more" if rest else first


def _line(words: Sequence[str], force: bool) -> str:
    return " ".join(["rmi", *["-f"] * force, *words])

"""The verb `explore`: which layer brought, changed or hid what in an image, wherever it is."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from imgkit import units, waste
from imgkit.commands.bench import Bench, Refused
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import LimitExceeded, NotFound
from imgkit.image import Image
from imgkit.location import located
from imgkit.overlay import Overlay
from imgkit.overlay.tree import Change, Node
from imgkit.platforms import Platform
from imgkit.tar.entry import Kind
from imgkit.walk import READ, Walk

LARGEST: Final = 10
"""Files that can no longer be seen, that are listed unless all are asked for."""
JSON: Final = Flag("json", "As JSON")
PLATFORM: Final = Flag("platform", "Not this machine's, but that one", value="string")


def _explore(bench: Bench, options: Options) -> int:
    with located(options.words[0], bench.store, bench.client, platform(bench, options)) as image:
        walk = Walk(image)
        number = _number(walk, options)
        if len(options.words) > 1:
            _say_path(bench, options, walk, options.words[1].strip("/"), number)
        elif number:
            _say_layer(bench, options, walk, number)
        elif options.on("json"):
            bench.say(json.dumps(facts(image)))
        else:
            _say_image(bench, options, walk)
    return 0


def platform(bench: Bench, options: Options) -> Platform | None:
    return (
        Platform.parse(options.value("platform")) if options.value("platform") else bench.platform
    )


def _number(walk: Walk, options: Options) -> int | None:
    """The layer that was asked for, from 1, the base; raises `Refused` where there is none."""
    if not options.value("layer"):
        return None
    number = int(options.value("layer"))
    if number not in walk.numbers:
        raise Refused(
            f"imgkit: there is no layer {number}: they count from 1 to {len(walk.layers)}"
        )
    return number


# -- an image -------------------------------------------------------------------------------


def facts(image: Image) -> dict[str, Any]:
    """What `explore --json` says: layers from 1, the base; for each path, the one it comes from."""
    walk, overlay = Walk(image), image.overlay
    lost, entered = waste.hidden(overlay), _entered(overlay)
    return {
        "name": image.name.familiar if image.name else None,
        "id": image.id,
        "digest": image.digest,
        "platform": str(image.config.platform),
        "size": image.unpacked_size,
        "packed": image.packed_size,
        "wasted": overlay.wasted,
        "efficiency": waste.efficiency(overlay),
        "layers": [_layer_facts(walk, number) for number in walk.numbers],
        "hidden": [asdict(found) for found in lost],
        "paths": {node.path: _node_facts(node, entered) for node in overlay},
        "notes": list(overlay.notes),
    }


def _layer_facts(walk: Walk, number: int) -> dict[str, Any]:
    layer, touches = walk.layer(number), walk.touches(number)
    return {
        "layer": number,
        "digest": layer.digest,
        "diff_id": layer.diff_id,
        "created_by": walk.made_by[number - 1],
        "size": layer.unpacked_size,
        "packed": layer.size,
        "shown": walk.overlay.shown[number - 1],
        **{what: sum(t.what == what for t in touches) for what in ("adds", "changes", "deletes")},
    }


def _entered(overlay: Overlay) -> dict[str, int]:
    """For each directory in which a layer has something, the number of the last such layer."""
    found: dict[str, int] = {}
    for number, layer in enumerate(overlay.layers, 1):
        for entry in layer.entries:
            folder = entry.path.rpartition("/")[0]
            while folder and found.get(folder) != number:
                found[folder] = number
                folder = folder.rpartition("/")[0]
    return found


def _node_facts(node: Node, entered: Mapping[str, int]) -> dict[str, Any]:
    """Of a directory, `layer` is the last that has something in it: there a mount finds it first.

    Where that one has no entry of the directory itself, `entry` is the layer that has.
    """
    entry, own = node.inode.entry, node.layer + 1
    last = max(own, entered.get(node.path, 0)) if node.kind is Kind.DIR else own
    found: dict[str, Any] = {"layer": last, "kind": str(node.kind), "size": node.size}
    found |= {"mode": f"{entry.mode:04o}", "uid": entry.uid, "gid": entry.gid}
    found |= {"entry": own} if last != own else {}
    return found | ({"link": entry.link} if node.kind is Kind.SYMLINK else {})


def _say_image(bench: Bench, options: Options, walk: Walk) -> None:
    image = walk.image
    bench.say(f"{options.words[0]}: {image.config.platform}, image ID {image.id.short}")
    for number in walk.numbers:
        bench.say(f"layer {number}: {walk.told(number)}")
        if made_by := walk.made_by[number - 1]:
            bench.say(f"    {_short(made_by)}")
    bench.say(walk.summary)
    bench.say(f"Efficiency: {waste.efficiency(image.overlay):.1%} of the bytes in files are seen.")
    lost = waste.hidden(image.overlay)
    for found in lost[:LARGEST]:
        by = f"hidden by layer {found.by}" if found.by else "never shown"
        bench.say(f"{units.size(found.size):>8}  /{found.path}  in layer {found.layer}, {by}")
    if len(lost) > LARGEST:
        bench.say(f"... and {len(lost) - LARGEST} more files (--json has all)")
    for note in image.overlay.notes:
        bench.say(f"Note: {note}")


def _short(text: str, most: int = 90) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _say_layer(bench: Bench, options: Options, walk: Walk, number: int) -> None:
    if options.on("json"):
        touches = [asdict(touch) for touch in walk.touches(number)]
        bench.say(json.dumps(_layer_facts(walk, number) | {"touches": touches}))
        return
    bench.say(f"layer {number}: {walk.told(number)}")
    for touch in walk.touches(number):
        bench.say(str(touch))


# -- one path -------------------------------------------------------------------------------


def _say_path(bench: Bench, options: Options, walk: Walk, path: str, number: int | None) -> None:
    node = walk.overlay.get(path) if path in walk.overlay else None
    history = [(n, what) for n, what in walk.overlay.history(path)] if node else _past(walk, path)
    if not history:
        raise Refused(f"imgkit: nothing was ever at /{path} in {options.words[0]}")
    source, inner = (number, path) if number else _source(walk, path, node)
    now = node.layer + 1 if node else None
    if options.on("json"):
        told = [{"layer": at + 1, "what": what} for at, what in history]
        shown = {"path": path, "layer": now, "history": told, "source": source}
        bench.say(json.dumps(shown | _bytes(walk, source, inner)))
        return
    for at, what in history:
        bench.say(f"layer {at + 1}: {what}")
    bench.say(f"/{path} comes from layer {now}." if now else f"/{path} is gone.")
    bench.say("")
    if node and node.kind is Kind.DIR and not number:
        for name in sorted(node.children):
            child = node.children[name]
            mark = "/" if child.kind is Kind.DIR else ""
            bench.say(f"{units.size(child.size):>8}  layer {child.layer + 1:<3} {name}{mark}")
    else:
        bench.say(_content(walk, source, inner))


def _past(walk: Walk, path: str) -> list[Change]:
    """What became of a path that is gone."""
    with contextlib.suppress(NotFound):
        return list(walk.overlay.history(path))
    return []


def _source(walk: Walk, path: str, node: Node | None) -> tuple[int, str]:
    """The layer whose content is shown, and what it is called there; of what is gone, the last."""
    if node:
        with contextlib.suppress(NotFound):  # a symlink that leads nowhere is shown itself
            node = walk.overlay.get(path, follow=True)
        return node.inode.layer + 1, node.inode.entry.path
    return max((n for n in walk.numbers if walk.layer(n).find(path)), default=1), path


def _has(walk: Walk, number: int, path: str) -> bool:
    return bool(walk.layer(number).find(path)) or path in walk.layer(number).whiteouts


def _content(walk: Walk, number: int, path: str) -> str:
    """What that layer has under the path, in full if it is text."""
    if _has(walk, number, path):
        return walk.content(number, path, READ)
    there = ", ".join(str(n) for n in walk.numbers if _has(walk, n, path))
    return f"Layer {number} has nothing at /{path}. Layers that have: {there or 'none'}."


def _bytes(walk: Walk, number: int, path: str) -> dict[str, str]:
    """The content of a file: as text, or else in base64; nothing for what is no file, or large."""
    try:
        data = walk.layer(number).read(path, READ)
    except (NotFound, LimitExceeded):
        return {}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


VERBS: Final = {
    "explore": Verb(
        "Say which layer brought, changed or hid what in an image, wherever that is: a local name "
        "or ID, docker://NAME, oci:DIR, docker-archive:FILE, oci-archive:FILE, or any tar",
        "[OPTIONS] IMAGE [PATH]",
        _explore,
        (JSON, PLATFORM, Flag("layer", "Only this layer, from 1, the base", value="int")),
        least=1,
        most=2,
    ),
}

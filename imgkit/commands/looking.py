"""Verbs that Docker has not: verify, unpack, reference, serve."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from imgkit.commands.bench import FAILED, Bench
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.image import verify
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.unpack import unpack, unpack_layers


def _reference(bench: Bench, options: Options) -> int:
    bench.say(json.dumps(Reference.parse(options.words[0]).facts()))
    return 0


def _unpack(bench: Bench, options: Options) -> int:
    image = bench.store.image(options.words[0])
    target, devices = Path(options.words[1]), not options.on("no-devices")
    if options.on("layers"):
        for name, report in unpack_layers(image.layers, target, devices=devices).items():
            bench.say(f"{name}: {report}")
        return 0
    bench.say(str(unpack(image.layers, target, devices=devices)))
    return 0


def _verify(bench: Bench, options: Options) -> int:
    image = bench.store.image(options.words[0])
    broken = verify(image)
    for line in broken:
        bench.say(line)
    if broken:
        return FAILED
    for note in image.overlay.notes:
        bench.say(f"Note: {note}")
    said = f"{options.words[0]} is sound: manifest, config and {len(image.layers)} layers checked"
    bench.say(f"{said}, byte by byte")
    return 0


def _serve(bench: Bench, options: Options) -> int:
    from imgkit import samples, server  # noqa: PLC0415  other verbs start faster without
    from imgkit.server import transport  # noqa: PLC0415  other verbs start faster without

    root = options.value("root")
    with tempfile.TemporaryDirectory(prefix="imgkit-") as scratch:
        stores = [Store(root or scratch)]
        if not options.on("empty"):
            stores.append(samples.store())
        with transport.serve(
            server.Registry(stores), port=int(options.value("port", "0"))
        ) as served:
            kept = f"in {root}" if root else "until it stops"
            bench.say(f"A registry is served at {served.url}")
            bench.say(f"Try: imgkit pull {served.host}/library/redis")
            bench.say(f"What is pushed to it is kept {kept}. Ctrl-C stops it.")
            served.wait()
    return 0


VERBS: Final = {
    "serve": Verb(
        "Serve the embedded registry on this machine",
        "[OPTIONS]",
        _serve,
        (
            Flag("empty", "Without the sample images"),
            Flag("port", "Default: any that is free", value="int"),
            Flag("root", "Keep what is pushed in this directory", value="directory"),
        ),
    ),
    "reference": Verb("Take an image name apart, as JSON", "NAME", _reference, least=1, most=1),
    "unpack": Verb(
        "Write an image's root filesystem to a new or empty directory",
        "[OPTIONS] IMAGE DIRECTORY",
        _unpack,
        (
            Flag("layers", "A directory a layer, as overlay2 keeps them"),
            Flag("no-devices", "Make no device nodes, as root"),
        ),
        least=2,
        most=2,
    ),
    "verify": Verb("Check every byte of an image", "IMAGE", _verify, least=1, most=1),
}

"""Verbs that Docker has not: verify, unpack, reference, serve.

Each imports what it alone needs, and so starts without what the others do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from imgkit.commands.bench import FAILED, Bench
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import ImgkitError
from imgkit.image import verify
from imgkit.reference import Reference
from imgkit.store import Store


def _reference(bench: Bench, options: Options) -> int:
    bench.say(json.dumps(Reference.parse(options.words[0]).facts()))
    return 0


def _unpack(bench: Bench, options: Options) -> int:
    from imgkit.unpack import unpack, unpack_layers  # noqa: PLC0415  see above

    image = bench.store.image(options.words[0])
    target, devices = Path(options.words[1]), not options.on("no-devices")
    if options.on("layers"):
        for name, report in unpack_layers(image.layers, target, devices=devices).items():
            bench.say(f"{name}: {report}")
        return 0
    bench.say(str(unpack(image.layers, target, devices=devices)))
    return 0


def _verify(bench: Bench, options: Options) -> int:
    if options.on("all") == bool(options.words):
        raise ImgkitError("verify takes the name of an image, or --all")
    if options.on("all"):
        return _verify_all(bench)
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


def _verify_all(bench: Bench) -> int:
    from imgkit.audit import Audit  # noqa: PLC0415  see above

    audit = Audit.of(bench.store)
    for line in audit.broken:
        bench.say(line)
    for line in audit.notes:
        bench.say(f"Note: {line}")
    if audit.broken:
        return FAILED
    bench.say(f"{audit.images} images and {audit.containers} containers are sound, byte by byte")
    return 0


def _serve(bench: Bench, options: Options) -> int:
    import tempfile  # noqa: PLC0415  see above

    from imgkit import samples, server  # noqa: PLC0415
    from imgkit.server import caller, transport  # noqa: PLC0415

    root = options.value("root")
    with tempfile.TemporaryDirectory(prefix="imgkit-") as scratch:
        stores = [Store(root or scratch)]
        if not options.on("empty"):
            stores.append(samples.store())
        registry = server.Registry(
            stores,
            users=_users(options),
            basic=options.on("basic"),
            private=options.values("private"),
            allowance=_allowance(options),
        )
        with transport.serve(registry, port=int(options.value("port", "0"))) as served:
            kept = f"in {root}" if root else "until it stops"
            bench.say(f"A registry is served at {served.url}")
            bench.say(f"Try: imgkit pull {served.host}/library/redis")
            bench.say(f"What is pushed to it is kept {kept}. Ctrl-C stops it.")
            if not (registry.guard.users or caller.can_tell()):
                bench.say("Every user of this machine can pull and push; --user says who may push.")
            served.wait()
    return 0


def _users(options: Options) -> dict[str, str] | None:
    """Passwords by name; None where everybody may come in. Raises `ImgkitError`."""
    users = dict[str, str]()
    for text in options.values("user"):
        name, colon, password = text.partition(":")
        if not (name and colon and password):
            raise ImgkitError(f"--user takes NAME:PASSWORD, as in me:secret, not {text!r}")
        users[name] = password
    if not users and (options.on("basic") or options.values("private")):
        raise ImgkitError("--basic and --private keep nobody out without a --user NAME:PASSWORD")
    return users or None


def _allowance(options: Options) -> int | None:
    text = options.value("allowance")
    if text and int(text) < 0:
        raise ImgkitError(f"--allowance takes a number of pulls, 0 or more, not {text}")
    return int(text) if text else None


VERBS: Final = {
    "serve": Verb(
        "Serve the embedded registry on this machine: on Linux to your programs and root's alone",
        "[OPTIONS]",
        _serve,
        (
            Flag("allowance", "So many pulls in six hours, as Docker Hub says", value="int"),
            Flag("basic", "Ask for passwords themselves, not for tokens"),
            Flag("empty", "Without the sample images"),
            Flag("port", "Default: any that is free", value="int"),
            Flag("private", "A repository that only users may pull from", value="list"),
            Flag("root", "Keep what is pushed in this directory", value="directory"),
            Flag(
                "user",
                "Who may push, as name:password; all who work on this machine may then pull",
                value="list",
            ),
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
    "verify": Verb(
        "Check every byte of an image",
        "IMAGE | --all",
        _verify,
        (Flag("all", "Every image and container, and what was left behind"),),
        most=1,
    ),
}

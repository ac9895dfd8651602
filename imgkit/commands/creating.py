"""A container made of an image and of what the flags say: create.

What needs a real machine is refused in one sentence that begins with `imgkit:`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from imgkit.commands.bench import Bench, Refused, daemon, silent
from imgkit.commands.flags import CREATE, MACHINE, assigned
from imgkit.commands.names import wrong
from imgkit.commands.pulling import fetch
from imgkit.commands.verb import Options, Verb
from imgkit.container import Container
from imgkit.errors import ContainerError, ImgkitError, InvalidReference, NotFound
from imgkit.image import Image
from imgkit.platforms import Platform
from imgkit.reference import Reference

REFUSED: Final = 125
"""The exit status of `docker run` where nothing was run."""

POLICIES: Final = ("always", "missing", "never")
NETWORKS: Final = ("none", "bridge", "host", "default")


def _create(bench: Bench, options: Options) -> int:
    try:
        bench.say(made(bench, options).id)
    except Refused:
        raise
    except InvalidReference as error:
        raise Refused(wrong(error)) from error
    except ImgkitError as error:
        raise daemon(str(error)) from error
    return 0


def made(bench: Bench, options: Options) -> Container:
    """A new container, of an image that was pulled if it was not there."""
    asked, *command = options.words
    _refuse_what_is_real(options)
    network = options.value("network") or options.value("net")
    env = environment(bench, options)
    image = _image(bench, asked, options)
    if not options.value("platform"):
        _compare_platforms(bench, image)
    if network and network not in NETWORKS:
        raise ContainerError(f"network {network} not found", name=network)
    flags = [f"-p {port}" for port in options.values("publish")]
    for flag in flags + ["-P"] * options.on("publish-all"):
        bench.warn(f"imgkit: {flag} opens no port, because there is no network here.")
    both = options.on("interactive"), options.on("tty")
    entrypoint = [word] if (word := options.value("entrypoint")) else []
    return bench.containers.create(
        image,
        command,
        name=options.value("name"),
        entrypoint=entrypoint if "entrypoint" in options.flags else None,
        env=[f"{name}={value}" for name, value in env.items()],
        workdir=options.value("workdir"),
        user=options.value("user"),
        interactive=any(both) if options.on("detach") else all(both),
        labels=assigned(options.values("label")),
        fleeting=options.on("rm"),
        hostname=options.value("hostname"),
        asked=asked,
    )


def _refuse_what_is_real(options: Options) -> None:
    for flag in MACHINE:
        if flag.name in options.flags:
            raise Refused(
                f"imgkit: --{flag.name} is for a real machine, whose kernel would do it; here it "
                "would change nothing. Leave it out.",
                status=REFUSED,
            )


def _image(bench: Bench, asked: str, options: Options) -> Image:
    policy = options.value("pull") or "missing"
    platform = Platform.parse(options.value("platform")) if options.value("platform") else None
    if policy not in POLICIES:
        why = f'invalid pull option: \'{policy}\': must be one of "always", "missing" or "never"'
        raise Refused(advised(bench, options, why), status=REFUSED)
    say = silent if options.on("quiet") else bench.warn
    if policy != "always":
        if image := _here(bench, asked, platform):
            return image
        name = Reference.parse(asked).with_default_tag()
        if policy == "never":
            raise NotFound(f"No such image: {name.familiar}", name=asked)
        say(f"Unable to find image '{name.familiar}' locally")
    name = Reference.parse(asked).with_default_tag()
    if name.familiar == "scratch:latest":
        raise NotFound("'scratch' is a reserved name", name=asked)
    fetch(bench, name, platform, say)
    return bench.store.image(asked)


def _compare_platforms(bench: Bench, image: Image) -> None:
    """Warn of an image that was made for another machine."""
    native = bench.platform or Platform.here()
    if not native.runs(image.config.platform):
        bench.warn(
            f"WARNING: The requested image's platform ({image.config.platform}) does not match "
            f"the detected host platform ({native}) and no specific platform was requested"
        )


def _here(bench: Bench, asked: str, platform: Platform | None) -> Image | None:
    """The image of that name or ID, if it is here for the platform that is asked for."""
    try:
        image = bench.store.image(asked)
    except NotFound:
        return None
    return image if platform is None or platform.runs(image.config.platform) else None


def environment(bench: Bench, options: Options) -> dict[str, str]:
    """The variables of --env-file and --env; a name alone takes its value from outside."""
    lines: list[str] = []
    for path in options.values("env-file"):
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            sentence = advised(bench, options, f"open {path}: {why.lower()}")
            raise Refused(sentence, status=REFUSED) from error
        lines += [line for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]
    return assigned([*lines, *options.values("env")], os.environ)


def advised(bench: Bench, options: Options, sentence: str) -> str:
    """What the command line says around it."""
    advice = f"Run '{bench.prog} {options.called} --help' for more information"
    return f"{bench.prog}: {sentence}\n\n{advice}"


VERBS: Final = {
    "create": Verb(
        "Create a new container",
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        _create,
        CREATE,
        least=1,
        most=None,
        aliases=("container create",),
        mixed=False,
    ),
}

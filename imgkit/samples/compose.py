"""From a recipe to a config and the uncompressed tar of every layer: the same bytes everywhere."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from imgkit import tar
from imgkit.config import Config, History
from imgkit.digest import Digest
from imgkit.layer import OPAQUE, WHITEOUT_PREFIX
from imgkit.samples.recipe import Recipe, Step, find
from imgkit.samples.tree import SCALE, File, filler, sized
from imgkit.tar import Entry, Kind

BIGGER: Final = {"arm64": 1.06, "arm": 0.9, "ppc64le": 1.12, "386": 0.97}
"""How much bigger than on amd64 the same programs are, about, on other platforms."""

_PACKAGED: Final = timedelta(days=38)
"""How long before its image a program was built; its mtime tells."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An image before compression: its config, and of each layer the tar and how to pack it."""

    recipe: Recipe
    config: Config
    tars: tuple[bytes, ...]
    packed: tuple[str, ...]
    folders: Mapping[str, File] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)


@functools.cache
def compose(recipe: Recipe) -> Composed:
    """Carry out a recipe, upon the image that it starts from."""
    base = None if recipe.base == "scratch" else compose(find(recipe.base, recipe.platform))
    settings: dict[str, Any] = dict(base.config.settings) if base else {}
    settings["Labels"] = {**settings.get("Labels", {}), **_labels(recipe)}
    history = list(base.config.history) if base else []
    tars, packed = (list(base.tars), list(base.packed)) if base else ([], [])
    folders, texts = (dict(base.folders), dict(base.texts)) if base else ({}, {})
    for number, step in enumerate(recipe.steps):
        moment = step.made or recipe.created + timedelta(seconds=7 * number)
        settings = _settle(settings, step)
        history.append(_told(recipe, step, moment, first=not history))
        if _makes_layer(recipe, step):
            tars.append(_tar(recipe, step, moment, folders, texts))
            packed.append(step.packed)
    config = Config.make(
        recipe.platform, [Digest.of(data) for data in tars], history, settings, history[-1].created
    )
    return Composed(recipe, config, tuple(tars), tuple(packed), folders, texts)


def _labels(recipe: Recipe) -> dict[str, str]:
    return {
        "dev.imgkit.stand-in": f"made by imgkit, not the real {recipe.familiar}",
        "dev.imgkit.scale": f"1:{SCALE}",
    }


def _makes_layer(recipe: Recipe, step: Step) -> bool:
    """BuildKit makes a layer of every WORKDIR, even an empty one; the older builder did not."""
    made = (
        ("RUN", "COPY", "ADD") if "classic" in recipe.facts else ("RUN", "COPY", "ADD", "WORKDIR")
    )
    return bool(step.files) or step.verb in made


# -- config and history ------------------------------------------------------------------------


def _settle(settings: Mapping[str, Any], step: Step) -> dict[str, Any]:
    """The settings of the config after an instruction."""
    new = dict(settings)
    key = {"WORKDIR": "WorkingDir", "USER": "User", "STOPSIGNAL": "StopSignal"}.get(step.verb)
    lists = {"CMD": "Cmd", "ENTRYPOINT": "Entrypoint"}.get(step.verb)
    sets = {"EXPOSE": "ExposedPorts", "VOLUME": "Volumes"}.get(step.verb)
    if key:
        new[key] = step.arguments
    elif lists:
        new[lists] = json.loads(step.arguments)
        if lists == "Entrypoint":
            new.pop("Cmd", None)
    elif sets:
        new[sets] = new.get(sets, {}) | {name: {} for name in step.arguments.split()}
    elif step.verb == "LABEL":
        name, _, value = step.arguments.partition("=")
        new["Labels"] = new["Labels"] | {name: value.strip('"')}
    elif step.verb == "ENV":
        name, _, _ = step.arguments.partition("=")
        kept = [one for one in new.get("Env", []) if not one.startswith(f"{name}=")]
        new["Env"] = [*kept, step.arguments]
    return new


def _told(recipe: Recipe, step: Step, moment: datetime, *, first: bool) -> History:
    """The step as the history tells it; the first one says that the image is a stand-in."""
    classic = "classic" in recipe.facts
    comment = "" if classic or step.verb == "STEP" else "buildkit.dockerfile.v0"
    return History(
        _told_classic(step) if classic else _told_buildkit(step),
        moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "stand-in made by imgkit" if first else comment,
        not _makes_layer(recipe, step),
    )


def _told_classic(step: Step) -> str:
    match step.verb:
        case "STEP":
            return step.arguments
        case "RUN":
            return f"/bin/sh -c {step.arguments}"
        case "COPY" | "ADD":
            place = step.arguments.split()[-1]
            digest = Digest.of(step.arguments.encode()).hex
            return f"/bin/sh -c #(nop) {step.verb} file:{digest} in {place} "
    return f"/bin/sh -c #(nop)  {step.verb} {step.arguments}"


def _told_buildkit(step: Step) -> str:
    match step.verb:
        case "STEP":
            return step.arguments
        case "RUN":
            return f"RUN /bin/sh -c {step.arguments} # buildkit"
        case "COPY" | "ADD":
            return f"{step.verb} {step.arguments} # buildkit"
        case "EXPOSE":
            ports = " ".join(f"{port}:{{}}" for port in step.arguments.split())
            return f"EXPOSE map[{ports}]"
        case "VOLUME":
            return f"VOLUME [{step.arguments}]"
    return f"{step.verb} {step.arguments}"


# -- layers --------------------------------------------------------------------------------------


def _tar(
    recipe: Recipe, step: Step, moment: datetime, folders: dict[str, File], texts: dict[str, str]
) -> bytes:
    """The layer of one step; `folders` and `texts` remember what the layers so far have."""
    factor = BIGGER.get(recipe.platform.architecture, 1.0)
    files = [_grown(file, texts) for file in _with_parents(step.files, folders)]
    entries = []
    for file in sized(files, step.total, factor):
        made = moment - _PACKAGED if file.is_filler and not file.gone else moment
        content = _content(recipe, file)
        entries.append((_entry(file, len(content), int(made.timestamp())), content))
        if file.text is not None:
            texts[file.path] = file.text
    return tar.write(entries)


def _with_parents(files: Iterable[File], folders: dict[str, File]) -> Iterator[File]:
    """The files, each after the directories that it is in, which a layer holds too."""
    here: set[str] = set()
    for file in files:
        parts = file.path.split("/")
        for parent in ("/".join(parts[:n]) for n in range(1, len(parts))):
            if parent not in here:
                here.add(parent)
                yield folders.setdefault(parent, File(parent, Kind.DIR, 0o755))
        if file.kind is Kind.DIR:
            folders[file.path] = replace(file, opaque=False)
        if file.path not in here:
            here.add(file.path)
            yield file
        if file.opaque:
            yield File(f"{file.path}/{OPAQUE}", Kind.FILE, 0, text="")


def _grown(file: File, texts: Mapping[str, str]) -> File:
    """A file whose text goes on after the one it had."""
    if not file.appended:
        return file
    return replace(file, text=texts.get(file.path, "") + (file.text or ""), appended=False)


def _content(recipe: Recipe, file: File) -> bytes:
    if file.gone or file.kind is not Kind.FILE:
        return b""
    if file.text is not None:
        return file.text.encode()
    return filler(file, recipe.platform, recipe.density)


def _entry(file: File, size: int, mtime: int) -> Entry:
    path, kind, mode = file.path, file.kind, file.mode
    if file.gone:
        folder, slash, name = path.rpartition("/")
        path, mode = f"{folder}{slash}{WHITEOUT_PREFIX}{name}", 0
    return Entry(
        path=path,
        kind=kind,
        mode=mode,
        uid=file.uid,
        gid=file.gid,
        size=size,
        mtime=mtime,
        link=file.link,
    )

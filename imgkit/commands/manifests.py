"""What a registry has under a name, without pulling it: manifest inspect, imagetools inspect."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from imgkit.commands.bench import Bench, Refused
from imgkit.commands.names import named
from imgkit.commands.template import Template
from imgkit.commands.verb import Flag, Options, Verb
from imgkit.errors import NotFound
from imgkit.image import Source, read_config, read_document
from imgkit.manifest import DOCKER_MANIFEST, OCI_MANIFEST, Descriptor, Index, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference

_KEYS: Final = {OCI_MANIFEST: "OCIManifest", DOCKER_MANIFEST: "SchemaV2Manifest"}


@contextmanager
def _asked(bench: Bench, text: str, missing: str) -> Iterator[tuple[Reference, Source, Descriptor]]:
    """The name in full, who is asked for it, and what it points at; `Refused` where nothing is."""
    name = named(text).with_default_tag()
    with bench.source(name) as source:
        try:
            target = source.resolve(name)
        except NotFound:
            raise Refused(missing.format(name.canonical)) from None
        yield name, source, target


def _manifest_inspect(bench: Bench, options: Options) -> int:
    with _asked(bench, options.words[-1], "no such manifest: {}") as (name, source, target):
        document = read_document(source, target)
        verbose = options.on("verbose")
        if isinstance(document, Manifest):
            facts = _verbose(source, name, target, document) if verbose else _manifest(document)
            bench.say(json.dumps(facts, indent="\t"))
        elif verbose:
            several = [_listed(source, name, child) for child in document.manifests]
            bench.say(json.dumps(several, indent="\t"))
        else:
            bench.say(json.dumps(_index(document), indent=3))
    return 0


def _index(index: Index) -> dict[str, Any]:
    """An index in the order in which Docker writes its fields."""
    manifests = []
    for child in index.manifests:
        facts = {"mediaType": child.media_type, "size": child.size, "digest": str(child.digest)}
        if child.platform:
            facts["platform"] = _platform(child.platform)
        manifests.append(facts)
    return {"schemaVersion": 2, "mediaType": index.media_type, "manifests": manifests}


def _platform(platform: Platform) -> dict[str, Any]:
    said = platform.to_json()
    order = ("architecture", "os", "os.version", "os.features", "variant")
    return {key: said[key] for key in order if key in said}


def _manifest(manifest: Manifest) -> dict[str, Any]:
    """A manifest in the order in which Docker writes its fields."""

    def child(descriptor: Descriptor) -> dict[str, Any]:
        facts = descriptor.to_json()
        return {key: facts[key] for key in ("mediaType", "digest", "size")}

    return {
        "schemaVersion": 2,
        "mediaType": manifest.media_type,
        "config": child(manifest.config),
        "layers": [child(layer) for layer in manifest.layers],
    }


def _listed(source: Source, name: Reference, child: Descriptor) -> dict[str, Any]:
    """One manifest of an index, with all that is known of it."""
    manifest = read_document(source, child)
    if isinstance(manifest, Index):
        raise Refused(f"{child.digest} is an index inside of an index")
    found = _verbose(source, name, child, manifest)
    return {**found, "Ref": f"{name.canonical}@{child.digest}"}


def _verbose(
    source: Source, name: Reference, descriptor: Descriptor, manifest: Manifest
) -> dict[str, Any]:
    platform = descriptor.platform or read_config(source, manifest).platform
    return {
        "Ref": name.canonical,
        "Descriptor": {
            "mediaType": descriptor.media_type,
            "digest": str(descriptor.digest),
            "size": descriptor.size,
            "platform": _platform(platform),
        },
        "Raw": base64.b64encode(manifest.raw).decode(),
        _KEYS[manifest.media_type]: _manifest(manifest),
    }


# -- buildx imagetools ----------------------------------------------------------------------


def _imagetools_inspect(bench: Bench, options: Options) -> int:
    with _asked(bench, options.words[0], "ERROR: {}: not found") as (name, source, target):
        document = read_document(source, target)
        if options.on("raw"):
            bench.say(document.raw.decode())
        elif options.value("format"):
            facts = _facts(source, name, target, document)
            bench.say(Template(options.value("format"), "imagetools.tpl").render(facts))
        else:
            for line in _told(name, target, document):
                bench.say(line)
    return 0


def _told(name: Reference, target: Descriptor, document: Index | Manifest) -> list[str]:
    """The text of `docker buildx imagetools inspect`."""
    lines = [
        f"Name:      {name.canonical}",
        f"MediaType: {target.media_type}",
        f"Digest:    {target.digest}",
    ]
    if isinstance(document, Manifest):
        return lines
    lines += [f"{'':11}", "Manifests: "]
    for child in document.manifests:
        rows = {"Name": f"{name.canonical}@{child.digest}", "MediaType": child.media_type}
        if child.platform:
            rows["Platform"] = str(child.platform)
        lines += [f"  {f'{key}:':10} {value}" for key, value in rows.items()]
        if child.annotations:
            lines.append("  Annotations: ")
            width = max(map(len, child.annotations)) + 1
            notes = sorted(child.annotations.items())
            lines += [f"    {f'{key}:':{width}} {value}" for key, value in notes]
        lines.append("")
    return lines[:-1]


def _facts(
    source: Source, name: Reference, target: Descriptor, document: Index | Manifest
) -> dict[str, Any]:
    """What a template may name: `.Name`, `.Manifest`, and `.Image` of each platform."""
    top: dict[str, Any] = {
        "mediaType": target.media_type,
        "digest": str(target.digest),
        "size": target.size,
    }
    if isinstance(document, Manifest):
        image: Mapping[str, Any] = json.loads(read_config(source, document).raw)
        return {"Name": name.canonical, "Manifest": _both(top), "Image": image}
    top["manifests"] = [child.to_json() for child in document.manifests]
    images: dict[str, Any] = {}
    for child in document.manifests:
        if child.platform and not child.is_attestation:
            found = read_document(source, child)
            if isinstance(found, Manifest):
                images[str(child.platform)] = json.loads(read_config(source, found).raw)
    return {"Name": name.canonical, "Manifest": _both(top), "Image": images}


def _both(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts by their names in JSON, and as Go calls them: `.Manifest.Digest`."""
    return facts | {key[0].upper() + key[1:]: value for key, value in facts.items()}


VERBS: Final = {
    "manifest inspect": Verb(
        "Display an image manifest, or manifest list",
        "[OPTIONS] [MANIFEST_LIST] MANIFEST",
        _manifest_inspect,
        (
            Flag("insecure", "Allow communication with an insecure registry"),
            Flag("verbose", "Output additional info including layers and platform", "v"),
        ),
        least=1,
        most=2,
    ),
    "buildx imagetools inspect": Verb(
        "Show details of an image in the registry",
        "[OPTIONS] NAME",
        _imagetools_inspect,
        (
            Flag("format", "Format the output using the given Go template", value="string"),
            Flag("raw", "Show original, unformatted JSON manifest"),
        ),
        least=1,
        most=1,
    ),
}

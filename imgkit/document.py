"""JSON read strictly: small enough, UTF-8, no key twice, every field of the kind it must be.

Parsers that disagree about a document are how one set of bytes gets two meanings, so whatever is
ambiguous is refused here, once, for manifests, indexes and configs alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from imgkit.digest import Digest
from imgkit.errors import InvalidManifest
from imgkit.limits import current


def load(raw: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `raw`: small enough, UTF-8, and without a key that occurs twice."""
    document = _load(raw, what)
    if not isinstance(document, dict):
        raise refused(f"the {what} must be a JSON object, not {kind_of(document)}")
    return document


def load_objects(raw: bytes, what: str) -> list[dict[str, Any]]:
    """The JSON list of objects in `raw`, by the same rules."""
    document = _load(raw, what)
    if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
        raise refused(f"the {what} must be a list of JSON objects, not {kind_of(document)}")
    return document


def _load(raw: bytes, what: str) -> Any:
    if len(raw) > (most := current().document):
        said = f"a {what} of {len(raw)} bytes is refused: at most {most} are read"
        current().refuse("document", said, len(raw))
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no)
    except (ValueError, RecursionError) as error:
        raise refused(f"the {what} is not JSON: {error}") from None


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise refused(f"the key {key!r} occurs twice in one object, so it has two meanings")
        found[key] = value
    return found


def _no(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def dump(document: Mapping[str, Any]) -> bytes:
    """Compact JSON; the same document always gives the same bytes."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def seal(document: Mapping[str, Any]) -> bytes:
    """The document with its own digest in it, so that a changed byte is found by `unseal`."""
    return dump({**document, "digest": Digest.of(dump(document))})


def unseal(raw: bytes, what: str) -> dict[str, Any]:
    """The document that was sealed; raises `InvalidManifest` unless every byte is as it was."""
    found = load(raw, what)
    found.pop("digest", None)
    if seal(found) != raw:
        raise refused(f"the {what} was changed or damaged: its bytes have another digest")
    return found


def refused(reason: str) -> InvalidManifest:
    """The error for a document that breaks a rule."""
    return InvalidManifest(f"this document cannot be accepted: {reason}", reason=reason)


def kind_of(value: Any) -> str:
    """What kind of JSON value this is, for a message."""
    names = {dict: "an object", list: "a list", str: "a string", type(None): "nothing"}
    return names.get(type(value), f"{value!r}"[:40])


def text(data: Mapping[str, Any], key: str, *, optional: bool = False) -> str:
    """The string under `key`; refuses an empty one, but an absent optional one is empty."""
    value = data.get(key)
    if optional and value in (None, ""):
        return ""
    if not isinstance(value, str) or not value:
        raise refused(f"{key} must be a string, not {kind_of(value)}")
    return value


def mapping(data: Mapping[str, Any], key: str, *, optional: bool = False) -> dict[str, Any]:
    """The object under `key`; an absent optional one is empty."""
    value = data.get(key)
    if value is None and optional:
        return {}
    if not isinstance(value, dict):
        raise refused(f"{key} must be an object, not {kind_of(value)}")
    return value


def sequence(data: Mapping[str, Any], key: str, *, optional: bool = False) -> list[Any]:
    """The list under `key`; an absent optional one is empty."""
    value = data.get(key)
    if value is None and optional:
        return []
    if not isinstance(value, list):
        raise refused(f"{key} must be a list, not {kind_of(value)}")
    return value


def strings(data: Mapping[str, Any], key: str, *, optional: bool = False) -> list[str]:
    """The list of strings under `key`; an absent optional one is empty."""
    found = sequence(data, key, optional=optional)
    if not all(isinstance(item, str) for item in found):
        raise refused(f"{key} must be a list of strings")
    return found


def string_map(data: Mapping[str, Any], key: str) -> dict[str, str]:
    """The object of strings under `key`; an absent one is empty."""
    found = mapping(data, key, optional=True)
    if not all(isinstance(value, str) for value in found.values()):
        raise refused(f"the values of {key} must be strings")
    return found

"""Go templates, as `--format` takes them: the part of `text/template` that people use.

{{.Repository}}:{{.Tag}}                         fields, with text between
{{json .Config}} {{index .RepoDigests 0}}        functions: json, join, len, index, eq, ...
{{range .RootFS.Layers}}{{println .}}{{end}}     once for each
{{range $k, $v := .Config.Labels}}{{$k}}{{end}}  the same, with names for key and value
{{if eq .Tag "latest"}}yes{{else}}no{{end}}      one or the other
{{.Tag | upper}} {{- "no blanks before"}}        pipelines, and blanks taken away
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgkit import golang
from imgkit.commands.bench import Refused
from imgkit.commands.functions import FUNCTIONS, Nil, printed

UNREADABLE: Final = 64
"""The exit status of `inspect` for a template that cannot be read."""

_ACTION: Final = re.compile(r"(\s*)\{\{(-\s)?(.*?)(\s-)?\}\}(\s*)", re.DOTALL)
_WORD: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|\$?[\w.$-]+)')

Scope = tuple[Any, dict[str, Any]]
"""What `.` is, and what `$` is, and each `$name`."""
Node = Callable[[Scope], str]


class FieldError(Exception):
    """A field that is not there: its whole path, and its name."""


@dataclass(frozen=True, slots=True)
class Template:
    """One template, read. `kind` is what Docker calls the values that it prints."""

    text: str
    kind: str = ""

    def render(self, value: Any) -> str:
        """The text for one value; raises `Refused` in Docker's words."""
        try:
            return self._parse()((value, {"$": value}))
        except FieldError as error:
            path, name = error.args
            place = self.text.find(path) + path.rfind("." + name)
            wrong = f'map has no entry for key "{name}"'
            if self.kind:
                wrong = f"can't evaluate field {name} in type {self.kind}"
            raise Refused(
                f'template parsing error: template: :1:{place}: executing "" at <{path}>: {wrong}'
            ) from None
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise Refused(f"template parsing error: template: :1: {error}") from None

    def check(self) -> None:
        """Raise `Refused` for a template that cannot be read."""
        self._parse()

    def _parse(self) -> Node:
        parts = list(_parts(self.text))
        body, end = _body(parts, 0)
        if end < len(parts):
            raise _unreadable(f"unexpected {{{{{parts[end][1]}}}}}")
        return body


def _unreadable(why: str) -> Refused:
    return Refused(f"template parsing error: template: :1: {why}", status=UNREADABLE)


def _parts(text: str) -> list[tuple[bool, str]]:
    """The text in pieces, each with whether it is an action."""
    found: list[tuple[bool, str]] = []
    at = 0
    for match in _ACTION.finditer(text):
        before, trim, action, trim_behind, behind = match.groups()
        found.append((False, text[at : match.start()] + ("" if trim else before)))
        found.append((True, action.strip()))
        at = match.end() - (0 if trim_behind else len(behind))
    if "{{" in text[at:]:
        raise _unreadable("unclosed action")
    return [*found, (False, text[at:])]


def _body(parts: Sequence[tuple[bool, str]], at: int) -> tuple[Node, int]:
    """What stands from here to an `end` or `else`, and where that is."""
    nodes: list[Node] = []
    while at < len(parts):
        is_action, text = parts[at]
        word = text.partition(" ")[0]
        if not is_action:
            nodes.append(lambda scope, text=text: text)  # type: ignore[misc]
        elif word in ("end", "else"):
            break
        elif word in ("if", "range", "with"):
            node, at = _block(word, text[len(word) :], parts, at + 1)
            nodes.append(node)
        elif not text.startswith("/*"):
            value = _pipeline(text)
            nodes.append(lambda scope, value=value: printed(value(scope)))  # type: ignore[misc]
        at += 1
    return (lambda scope: "".join(node(scope) for node in nodes)), at


def _block(word: str, text: str, parts: Sequence[tuple[bool, str]], at: int) -> tuple[Node, int]:
    """An `if`, `range` or `with`, and where its `end` is."""
    names, assigns, after = text.partition(":=")
    value = _pipeline(after if assigns else text)
    named = [name.strip() for name in names.split(",")] if assigns else []
    body, at = _body(parts, at)
    other: Node = lambda scope: ""  # noqa: E731  an empty `else`
    if at < len(parts) and parts[at][1] == "else":
        other, at = _body(parts, at + 1)
    elif at < len(parts) and parts[at][1].startswith("else if"):
        other, at = _block("if", parts[at][1][7:], parts, at + 1)
    if at >= len(parts):
        raise _unreadable("unexpected EOF")

    def node(scope: Scope) -> str:
        found = value(scope)
        if not found:
            return other(scope)
        if word == "if":
            return body(scope)
        if word == "with":
            return body((found, scope[1]))
        pairs = found.items() if isinstance(found, Mapping) else enumerate(found)
        return "".join(body((one, scope[1] | _called(named, key, one))) for key, one in pairs)

    return node, at


def _called(names: Sequence[str], key: Any, value: Any) -> dict[str, Any]:
    """What a `range` calls the value, and before it the key, if there are names for them."""
    return dict(zip(names[::-1], (value, key), strict=False))


def _pipeline(text: str) -> Callable[[Scope], Any]:
    """The value of an action."""
    words: list[str] = []
    at = 0
    while match := _WORD.match(text, at):
        words.append(match[1])
        at = match.end()
    if text[at:].strip():
        raise _unreadable(f"unexpected {golang.quote(text[at:].strip())} in operand")
    if not words:
        raise _unreadable("missing value for command")
    value, rest = _piped(words)
    if rest:
        raise _unreadable(f"unexpected {rest[0]} in operand")
    return value


def _piped(words: list[str]) -> tuple[Callable[[Scope], Any], list[str]]:
    """Commands with `|` between, up to the end or a closing parenthesis."""
    value, words = _command(words, None)
    while words and words[0] == "|":
        value, words = _command(words[1:], value)
    return value, words


def _command(
    words: list[str], last: Callable[[Scope], Any] | None
) -> tuple[Callable[[Scope], Any], list[str]]:
    """One function with its arguments, or one value."""
    name, function = "", None
    if words and re.match(r"[A-Za-z_]", words[0]) and words[0] not in _CONSTANTS:
        name, words = words[0], words[1:]
        if name not in FUNCTIONS:
            raise _unreadable(f'function "{name}" not defined')
        function = FUNCTIONS[name]
    values: list[Callable[[Scope], Any]] = []
    while words and words[0] not in ("|", ")"):
        if words[0] == "(":
            value, words = _piped(words[1:])
        else:
            value = _operand(words[0])
        values.append(value)
        words = words[1:]
    values += [last] if last else []
    if function is None:
        return (values[0] if values else _operand(".")), words
    return (lambda scope: function(*(value(scope) for value in values))), words


_CONSTANTS: Final = {"true": True, "false": False, "nil": None}


def _operand(word: str) -> Callable[[Scope], Any]:
    if word in _CONSTANTS:
        return lambda scope: _CONSTANTS[word]
    if word[0] == '"':
        text = json.loads(word)
        return lambda scope: text
    if word[0] == "`":
        return lambda scope: word[1:-1]
    if re.fullmatch(r"-?\d+", word):
        return lambda scope: int(word)
    if word[0] not in ".$":
        raise _unreadable(f'function "{word}" not defined')
    start, *names = word.split(".")
    return lambda scope: _field(scope[1][start] if start else scope[0], names, word)


_UNSAID: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("Cmd", "Entrypoint", "Env", "OnBuild", "Shell"), Nil("[]")),
    **dict.fromkeys(("ExposedPorts", "Labels", "Volumes"), Nil("map[]")),
    "Healthcheck": Nil("<nil>"),
    "StopSignal": "",
}
"""Settings that may be null in a config, or left out of it: a template finds them all the same."""


def _field(value: Any, names: Sequence[str], path: str) -> Any:
    above = ""
    for name in filter(None, names):
        if above == "Labels":
            return value.get(name) if isinstance(value, Mapping) else None
        known = isinstance(value, Mapping) and name in value
        if not known and not (above == "Config" and name in _UNSAID):
            raise FieldError(path, name)
        value = value.get(name)
        if value is None and above == "Config":
            value = _UNSAID.get(name)
        above = name
    return value

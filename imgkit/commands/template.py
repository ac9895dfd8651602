"""Go templates, as `--format` takes them: the part of `text/template` that people use.

{{.Repository}}:{{.Tag}}                         fields, with text between
{{json .Config}} {{index .RepoDigests 0}}        functions: json, join, len, index, eq, ...
{{range .RootFS.Layers}}{{println .}}{{end}}     once for each
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

UNREADABLE: Final = 64
"""The exit status of `inspect` for a template that cannot be read."""

_ACTION: Final = re.compile(r"(\s*)\{\{(-\s)?(.*?)(\s-)?\}\}(\s*)", re.DOTALL)
_WORD: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|[()|]|\$?[\w.$-]+)')

Scope = tuple[Any, Any]
"""What `.` is, and what `$` is."""
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
            return self._parse()((value, value))
        except FieldError as error:
            path, name = error.args
            place = self.text.find(path) + path.rfind("." + name)
            wrong = f'map has no entry for key "{name}"'
            if self.kind:
                wrong = f"can't evaluate field {name} in type {self.kind}"
            raise Refused(
                f'template parsing error: template: :1:{place}: executing "" at <{path}>: {wrong}'
            ) from None
        except (TypeError, ValueError, IndexError, KeyError, RecursionError) as error:
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
    value = _pipeline(text)
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
        several = found.values() if isinstance(found, Mapping) else found
        return "".join(body((one, scope[1])) for one in several)

    return node, at


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
    names = [name for name in word.lstrip("$").split(".") if name]
    return lambda scope: _field(scope[1 if word[0] == "$" else 0], names, word)


def _field(value: Any, names: Sequence[str], path: str) -> Any:
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            raise FieldError(path, name)
        value = value[name]
    return value


def printed(value: Any) -> str:
    """A value as Go prints it.

    >>> printed(["a", 1]), printed({"b": {}, "a": True}), printed(None)
    ('[a 1]', 'map[a:true b:{}]', '<no value>')
    """
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        inside = (f"{key}:{printed(value[key])}" for key in sorted(value))
        return f"map[{' '.join(inside)}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(printed, value))}]"
    return str(value)


def as_json(value: Any, indent: int | None = None) -> str:
    r"""A value as Go writes it in JSON, where `<`, `>` and `&` are escaped.

    >>> print(as_json({"a": "<none>"}))
    {"a":"\u003cnone\u003e"}
    """
    separators = None if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, separators=separators, indent=indent)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif not 0 <= key < len(value):
            raise IndexError(f"error calling index: index out of range: {key}")
        else:
            value = value[key]
    return value


def _printf(form: str, *values: Any) -> str:
    some = iter(values)

    def one(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        value = next(some, "%!(NOVERB)")
        return golang.quote(str(value)) if match[0] == "%q" else printed(value)

    return re.sub(r"%[sdvq%]", one, form)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "json": as_json,
    "join": lambda values, between: between.join(map(printed, values or ())),
    "split": lambda text, between: text.split(between),
    "len": lambda value: len(value or ()),
    "index": _index,
    "print": lambda *values: "".join(map(printed, values)),
    "println": lambda *values: " ".join(map(printed, values)) + "\n",
    "printf": _printf,
    "upper": lambda text: str(text).upper(),
    "lower": lambda text: str(text).lower(),
    "title": lambda text: str(text).title(),
    "pad": lambda text, before, behind: " " * before + text + " " * behind if text else text,
    "truncate": lambda text, count: str(text)[:count],
    "eq": lambda value, *others: value in others,
    "ne": lambda value, other: value != other,
    "lt": lambda value, other: value < other,
    "gt": lambda value, other: value > other,
    "le": lambda value, other: value <= other,
    "ge": lambda value, other: value >= other,
    "and": lambda *values: next((value for value in values if not value), values[-1]),
    "or": lambda *values: next((value for value in values if value), values[-1]),
    "not": lambda value: not value,
}


# -- tables ---------------------------------------------------------------------------------


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, in columns of at least ten characters with gaps of three, as Docker's."""
    widths = [max(10, 3 + max(map(len, column))) for column in zip(*table, strict=True)]
    return [
        "".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + row[-1]
        for row in table
    ]


def listed(
    rows: Sequence[Mapping[str, Any]], form: str, heads: Mapping[str, str], kind: str, table: str
) -> list[str]:
    """The lines of a list: `form` is "", "table", "json", "table TEMPLATE" or a template.

    `table` is the template of the table that is printed without one.
    """
    _readable(form)
    form = re.sub(r"\\[tn]", lambda escape: "\t\n"["tn".index(escape[0][1])], form)
    if form == "json":
        return [as_json(dict(sorted(row.items()))) for row in rows]
    if form in ("", "table"):
        form = f"table {table}"
    if not form.startswith("table "):
        template = Template(form, kind)
        return [template.render(dict(sorted(row.items()))) for row in rows]
    template = Template(form.removeprefix("table ").strip(), kind)
    lines = [template.render(heads), *map(template.render, rows)]
    return aligned([line.split("\t") for line in lines])


def _readable(form: str) -> None:
    """Raise `Refused` for a template that cannot be read; unlike `inspect`, lists exit with 1."""
    try:
        Template(form.removeprefix("table ")).check()
    except Refused as refused:
        raise Refused(str(refused)) from None

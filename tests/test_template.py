"""Go templates: what real templates give, and how wrong ones are refused."""

from __future__ import annotations

from typing import Any

import pytest

from imgkit.commands.bench import Refused
from imgkit.commands.table import listed
from imgkit.commands.template import Template

IMAGE: dict[str, Any] = {
    "Id": "sha256:1",
    "Tags": ["a:1", "b:2"],
    "Config": {"Env": None, "Ports": {"80/tcp": {}}, "User": ""},
    "Size": 5,
    "On": True,
}

# What Go 1.22's text/template prints for the same values, by its rules.
GOOD = [
    ("plain", "plain"),
    ("{{.Id}} {{ .Size }}", "sha256:1 5"),
    ("{{.Tags}} {{.Config.Ports}} {{.On}}", "[a:1 b:2] map[80/tcp:{}] true"),
    ("{{json .Tags}}", '["a:1","b:2"]'),
    ("{{json .Config}}", '{"Env":null,"Ports":{"80/tcp":{}},"User":""}'),
    ("{{index .Tags 1}} {{len .Tags}}", "b:2 2"),
    ("{{range .Tags}}<{{.}}>{{end}}", "<a:1><b:2>"),
    ("{{range .Tags}}{{$.Size}}{{println .}}{{end}}", "5a:1\n5b:2\n"),
    ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
    ("{{if eq .Size 5}}five{{else}}other{{end}}", "five"),
    ("{{if .Config.User}}u{{else if .On}}on{{end}}", "on"),
    ("{{with .Config}}[{{.User}}]{{end}}", "[]"),
    ('{{.Id | upper}} {{join .Tags ", "}}', "SHA256:1 a:1, b:2"),
    ('{{printf "%s=%d %q" .Id .Size .Id}}', 'sha256:1=5 "sha256:1"'),
    ("a {{- .Size -}} b", "a5b"),
    ("{{/* nothing */}}{{len (index .Tags 0)}}", "3"),
    ("{{.Config.Labels.nope}} {{.Config.Cmd}} {{json .Config.Shell}}", "<no value> [] null"),
    ("{{.Config.Volumes}} {{len .Config.Env}} {{.Config.Healthcheck}}", "map[] 0 <nil>"),
    ("{{range $at, $tag := .Tags}}{{$at}}={{$tag}} {{end}}", "0=a:1 1=b:2 "),
    ("{{range $tag := .Tags}}{{$tag}} {{$.Size}};{{end}}", "a:1 5;b:2 5;"),
    ("{{range $key, $_ := .Config.Ports}}{{$key}}{{end}}", "80/tcp"),
    ('{{printf "%-4s|%4s|%.2s" .Size .Size .Id}} {{slice .Id 0 3}}', "5   |   5|sh sha"),
    ("{{and .On .Size}} {{or .Config.User .Id}} {{not .On}}", "5 sha256:1 false"),
]

BAD = [
    ("{{.Id", "unclosed action"),
    ("{{nope}}", 'function "nope" not defined'),
    ("{{range .Tags}}", "unexpected EOF"),
    ("{{end}}", "unexpected {{end}}"),
    ("{{}}", "missing value for command"),
    ("{{.Nope}}", '1:2: executing "" at <.Nope>: map has no entry for key "Nope"'),
    ("{{.Config.Nope}}", '1:9: executing "" at <.Config.Nope>: map has no entry'),
    ("{{index .Tags 9}}", "index out of range: 9"),
    ("{{len 5}}", "len"),
    ("{{index .Config.Env 0}}", "index of untyped nil"),
    ("{{$nope}}", "$nope"),
    ('{{join "a" .Tags}}', "join"),
]


@pytest.mark.parametrize(("text", "gives"), GOOD)
def test_good(text: str, gives: str) -> None:
    """A template gives what Go gives."""
    assert Template(text).render(IMAGE) == gives


@pytest.mark.parametrize(("text", "says"), BAD)
def test_bad(text: str, says: str) -> None:
    """A template that is none, or asks for what is not there, is refused in Docker's words."""
    with pytest.raises(Refused) as caught:
        Template(text).render(IMAGE)
    assert str(caught.value).startswith("template parsing error: template: :1")
    assert says in str(caught.value)


def test_lists() -> None:
    """A list is a table, a table of one's own, JSON, or a line for each."""
    rows, heads = [{"B": "x", "A": "<y>"}], {"A": "AAA", "B": "BBB"}
    ways = {
        "": ["AAA       BBB", "<y>       x"],
        "table {{.B}}": ["BBB", "x"],
        r"table {{.B}}\t{{.A}}": ["BBB       AAA", "x         <y>"],
        "json": [r'{"A":"\u003cy\u003e","B":"x"}'],
        "{{.A}}": ["<y>"],
    }
    for form, lines in ways.items():
        assert listed(rows, form, heads, "*formatter.x", "{{.A}}\t{{.B}}") == lines

"""Diagrams: the legend, figures in three forms, and what each picture is made from."""

from __future__ import annotations

import base64
import random
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final
from xml.etree import ElementTree

import pytest
from conftest import peer

from imgkit import diagrams, figure, samples
from imgkit.build import Options, build
from imgkit.client import Exchange
from imgkit.container import Container
from imgkit.container.containers import Containers
from imgkit.conversation import LOCAL, REGISTRY, TOKENS, brief, meaning, request, steps
from imgkit.digest import Digest
from imgkit.errors import NotFound
from imgkit.figure import Figure
from imgkit.image import copy
from imgkit.lab import Lab, Pulled
from imgkit.legend import INK, LEGEND, Drawing, bold
from imgkit.lessons import COURSE
from imgkit.manifest import Descriptor
from imgkit.mount import Mount
from imgkit.platforms import Platform
from imgkit.rebuild import Rebuild, Run
from imgkit.reference import Reference
from imgkit.selection import Selection
from imgkit.server import Registry, transport
from imgkit.sharing import Outcome, Sharing, rehearse
from imgkit.store import Store
from imgkit.units import size

WIDTH: Final = 830
"""Pixels that a notebook has for a picture."""

# Okabe and Ito's palette, its yellow darkened to be seen on white, black as ink, and two greys.
PALETTE: Final = {
    "#0072b2", "#56b4e9", "#cc79a7", "#e69f00", "#009e73", "#d55e00", "#b8a800", "#1b1f23",
    "#57606a", "#8c959f",
}  # fmt: skip

GIT_SYNC: Final = "gcr.io/google-containers/git-sync:v3.1.5"
DIGEST: Final = Digest.of(b"")
HUB: Final = "https://registry-1.docker.io"

# A request, in full and in short.
REQUESTS: Final = [
    (f"{HUB}/v2/", "GET /v2/", "GET /v2/"),
    (
        f"{HUB}/v2/library/redis/manifests/latest?ns=docker.io",
        "GET /v2/library/redis/manifests/latest",
        "GET /v2/library/redis/manifests/latest",
    ),
    (
        "http://127.0.0.1:4711/v2/some/long/repository/name/manifests/latest",
        "GET /v2/some/long/repository/name/manifests/latest",
        "GET …/manifests/latest",
    ),
    (
        f"{HUB}/v2/library/redis/blobs/{DIGEST}",
        f"GET /v2/library/redis/blobs/{DIGEST}",
        "GET …/blobs/sha256:e3b0c44298fc",
    ),
    (
        "http://127.0.0.1:4711/token?service=127.0.0.1&scope=repository:library/redis:pull",
        "GET /token?scope=repository:library/redis:pull",
        "GET /token?scope=repository:library/redis:pull",
    ),
]

MEANINGS: Final = [
    ("/v2/", 401, None, "401: not without a token"),
    ("/v2/", 200, 2, "200: yes, and it wants no token"),
    ("/token?scope=x", 200, 99, "200: a token, for this repository"),
    ("/v2/x/manifests/latest", 200, 1260, "200: the index, 1.26kB"),
    ("/v2/x/manifests/old", 200, None, "200: what was asked for"),
    ("/v2/x/manifests/none", 404, 50, "404: refused"),
    ("/v2/x/blobs/sha256:0", 307, None, "307: it is kept elsewhere"),
    ("/v2/x/manifests/latest", 429, None, "429: asked too often, come back later"),
]


@pytest.fixture(scope="module")
def pulled() -> Pulled:
    """The pull of redis where portainer was pulled before."""
    lab = Lab()
    lab.pull("portainer/portainer-ce")
    done = lab.pull("redis")
    assert isinstance(done, Pulled)
    return done


def targets(lab: Lab, name: str) -> dict[str, Descriptor]:
    """What each tag of a repository names."""
    there = lab.repository(name)
    return {tag: there.resolve(Reference.parse(f"{name}:{tag}")) for tag in there.tags()}


def selection(name: str, platform: str) -> Selection:
    """What that platform gets under that name."""
    reference = Reference.parse(name).with_default_tag()
    return Selection.of(samples.store(), reference, Platform.parse(platform))


def three(name: str) -> list[Container]:
    """Three containers of one image, the first of which has written a file."""
    lab = Lab()
    lab.pull(name)
    there = Containers(lab.store, clock=lambda: samples.NOW, rng=random.Random(1))
    made = [there.create(lab.image(name), ["sleep", "9"], name=n) for n in ("ann", "bob", "cy")]
    for container in made:
        container.start()
    made[0].execute(["sh", "-c", "echo mine > /note"])
    return made


def rebuilt() -> list[Run]:
    """Three builds: the first, one with nothing changed, one with a changed step."""
    lab = Lab()
    lab.pull("alpine")
    text = 'FROM alpine\nWORKDIR /app\nRUN echo a > a\nRUN echo b > b\nCMD ["sh"]\n'
    rebuild = Rebuild(lab.store, text, {}, Options(clock=lambda: samples.NOW))
    rebuild.build()
    rebuild.build()
    rebuild.text = text.replace("echo a", "echo something that is too long to be shown here")
    rebuild.build()
    return rebuild.runs


def shared() -> Figure:
    """An image that was built, pushed to a registry, mounted in another repository, and pulled."""
    lab, elsewhere = Lab(), Lab()
    office = Registry([Store(lab.home.parent / "office")], auth=False)
    for one in (lab, elsewhere):
        transport.mount(one.http, office, "http://office.localhost:5000")
    lab.pull("alpine")
    name = Reference.parse("office.localhost:5000/team/app:1.0")
    text = "FROM alpine\nRUN echo a > a\n"
    built = build(text, {}, lab.store, name.canonical, Options(clock=lambda: samples.NOW))
    copy(lab.store, lab.repository(name.canonical), name)
    elsewhere.pull(name.canonical)
    figure = diagrams.build_share_run(built.image, office.log)
    assert "(3 blobs sent)" in figure.alt
    assert "(3 blobs fetched)" in figure.alt
    return figure


def several() -> Lab:
    """Four images that share layers; one of them has two names, and one a container."""
    lab = Lab()
    for name in ("portainer/portainer-ce", "redis", "redis:7.4", "nginx", "node"):
        lab.pull(name)
    lab.run("nginx")
    return lab


def removals(lab: Lab) -> list[Outcome]:
    """What each of some removals would do, by itself."""
    redis = lab.image("redis").id.short
    lines = (["portainer/portainer-ce"], ["redis"], [redis], ["nginx"], ["redis", "redis:7.4"])
    return [rehearse(lab.store, words) for words in lines]


FIGURES: Final[dict[str, Callable[[Pulled], Figure]]] = {
    "legend": lambda pulled: diagrams.legend(),
    "course": lambda pulled: diagrams.course_map(COURSE),
    "redis": lambda pulled: diagrams.image_parts(samples.image("redis")),
    "git-sync": lambda pulled: diagrams.image_parts(samples.image(GIT_SYNC)),
    "alpine": lambda pulled: diagrams.image_parts(samples.image("alpine")),
    "pull": lambda pulled: diagrams.conversation(pulled.requests, pulled.copied),
    "name": lambda pulled: diagrams.name_parts("ghcr.io/regclient/regsync:latest"),
    "short name": lambda pulled: diagrams.name_parts("redis"),
    "registries": lambda pulled: diagrams.registries(
        samples.names(), ("redis", "busybox", "tu-demo", "regsync", "powershell")
    ),
    "containers": lambda pulled: diagrams.containers(three("python:3.11-alpine")),
    "build cache": lambda pulled: diagrams.build_cache(rebuilt()),
    "build share run": lambda pulled: shared(),
    "lookup": lambda pulled: diagrams.lookup(Lab().run("demo/leaky", "sh"), "/app/.env"),
    "tags": lambda pulled: diagrams.tags("alpine", targets(Lab(), "alpine")),
    "sharing": lambda pulled: diagrams.sharing(Sharing.of(several().store)),
    "removals": lambda pulled: diagrams.removals(removals(several())),
    "hash chain": lambda pulled: diagrams.hash_chain(samples.image("nigelpoulton/k8sbook"), 3),
    "short hash chain": lambda pulled: diagrams.hash_chain(samples.image("golftrack:1.5"), 1),
    "platforms": lambda pulled: diagrams.platforms(selection("redis", "linux/arm64")),
    "windows": lambda pulled: diagrams.platforms(
        selection("mcr.microsoft.com/powershell", "windows(10.0.26100)/amd64")
    ),
    "no platform": lambda pulled: diagrams.platforms(selection("alpine", "linux/riscv64")),
}
"""Every figure of the course; the checks below hold for each."""


@pytest.fixture(scope="module")
def figures(pulled: Pulled) -> dict[str, Figure]:
    return {name: draw(pulled) for name, draw in FIGURES.items()}


def picture(html: str) -> ElementTree.Element:
    """The SVG in the figure, parsed."""
    data = re.search(r"data:image/svg\+xml;base64,([^\"]+)", html)
    assert data is not None
    return ElementTree.fromstring(base64.b64decode(data[1]))  # noqa: S314 - made by ourselves


# -- the legend -----------------------------------------------------------------------------


def test_no_two_kinds_look_alike() -> None:
    """Each kind has a look of its own, and differs in shape from every other, colour aside."""
    shapes = [(kind.shape, "dashed" in kind.style) for kind in LEGEND.values()]
    assert len(set(shapes)) == len(LEGEND)


def test_colours_can_be_told_apart() -> None:
    """Colours are of one palette; only the client and other outsiders share the grey."""
    colours = [kind.colour for kind in LEGEND.values()]
    assert set(colours) <= PALETTE
    shared = {name for name, kind in LEGEND.items() if colours.count(kind.colour) > 1}
    assert shared == {"name", "client", "token service"}


@pytest.mark.parametrize("name", LEGEND)
def test_text_is_legible_on_every_tint(name: str) -> None:
    """Ink on a kind's tint has a contrast of at least 7 to 1 (WCAG, level AAA)."""
    assert contrast(INK, LEGEND[name].tint) >= 7


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    lights = sorted((_light(one), _light(other)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _light(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


# -- figures --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, -1, 99])
def test_no_chain_of_a_layer_that_there_is_not(number: int) -> None:
    """Layers are counted from 1; the error says how many there are."""
    image = samples.image("golftrack:1.5")
    with pytest.raises(NotFound, match=f"layers?: number {number} is not there"):
        diagrams.hash_chain(image, number)


def test_nothing_can_be_drawn_of_nothing() -> None:
    """Before the first build the figure says so; containers must be given."""
    assert "Nothing has been built yet" in diagrams.build_cache([]).words()
    with pytest.raises(NotFound, match="start one first"):
        diagrams.containers([])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_picture_words_and_a_table(figures: dict[str, Figure], name: str) -> None:
    """The picture has its alternative text; caption, text and every row are also in words."""
    shown = figures[name]
    bundle = shown._repr_mimebundle_()
    html, words = bundle["text/html"], bundle["text/plain"]
    assert re.search(r'<img alt="[^"]{60,}" src="data:image/svg\+xml;base64,', html)
    assert "<details><summary>" in html
    assert shown.alt in words
    for row in shown.rows:
        assert " | ".join(row) in words
    assert repr(shown) == words


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_fits_a_notebook(figures: dict[str, Figure], name: str) -> None:
    """It is no wider than a notebook, has a light panel, and no letter is smaller than 12."""
    root = picture(figures[name].html())
    assert float(root.attrib["width"]) <= WIDTH
    assert root[0].attrib["fill"] == "#ffffff"
    sizes = [float(e.attrib["font-size"]) for e in root.iter() if "font-size" in e.attrib]
    assert sizes
    assert min(sizes) >= 12


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_the_same_each_time(figures: dict[str, Figure], name: str) -> None:
    """Rendering twice gives the same bytes, which name neither program, time nor place."""
    first, second = figures[name].svg(), figures[name].svg()
    assert first == second is not None
    assert "<!--" not in first
    assert "graphviz" not in first.lower()
    assert "127.0.0.1" not in first


def test_text_from_outside_stays_text() -> None:
    """Whatever an image calls itself, it is text in the picture, the table and the words."""
    nasty = '<b onclick="x">&amp;\\n"quoted"</b>'
    drawing = Drawing.grid()
    drawing.thing("x", "layer", bold(nasty))
    shown = Figure(drawing.dot, nasty, nasty, (nasty,), ((nasty,),), ((nasty, nasty),))
    html = shown.html()
    assert "<b " not in html
    text = "".join(picture(html).itertext())
    assert nasty.replace(" ", "\u00a0") in text.replace(" ", "\u00a0")


def test_without_a_renderer_there_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """No renderer is no error: the table is open, and a sentence says what to install."""
    monkeypatch.setattr(figure, "RENDERERS", [lambda dot: None])
    html = diagrams.legend().html()
    assert "<img" not in html
    assert "<details open>" in html
    assert "install graphviz-pure" in html
    assert "read-only" in html


def test_another_renderer_can_be_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer at the front is asked first; it gets DOT and gives SVG."""
    seen: list[str] = []

    def mine(dot: str) -> str:
        seen.append(dot)
        return '<?xml version="1.0"?><svg width="10pt" height="10pt"><g/></svg>'

    monkeypatch.setattr(figure, "RENDERERS", [mine, *figure.RENDERERS])
    svg = diagrams.legend().svg()
    assert svg is not None
    assert svg.startswith('<svg width="10" height="10">')
    assert seen[0].startswith("digraph")


@pytest.mark.parametrize("broken", ["not DOT at all {", ""])
def test_a_renderer_that_fails_is_passed_over(broken: str) -> None:
    """What cannot be drawn is None, from each renderer."""
    assert figure.bundled(broken) is None
    assert figure.render(broken) is None


@pytest.mark.peer("dot")
@pytest.mark.parametrize("name", FIGURES)
def test_the_systems_graphviz_draws_the_same_things(figures: dict[str, Figure], name: str) -> None:
    """The fall-back shows the same words in a picture that also fits."""
    peer("dot")
    other = figure.installed(figures[name].dot)
    assert other is not None
    mine = picture(figures[name].html())
    theirs = ElementTree.fromstring(figure._finish(other))  # noqa: S314
    assert _words(mine) == _words(theirs)
    assert float(theirs.attrib["width"]) <= WIDTH * 1.05


def _words(root: ElementTree.Element) -> list[str]:
    texts = ("".join(e.itertext()).split() for e in root.iter() if e.tag.endswith("text"))
    return sorted(" ".join(text) for text in texts)


def test_models_need_no_view() -> None:
    """What the widgets show is there without ipywidgets, and without Graphviz's package."""
    code = (
        "import sys, imgkit.pull, imgkit.walk, imgkit.conversation, imgkit.figure, imgkit.lessons\n"
        "print([n for n in ('ipywidgets', 'graphviz', 'IPython') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- each diagram ---------------------------------------------------------------------------


def test_the_map_links_every_lesson(figures: dict[str, Figure]) -> None:
    """From the map of the course, each lesson can be opened."""
    linked = re.findall(r'<a href="([^"]+)"', figures["course"].html())
    assert linked == [f"{lesson.file}.ipynb" for lesson in COURSE]


@pytest.mark.parametrize("name", ["redis", "alpine", "mcr.microsoft.com/powershell"])
def test_parts_are_those_of_the_image(name: str) -> None:
    """Every digest of the image is in the table in full, and in the picture in twelve digits."""
    image = samples.image(name, "windows/amd64" if "powershell" in name else "linux/amd64")
    shown = diagrams.image_parts(image)
    parts = [image.descriptor, *image.manifest.children, *([image.index] if image.index else [])]
    assert {row[1] for row in shown.rows} == {str(part.digest) for part in parts}
    text = "".join(picture(shown.html()).itertext())
    assert all(f"sha256:{part.digest.short}" in text for part in parts)
    assert f"at {len(image.layers)} layer" in shown.alt


def test_an_image_without_an_index_or_a_name() -> None:
    """A manifest that no index lists and no name points at is drawn as it is."""
    image = samples.image("alpine")
    lone = type(image)(image.source, image.descriptor)
    shown = diagrams.image_parts(lone)
    assert [row[0] for row in shown.rows] == ["manifest", "config", "layer 1"]
    assert "index" not in shown.alt
    assert shown.svg() is not None


@pytest.mark.parametrize(("url", "full", "short"), REQUESTS)
def test_requests_are_told_without_the_address(url: str, full: str, short: str) -> None:
    """A request is its method and path: no port, no host, nothing that differs from day to day."""
    exchange = Exchange("GET", url, 200)
    assert (request(exchange), brief(exchange)) == (full, short)


@pytest.mark.parametrize(("path", "status", "count", "says"), MEANINGS)
def test_answers_are_told_in_words(path: str, status: int, count: int | None, says: str) -> None:
    """A status, what came, and how many bytes of it."""
    exchange = Exchange("GET", f"{HUB}{path}", status, count)
    assert meaning(exchange, {"latest": "the index"}) == says


def test_a_pull_is_told_in_steps(pulled: Pulled) -> None:
    """Version check, token, index, manifest, config, the local repository, layers, the end."""
    told = steps(pulled.requests, pulled.copied)
    assert [step.to for step in told] == [
        REGISTRY, TOKENS, REGISTRY, REGISTRY, REGISTRY, LOCAL, REGISTRY, LOCAL,
    ]  # fmt: skip
    assert "the index" in told[2].answer
    assert "the manifest" in told[3].answer
    assert "the config" in told[4].answer
    assert told[5].answer == "1 of them"
    assert told[6].answer.startswith("200: 7 layers, ")
    assert sum(len(step.requests) for step in told) == len(pulled.requests) == 12


def test_layers_that_came_side_by_side_are_told_in_order(pulled: Pulled) -> None:
    """Whatever the order in which the layers arrived, the picture is the same."""
    log = list(pulled.requests)
    layers = log[5:]
    random.Random(1).shuffle(layers)
    told = diagrams.conversation([*log[:5], *layers], pulled.copied)
    assert told.html() == diagrams.conversation(log, pulled.copied).html()


def test_a_pull_in_which_nothing_travels() -> None:
    """Where all layers are here already, none is asked for, and that is said."""
    lab = Lab()
    lab.pull("redis")
    again: Any = lab.pull("redis")
    told = steps(again.requests, again.copied)
    assert told[-2].answer == "9 of them"
    assert not any("times GET" in step.asks for step in told)


def test_one_layer_is_told_as_one(pulled: Pulled) -> None:
    """The pull of alpine asks for one layer, by name."""
    lab = Lab()
    done: Any = lab.pull("alpine")
    layer = done.copied.fetched[-1]
    told = [step for step in steps(done.requests, done.copied) if layer.digest.short in step.asks]
    assert [step.answer for step in told] == [f"200: the layer, {size(layer.size)}"]


# -- names and tags -------------------------------------------------------------------------


def test_what_was_left_out_of_a_name(figures: dict[str, Figure]) -> None:
    """The caption names the parts that were assumed, and only where there are some."""
    assert (
        "Left out when it was typed: registry, user or org, tag." in figures["short name"].words()
    )
    assert "Left out" not in figures["name"].words()


def test_tags_of_one_image_stand_together(figures: dict[str, Figure]) -> None:
    """Each tag has its row with what it names; tags of one image follow one another."""
    rows = figures["tags"].rows
    there = targets(Lab(), "alpine")
    assert dict(rows) == {t: str(d.digest) for t, d in there.items()}
    digests = [digest for _, digest in rows]
    runs = 1 + sum(one != other for one, other in pairwise(digests))
    assert runs == len(set(digests))
    assert f"has {len(there)} tags and {len(set(digests))} images" in figures["tags"].alt


# -- registries -----------------------------------------------------------------------------


def test_registries_hold_repositories_and_these_hold_images(figures: dict[str, Figure]) -> None:
    """Every name is in the table once, under its registry and its repository."""
    shown = [
        f"{registry}/{path}:{tag}"
        for registry, path, tags in diagrams.registries(samples.names()).rows
        for tag in tags.split()
    ]
    assert sorted(shown) == samples.names()
    assert "+ 3 more" in figures["registries"].dot  # busybox has five tags, and two are drawn


# -- containers -----------------------------------------------------------------------------


def test_containers_share_layers_and_not_what_they_write(figures: dict[str, Figure]) -> None:
    """Each layer of the image is drawn once, however many containers stand on it."""
    figure = figures["containers"]
    assert [row[2] for row in figure.rows] == ["/note", "nothing", "nothing"]
    for diff_id in samples.image("python:3.11-alpine").config.diff_ids:
        assert figure.dot.count(diff_id.short) == 1


# -- sharing and removing -------------------------------------------------------------------


def test_a_shared_layer_is_drawn_in_each_of_its_images(figures: dict[str, Figure]) -> None:
    """One row for a layer of several images, joined; the table has every layer once."""
    figure, now = figures["sharing"], Sharing.of(several().store)
    for layer in now.layers:
        several_have_it = len(layer.holders) > 1
        assert (f'"{layer.blob.digest.short} label"' in figure.dot) == several_have_it
    assert [row[0] for row in figure.rows] == [layer.blob.digest for layer in now.layers]
    assert f"{size(now.apart[0] - now.packed)} saved" in figure.caption


def test_each_removal_says_what_would_go(figures: dict[str, Figure]) -> None:
    """A shared layer stays; with two names, one removed takes nothing; a conflict is refused."""
    says = [row[3] for row in figures["removals"].rows]
    assert says[1:4] == ["no layer goes", "refused", "refused"]
    rows = figures["removals"].rows
    assert "4f4fb700ef54" in rows[0][2]
    assert [len(row[1].split()) for row in (rows[0], rows[4])] == [3, 6]
    assert figures["removals"].dot.count("dashed") == 3 + 6


# -- a lookup -------------------------------------------------------------------------------


def test_a_lookup_is_traced(figures: dict[str, Figure]) -> None:
    """Every directory has its row, from the top, with what it has; below the end none is asked."""
    assert figures["lookup"].rows == [
        ("upper", "upperdir", "no /app"),
        ("init", "lowerdir", "no /app"),
        ("layer 6", "lowerdir", "no /app"),
        ("layer 5", "lowerdir", "nothing"),
        ("layer 4", "lowerdir", "whiteout: the search ends here"),
        ("layer 3", "lowerdir", "not asked"),
        ("layer 2", "lowerdir", "no /app"),
        ("layer 1", "lowerdir", "no /app"),
    ]
    assert "layer 4: whiteout: the search ends here" in figures["lookup"].alt


def test_a_lookup_of_what_is_nowhere() -> None:
    """All are asked, and a path that holds markup is drawn as text."""
    shown = diagrams.lookup(Mount(samples.image("alpine").layers), "/<b>\x1b[31m/x")
    assert [row[2] for row in shown.rows] == ["no /<b>\\x1b[31m", "no /<b>\\x1b[31m"]
    assert "\x1b" not in shown.words()
    assert shown.svg() is not None

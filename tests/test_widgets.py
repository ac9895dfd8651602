"""Widgets, and the plain objects that they show: a pull watched, an image walked, a quiz."""

from __future__ import annotations

import json
import re
import time
from typing import Any, Final

import ipywidgets
import pytest
from images import add_image

from imgkit import samples
from imgkit.image import DOWNLOADING, EXISTS, WAITING, Image
from imgkit.lab import Lab
from imgkit.lessons import QUIZZES
from imgkit.pull import NOT_ASKED, REFUSED, VERIFIED, Pull
from imgkit.server.faults import Fault
from imgkit.store import Store
from imgkit.walk import (
    ADDS,
    CHANGES,
    DELETES,
    EMPTIES,
    LISTED,
    PREVIEW,
    Folder,
    Touch,
    Walk,
    preview,
)
from imgkit.widgets import LayerExplorer, PullMonitor, Quiz
from imgkit.widgets.pull_monitor import NAMES, PLATFORMS, page

# A pull that cannot be: the name, the platform, and what the outcome must say.
REFUSALS: Final = [
    ("redi s", None, "is not an image name"),
    ("nope", None, "has no 'latest' in library/nope"),
    ("redis:0", None, "has no '0' in library/redis"),
    ("redis", "linux/s390x", "no image for linux/s390x"),
    ("redis", "no/such/thing/at-all", "is not a platform"),
]

# What is said of some bytes.
PREVIEWS: Final = [
    (b"", "An empty file."),
    (b"ID=alpine\n", "ID=alpine\n"),
    ("grüße\t✓\n".encode(), "grüße\t✓\n"),
    (b"\x7fELF\x02\x01", "Not text: 6B, beginning with\n7f 45 4c 46 02 01"),
    (b"a\x1b[31mred", "Not text: 9B, beginning with\n61 1b 5b 33 31 6d 72 65 64"),
    (b"x" * (PREVIEW + 1), f"{'x' * PREVIEW}\n… 2kB in all"),
]


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def pull(lab: Lab) -> Pull:
    return Pull(lab.client, lab.store, lab.registry, lab.platform)


@pytest.fixture(scope="module")
def leaky() -> Walk:
    return Walk(samples.image("demo/leaky"))


# -- a pull, watched ------------------------------------------------------------------------


def test_a_pull_that_went_well(lab: Lab, pull: Pull) -> None:
    """Rows are in the manifest's order, all verified; the image has its name."""
    pull.run("redis")
    image = lab.image("redis")
    assert [row.blob for row in pull.rows] == list(image.manifest.children)
    assert [row.what for row in pull.rows] == ["config"] + [f"layer {n}" for n in range(1, 9)]
    assert {row.state for row in pull.rows} == {VERIFIED}
    assert {row.share for row in pull.rows} == {1.0}
    assert "8 of 8 layers travelled" in pull.outcome
    assert lab.verify("redis") == []


def test_layers_that_exist_are_not_asked_for(lab: Lab, pull: Pull) -> None:
    """What another image brought says so, and no request is made for it."""
    lab.pull("portainer/portainer-ce")
    pull.run("redis")
    (shared,) = [row for row in pull.rows if row.state == EXISTS]
    assert shared.what == "layer 7"
    assert not any(shared.blob.digest in exchange.url for exchange in pull.requests)
    assert "7 of 8 layers travelled" in pull.outcome
    assert "1 already existed" in pull.outcome


def test_requests_are_told_as_they_are_made(lab: Lab, pull: Pull) -> None:
    """The pull's log is what the client sent; listeners that were there before still hear it."""
    pull.run("redis")
    assert lab.exchanges == pull.requests
    asked = [asked for asked, _ in pull.said()]
    assert asked[0] == "GET /v2/"
    assert len(asked) == 5 + 8
    lab.pull("alpine")
    assert len(pull.requests) == 13


def test_a_flipped_bit_is_refused(lab: Lab, pull: Pull) -> None:
    """One bit changed by the registry: that layer is refused, and no name points at anything."""
    pull.run("redis", flip=True)
    (refused,) = [row for row in pull.rows if row.state == REFUSED]
    assert refused.blob.size == max(row.blob.size for row in pull.rows)
    assert {row.state for row in pull.rows} <= {REFUSED, VERIFIED, NOT_ASKED}
    assert pull.outcome.startswith("Refused: ")
    assert refused.blob.digest in pull.outcome
    assert lab.store.records() == []
    assert lab.store.size_of(refused.blob.digest) is None


def test_the_registry_lies_only_once(lab: Lab, pull: Pull) -> None:
    """After a flip the registry is honest again, and faults of others are left as they were."""
    other = Fault("status", "/no-such-path", status=418)
    lab.registry.faults.append(other)
    pull.run("redis", flip=True)
    assert lab.registry.faults == [other]
    pull.run("redis")
    assert pull.error is None
    assert lab.verify("redis") == []


def test_nothing_to_flip(lab: Lab, pull: Pull) -> None:
    """Where nothing travels, nothing can be changed on the way, and that is said."""
    lab.pull("redis")
    pull.run("redis", flip=True)
    assert pull.error is None
    assert "nothing to change" in pull.outcome


@pytest.mark.parametrize(("name", "platform", "says"), REFUSALS)
def test_a_pull_that_cannot_be(pull: Pull, name: str, platform: str | None, says: str) -> None:
    """Nothing is raised: the outcome says what was wrong, and there are no rows."""
    pull.run(name, platform)
    assert pull.outcome.startswith("Not pulled: ")
    assert says in pull.outcome
    assert pull.rows == []


def test_slow_motion_ends_like_any_pull(lab: Lab, pull: Pull) -> None:
    """With a pace, blobs come in pieces, three at a time, and every digest is still checked."""
    seen: set[float] = set()
    pull.on_change = lambda: seen.update(row.share for row in pull.rows)
    pull.run("alpine", pace=0.001)
    assert {row.state for row in pull.rows} == {VERIFIED}
    assert len(seen) > 8
    pull.run("redis", pace=0.0001, flip=True)
    assert pull.outcome.startswith("Refused: ")
    assert lab.image("alpine").digest == samples.image("alpine").digest


def test_changes_come_while_it_runs(pull: Pull) -> None:
    """Somebody who watches sees each state, and the requests grow one by one."""
    states: list[str] = []
    lengths: list[int] = []

    def look() -> None:
        states.extend(row.state for row in pull.rows)
        lengths.append(len(pull.requests))

    pull.on_change = look
    pull.run("alpine")
    assert {WAITING, DOWNLOADING, VERIFIED} <= set(states)
    assert sorted(set(lengths)) == list(range(1, 7))


def test_the_words_of_a_pull_are_the_same_each_time() -> None:
    """The repr has no time, no place and no chance in it."""
    texts = set()
    for _ in range(2):
        lab = Lab()
        watched = Pull(lab.client, lab.store, lab.registry, lab.platform)
        watched.run("redis", flip=True)
        first = repr(watched)
        watched.run("redis", pace=0.0001)
        texts.add(first + repr(watched))
    (text,) = texts
    assert "layer 1   sha256:" in text
    assert re.search(r"^GET /v2/ +401: not without a token$", text, re.MULTILINE)


# -- an image, walked -----------------------------------------------------------------------


def test_layers_say_what_they_do(leaky: Walk) -> None:
    """Added, changed and deleted paths are counted for each layer, the base first."""
    assert leaky.told(1).startswith("adds 83; ")
    assert leaky.told(2).startswith("adds 2, changes 1; ")
    assert leaky.told(4).startswith("adds 1, deletes 2; ")
    assert leaky.told(6).startswith("changes nothing; ")
    assert len(leaky.made_by) == len(leaky.layers) == 6
    assert leaky.made_by[1] == "RUN /bin/sh -c apk add --no-cache curl # buildkit"


def test_a_deletion_has_the_size_of_what_it_hides(leaky: Walk) -> None:
    """A whiteout frees nothing: the bytes that it hides are those of the layer below."""
    deleted = {touch.path: touch for touch in leaky.touches(4) if touch.what == DELETES}
    assert set(deleted) == {"app/.env", "app/deploy.key"}
    below = leaky.layer(3)
    assert all(len(below.read(path)) == touch.size for path, touch in deleted.items())


def test_every_touch_agrees_with_the_history(leaky: Walk) -> None:
    """What a layer is said to do to a path is what the path's own history says."""
    words = {ADDS: "added", CHANGES: "changed", DELETES: "deleted", EMPTIES: "hidden"}
    for number in leaky.numbers:
        for touch in leaky.touches(number):
            assert f"layer {number}: {words[touch.what]}" in leaky.history(touch.path)


@pytest.mark.parametrize("name", ["redis", "nginx", "alpine", "mongo:7.0.5"])
def test_sizes_add_up(name: str) -> None:
    """The files that the layers add and change are all bytes of the image."""
    walk = Walk(samples.image(name))
    sizes = [t.size for n in walk.numbers for t in walk.touches(n) if t.what in (ADDS, CHANGES)]
    assert sum(sizes) == walk.image.unpacked_size
    assert sum(walk.overlay.shown) + walk.overlay.wasted == walk.image.unpacked_size


def test_content_is_what_the_layer_has(leaky: Walk) -> None:
    """Text is shown, a link says where it leads, a whiteout where the bytes still are."""
    assert leaky.content(3, "app/.env") == leaky.layer(3).read("app/.env").decode()
    assert leaky.content(1, "bin/cat") == "A symlink to /bin/busybox"
    assert leaky.content(1, "bin") == "A directory, mode 0755."
    assert "Layer 3 still has it" in leaky.content(4, "app/.env")
    assert leaky.content(1, "bin/busybox").startswith("Not text: 809B")
    assert leaky.history("no/such/path") == []


@pytest.mark.parametrize(("data", "text"), PREVIEWS)
def test_previews(data: bytes, text: str) -> None:
    """Text as it is, up to a length; anything else, control characters too, as bytes."""
    assert preview(data, PREVIEW).startswith(text)


# -- the widgets ----------------------------------------------------------------------------


def controls(box: Any) -> list[Any]:
    """Every widget within a box that can be used."""
    if isinstance(box, ipywidgets.Box):
        return [control for child in box.children for control in controls(child)]
    return [] if isinstance(box, ipywidgets.HTML) else [box]


@pytest.mark.parametrize("make", ["monitor", "explorer", "quiz"])
def test_controls_have_names_and_are_no_sliders(make: str, lab: Lab) -> None:
    """Everything that can be used has a name to be read out, and works by keyboard."""
    widgets: dict[str, Any] = {
        "monitor": lambda: PullMonitor(lab),
        "explorer": lambda: LayerExplorer(samples.image("alpine")),
        "quiz": lambda: Quiz(QUIZZES["02-pulling"]),
    }
    found = controls(widgets[make]().box)
    allowed = ("Dropdown", "Checkbox", "Button", "RadioButtons", "Select", "Text")
    assert found
    for control in found:
        assert type(control).__name__ in allowed
        assert control.description or control.tooltip


def test_the_monitor_pulls_what_is_chosen(lab: Lab) -> None:
    """Choosing and pressing the button pulls that image for that platform."""
    monitor = PullMonitor(lab)
    assert "Nothing has been pulled yet" in repr(monitor)
    monitor.name.value = "alpine"
    monitor.platform.value = "linux/arm64"
    monitor.click()
    assert str(lab.image("alpine").config.platform).startswith("linux/arm64")
    assert repr(monitor).startswith("PullMonitor: alpine for linux/arm64\nconfig")
    assert "alpine:latest is in the local repository" in monitor.view.value
    assert not monitor.button.disabled


def test_the_monitor_says_what_it_shows_in_colour(lab: Lab) -> None:
    """State, progress and outcome are in the page as text; digests in full are in its titles."""
    monitor = PullMonitor(lab)
    monitor.flip.value = True
    monitor.click()
    html = monitor.view.value
    assert html == page(monitor.pull)
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL)
    assert REFUSED in text
    assert NOT_ASKED in text
    assert "Refused: " in text
    assert all(f'title="{row.blob.digest}"' in html for row in monitor.pull.rows)
    assert html.count('role="progressbar"') == len(monitor.pull.rows)


def test_what_is_said_is_escaped(lab: Lab) -> None:
    """A name from outside is text in the page."""
    monitor = PullMonitor(lab, names=["<img src=x onerror=alert(1)>"])
    monitor.click()
    assert "<img" not in monitor.view.value
    assert "&lt;img" in monitor.view.value


def test_slow_motion_is_shown_while_it_runs(lab: Lab) -> None:
    """In slow motion the page changes several times; without it, once, at the end."""
    monitor = PullMonitor(lab)
    monitor.name.value = "alpine"
    monitor.slow.value = True
    pages: list[str] = []
    monitor.view.observe(lambda change: pages.append(change["new"]), "value")
    began = time.monotonic()
    monitor.click()
    assert len(pages) > 4
    assert any("Downloading, " in shown for shown in pages)
    assert time.monotonic() - began < 15
    pages.clear()
    monitor.slow.value = False
    monitor.name.value = "busybox:glibc"
    monitor.click()
    assert len(pages) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_monitor_offers_what_there_is(name: str, lab: Lab) -> None:
    """Every name on offer is in the registry, and is pulled for some platform on offer."""
    monitor = PullMonitor(lab)
    monitor.name.value = name
    pulled = []
    for platform in PLATFORMS:
        monitor.platform.value = platform
        monitor.click()
        pulled.append(monitor.pull.copied is not None)
    assert any(pulled)


def test_the_explorer_walks(lab: Lab) -> None:
    """A layer, then a path: what was done, the content, and the path's whole story."""
    explorer = LayerExplorer(samples.image("demo/leaky"))
    assert explorer.path.value == "bin/busybox"
    explorer.layer.value = 3
    explorer.path.value = "app/.env"
    assert "PASSWORD=correct-horse" in explorer.file.value
    assert "layer 3: added; layer 4: deleted" in explorer.file.value
    assert "COPY deploy.key .env /app/" in explorer.about.value
    explorer.layer.value = 4
    assert isinstance(explorer.chosen, Touch)
    assert (explorer.chosen.what, explorer.chosen.path) == (DELETES, "app/.env")
    text = repr(explorer)
    assert "  deletes      38B  /app/.env" in text
    assert "417B can no longer be seen" in text


def test_the_explorer_in_a_layer_that_changes_nothing() -> None:
    """A layer without entries is shown as what it is."""
    explorer = LayerExplorer(samples.image("demo/leaky"))
    explorer.layer.value = 6
    assert explorer.chosen is None
    assert "touches no path" in explorer.file.value
    assert repr(explorer).endswith("layer 6, made by WORKDIR /app")
    explorer.layer.value = 1
    assert explorer.chosen is not None


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """10,000 entries in two layers, almost all of them below usr/lib, a hundred in a directory."""
    below = {f"usr/lib/d{n // 100}/f{n}": str(n).encode() for n in range(4999)}
    above = {f"usr/lib/d{n // 100}/g{n}": b"g" for n in range(4998)} | {"usr/lib/.wh.d7": b""}
    store = Store(tmp_path_factory.mktemp("many"))
    add_image(store, "many", [below | {"motd": b"hello"}, above | {"usr/lib/d1/f101": b"new"}])
    return store.image("many")


def test_many_paths_are_listed_by_folder(many: Image) -> None:
    """A line is one path, or a folder of several; opened, the folder has them one by one."""
    walk = Walk(many)
    (usr, motd) = walk.listing(1)
    assert str(usr) == "adds      18.9kB  /usr/lib/ (4,999 paths)"
    assert str(motd) == "adds          5B  /motd"
    opened = walk.listing(1, usr.path)
    assert [row.path for row in opened] == sorted(f"usr/lib/d{n}" for n in range(50))
    folder = opened[0]
    assert isinstance(folder, Folder)
    assert walk.listing(1, folder.path) == list(folder.touches) == walk.find(1, "/d0/")


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_is_lost_in_folders(many: Image, number: int) -> None:
    """Opened one after the other, the folders have exactly what the layer touches."""
    walk, found = Walk(many), list[Touch]()
    left: list[Touch | Folder] = walk.listing(number)
    while left:
        row = left.pop()
        if isinstance(row, Folder):
            assert row.path
            left += walk.listing(number, row.path)
        else:
            found.append(row)
    assert sorted(found, key=str) == sorted(walk.touches(number), key=str)
    assert len(found) == 5000


def test_a_folder_says_what_is_done_in_it(many: Image) -> None:
    """What a layer does in it is counted; where that is not always the same, it is mixed."""
    rows = {row.path: row for row in Walk(many).listing(2)}
    assert str(rows["usr/lib/d0"]) == "adds        100B  /usr/lib/d0/ (100 paths)"
    assert str(rows["usr/lib/d7"]) == "mixed       100B  /usr/lib/d7/ (101 paths)"
    assert isinstance(rows["usr/lib/d7"], Folder)
    assert rows["usr/lib/d7"].told == "adds 100, deletes 1; 100B in files"
    assert isinstance(rows["usr/lib/d1"], Folder)
    assert rows["usr/lib/d1"].told == "adds 100, changes 1; 103B in files"


def test_folders_are_opened_and_left(many: Image) -> None:
    """Open lists what is in the folder, Back what was listed before, the same folder chosen."""
    explorer = LayerExplorer(many)
    assert "in this folder, layer 1 adds 4999; 18.9kB in files" in explorer.file.value
    assert "5,000 paths, by folder" in explorer.where.value
    explorer.open.click()
    explorer.path.value = "usr/lib/d3"
    explorer.open.click()
    assert "In /usr/lib/d3: 100 of the 5,000 paths" in explorer.where.value
    assert explorer.path.value == "usr/lib/d3/f300"
    assert "layer 1: added" in explorer.file.value
    assert explorer.open.disabled
    explorer.open.click()  # by a program: nothing happens
    explorer.back.click()
    assert explorer.path.value == "usr/lib/d3"
    assert explorer.folders == ["usr/lib"]
    explorer.layer.value = 2
    assert explorer.folders == []
    assert explorer.back.disabled
    explorer.back.click()
    assert repr(explorer).count("\n  and 30 more\n") == 1


def test_paths_are_found(many: Image) -> None:
    """A part of a path, in either case, finds it wherever it is, in one layer after the other."""
    explorer = LayerExplorer(many)
    explorer.find.value = "D7/F"
    assert explorer.path.value == "usr/lib/d7/f700"
    assert "100 of 5,000 paths have &#x27;D7/F&#x27; in them." in explorer.where.value
    explorer.layer.value = 2
    assert "0 of 5,000 paths" in explorer.where.value
    assert explorer.chosen is None
    assert "No path has this in it" in explorer.file.value
    explorer.find.value = "lib"
    assert "5,000 of 5,000 paths" in explorer.where.value
    assert "The first 200 are listed" in explorer.where.value
    assert len(explorer.path.options) == LISTED
    explorer.find.value = " "
    assert explorer.path.value == "usr/lib/d0"


def test_what_the_explorer_sends_is_small(many: Image) -> None:
    """Whatever is listed, a page gets no more of it than can be looked at: 32 kB in all."""
    explorer = LayerExplorer(many)
    for text in ("", "f", "usr/lib", "zzz"):
        explorer.find.value = text
        states = [widget.get_state() for widget in (explorer.path, explorer.where, explorer.file)]
        assert len(json.dumps(states)) < 32_000


def test_the_explorer_escapes_what_it_shows() -> None:
    """What a file holds is text, not HTML."""
    explorer = LayerExplorer(samples.image("nginx"))
    pages = []
    for number in explorer.walk.numbers:
        explorer.layer.value = number
        for touch in explorer.walk.touches(number):
            if touch.path.endswith(".html"):
                explorer.path.value = touch.path
                pages.append(explorer.file.value)
    assert pages
    assert all("&lt;!" in html and "<!" not in html for html in pages)


def test_a_quiz_answers_every_choice() -> None:
    """Each choice is answered at once, in the page and in words."""
    quiz = Quiz(QUIZZES["00-start-here"])
    assert "(x)" not in repr(quiz)
    for number, question in enumerate(quiz.questions, 1):
        for choice in range(1, len(question.choices) + 1):
            quiz.choose(number, choice)
            assert question.answer(choice) in repr(quiz)
    assert repr(quiz).count("(x)") == len(quiz.questions)


@pytest.mark.parametrize("make", ["monitor", "explorer", "quiz"])
def test_a_widget_without_a_browser_is_words(make: str, lab: Lab) -> None:
    """What a notebook stores of a widget is its view and, in words, the same as its repr."""
    widgets: dict[str, Any] = {
        "monitor": lambda: PullMonitor(lab),
        "explorer": lambda: LayerExplorer(samples.image("redis")),
        "quiz": lambda: Quiz(QUIZZES["02-pulling"]),
    }
    widget = widgets[make]()
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == repr(widget)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert " at 0x" not in repr(widget)

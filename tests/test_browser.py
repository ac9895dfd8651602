"""A learner in JupyterLab: Chromium runs the notebooks from top to bottom, clicks, and reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Lab, jupyterlab, quiet, typed
from conftest import ROOT
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=60_000)

OUTPUT: Final = ".jp-OutputArea-output"
WIDER: Final = "all => all.filter(o => o.scrollWidth > o.clientWidth + 2).map(o => o.innerText)"
SHELL: Final = (
    "%load_ext imgkit\nfrom imgkit.lab import Lab\nlab = Lab()",
    "%docker run -it alpine sh",
)
MANY: Final = (
    f"import sys\nsys.path.append({str(ROOT / 'tests')!r})",
    "from images import add_image\nfrom imgkit.lab import Lab",
    "from imgkit.widgets import LayerExplorer",
    "files = {f'd{n // 100}/f{n}': f'{n:04}'.encode() for n in range(5000)}",
    "lab = Lab()\nadd_image(lab.store, 'many', [files, files])",
    "LayerExplorer(lab.image('many'))",
)
HASTY: Final = (
    "import time\nfrom imgkit import samples\nfrom imgkit.mount import Mount",
    "from imgkit.lab import Lab\nfrom imgkit.widgets import BuildStepper, OverlayStepper",
    "steps = OverlayStepper(Mount(samples.image('demo/leaky').layers))\nsteps",
    "steps.more.observe(lambda _: time.sleep(0.2), 'value')",
    "BuildStepper(Lab(), 'FROM scratch', {'a': b'', 'b': b''})",
)
"""Two widgets; the kernel takes its time over one field of the first."""
LESSONS: Final = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """JupyterLab over a copy of the notebooks."""
    with jupyterlab(ROOT / "notebooks") as running:
        yield running


@dataclass(frozen=True)
class Ran:
    """A notebook after Run All: where it is shown, and the errors that cells ended with."""

    page: Page
    errors: list[str]

    def output(self, part: Locator) -> Locator:
        """The output that shows this part."""
        found = self.page.locator(".jp-OutputArea-child", has=part)
        found.scroll_into_view_if_needed()
        return found


@pytest.fixture(scope="module")
def ran(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Ran]:
    """The notebook of that name, run once: pytest puts all tests of one notebook together."""
    with lab.open(f"{request.param}.ipynb") as page:
        yield Ran(page, lab.run_all(page))


def in_lesson(name: str) -> pytest.MarkDecorator:
    """The test is done in this notebook."""
    return pytest.mark.parametrize("ran", [name], indirect=True)


@pytest.mark.parametrize("ran", LESSONS, indirect=True)
def test_every_cell_runs(ran: Ran) -> None:
    """Run All goes through every notebook; errors are where a lesson breaks things on purpose."""
    assert ran.errors == []


def accessible(page: Page, *, within: str = OUTPUT) -> list[str]:
    """What axe finds in there, however slight."""
    found = Axe().run(page, context=within, options={"resultTypes": ["violations"]}).response
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("ran", LESSONS, indirect=True)
def test_outputs_can_be_read(ran: Ran) -> None:
    """After Run All, axe finds nothing in an output, and no output is wider than its cell.

    What is wider can be scrolled within the output, also by keyboard: axe looks at that.
    """
    assert accessible(ran.page) == []
    assert ran.page.locator(OUTPUT).evaluate_all(WIDER) == []


@pytest.fixture
def monitor(ran: Ran) -> Locator:
    """The output that shows the PullMonitor."""
    return ran.output(ran.page.get_by_label("Platform"))


def pull(monitor: Locator, name: str, says: str) -> None:
    """Choose an image, press the button, and wait until the outcome says so."""
    monitor.get_by_label("Image").select_option(name)
    monitor.get_by_role("button", name="Pull").click()
    expect(monitor.get_by_role("status")).to_contain_text(says)


@in_lesson("02-pulling")
def test_a_pull_is_watched(monitor: Locator) -> None:
    """A click pulls; the layers, the requests and the outcome can be read."""
    pull(monitor, "portainer/portainer-ce", "Every digest was right")
    pull(monitor, "redis", "7 of 8 layers travelled")
    rows = monitor.locator("table").first.locator("tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.filter(has_text="Already exists")).to_have_count(1)
    expect(rows.filter(has_text="Verified, kept")).to_have_count(7 + 1)  # the config
    expect(monitor.get_by_text("GET /v2/library/redis/manifests/latest")).to_be_visible()


@in_lesson("02-pulling")
def test_a_lie_is_refused(monitor: Locator) -> None:
    """With the box ticked, one bit is changed, and the pull says which digest was wrong."""
    box = monitor.get_by_label("Let the registry change one bit of a layer")
    box.check()
    pull(monitor, "nginx", "Refused: ")
    expect(monitor.locator("tr", has_text="Refused: wrong digest")).to_have_count(1)
    box.uncheck()
    pull(monitor, "nginx", "nginx:latest is in the local repository")


@in_lesson("02-pulling")
def test_slow_motion_can_be_watched(monitor: Locator) -> None:
    """In slow motion there is something to see before the end."""
    monitor.get_by_label("Slow motion, three layers at a time").check()
    monitor.get_by_label("Image").select_option("postgres:16")
    monitor.get_by_role("button", name="Pull").click()
    expect(monitor.locator("tr", has_text=re.compile(r"Downloading, \d+ %")).first).to_be_visible()
    expect(monitor.get_by_role("status")).to_contain_text("Every digest was right")


@in_lesson("02-pulling")
def test_it_works_by_keyboard(monitor: Locator) -> None:
    """From the list of images, Tab leads to the button, and the space bar presses it."""
    monitor.get_by_label("Slow motion, three layers at a time").uncheck()
    monitor.get_by_label("Image").focus()
    keyboard = monitor.page.keyboard
    keyboard.press("Home")
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(monitor.get_by_role("button", name="Pull")).to_be_focused()
    keyboard.press("Space")
    expect(monitor.get_by_role("status")).to_contain_text("redis:latest is in the local")


@in_lesson("02-pulling")
def test_pictures_can_be_seen_and_read(ran: Ran) -> None:
    """Every figure is drawn, has alternative text, and the same facts in a table below."""
    figures = ran.page.locator("figure")
    assert figures.count() >= 1
    for figure in figures.all():
        figure.scroll_into_view_if_needed()
        picture = figure.locator("img")
        assert len(picture.get_attribute("alt") or "") > 60
        assert picture.evaluate("image => image.complete && image.naturalWidth > 300")
        figure.get_by_text("The same as a table").click()
        assert figure.locator("tbody tr").first.is_visible()


def test_pictures_are_there_before_anything_is_run(lab: Lab) -> None:
    """A notebook that is not trusted yet shows its stored pictures, and the words for them."""
    with lab.open("00-start-here.ipynb") as page:
        pictures = page.locator("figure img")
        expect(pictures).to_have_count(3)
        for picture in pictures.all():
            picture.scroll_into_view_if_needed()
            assert len(picture.get_attribute("alt") or "") > 60
            assert picture.evaluate("image => image.complete && image.naturalWidth > 300")


def test_the_map_leads_to_the_next_lesson(lab: Lab) -> None:
    """The link below the map of the course opens the other notebook."""
    with lab.open("00-start-here.ipynb") as page:
        link = page.locator("figure a", has_text="02 Pulling")
        link.scroll_into_view_if_needed()
        link.click()
        opened = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) h1")
        expect(opened.first).to_contain_text("from registry to local repository")


@pytest.fixture
def stepper(ran: Ran) -> Locator:
    """The output that shows the OverlayStepper, in the notebook on the union filesystem."""
    return ran.output(ran.page.get_by_label("to path"))


@in_lesson("06-union-filesystem")
def test_a_step_is_taken(stepper: Locator) -> None:
    """By mouse: who was asked, what upper got, what it cost; a second step builds on the first."""
    stepper.get_by_label("Do", exact=True).select_option("append")
    expect(stepper.get_by_label("Text")).to_be_visible()
    quiet(stepper.page)
    typed(stepper.get_by_label("Text"), "more")
    stepper.get_by_role("button", name="Do it").click()
    expect(stepper.get_by_role("status")).to_contain_text("54B of content copied up")
    expect(stepper.locator("tr", has_text="/app/app.sh").last).to_contain_text("59B, upper")
    stepper.get_by_label("Do", exact=True).select_option("rename")
    expect(stepper.get_by_label("New path")).to_be_visible()
    quiet(stepper.page)
    typed(stepper.get_by_label("New path"), "/app/run.sh")
    stepper.get_by_role("button", name="Do it").click()
    expect(stepper.get_by_role("status")).to_contain_text("no content copied")
    expect(stepper.get_by_label("All directories")).to_contain_text("whiteout")
    stepper.get_by_role("button", name="Ask Linux").click()
    expect(stepper.get_by_role("status")).to_contain_text(re.compile("Linux|kernel"))


@in_lesson("06-union-filesystem")
def test_steps_by_keyboard(stepper: Locator) -> None:
    """From the list of operations, Tab leads to the path, the button, and the other directory."""
    keyboard = stepper.page.keyboard
    stepper.get_by_role("button", name="Start again").press("Enter")
    expect(stepper.get_by_role("status")).to_contain_text("No step yet")
    stepper.get_by_label("Do", exact=True).focus()
    keyboard.press("Home")  # read
    expect(stepper.get_by_label("New path")).to_be_hidden()
    keyboard.press("Tab")
    expect(stepper.get_by_label("to path")).to_be_focused()
    keyboard.press("Control+a")
    keyboard.type("/etc/hostname")
    keyboard.press("Tab")
    expect(stepper.get_by_role("button", name="Do it")).to_be_focused()
    keyboard.press("Space")
    expect(stepper.get_by_label("Steps so far")).to_contain_text("cat /etc/hostname")
    expect(stepper.get_by_role("status")).to_contain_text("reading changes nothing")
    expect(stepper.get_by_label("Show")).to_have_value(re.compile("/etc"))


@pytest.fixture
def builder(ran: Ran) -> Locator:
    """The output that shows the BuildStepper, in the notebook on building."""
    return ran.output(ran.page.get_by_label("Dockerfile"))


@in_lesson("08-building-and-sharing")
def test_a_dockerfile_is_built_and_edited(builder: Locator) -> None:
    """By mouse: what is edited is carried out, with all after it, and the step is shown in full."""
    button = builder.get_by_role("button", name="Build")
    button.click()
    expect(builder.get_by_role("status")).to_contain_text("Built: ")
    button.click()
    expect(builder.get_by_role("status")).to_contain_text("5 from the cache, 0 carried out")
    builder.get_by_label("File", exact=True).select_option("greet.sh")
    expect(builder.get_by_label("holds")).to_have_value(re.compile("head -n 1"))
    builder.get_by_label("holds").fill("echo something else\n")
    button.click()
    expect(builder.get_by_role("status")).to_contain_text("3 from the cache, 2 carried out")
    row = builder.locator("tr", has_text="COPY greet.sh .")
    expect(row).to_contain_text("the files that it copies changed since")
    expect(builder.get_by_label("The step")).to_contain_text("/app/greet.sh")


@in_lesson("08-building-and-sharing")
def test_builds_by_keyboard(builder: Locator) -> None:
    """From the Dockerfile, Tab leads to the files, the buttons and the box; steps one by one."""
    keyboard = builder.page.keyboard
    builder.get_by_label("Dockerfile").focus()
    keyboard.press("Control+End")
    keyboard.type("\nENV A=1")
    for _ in range(3):
        keyboard.press("Tab")
    expect(builder.get_by_role("button", name="Build")).to_be_focused()
    keyboard.press("Tab")
    expect(builder.get_by_role("button", name="Next step")).to_be_focused()
    keyboard.press("Space")
    expect(builder.get_by_role("status")).to_contain_text("Step 1 of 7 is done")
    keyboard.press("Shift+Tab")
    keyboard.press("Space")
    expect(builder.get_by_role("status")).to_contain_text("5 from the cache, 1 carried out")
    expect(builder.get_by_label("The step")).to_contain_text("Env = [")


@pytest.fixture
def digests(ran: Ran) -> Locator:
    """The output that shows the DigestLab."""
    return ran.output(ran.page.get_by_role("button", name="Rewrite a record"))


@in_lesson("10-digests")
def test_a_byte_is_changed_and_covered_up(digests: Locator) -> None:
    """By mouse: a changed letter is refused; covered up to the top, only by digest it still is."""
    by_tag, by_digest = (digests.get_by_role("status").nth(n) for n in (0, 1))
    expect(by_tag).to_contain_text("it is the image that was published")
    digests.get_by_label("New value").fill("H")
    digests.get_by_role("button", name="Change it").click()
    expect(by_tag).to_contain_text("refused at the layer 3 blob")
    expect(digests.get_by_label("Bytes")).to_contain_text("[48]")
    expect(digests.locator("strong")).to_have_count(5)
    for document in ("config", "manifest", "manifest", "index"):
        digests.get_by_role("button", name="Rewrite a record").click()
        expect(digests.locator("li").last).to_contain_text(f"In the {document}, the")
    expect(by_tag).to_contain_text("it is not the image that was published")
    expect(by_digest).to_contain_text("refused at the index: you asked for")
    assert accessible(digests.page, within=".imgkit-lab") == []


@in_lesson("10-digests")
def test_a_byte_is_changed_by_keyboard(digests: Locator) -> None:
    """From the list of parts, Tab leads through the fields to the button."""
    keyboard = digests.page.keyboard
    digests.get_by_role("button", name="Start again").press("Enter")
    expect(digests.get_by_text("No byte is changed")).to_be_visible()
    digests.get_by_label("In the").focus()
    keyboard.press("Home")  # the index
    keyboard.press("Tab")
    keyboard.press("Control+a")
    keyboard.type("amd64")
    keyboard.press("Tab")
    expect(digests.get_by_label("Byte", exact=True)).to_be_focused()
    expect(digests.get_by_label("Bytes")).to_contain_text(re.compile(r"\[61\]\s*6d"))
    keyboard.press("Tab")
    keyboard.press("Control+a")
    keyboard.type("b")
    keyboard.press("Tab")  # the bytes, which can be scrolled
    keyboard.press("Tab")
    expect(digests.get_by_role("button", name="Change it")).to_be_focused()
    keyboard.press("Space")
    expect(digests.locator("li")).to_contain_text("of the index: 61 became 62")
    expect(digests.get_by_role("status").nth(0)).to_contain_text("refused: there is no image for")


@pytest.fixture
def picker(ran: Ran) -> Locator:
    """The output that shows the PlatformPicker."""
    return ran.output(ran.page.get_by_label("Machine", exact=True))


@in_lesson("11-multi-architecture")
def test_a_machine_is_chosen(picker: Locator) -> None:
    """By mouse: what it gets, why, and which layers others have too; or that there is nothing."""
    picker.get_by_label("Image").select_option("redis")
    expect(picker.get_by_role("status")).to_contain_text("takes the image for linux/arm64/v8")
    expect(picker.locator("tr", has_text="chosen: 8 layers")).to_have_count(1)
    expect(picker.locator("tr", has_text="never chosen")).to_have_count(2)
    picker.get_by_label("Machine", exact=True).select_option("a RISC-V board: linux/riscv64")
    expect(picker.get_by_role("status")).to_contain_text("there is no image for linux/riscv64")
    expect(picker.get_by_text("Nothing would be pulled")).to_be_visible()
    assert accessible(picker.page, within=".imgkit-pick") == []


@in_lesson("11-multi-architecture")
def test_a_platform_is_typed(picker: Locator) -> None:
    """By keyboard, from the list of images on: the machine is passed over, the platform typed."""
    keyboard = picker.page.keyboard
    picker.get_by_label("Image").focus()
    keyboard.press("Home")  # alpine
    keyboard.press("Tab")
    keyboard.press("Tab")
    expect(picker.get_by_label("Platform")).to_be_focused()
    keyboard.press("Control+a")
    keyboard.type("linux/arm/v7")
    expect(picker.get_by_role("status")).to_contain_text("takes the image for linux/arm/v7")


@pytest.fixture
def matrix(ran: Ran) -> Locator:
    """The output that shows the SharingMatrix, in the notebook on sharing."""
    return ran.output(ran.page.get_by_role("button", name="Look again"))


@in_lesson("09-sharing-layers")
def test_names_are_ticked(matrix: Locator) -> None:
    """By mouse: a base stays while one image needs it, and goes with the last; all as text."""
    matrix.get_by_role("button", name="Look again").click()
    expect(matrix.get_by_role("status")).to_contain_text("34 layers, each kept once")
    row = matrix.locator("tr", has_text="sha256:a7ad88422e3c")
    for name in ("redis:latest", "nginx:latest", "node:latest"):
        matrix.get_by_label(name).check()
    expect(row).to_contain_text("stays: postgres:16")
    matrix.get_by_label("postgres:16").check()
    expect(row).to_contain_text("goes")
    expect(matrix.get_by_label("What Docker says")).to_contain_text("Untagged: postgres:16")
    assert accessible(matrix.page, within=".imgkit-sharing") == []


@in_lesson("09-sharing-layers")
def test_images_are_removed_by_keyboard(matrix: Locator) -> None:
    """From the last name, Tab leads to the field, the box and the button, which removes."""
    keyboard = matrix.page.keyboard
    matrix.get_by_role("button", name="Look again").press("Enter")
    expect(matrix.get_by_role("status")).to_contain_text("34 layers, each kept once")
    matrix.get_by_label("postgres:16").focus()
    keyboard.press("Space")
    expect(matrix.get_by_role("status")).to_contain_text("would go")
    keyboard.press("Tab")
    keyboard.type("node")
    keyboard.press("Tab")
    expect(matrix.get_by_role("status")).to_contain_text("2 names and ")
    keyboard.press("Tab")
    expect(matrix.get_by_role("button", name="Remove")).to_be_focused()
    keyboard.press("Space")
    expect(matrix.get_by_role("status").first).to_contain_text("layers went")
    expect(matrix.get_by_label("node:latest")).to_have_count(0)


@pytest.fixture
def names(ran: Ran) -> Locator:
    """The output that shows the NameExplorer."""
    return ran.output(ran.page.get_by_label("Examples"))


@in_lesson("04-names-and-tags")
def test_an_example_is_chosen(names: Locator) -> None:
    """By mouse: the parts of a name, and what is asked; or the rule that it breaks."""
    names.get_by_label("Examples").select_option("ghcr.io/regclient/regsync")
    expect(names.locator("tr", has_text="registry")).to_contain_text("ghcr.io")
    expect(names.locator("pre")).to_contain_text("GET https://ghcr.io/v2/regclient/regsync/")
    names.get_by_label("Examples").select_option("Redis")
    expect(names.get_by_role("status")).to_contain_text("the repository must be in lower case")


@in_lesson("04-names-and-tags")
def test_a_name_is_typed(names: Locator) -> None:
    """By keyboard: each letter counts at once, and Tab leads to the examples."""
    keyboard = names.page.keyboard
    names.get_by_label("Name").focus()
    keyboard.press("Control+a")
    keyboard.type("localhost:5000/app")
    expect(names.get_by_role("status")).to_contain_text("In full: localhost:5000/app:latest")
    keyboard.press("Tab")
    expect(names.get_by_label("Examples")).to_be_focused()
    keyboard.press("End")  # alpine, by digest
    expect(names.get_by_role("status")).to_contain_text("docker.io/library/alpine@sha256:")


@pytest.fixture
def layers(ran: Ran) -> Locator:
    """The output that shows the LayerExplorer."""
    return ran.output(ran.page.get_by_label("Path"))


@in_lesson("00-start-here")
def test_a_layer_is_chosen(layers: Locator) -> None:
    """By mouse: a layer, then a path that it touches; the file's content and its whole life."""
    layers.get_by_label(re.compile("^3: ")).check()
    expect(layers.get_by_text("Made by COPY deploy.key")).to_be_visible()
    layers.locator("option", has_text="deploy.key").click()
    expect(layers.locator("pre")).to_contain_text("not a key, but what one looks like")
    expect(layers.get_by_text("layer 3: added; layer 4: deleted")).to_be_visible()


@in_lesson("00-start-here")
def test_layers_by_keyboard(layers: Locator) -> None:
    """Tab walks through the layers, Space chooses; Tab leads to the paths, arrows through those."""
    keyboard = layers.page.keyboard
    layers.get_by_label(re.compile("^3: ")).focus()
    keyboard.press("Tab")
    keyboard.press("Space")
    expect(layers.get_by_text("Layer 4", exact=True)).to_be_visible()
    for _ in range(3):
        keyboard.press("Tab")
    expect(layers.get_by_label("Path")).to_be_focused()
    keyboard.press("Home")
    keyboard.press("ArrowDown")
    expect(layers.get_by_text("/app/.env", exact=True)).to_be_visible()


@pytest.fixture
def question(ran: Ran) -> Locator:
    """The output that shows the Quiz."""
    return ran.output(ran.page.get_by_text("1. What is an image made of?"))


@in_lesson("00-start-here")
def test_a_question_is_answered(question: Locator) -> None:
    """By mouse and by keyboard: each choice gets an answer of its own, at once."""
    choices = question.get_by_role("radio")
    choices.nth(0).check()
    said = question.get_by_role("status")
    expect(said).to_be_visible()
    first = said.inner_text()
    question.page.keyboard.press("Tab")
    question.page.keyboard.press("Space")
    expect(choices.nth(1)).to_be_checked()
    expect(choices.nth(0)).not_to_be_checked()
    expect(said).not_to_have_text(first)


@contextmanager
def written(lab: Lab, name: str, cells: Sequence[str]) -> Iterator[Page]:
    """A notebook of these cells, all of them run."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = {"metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    notebook |= {"cells": [cell | {"source": source} for source in cells]}
    (lab.folder / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    with lab.open(f"{name}.ipynb") as page:
        assert lab.run_all(page) == []
        yield page


@pytest.fixture(scope="module")
def many(lab: Lab) -> Iterator[Locator]:
    """The output that shows the LayerExplorer with an image of 10,000 entries."""
    with written(lab, "many", MANY) as page:
        yield page.locator(OUTPUT, has=page.get_by_label("Path"))


def test_thousands_of_paths_are_walked_through(many: Locator) -> None:
    """By mouse: a layer, a folder, a file in it, and back; the list has the folders, or the files.

    At no time has the page more of the 5,000 paths of a layer than can be looked at.
    """
    lines = many.get_by_label("Path").locator("option")
    expect(lines).to_have_count(50)
    many.get_by_label(re.compile("^2: ")).check()
    expect(many.get_by_text("Layer 2", exact=True)).to_be_visible()
    expect(lines.nth(17)).to_have_text(re.compile(r"^changes\s+400B\s+/d24/\s\(100\spaths\)$"))
    lines.nth(17).click()
    expect(many.get_by_text("in this folder, layer 2 changes 100; 400B in files")).to_be_visible()
    many.get_by_role("button", name="Open").click()
    expect(lines).to_have_text(
        [re.compile(rf"^changes\s+4B\s+/d24/f{n}$") for n in range(2400, 2500)]
    )
    expect(many.get_by_text("In /d24: 100 of the 5,000 paths of this layer.")).to_be_visible()
    lines.nth(50).click()
    expect(many.locator("pre")).to_have_text("2450")
    expect(many.get_by_text("layer 1: added; layer 2: changed")).to_be_visible()
    many.get_by_role("button", name="Back").click()
    expect(lines).to_have_count(50)
    expect(many.get_by_text("/d24", exact=True)).to_be_visible()
    assert accessible(many.page) == []


def test_thousands_of_paths_by_keyboard(many: Locator) -> None:
    """A part of a path finds the files wherever they are; Tab leads to the list and the buttons."""
    keyboard = many.page.keyboard
    lines = many.get_by_label("Path").locator("option")
    many.get_by_label("Find").focus()
    keyboard.type("f2")
    expect(
        many.get_by_text("1,111 of 5,000 paths have 'f2' in them. The first 200")
    ).to_be_visible()
    expect(lines).to_have_count(200)
    keyboard.type("451")
    expect(lines).to_have_text([re.compile("/d24/f2451$")])
    expect(many.locator("pre")).to_have_text("2451")
    expect(many.get_by_role("button", name="Open")).to_be_hidden()
    keyboard.press("Control+a")
    keyboard.press("Delete")
    expect(lines).to_have_count(50)
    keyboard.press("Tab")
    expect(many.get_by_label("Path")).to_be_focused()
    keyboard.press("End")
    expect(many.get_by_text("/d9", exact=True)).to_be_visible()
    keyboard.press("Tab")
    expect(many.get_by_role("button", name="Open")).to_be_focused()
    keyboard.press("Space")
    expect(lines.first).to_have_text(re.compile("/d9/f900$"))
    expect(many.get_by_role("button", name="Back")).to_be_visible()
    keyboard.press("Tab")
    expect(many.get_by_role("button", name="Back")).to_be_focused()
    keyboard.press("Space")
    expect(lines).to_have_count(50)


@pytest.fixture(scope="module")
def hasty(lab: Lab) -> Iterator[Page]:
    """A page whose widgets are filled in and clicked faster than any person would."""
    with written(lab, "hasty", HASTY) as page:
        yield page


def test_no_click_overtakes_a_field(hasty: Page) -> None:
    """Two fields are filled in and the button is clicked at once, twenty times: each time the step
    is of what stood in the fields, though the kernel is still busy with the first of them.
    """
    stepper = hasty.locator(OUTPUT, has=hasty.get_by_label("to path"))
    stepper.get_by_label("Do", exact=True).select_option("write")
    expect(stepper.get_by_label("Text")).to_be_visible()
    lines = [f"{n}  $ echo t{n} > /p{n}" for n in range(1, 21)]
    for n in range(1, 21):
        stepper.get_by_label("Text").fill(f"t{n}")
        stepper.get_by_label("to path").fill(f"/p{n}")
        stepper.get_by_role("button", name="Do it").click()
        expect(stepper.get_by_label("Steps so far")).to_contain_text(f"{n}  $")
        assert stepper.get_by_label("Steps so far").inner_text().split("\n")[:n] == lines[:n]


def test_no_build_overtakes_the_dockerfile(hasty: Page) -> None:
    """A line is typed and Build pressed at once, ten times: each time the line is built."""
    builder = hasty.locator(OUTPUT, has=hasty.get_by_label("Dockerfile"))
    keyboard = hasty.keyboard
    for n in range(1, 11):
        builder.get_by_label("Dockerfile").focus()
        keyboard.press("Control+End")
        keyboard.type(f"\nENV A={n}")
        builder.get_by_role("button", name="Build").click()
        expect(builder.get_by_text(f"Build {n}", exact=True)).to_be_visible()
        assert builder.locator("tbody tr code").all_inner_texts()[1:] == [
            f"ENV A={m}" for m in range(1, n + 1)
        ]


@pytest.fixture(scope="module")
def terminal(lab: Lab) -> Iterator[Locator]:
    """The output that shows a TerminalView: the shell of a new container."""
    with written(lab, "terminal", SHELL) as page:
        yield page.locator(".imgkit-terminal")


def test_a_shell_is_typed_into(terminal: Locator) -> None:
    """By keyboard: Enter carries out the line, and what it printed is on the screen."""
    terminal.get_by_role("textbox").focus()
    terminal.page.keyboard.type("echo 42 > /answer; cat /answer\n")
    expect(terminal.get_by_role("log")).to_contain_text(re.compile(r"cat /answer\s+42"))
    expect(terminal.get_by_role("textbox")).to_have_value("")
    assert accessible(terminal.page) == []


def test_a_shell_is_ended(terminal: Locator) -> None:
    """By mouse: the line typed before comes back, and Ctrl-D ends the shell."""
    terminal.get_by_role("button", name="▲").click()
    expect(terminal.get_by_role("textbox")).to_have_value(re.compile("cat /answer"))
    terminal.get_by_role("button", name="Ctrl-C").click()
    expect(terminal.get_by_role("textbox")).to_have_value("")
    terminal.get_by_role("button", name="Ctrl-D").click()
    expect(terminal.get_by_role("log")).to_contain_text("the shell has ended, exit status 0")


@pytest.mark.parametrize("ran", LESSONS, indirect=True)
def test_widgets_can_be_read_in_the_dark(lab: Lab, ran: Ran) -> None:
    """When the widgets have been used, axe finds nothing in the dark theme either."""
    lab.theme(ran.page, dark=True)
    try:
        assert accessible(ran.page) == []
    finally:
        lab.theme(ran.page, dark=False)

"""A learner in JupyterLab: Chromium runs the notebooks from top to bottom, clicks, and reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser import Lab, jupyterlab
from conftest import ROOT
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """JupyterLab over a copy of the notebooks."""
    with jupyterlab(ROOT / "notebooks") as running:
        yield running


@pytest.fixture(scope="module")
def pulling(lab: Lab) -> Iterator[Page]:
    """The notebook on pulling, after Run All."""
    with lab.open("02-pulling.ipynb") as page:
        lab.run_all(page)
        yield page


@pytest.fixture
def monitor(pulling: Page) -> Locator:
    """The output that shows the PullMonitor."""
    found = pulling.locator(".jp-OutputArea-child", has=pulling.get_by_label("Platform"))
    found.scroll_into_view_if_needed()
    return found


def pull(monitor: Locator, name: str, says: str) -> None:
    """Choose an image, press the button, and wait until the outcome says so."""
    monitor.get_by_label("Image").select_option(name)
    monitor.get_by_role("button", name="Pull").click()
    expect(monitor.get_by_role("status")).to_contain_text(says, timeout=20_000)


def test_every_cell_runs(lab: Lab) -> None:
    """Run All goes through the first notebook without an error."""
    with lab.open("00-start-here.ipynb") as page:
        assert lab.run_all(page) == []


def test_a_pull_is_watched(monitor: Locator) -> None:
    """A click pulls; the layers, the requests and the outcome can be read."""
    pull(monitor, "portainer/portainer-ce", "Every digest was right")
    pull(monitor, "redis", "7 of 8 layers travelled")
    rows = monitor.locator("table").first.locator("tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.filter(has_text="Already exists")).to_have_count(1)
    expect(rows.filter(has_text="Verified, kept")).to_have_count(7 + 1)  # the config
    expect(monitor.get_by_text("GET /v2/library/redis/manifests/latest")).to_be_visible()


def test_a_lie_is_refused(monitor: Locator) -> None:
    """With the box ticked, one bit is changed, and the pull says which digest was wrong."""
    box = monitor.get_by_label("Let the registry change one bit of a layer")
    box.check()
    pull(monitor, "nginx", "Refused: ")
    expect(monitor.locator("tr", has_text="Refused: wrong digest")).to_have_count(1)
    box.uncheck()
    pull(monitor, "nginx", "nginx:latest is in the local repository")


def test_slow_motion_can_be_watched(monitor: Locator) -> None:
    """In slow motion there is something to see before the end."""
    monitor.get_by_label("Slow motion, three layers at a time").check()
    monitor.get_by_label("Image").select_option("postgres:16")
    monitor.get_by_role("button", name="Pull").click()
    expect(monitor.locator("tr", has_text=re.compile(r"Downloading, \d+ %")).first).to_be_visible()
    expect(monitor.get_by_role("status")).to_contain_text("Every digest was right", timeout=30_000)


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


def test_pictures_can_be_seen_and_read(pulling: Page) -> None:
    """Every figure is drawn, has alternative text, and the same facts in a table below."""
    figures = pulling.locator("figure")
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
        expect(opened.first).to_contain_text("from registry to local repository", timeout=20_000)


@pytest.fixture(scope="module")
def stepper(lab: Lab) -> Iterator[Locator]:
    """The output that shows the OverlayStepper, in the notebook on the union filesystem."""
    with lab.open("06-union-filesystem.ipynb") as page:
        assert lab.run_all(page) == []
        found = page.locator(".jp-OutputArea-child", has=page.get_by_label("to path"))
        found.scroll_into_view_if_needed()
        yield found


def test_a_step_is_taken(stepper: Locator) -> None:
    """By mouse: who was asked, what upper got, what it cost; a second step builds on the first."""
    stepper.get_by_label("Do", exact=True).select_option("append")
    stepper.get_by_label("Text").fill("more")
    stepper.get_by_role("button", name="Do it").click()
    expect(stepper.get_by_role("status")).to_contain_text("54B of content copied up")
    expect(stepper.locator("tr", has_text="/app/app.sh").last).to_contain_text("59B, upper")
    stepper.get_by_label("Do", exact=True).select_option("rename")
    stepper.get_by_label("New path").fill("/app/run.sh")
    stepper.get_by_role("button", name="Do it").click()
    expect(stepper.get_by_role("status")).to_contain_text("no content copied")
    expect(stepper.get_by_label("All directories")).to_contain_text("whiteout")
    stepper.get_by_role("button", name="Ask Linux").click()
    expect(stepper.get_by_role("status")).to_contain_text(re.compile("Linux|kernel"))


def test_steps_by_keyboard(stepper: Locator) -> None:
    """From the list of operations, Tab leads to the path, the button, and the other directory."""
    keyboard = stepper.page.keyboard
    stepper.get_by_role("button", name="Start again").press("Enter")
    expect(stepper.get_by_role("status")).to_contain_text("No step yet")
    stepper.get_by_label("Do", exact=True).focus()
    keyboard.press("Home")  # read
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

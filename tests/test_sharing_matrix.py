"""SharingMatrix: what is ticked is rehearsed, what is removed is gone, and all of it is text."""

from __future__ import annotations

import ipywidgets
import pytest

from imgkit.container.containers import Containers
from imgkit.lab import Lab
from imgkit.sharing import Outcome, Sharing, rehearse
from imgkit.widgets import SharingMatrix
from imgkit.widgets.sharing_matrix import page

PORTAINER = "portainer/portainer-ce:latest"
NASTY = "<b onclick='x'>\x1b[31m"


@pytest.fixture
def lab() -> Lab:
    made = Lab()
    for name in ("redis", PORTAINER, "nginx"):
        made.pull(name)
    return made


def test_at_first_it_shows_what_is_shared(lab: Lab) -> None:
    """Every image is a column, every layer a row, and nothing can be removed yet."""
    matrix = SharingMatrix(lab)
    assert list(matrix.names) == ["redis:latest", PORTAINER, "nginx:latest"]
    assert matrix.go.disabled
    count = len(Sharing.of(lab.store).layers)
    assert f"{count} layers, each kept once" in matrix.view.value
    assert matrix.view.value.count('<th scope="row">') == count
    assert "2: 27.3kB saved" in matrix.view.value
    assert repr(matrix).startswith(f"SharingMatrix: layers: {count}, images: 3")


def test_ticking_rehearses(lab: Lab) -> None:
    """The command line, what it would print, the fate of each layer; and nothing has gone."""
    matrix = SharingMatrix(lab)
    plan = matrix.pick("redis:latest")
    assert plan == rehearse(lab.store, ["redis:latest"])
    assert "$ docker rmi redis:latest\nUntagged: redis:latest" in matrix.view.value
    assert "1 name and 6 of 17 layers would go" in matrix.view.value
    assert "stays: nginx:latest" in matrix.view.value
    assert f"stays: {PORTAINER}" in matrix.view.value
    assert not matrix.go.disabled
    assert lab.verify("redis") == []
    matrix.names["redis:latest"].value = False
    assert matrix.plan is None
    assert matrix.go.disabled


def test_the_button_removes(lab: Lab) -> None:
    """Afterwards it is done, it is said what went, and the rest can be chosen."""
    matrix = SharingMatrix(lab)
    plan = matrix.pick("redis:latest", "nginx:latest")
    assert isinstance(plan, Outcome)
    matrix.go.click()
    assert list(matrix.names) == [PORTAINER]
    assert Sharing.of(lab.store) == plan.after
    assert f"{plan.freed[0]:,} bytes on the disk" in matrix.view.value
    assert "2 names and 13 of 17 layers went" in matrix.view.value
    matrix.pick(PORTAINER)
    matrix.go.click()
    assert "The local repository is empty." in matrix.view.value


def test_ids_can_be_typed(lab: Lab) -> None:
    """An ID or a digest goes into the field beside the names; several, with blanks."""
    matrix = SharingMatrix(lab)
    redis, nginx = lab.image("redis"), lab.image("nginx")
    assert nginx.index is not None
    matrix.also.value = f" {redis.id.short}  nginx@{nginx.index.digest} "
    assert matrix.plan is not None
    assert [bool(step.refused) for step in matrix.plan.steps] == [False, False]
    assert matrix.plan.untagged == ["redis:latest"]


def test_a_container_keeps_its_image(lab: Lab) -> None:
    """It is refused, and told who needs it; forced, the layers stay for the container."""
    containers = Containers(lab.store)
    containers.create(lab.image("nginx"), name="web")
    matrix = SharingMatrix(lab)
    assert "used by web" in matrix.view.value
    matrix.pick("nginx:latest")
    assert "is using its referenced image" in matrix.view.value
    assert "Refused: 1 of 1." in matrix.view.value
    matrix.pick("nginx:latest", force=True)
    assert "$ docker rmi -f nginx:latest" in matrix.view.value
    assert "stays: container web" in matrix.view.value


def test_it_looks_again(lab: Lab) -> None:
    """What came meanwhile is there when it is asked for."""
    matrix = SharingMatrix(lab)
    lab.pull("alpine")
    matrix.again.click()
    assert "alpine:latest" in matrix.names


def test_no_click_overtakes_a_box(lab: Lab) -> None:
    """The kernel is to hear of all controls in its main thread, also of boxes that came later."""
    matrix = SharingMatrix(lab)
    assert "text/plain" in matrix._repr_mimebundle_()
    lab.pull("alpine")
    matrix.again.click()
    for control in (*matrix.names.values(), matrix.also, matrix.force, matrix.go, matrix.again):
        assert control.comm._reply_subshell_for({}, "another thread") is None


def test_text_is_escaped(lab: Lab) -> None:
    """What was typed stays text, and steers no terminal."""
    matrix = SharingMatrix(lab)
    matrix.also.value = NASTY
    assert "<b onclick" not in matrix.view.value
    assert "\x1b" not in matrix.view.value
    assert "<b onclick" not in page(rehearse(lab.store, [NASTY]), NASTY)


def test_controls_have_names(lab: Lab) -> None:
    """Everything that can be used has a name, and none is a slider."""
    found: list[ipywidgets.Widget] = []
    boxes = [SharingMatrix(lab).box]
    while boxes:
        child = boxes.pop()
        inside = isinstance(child, ipywidgets.Box)
        boxes += child.children if inside else ()
        found += [] if inside else [child]
    kinds = {type(control).__name__ for control in found}
    assert kinds == {"Checkbox", "Text", "Button", "HTML"}
    assert all(c.description for c in found if not isinstance(c, ipywidgets.HTML))

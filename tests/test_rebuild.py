"""Rebuild and BuildStepper: what comes from the cache, and why the rest does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from docker_engine import Docker, docker

from imgkit import samples
from imgkit.build import Options
from imgkit.image import verify
from imgkit.lab import Lab
from imgkit.rebuild import BASE, Rebuild
from imgkit.widgets import BuildStepper

__all__ = ["docker"]

TEXT: Final = """FROM alpine
WORKDIR /app
COPY words.txt .
RUN sort words.txt > sorted.txt
COPY greet.sh .
CMD ["sh", "greet.sh"]
"""

FILES: Final = {"words.txt": b"pear\napple\n", "greet.sh": b"echo hello\n"}

STAGES: Final = """FROM alpine AS one
RUN echo 1 > /a
FROM alpine
RUN echo 2 > /b
COPY --from=one /a /
"""

NASTY: Final = 'FROM alpine\nLABEL a="<b onclick=x>&\x1b[31m"\n'


def edit_text(old: str, new: str) -> Callable[[Rebuild], None]:
    def edit(rebuild: Rebuild) -> None:
        rebuild.text = rebuild.text.replace(old, new)

    return edit


def edit_file(name: str, content: bytes) -> Callable[[Rebuild], None]:
    return lambda rebuild: rebuild.files.update({name: content})


def without_cache(rebuild: Rebuild) -> None:
    rebuild.no_cache = True


# What is edited after a first build, the first step that is carried out then, and why.
EDITS: Final = [
    (lambda rebuild: None, None, ""),
    (edit_file("words.txt", b"fig\n"), 3, "the same words, but the files that it copies changed"),
    (edit_file("greet.sh", b"echo bye\n"), 5, "the same words, but the files that it copies"),
    (edit_file("other.txt", b"x"), None, ""),
    (edit_text("sort ", "sort -r "), 4, "another step than before, which was RUN sort words.txt"),
    (edit_text("FROM alpine", "# why not\nFROM alpine"), None, ""),
    (edit_text("FROM alpine", "FROM alpine:3.18"), 2, "never done before on this image"),
    (edit_text("CMD", "ENV A=1\nCMD"), 6, 'another step than before, which was CMD ["sh"'),
    (without_cache, 2, "the cache was not to be asked"),
]

REFUSED: Final = [
    ("", "no instructions"),
    ("RUM x\n", "unknown instruction: RUM"),
    ("FROM no-such-image\n", "Step 1/1 : FROM no-such-image. "),
    ("FROM alpine\nRUN no-such-program\n", "Step 2/2 : RUN no-such-program. The command"),
    ("FROM alpine\nCOPY nothing /\n", "Step 2/2 : COPY nothing /. COPY failed"),
    ("FROM scratch\n", "No image was generated"),
]


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.pull("alpine")
    return lab


def make(lab: Lab, text: str = TEXT) -> Rebuild:
    options = Options(
        clock=lambda: samples.NOW,
        native=lab.platform,
        pull=lambda name, _: lab.pull(name.familiar),
    )
    return Rebuild(lab.store, text, FILES, options, "app")


# -- the model ------------------------------------------------------------------------------


@pytest.mark.parametrize(("edit", "first", "why"), EDITS, ids=range(len(EDITS)))
def test_a_changed_step_and_all_after_it_are_done_anew(
    lab: Lab, edit: Callable[[Rebuild], None], first: int | None, why: str
) -> None:
    """Steps above the first difference come from the cache; it says of each why, or why not."""
    rebuild = make(lab)
    rebuild.build()
    edit(rebuild)
    rows = [row for row in rebuild.build().rows if row.kind != BASE]
    assert [row.number for row in rows if row.cached] == [
        row.number for row in rows if first is None or row.number < first
    ]
    anew = [row for row in rows if not row.cached]
    if first is not None:
        assert anew[0].why.startswith(why)
    for row in anew[1:]:
        told = f"step {first} was carried out, so nothing after it may be taken"
        assert row.why == ("the cache was not to be asked" if rebuild.no_cache else told)


def test_edits_that_are_taken_back_are_found_again(lab: Lab) -> None:
    """The cache holds every build, not the last one only."""
    rebuild = make(lab)
    first = rebuild.build()
    edit_text("sort ", "sort -r ")(rebuild)
    rebuild.build()
    edit_text("sort -r ", "sort ")(rebuild)
    last = rebuild.build()
    assert last.carried_out == 0
    assert [row.image for row in last.rows] == [row.image for row in first.rows]


def test_the_image_is_the_builders(lab: Lab) -> None:
    """What the rows say of layers and settings stands in the image, which is whole."""
    rebuild = make(lab)
    rows = rebuild.build().rows
    image = lab.image("app")
    assert verify(image) == []
    assert rows[-1].image == image.id
    assert [row.diff_id for row in rows if row.diff_id] == [x.diff_id for x in image.layers[1:]]
    assert [row.bytes for row in rows if row.diff_id] == [x.unpacked_size for x in image.layers[1:]]
    assert rows[3].changes == ("/app", "/app/sorted.txt")
    assert rows[5].changes == ("Cmd = ['sh', 'greet.sh']",)
    assert [bool(row.container) for row in rows] == [False, True, False, True, False, True]


def test_one_step_at_a_time(lab: Lab) -> None:
    """Nothing has the name before the last step; then the next step begins a new build."""
    rebuild = make(lab)
    for number in range(1, 7):
        run = rebuild.step()
        assert len(run.rows) == number
        assert ("app" in lab.images("--format", "{{.Repository}}").split()) == (number == 6)
    assert run.is_done
    assert rebuild.step() is not run
    assert rebuild.is_going
    rebuild.stop()
    assert "given up" in rebuild.runs[-1].said
    assert rebuild.build().carried_out == 0
    assert len(rebuild.runs) == 3


def test_each_stage_asks_the_cache_anew(lab: Lab) -> None:
    """A step that was carried out in one stage is no reason in another."""
    rebuild = make(lab, STAGES)
    rebuild.build()
    edit_text("echo 1", "echo 3")(rebuild)
    rows = rebuild.build().rows
    assert [row.source for row in rows] == [
        "base image",
        "carried out",
        "base image",
        "from the cache",
        "carried out",
    ]
    assert rows[4].why == "the same words, but the files that it copies changed since"


def test_a_variable_changes_a_step_whose_words_stay(lab: Lab) -> None:
    """A RUN sees the ARGs: another value makes it another step."""
    rebuild = make(lab, "FROM alpine\nARG A\nRUN echo $A > /a\n")
    rebuild.build()
    rebuild.options = Options(args={"A": "2"}, clock=lambda: samples.NOW, native=lab.platform)
    row = rebuild.build().rows[2]
    assert not row.cached
    assert row.why == "the same words, but the values of its variables changed since"


@pytest.mark.parametrize(("text", "says"), REFUSED)
def test_what_cannot_be_built_is_said(lab: Lab, text: str, says: str) -> None:
    """A refusal is a sentence with the step; the next build begins from the beginning."""
    rebuild = make(lab, text)
    run = rebuild.build()
    assert says in run.said
    assert not rebuild.is_going
    assert lab.images("-q", "app") == ""
    rebuild.text = TEXT
    assert rebuild.build().is_done


FILES_ONLY: Final = """FROM alpine
ENV A=1
COPY words.txt /app/
LABEL b=$A
COPY greet.sh /app/
CMD ["sh"]
"""

# Like EDITS, without RUN: there is no program in the image that a real engine could run.
COMPARED: Final = [
    lambda rebuild: None,
    edit_file("words.txt", b"fig\n"),
    edit_file("greet.sh", b"echo bye\n"),
    edit_text("A=1", "A=2"),
    edit_text("LABEL", "USER 1\nLABEL"),
    edit_text("FROM alpine", "# why not\nFROM alpine"),
    edit_text("COPY greet.sh /app/", "COPY greet.sh  /app/"),
    edit_text('CMD ["sh"]', 'CMD ["sh", "-l"]'),
]


@pytest.mark.peer("dockerd", "docker")
def test_docker_has_the_same_steps_in_its_cache(lab: Lab, docker: Docker, tmp_path: Path) -> None:
    """After each edit a real engine says "Using cache" of just the steps that we take from it."""
    docker.load(f"{lab.home}:docker.io/library/alpine:latest", "alpine:latest")
    rebuild = make(lab, FILES_ONLY)
    for edit in (COMPARED[0], *COMPARED):
        edit(rebuild)
        for name, content in {**rebuild.files, "Dockerfile": rebuild.text.encode()}.items():
            (tmp_path / name).write_bytes(content)
        steps = docker.run("build", tmp_path).stdout.split("\nStep ")[1:]
        theirs = ["Using cache" in step for step in steps]
        assert theirs == [row.cached for row in rebuild.build().rows]


# -- the view -------------------------------------------------------------------------------


@pytest.fixture
def widget(lab: Lab) -> BuildStepper:
    return BuildStepper(lab, TEXT, FILES)


def test_a_click_builds(widget: BuildStepper, lab: Lab) -> None:
    """The button builds all; a second time all comes from the cache."""
    assert "Nothing has been built yet" in widget.view.value
    widget.go.click()
    assert "0 from the cache, 5 carried out" in widget.view.value
    assert lab.image("app").id == widget.run.rows[-1].image
    widget.go.click()
    assert "5 from the cache, 0 carried out" in widget.view.value


def test_what_is_typed_is_built(widget: BuildStepper, lab: Lab) -> None:
    """The fields are the Dockerfile and the files; the first step done anew is shown in full."""
    widget.go.click()
    widget.edit("greet.sh", "echo bye\n")
    widget.go.click()
    assert (widget.step.value, widget.run.carried_out) == (5, 2)
    assert "/app/greet.sh" in widget.about.value
    assert lab.image("app").overlay.read("app/greet.sh") == b"echo bye\n"
    widget.text.value = TEXT.replace("RUN sort", "RUN sort -r")
    widget.go.click()
    assert widget.step.value == 4
    widget.no_cache.value = True
    widget.go.click()
    assert widget.run.cached == 0


def test_steps_one_by_one(widget: BuildStepper) -> None:
    """`Next step` does one; an edit on the way gives the build up; looking at a file does not."""
    widget.next.click()
    widget.next.click()
    assert "Step 2 of 6 is done" in widget.view.value
    widget.file.value = "greet.sh"
    assert widget.rebuild.is_going
    widget.go.click()
    assert widget.run.is_done
    widget.next.click()
    widget.text.value = TEXT + "# more\n"
    assert not widget.rebuild.is_going
    widget.next.click()
    assert len(widget.rebuild.runs) == 3


def test_the_words_have_what_the_table_has(widget: BuildStepper) -> None:
    """Every cell is in the words, too, and they are the same each time."""
    widget.go.click()
    cells = re.findall(r"<td[^>]*>(?:<[^>]*>)*([^<]+)<", widget.view.value)
    assert len(cells) >= 6 * 4
    for cell in cells:
        assert cell.replace("&quot;", '"').replace("&gt;", ">") in repr(widget)
    assert widget._repr_mimebundle_()["text/plain"] == repr(widget)


def test_text_from_outside_stays_text(lab: Lab) -> None:
    """Whatever a Dockerfile says is shown as text, and steers nothing."""
    widget = BuildStepper(lab, NASTY)
    widget.go.click()
    assert widget.run.is_done
    for html in (widget.view.value, widget.about.value):
        assert "<b " not in html
        assert "\x1b" not in html
    assert "\x1b" not in repr(widget)


def test_a_file_that_is_no_text_stays_as_it_is(lab: Lab) -> None:
    """Showing bytes that are no text does not change them."""
    widget = BuildStepper(lab, "FROM alpine\nCOPY a /\n", {"a": b"\xff\x00"})
    widget.go.click()
    assert lab.image("app").overlay.read("a") == b"\xff\x00"

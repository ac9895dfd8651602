"""Steps on a mount: who is asked, what becomes of upper, what it costs; and what Linux says."""

from __future__ import annotations

import random
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from imgkit import samples
from imgkit.container.containers import Containers
from imgkit.errors import NotFound
from imgkit.image import copy
from imgkit.kernel import Kernel, why_not
from imgkit.mount import Mount
from imgkit.mount.inode import symlink, tree
from imgkit.reference import Reference
from imgkit.stepper import GONE, MOST, OPERATIONS, Stepper
from imgkit.store import Store

# Steps on the image demo/leaky; what the last one did to upper, and the bytes that it copied.
STEPS: Final = [
    ([("read", "/app/data.json", "")], [], 0),
    ([("read", "/app", "")], [], 0),
    ([("write", "/new", "x")], ["made /new", "written /new"], 0),
    (
        [("append", "/app/data.json", "x")],
        ["copied up /app", "copied up /app/data.json", "written /app/data.json"],
        18,
    ),
    ([("append", "/new", "x"), ("append", "/new", "y")], ["written /new"], 0),
    ([("delete", "/app/data.json", "")], ["copied up /app", "whiteout /app/data.json"], 0),
    ([("write", "/new", "x"), ("delete", "/new", "")], ["removed /new"], 0),
    (
        [("delete", "/app", "")],
        ["copied up /app", "whiteout /app/app.sh", "whiteout /app/data.json", "whiteout /app"],
        0,
    ),
    ([("delete", "/app", ""), ("mkdir", "/app", "")], ["made opaque /app"], 0),
    ([("mkdir", "/srv/new", "")], ["copied up /srv", "made /srv/new"], 0),
    (
        [("rename", "/app/app.sh", "app/run.sh")],
        ["copied up /app", "copied up /app/app.sh", "whiteout /app/app.sh", "renamed /app/run.sh"],
        54,
    ),
    (
        [("chmod", "/app/app.sh", "700")],
        ["copied up /app", "copied up /app/app.sh", "mode changed /app/app.sh"],
        54,
    ),
]

# A step that is refused, and what is said.
REFUSED: Final = [
    (("read", "/app/.env", ""), "ENOENT"),
    (("read", "/no/such/thing", ""), "ENOENT"),
    (("mkdir", "/app", ""), "EEXIST"),
    (("write", "/app", "x"), "EISDIR"),
    (("write", "/app/app.sh/x", "x"), "ENOTDIR"),
    (("rename", "/app", "/srv/app"), "EXDEV"),
    (("rename", "/app", " / "), "a new path is needed"),
    (("rename", "/app/app.sh", "/etc"), "EISDIR"),
    (("chmod", "/app", "rwx"), "'rwx' is no mode"),
    (("chmod", "/app", "-1"), "'-1' is no mode"),
    (("chmod", "/app", "77777"), "'77777' is no mode"),
    (("mkdir", "", ""), "EEXIST"),
    (("mkdir", "/" + "x" * 300, ""), "ENAMETOOLONG"),
    (("write", "/a\0b", "x"), "EINVAL"),
    (("rename", "/app/app.sh", "/a\0b"), "EINVAL"),
]


@pytest.fixture
def stepper() -> Stepper:
    return Stepper(Mount(samples.image("demo/leaky").layers))


@pytest.mark.parametrize(("steps", "effects", "copied"), STEPS)
def test_what_a_step_does_to_upper(
    stepper: Stepper, steps: list[tuple[str, str, str]], effects: list[str], copied: int
) -> None:
    """Each change of upper in order, and the bytes of content that were copied up for it."""
    for step in steps:
        last = stepper.take(*step)
        assert last.error == ""
    assert [f"{what} {path}" for what, path, _ in last.effects] == effects
    assert last.copied == copied
    assert all(why for _, _, why in last.changes)


@pytest.mark.parametrize(("step", "says"), REFUSED)
def test_a_refusal_is_said(stepper: Stepper, step: tuple[str, str, str], says: str) -> None:
    """What the mount refuses is no error of ours: it is said, and upper is as it was."""
    before = stepper.rows("/")
    taken = stepper.take(*step)
    assert says in taken.error
    assert taken.said.startswith("Refused: ")
    assert stepper.rows("/") == before


def test_an_operation_that_there_is_not(stepper: Stepper) -> None:
    """The error says which there are."""
    with pytest.raises(NotFound, match=r"no 'remove'\. There is: read, write, append, delete"):
        stepper.take("remove", "/app")


def test_reading_gives_the_content(stepper: Stepper) -> None:
    """A file gives its text, a directory its names; what would steer a terminal does not."""
    assert stepper.take("read", "app/data.json").answer == '{"fetched": true}\n'
    assert stepper.take("read", "/app").answer == "app.sh  data.json"
    stepper.take("write", "/x", "\x1b[31m")
    assert stepper.take("read", "/x").answer.startswith("Not text: 6B")


def test_the_lookup_before_a_step(stepper: Stepper) -> None:
    """Trees are asked from the top; a file ends the search, a missing name goes through all."""
    asked = stepper.answers(stepper.take("append", "/app/data.json", "x").trace)
    of_file = [(who, found) for who, path, found, _ in asked if path == "/app/data.json"]
    assert of_file == [("layer 5", "nothing"), ("layer 4", "file")]
    assert next(who for who, path, _, _ in asked if path == "/app") == "upper"
    missing = stepper.take("read", "/none").trace
    assert len(missing) == len(stepper.mount.lowers) + 1
    assert len(stepper.take("read", "/none/x").trace) == len(missing)


def test_symlinks_are_followed_as_the_operation_does() -> None:
    """Reading through a symlink looks up what it leads to; deleting it does not."""
    stepper = Stepper(Mount([tree({"d/f": b"x", "l": symlink("d/f")})]))
    assert [ask.path for ask in stepper.take("read", "/l").trace if ask.layer == 0] == [
        "/l",
        "/d",
        "/d/f",
    ]
    assert [ask.path for ask in stepper.take("delete", "/l").trace if ask.layer == 0] == ["/l"]


def test_every_tree_has_its_column(stepper: Stepper) -> None:
    """A row says what merged shows and from where, then what upper and each lower have."""
    stepper.take("append", "/app/data.json", "x")
    rows = {row.path: row for row in stepper.rows("/app")}
    names = (".env", "app.sh", "data.json", "deploy.key")
    assert list(rows) == ["/app", *(f"/app/{name}" for name in names)]
    assert rows["/app"].merged == "directory of 4"
    assert rows["/app/.env"] == ("/app/.env", GONE, ("", "", "", "whiteout", "38B", "", ""))
    assert rows["/app/app.sh"].merged == "54B, layer 5"
    assert rows["/app/data.json"].merged == "20B, upper"
    assert rows["/app/data.json"].trees[0] == "20B"


def test_a_large_directory_is_shown_without_what_is_in_it(stepper: Stepper) -> None:
    """Where too many paths are below, only those directly there are shown."""
    assert {row.path.count("/") for row in stepper.rows("/")} == {1}
    assert "/app" in stepper.folders
    assert "/etc/apk/keys" in stepper.folders
    assert sum(1 for _ in stepper.mount.lowers[0].walk()) > MOST


def test_starting_again(stepper: Stepper) -> None:
    """Afterwards upper is as it was, and the steps are forgotten."""
    before = repr(stepper)
    for name, operation in OPERATIONS.items():
        stepper.take(name, "/app/app.sh", {"mode": "700"}.get(operation.more, "/x"))
    assert repr(stepper) != before
    stepper.reset()
    assert repr(stepper) == before


def test_it_is_told_in_words(stepper: Stepper) -> None:
    """The text has each step as a shell's line, the lookup, the changes and all the trees."""
    stepper.take("append", "/app/data.json", "it's more")
    text = stepper.text("/app")
    assert text.startswith("$ echo 'it'\"'\"'s more' >> /app/data.json\n")
    for words in ("it hides all that is below", "3 changes in upper, 18B of content", "layer 1"):
        assert words in text


def test_a_container_keeps_what_is_stepped(tmp_path: Path) -> None:
    """On a container, its layer of Docker's own is called init, and each step is kept."""
    store = Store(tmp_path)
    copy(samples.store(), store, Reference.parse("alpine:latest"))
    shelf = Containers(store, clock=lambda: samples.NOW, rng=random.Random(1))
    box = shelf.create(store.image("alpine"), ["sh"], interactive=True)
    box.start()
    stepper = Stepper(box)
    assert stepper.names == ("layer 1", "init", "upper")
    stepper.take("delete", "/etc/motd")
    assert shelf.get(box.name).diff() == [("C", "/etc"), ("D", "/etc/motd")]
    box.sh("rm /etc/passwd")
    assert stepper.rows("/etc")[0].path == "/etc"
    stepper.reset()
    assert shelf.get(box.name).diff() == []
    shelf.get(box.name).remove(force=True)
    assert stepper.take("delete", "/etc").said.startswith("Refused: No such container")
    assert shelf.records() == []


def kernel() -> None:
    """Skip where Linux lets nobody mount an overlay."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.mark.parametrize("rootless", [False, True], ids=["root", "rootless"])
@pytest.mark.parametrize("seed", range(3))
def test_linux_does_the_same(
    stepper: Stepper, seed: int, rootless: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random steps, refused ones among them, have the same outcome on a real overlay mount."""
    if reason := why_not(rootless=rootless):
        pytest.skip(reason)
    monkeypatch.setattr("imgkit.stepper.Kernel", partial(Kernel, rootless=rootless))
    rng = random.Random(seed)
    paths = [f"/{path}" for tree in stepper.mount.lowers for path, _ in tree.walk()] + [
        "/x",
        "/app",
    ]
    for _ in range(40):
        name = rng.choice(list(OPERATIONS))
        more = {"mode": rng.choice(["600", "755"]), "text": "x", "new path": rng.choice(paths)}
        stepper.take(name, rng.choice(paths), more.get(OPERATIONS[name].more, ""))
    assert stepper.ask_kernel().endswith("on a real mount: merged and upper are as here.")


def test_the_kernel_is_told_what_others_wrote(stepper: Stepper) -> None:
    """What was written past the stepper counts as there before; a difference would be seen."""
    kernel()
    stepper.take("delete", "/app")
    stepper.mount.write("/past", b"1")
    stepper.take("mkdir", "/app")
    assert stepper.ask_kernel().startswith("Linux made the same 1 call on a real mount: ")
    stepper.mount.write("/past", b"2")
    assert stepper.ask_kernel().endswith("another.")


def test_without_a_mount_the_reason_is_given(
    stepper: Stepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where mounts are not allowed, that is said."""
    monkeypatch.setattr("imgkit.stepper.why_not", lambda: "Not here.")
    assert stepper.ask_kernel() == "Not here."


def test_the_command_mounts(tmp_path: Path, stepper: Stepper) -> None:
    """Linux takes the command, and the directory that it names first is the topmost lower one."""
    if reason := why_not(rootless=False):
        pytest.skip(reason)
    for number, name in enumerate([f"layer-{n}" for n in range(1, 7)]):
        (tmp_path / name / "diff").mkdir(parents=True)
        (tmp_path / name / "diff" / "who").write_text(f"{name}\n")
        (tmp_path / name / "diff" / str(number)).touch()
    for name in ("diff", "work", "merged"):
        (tmp_path / "upper" / name).mkdir(parents=True)
    mounted = f"mount -t tmpfs t upper; mkdir upper/diff upper/work upper/merged; {stepper.command}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", f"{mounted}; cat upper/merged/who; ls upper/merged"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["layer-6", *map(str, range(6)), "who"]

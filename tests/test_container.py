"""Containers: their states and refusals, their writable layer, and images made from them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from docker_engine import Docker, docker
from images import add_image
from trees import listing

from imgkit import samples
from imgkit.container import Container
from imgkit.container.containers import ADJECTIVES, NOUNS, Containers
from imgkit.container.record import CREATED, EXITED, REMOVED, RUNNING
from imgkit.errors import CannotRun, ContainerError, ExecFailed, ImgkitError, StoreError
from imgkit.image import Image, copy, verify
from imgkit.lab import Lab
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.unpack import unpack

__all__ = ["docker"]

SLEEP: Final = ["sleep", "1000"]


class Clock:
    """A clock that goes a second further each time it is asked."""

    def __init__(self) -> None:
        self.now = samples.NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture
def shelf(store: Store) -> Containers:
    return Containers(store, clock=Clock(), rng=random.Random(1))


@pytest.fixture
def pull(store: Store) -> Callable[[str], Image]:
    """Pulls a sample into the store."""

    def pulled(name: str) -> Image:
        copy(samples.store(), store, Reference.parse(name).with_default_tag())
        return store.image(name)

    return pulled


@pytest.fixture
def alpine(pull: Callable[[str], Image]) -> Image:
    return pull("alpine")


def lines(container: Container) -> list[str]:
    """`docker diff`."""
    return [f"{what} {path}" for what, path in container.diff()]


# -- states --------------------------------------------------------------------------------------


def test_runs_to_its_end(shelf: Containers, alpine: Image) -> None:
    """A command line runs to its end, and its exit code is the container's."""
    container = shelf.create(alpine, ["sh", "-c", "echo hello; exit 3"])
    assert container.state == CREATED
    done = container.start()
    assert done is not None
    assert (done.out, container.state, container.record.code) == ("hello\n", EXITED, 3)
    assert container.record.printed == [(1, "hello\n")]


def test_states(shelf: Containers, alpine: Image) -> None:
    """created, running, exited, running again, removed; the writable layer stays until then."""
    container = shelf.create(alpine, SLEEP)
    assert container.start() is None
    assert container.state == RUNNING
    container.execute(["sh", "-c", "echo hello > /file1"])
    container.stop()
    assert (container.state, container.record.code) == (EXITED, 137)
    container.stop()
    assert container.start() is None
    assert container.execute(["cat", "/file1"]).out == "hello\n"
    container.remove(force=True)
    assert container.state == REMOVED


WAITS: Final[dict[tuple[str, tuple[str, ...], bool], str]] = {
    ("alpine", ("sleep", "1000"), False): "",
    ("alpine", ("tail", "-f", "/dev/null"), False): "",
    ("alpine", ("sh", "-c", ": > /f; exec sleep 1000"), False): "",
    ("alpine", (), True): "",
    ("nginx", (), False): "/usr/sbin/nginx is a program for a real machine",
    ("redis", (), False): "/usr/local/bin/redis-server is a program for a real machine",
    ("ghcr.io/regclient/regsync", (), False): "/regsync is a program for a real machine",
}


@pytest.mark.parametrize(("how", "note"), WAITS.items(), ids=lambda value: str(value)[:40])
def test_keeps_running(
    how: tuple[str, tuple[str, ...], bool],
    note: str,
    shelf: Containers,
    pull: Callable[[str], Image],
) -> None:
    """What waits, and what cannot be run, leaves the container running; the log says which."""
    name, command, interactive = how
    container = shelf.create(pull(name), command, interactive=interactive)
    assert container.start() is None
    assert container.state == RUNNING
    assert note in container.record.note
    log = "".join(text for _, text in container.record.printed)
    assert container.record.note in log
    assert bool(note) == bool(log)
    container.stop()
    assert container.record.code == (0 if note else 137)


SLEEPS: Final = {
    "echo said; sleep 1000": True,
    "sleep 1000 && echo said": False,
    "echo said; a=$(sleep 1000)": False,
    "echo said; exec tail -f /dev/null": True,
    "echo said; sleep x": False,
    "echo said; sleep 1000; exit": False,
}
"""What a script does, and whether it would still do that: no time goes by in the middle of it."""


@pytest.mark.parametrize(("script", "waits"), SLEEPS.items(), ids=SLEEPS)
def test_waits_at_its_end(
    script: str, waits: bool, shelf: Containers, pull: Callable[[str], Image]
) -> None:
    """A script that ends by waiting, or one that hands over to what waits, goes on running."""
    container = shelf.create(pull("alpine"), ["sh", "-c", script])
    done = container.start()
    assert (done is None, container.state == RUNNING) == (waits, waits)
    assert (1, "said\n") in container.record.printed
    handed = shelf.create(pull("nginx"), ["sleep", "1000"])
    assert handed.start() is None


def test_shell_without_terminal(shelf: Containers, alpine: Image) -> None:
    """A shell with nothing to read ends at once, as `docker run alpine` does."""
    container = shelf.create(alpine)
    assert container.start() is not None
    assert (container.state, container.record.code) == (EXITED, 0)


def test_unknown_syntax(shelf: Containers, alpine: Image) -> None:
    """What the small shell does not know is refused; the container is not said to run it."""
    container = shelf.create(alpine, ["sh", "-c", "while true; do ls; done"])
    with pytest.raises(CannotRun, match="while"):
        container.start()
    assert container.state == CREATED


# -- refusals --------------------------------------------------------------------------------------


def test_refusals_of_states(shelf: Containers, alpine: Image) -> None:
    """What a state does not allow is refused in Docker's words."""
    container = shelf.create(alpine, SLEEP, name="web")
    with pytest.raises(ContainerError, match=rf"^Container {container.id} is not running$"):
        container.execute(["ls"])
    container.start()
    with pytest.raises(ContainerError, match=r"^You cannot remove a running container .* force"):
        container.remove()
    with pytest.raises(ContainerError, match=r'^Conflict. The container name "/web" is already in'):
        shelf.create(alpine, name="web")
    container.remove(force=True)
    with pytest.raises(ContainerError, match=r"^No such container: web$"):
        container.start()
    with pytest.raises(ContainerError, match=r"^No such container: web$"):
        shelf.get("web")
    assert shelf.create(alpine, name="web").name == "web"


@pytest.mark.parametrize("name", ["a b", "-a", "_a", "a", "a/b", "ä1"])
def test_bad_names(name: str, shelf: Containers, alpine: Image) -> None:
    """A name is letters, digits and `_.-`, at least two."""
    with pytest.raises(ContainerError, match=r"^Invalid container name"):
        shelf.create(alpine, name=name)


def test_missing_program(shelf: Containers, alpine: Image) -> None:
    """A container whose program is not there stays created, as with Docker."""
    container = shelf.create(alpine, ["nope"])
    with pytest.raises(ExecFailed, match=r"executable file not found in \$PATH"):
        container.start()
    assert (container.state, container.record.code) == (CREATED, 127)


def test_no_command(shelf: Containers, store: Store) -> None:
    """A container needs a program."""
    image = Image(store, add_image(store, "empty"))
    with pytest.raises(ContainerError, match="No command specified"):
        shelf.create(image, entrypoint=[])
    with pytest.raises(ContainerError, match="needs to be an absolute path"):
        shelf.create(image, ["true"], workdir="relative")
    assert shelf.records() == []


def test_a_foreign_record(shelf: Containers, alpine: Image) -> None:
    """A file among the containers that is none is named, and nothing else is said of it."""
    shelf.create(alpine)
    (shelf.folder / "x.json").write_text('{"a": 1}')
    with pytest.raises(StoreError, match="is no record of a container"):
        shelf.records()


def test_fleeting(shelf: Containers, alpine: Image) -> None:
    """With --rm, a container goes when its program ends, or is ended."""
    done = shelf.create(alpine, ["sh", "-c", "exit 3"], fleeting=True)
    done.start()
    assert (done.state, done.record.code, shelf.records()) == (REMOVED, 3, [])
    waiting = shelf.create(alpine, SLEEP, fleeting=True)
    waiting.start()
    assert len(shelf.records()) == 1
    waiting.kill()
    assert shelf.records() == []


def test_kill(shelf: Containers, alpine: Image) -> None:
    """What is not running cannot be killed."""
    container = shelf.create(alpine, SLEEP)
    with pytest.raises(ContainerError, match="is not running"):
        container.kill()
    container.start()
    container.kill()
    assert (container.state, container.record.code) == (EXITED, 137)


def test_ambiguous_id(shelf: Containers, alpine: Image) -> None:
    """The beginning of several IDs names none of them."""
    ids = [shelf.create(alpine).id for _ in range(17)]
    first = next(digit for digit in "0123456789abcdef" if sum(i[0] == digit for i in ids) > 1)
    with pytest.raises(ContainerError, match="Multiple IDs"):
        shelf.get(first)
    with pytest.raises(ContainerError, match="No such container"):
        shelf.get("")


# -- from the config ---------------------------------------------------------------------------


def test_config(shelf: Containers, pull: Callable[[str], Image]) -> None:
    """Environment, working directory and user come from the image, or from who asks."""
    container = shelf.create(pull("redis"), ["-c", "pwd; echo $GOSU_VERSION $A"], entrypoint=["sh"])
    done = container.start()
    assert done is not None
    assert done.out == "/data\n1.17\n"
    more = shelf.create(
        pull("redis"),
        ["sh", "-c", "pwd; id -u; echo $A $GOSU_VERSION; hostname"],
        entrypoint=[],
        env=["A=b", "GOSU_VERSION=2"],
        workdir="/made/here",
        user="1000",
    )
    done = more.start()
    assert done is not None
    assert done.out == f"/made/here\n1000\nb 2\n{more.record.short}\n"
    assert "A /made/here" in lines(more)


@pytest.mark.parametrize(
    ("workdir", "why"),
    [
        ("/etc/passwd", "/etc/passwd is not a directory"),
        ("/etc/passwd/below", "/etc/passwd/below is not a directory"),
        (f"/{'W' * 300}", "File name too long"),
    ],
)
def test_no_working_directory(shelf: Containers, alpine: Image, workdir: str, why: str) -> None:
    """Where none can be made, the container is not started; a Docker engine refuses these, too."""
    container = shelf.create(alpine, ["pwd"], workdir=workdir)
    with pytest.raises(ContainerError, match=why):
        container.start()
    assert container.state == CREATED
    assert lines(container) == []


def test_exec_options(shelf: Containers, alpine: Image) -> None:
    """`exec` has its own user, directory and variables; what it does stays."""
    container = shelf.create(alpine, SLEEP)
    container.start()
    done = container.execute(
        ["sh", "-c", "id -un; pwd; echo $A; touch /tmp/f"],
        user="guest",
        workdir="/opt",
        env={"A": "b"},
    )
    assert done.out == "guest\n/opt\nb\n"
    assert lines(container) == ["C /tmp", "A /tmp/f"]
    with pytest.raises(ExecFailed, match="chdir to cwd"):
        container.execute(["ls"], workdir="/nope")


# -- what is kept ------------------------------------------------------------------------------

CHANGES: Final = (
    "echo hello > /file1; rm /etc/motd; rm -r /etc/ssl; mkdir /etc/ssl; touch /etc/ssl/new; "
    "chmod 700 /opt; ln -s file1 /link; ln /file1 /file2; mv /home /h; chown 5:6 /file1"
)


def test_another_process(shelf: Containers, alpine: Image) -> None:
    """A container is found again by name, ID and short ID, in another process, as it was."""
    container = shelf.create(alpine, SLEEP, name="kept")
    container.start()
    container.execute(["sh", "-c", CHANGES])
    before = container.execute(["sh", "-c", "find / | sort; ls -lan / /etc /etc/ssl"]).out
    for text in ("kept", container.id, container.record.short, container.id[:4]):
        again = Containers(shelf.store, clock=shelf.clock).get(text)
        assert again.record == container.record
        assert again.diff() == container.diff()
        assert again.execute(["sh", "-c", "find / | sort; ls -lan / /etc /etc/ssl"]).out == before
    code = (
        "import sys; from imgkit.store import Store;"
        "from imgkit.container.containers import Containers;"
        "c = Containers(Store(sys.argv[1])).get('kept'); print(c.execute(['cat', '/link']).out)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shelf.store.home)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "hello\n\n"
    container.remove(force=True)
    assert list(shelf.folder.iterdir()) == []


def test_in_use(shelf: Containers, alpine: Image, pull: Callable[[str], Image]) -> None:
    """An image is in use while a container of it is there, running or not."""
    other = pull("busybox")
    container = shelf.create(alpine, name="user")
    assert [r.name for r in shelf.using(alpine.id)] == ["user"]
    assert [r.name for r in shelf.using(alpine.digest)] == ["user"]
    assert shelf.using(other.id) == []
    container.remove()
    assert shelf.using(alpine.id) == []


def test_names_and_ids(shelf: Containers, alpine: Image, tmp_path: Path) -> None:
    """Names are two words and IDs 64 digits, the same from the same seed."""
    made = [shelf.create(alpine) for _ in range(3)]
    for container in made:
        adjective, noun = container.name.split("_")
        assert (adjective in ADJECTIVES, noun in NOUNS) == (True, True)
        assert len(bytes.fromhex(container.id)) == 32
    again = Containers(Store(tmp_path / "again"), clock=Clock(), rng=random.Random(1))
    assert [again.create(alpine).id for _ in range(3)] == [c.id for c in made]
    assert [r.id for r in shelf.records()] == [c.id for c in reversed(made)]


def test_status(shelf: Containers, alpine: Image) -> None:
    """STATUS is that of `docker ps`."""
    container = shelf.create(alpine, SLEEP)
    now = datetime(2024, 11, 15, 13, tzinfo=UTC)
    assert container.record.status(now) == "Created"
    container.start()
    assert container.record.status(now) == "Up 59 minutes"
    container.stop()
    assert container.record.status(now) == "Exited (137) 59 minutes ago"


# -- commit --------------------------------------------------------------------------------------


def commit(container: Container, store: Store, name: str, **more: str) -> Image:
    return container.commit(store, Reference.parse(name).with_default_tag(), **more)


def test_commit(shelf: Containers, store: Store, alpine: Image) -> None:
    """The image has the old layers, byte for byte, and one more: the writable layer."""
    container = shelf.create(alpine, ["sh", "-c", CHANGES], env=["A=b"])
    container.start()
    image = commit(container, store, "mine:1", author="Ann", message="by hand")
    assert verify(image) == []
    assert image.manifest.layers[:-1] == tuple(
        layer for layer in Image(store, alpine.descriptor).manifest.layers
    )
    assert image.config.diff_ids[:-1] == alpine.config.diff_ids
    last = image.config.history[-1]
    assert (last.created_by, last.comment) == (f"sh -c {CHANGES}", "by hand")
    assert image.config.settings["Cmd"] == ["sh", "-c", CHANGES]
    assert image.config.settings["Env"] == ["A=b"]
    assert b'"author":"Ann"' in image.config.raw
    assert image.layers[-1].whiteouts == {"etc/motd", "home"}
    assert image.layers[-1].opaques == {"etc/ssl"}
    assert store.image("mine:1").digest == image.digest
    listed = shelf.create(image, ["sh", "-c", "cat /link; ls /etc/ssl; ls -ld /opt"]).start()
    assert listed is not None
    assert listed.out.startswith("hello\nnew\ndrwx------")


def test_commit_again(shelf: Containers, store: Store, alpine: Image) -> None:
    """The same writable layer gives the same tar; an unchanged one gives no layer at all."""
    container = shelf.create(alpine, ["sh", "-c", CHANGES])
    container.start()
    one, two = (commit(container, store, f"mine:{n}") for n in (1, 2))
    assert one.config.diff_ids == two.config.diff_ids
    assert one.manifest.layers == two.manifest.layers
    same = commit(shelf.create(alpine), store, "mine:3")
    assert verify(same) == []
    assert same.config.diff_ids == alpine.config.diff_ids
    assert same.config.history[-1].empty_layer


def test_commit_without_a_name(shelf: Containers, store: Store, alpine: Image) -> None:
    """As in Docker the image is dangling: it has a row and an ID, and is sound."""
    container = shelf.create(alpine, ["touch", "/f"])
    container.start()
    image = container.commit(store, None)
    assert verify(image) == []
    rows = [record for record in store.records() if record.descriptor.digest == image.digest]
    assert [record.name for record in rows] == [None]
    assert "f" in store.image(image.id.short).overlay


def test_commit_to_another_store(shelf: Containers, alpine: Image, tmp_path: Path) -> None:
    """The layers below travel along where they are not yet."""
    container = shelf.create(alpine, ["touch", "/f"])
    container.start()
    there = Store(tmp_path / "there")
    assert verify(commit(container, there, "mine")) == []
    assert "f" in there.image("mine").overlay


def test_image_stays(shelf: Containers, alpine: Image) -> None:
    """Whatever a container does, the layers of its image keep their bytes."""
    before = [layer.recompute_diff_id() for layer in alpine.layers]
    shelf.create(alpine, ["rm", "-rf", "/etc", "/bin"]).start()
    assert [layer.recompute_diff_id() for layer in alpine.layers] == before
    assert "etc/motd" in alpine.overlay


def test_a_line_for_its_shell(shelf: Containers, alpine: Image) -> None:
    """`sh` is `docker exec NAME sh -c LINE`, and what it gives is shown as in a terminal."""
    container = shelf.create(alpine, ["sh"], interactive=True)
    container.start()
    assert repr(container.sh("echo one > /file1; cat /file1 /none")) == (
        "one\ncat: can't open '/none': No such file or directory"
    )
    assert container.sh("exit 3").code == 3
    assert container.diff() == [("A", "/file1")]


def test_a_bench_runs() -> None:
    """`Lab.run` pulls what is not there, and gives the running container; others see it, too."""
    lab = Lab()
    box = lab.run("alpine", called="web")
    assert (box.state, box.name, lab.image("alpine").id) == (RUNNING, "web", box.image.id)
    box.sh("rm /etc/motd")
    assert lab.container("web").diff() == [("C", "/etc"), ("D", "/etc/motd")]
    with pytest.raises(ImgkitError, match="already in use"):
        lab.run("alpine", called="web")


# -- a real engine -------------------------------------------------------------------------------

LISTING: Final = (
    "cd /; for p in $(find etc h opt file1 file2 link var tmp home | grep -v etc/host | sort); do "
    'if [ -d "$p" ]; then stat -c "%n %F %a %u:%g" $p; else stat -c "%n %F %a %u:%g %h %s" $p; fi; '
    "done; cat file1; readlink link; ls -l bin/sh etc/shadow"
)


@pytest.mark.peer("umoci")
def test_umoci_unpacks_our_commit(
    shelf: Containers, store: Store, alpine: Image, tmp_path: Path
) -> None:
    """umoci makes the same tree of the committed image as we do: times, owners, hard links."""
    container = shelf.create(alpine, ["sh", "-c", CHANGES])
    container.start()
    image = commit(container, store, "mine:1")
    unpack(image.layers, tmp_path / "ours")
    how = [] if os.geteuid() == 0 else ["--rootless"]
    where = f"{store.home}:{image.name}"
    command = ["umoci", "unpack", *how, "--image", where, str(tmp_path / "theirs")]
    subprocess.run(command, check=True, capture_output=True)
    ours, theirs = listing(tmp_path / "ours"), listing(tmp_path / "theirs" / "rootfs")
    assert {"file1", "file2", "h", "etc/ssl/new"} <= ours.keys()
    assert ours == theirs


@pytest.mark.peer("dockerd", "docker", "skopeo")
def test_docker_runs_our_commit(
    docker: Docker,
    shelf: Containers,
    store: Store,
    shared_images: Path,
) -> None:
    """Docker loads the image made by our `commit`, and shows the files that its own would show."""
    layout = Store(shared_images / "busybox-latest-glibc-amd64", read_only=True)
    real = Image(layout, layout.records()[0].descriptor)
    changes = CHANGES.replace("/etc/motd", "/etc/group").replace("/etc/ssl", "/etc/network")
    container = shelf.create(real, ["sh", "-c", changes])
    container.start()
    commit(container, store, "committed:ours")
    docker.load(f"{store.home}:docker.io/library/committed:ours", "committed:ours")
    docker.load(layout.home, "busybox:base")
    docker.run("run", "--network=none", "--name", "made", "busybox:base", "sh", "-c", changes)
    docker.run("commit", "made", "committed:theirs")
    ours, theirs = (
        docker.run("run", "--rm", "--network=none", f"committed:{name}", "sh", "-c", LISTING).stdout
        for name in ("ours", "theirs")
    )
    assert ours == theirs
    assert len(ours.splitlines()) > 20
    history = docker.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", "committed:ours")
    assert history.stdout.splitlines()[0] == f"sh -c {changes}"
    shown = docker.run("inspect", "--format", "{{json .Config.Cmd}}", "committed:ours")
    assert "file1" in shown.stdout

"""The small shell, beside a real BusyBox: what both print, how both end, what both change."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from docker_engine import Docker, docker
from hypothesis import given
from hypothesis import strategies as st

from imgkit import samples, shell
from imgkit.container.containers import Containers
from imgkit.errors import CannotRun, ExecFailed
from imgkit.image import Image
from imgkit.mount import Mount
from imgkit.mount.inode import Inode, file, symlink, tree
from imgkit.shell.builtin import BUILTINS
from imgkit.shell.grammar import is_unfinished, parse
from imgkit.shell.programs import PROGRAMS
from imgkit.shell.script import BadSyntax
from imgkit.store import Store

__all__ = ["docker"]

RECORDED: Final = Path(__file__).parent / "transcripts" / "busybox.json"
"""What a real container said to each line; `IMGKIT_RECORD=1` with Docker writes it anew."""

ROWS: Final[list[dict[str, Any]]] = json.loads(RECORDED.read_text())
LAYOUT: Final = "busybox-latest-glibc-amd64"

ELF: Final = b"\x7fELF"
NOW: Final = int(datetime(2024, 11, 15, 12, tzinfo=UTC).timestamp()) * 10**9


def plain(text: str) -> str:
    """Without the time of day, and without the line number that newer versions of ash tell."""
    return re.sub(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d", "TIME", text).replace("line 0: ", "")


def mount(more: Mapping[str, Inode | bytes | None] | None = None) -> Mount:
    """A small system with a BusyBox, two users, and what `more` adds."""
    program = file(ELF, 0o755)
    paths: dict[str, Inode | bytes | None] = {
        "bin/busybox": program,
        "bin/sh": symlink("busybox"),
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:100::/home/ann:/bin/sh\n",
        "etc/group": b"root:x:0:\nusers:x:100:\nstaff:x:50:ann,bob\n",
        "home/ann/": b"",
        "root/": b"",
    }
    base = tree({**paths, **(more or {})})
    base.children["root"].mode = 0o700
    ann = base.children["home"].children["ann"]
    ann.uid, ann.gid = 1000, 100
    return Mount([base], clock=lambda: NOW)


def said(line: str, user: str = "") -> str:
    """What a screen shows after a line."""
    return shell.run(mount(), line, user=user).screen


# -- against the real one ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Containers:
    return Containers(Store(tmp_path_factory.mktemp("home")), rng=random.Random(1))


@pytest.fixture(scope="module")
def busybox(shared_images: Path) -> Image:
    """The official BusyBox image."""
    store = Store(shared_images / LAYOUT, read_only=True)
    return Image(store, store.records()[0].descriptor)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["line"][:60])
def test_as_busybox(row: dict[str, Any], busybox: Image, shelf: Containers) -> None:
    """Output, errors, exit code and `docker diff` are those of a real container."""
    container = shelf.create(busybox, ["sh", "-c", row["line"]])
    done = container.start()
    assert done is not None
    assert plain(done.out) == row["out"]
    assert plain(done.err) == row["err"]
    assert done.code == row["code"]
    assert sorted(f"{what} {path}" for what, path in container.diff()) == row["diff"]
    container.remove()


@pytest.mark.peer("dockerd", "docker", "skopeo")
def test_the_record_is_true(docker: Docker, shared_images: Path) -> None:
    """A real container, asked now, says what is recorded."""
    docker.load(shared_images / LAYOUT, "busybox:real")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda row: _ask(docker, row["line"]), ROWS))
    if os.environ.get("IMGKIT_RECORD"):
        RECORDED.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(RECORDED.read_text())
    assert len(found) > 60


def _ask(docker: Docker, line: str) -> dict[str, Any]:
    name = f"line{abs(hash(line))}"
    words = ["run", "--network=none", "--name", name, "busybox:real", "sh", "-c", line]
    done = docker.run(*words, check=False)
    changed = docker.run("diff", name).stdout.splitlines()
    docker.run("rm", "--force", name)
    out, err = plain(done.stdout), plain(done.stderr)
    return {"line": line, "code": done.returncode, "out": out, "err": err, "diff": sorted(changed)}


# -- what is refused -----------------------------------------------------------------------------

UNKNOWN: Final = {
    "while true; do ls; done": "while",
    "until false; do ls; done": "until",
    "case x in x) ls;; esac": "case",
    "f() { ls; }": "functions",
    "function f { ls; }": "functions",
    "[[ a = a ]]": "[[",
    "sleep 1 &": "background",
    "echo $((1 + 2))": "arithmetic",
    "echo ${#A}": "lengths",
    "echo ${A#x}": "${A#...}",
    "echo x 3> /f": "3>",
    "set -o emacs": "set -o",
    "set -n": "set -n",
    "set": "`set` alone",
    "for i in 1 2; do break; done": "break",
    "echo a | { read x; }": "read",
    "trap 'echo bye' EXIT": "trap",
    "exec > /log": "exec > file",
    "echo $'a\\tb'": "$'...'",
}


@pytest.mark.parametrize(("line", "names"), UNKNOWN.items())
def test_unknown_syntax(line: str, names: str) -> None:
    """What this shell does not know is refused by its name; nothing of the line is carried out."""
    place = mount()
    with pytest.raises(CannotRun, match=re.escape(names)):
        shell.run(place, line)
    assert place.changes() == []


WRONG: Final = ["echo 'a", 'echo "a', "if true; then", "for 1 in a; do ls; done", "a | | b", "; a"]
WRONG += ["echo $(ls", "a && ", "{ a; ", "( a", "for x in a; ls; done", "> ", "a ;; b", "${}", "`a"]


@pytest.mark.parametrize("line", WRONG)
def test_bad_syntax(line: str) -> None:
    """What is no script in any shell ends with exit code 2 and one line of error."""
    with pytest.raises(BadSyntax):
        parse(line)
    done = shell.run(mount(), line)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("sh: syntax error: ")


MISSING: Final = {
    "nope": (127, 'exec: "nope": executable file not found in $PATH'),
    "/nope": (127, 'exec: "/nope": stat /nope: no such file or directory'),
    "/etc/passwd": (126, 'exec: "/etc/passwd": permission denied'),
    "/etc": (126, 'exec: "/etc": permission denied'),
    "apk": (127, 'exec: "apk": executable file not found in $PATH'),
}


@pytest.mark.parametrize(("program", "refusal"), MISSING.items())
def test_exec_form(program: str, refusal: tuple[int, str]) -> None:
    """A list is run without a shell, and what is not there is refused in Docker's words."""
    with pytest.raises(ExecFailed) as caught:
        shell.run(mount(), [program])
    assert (caught.value.code, str(caught.value)) == refusal


def test_no_shell() -> None:
    """An image without a shell runs no line, as with Docker."""
    image = samples.image("ghcr.io/regclient/regsync")
    with pytest.raises(ExecFailed, match='"sh"'):
        shell.run(Mount(image.layers), "echo hello")


def test_foreign_program() -> None:
    """A program for a real machine is refused in one sentence; what was printed before is kept."""
    place = mount({"usr/bin/python3": file(ELF, 0o755)})
    with pytest.raises(CannotRun, match="/usr/bin/python3 is a program for a real") as caught:
        shell.run(place, "echo before; python3 -c 'print(1)'; echo after")
    assert caught.value.screen == "before\n"
    assert str(caught.value).count(". ") == 0


def test_foreign_interpreter() -> None:
    """A script is run by what its first line names, which may be foreign or missing."""
    scripts = {"a.py": file(b"#!/usr/bin/python3\n", 0o755), "b": file(b"#!/nope\n", 0o755)}
    place = mount({**scripts, "usr/bin/python3": file(ELF, 0o755)})
    with pytest.raises(CannotRun, match="python3"):
        shell.run(place, "/a.py")
    assert shell.run(place, "/b").err == "sh: /b: not found\n"


def test_endless_scripts() -> None:
    """A script that starts itself comes to an end."""
    place = mount({"again": file(b"#!/bin/sh\n/again\n", 0o755)})
    with pytest.raises(CannotRun, match="no end"):
        shell.run(place, "/again")


def test_removed_program() -> None:
    """A program that was removed is gone, though its suite could still do the work."""
    place = mount({"bin/cat": symlink("busybox")})
    assert shell.run(place, "cat /etc/group").code == 0
    assert shell.run(place, "rm /bin/cat; cat /etc/group").err == "sh: cat: not found\n"


# -- users ---------------------------------------------------------------------------------------

MAY: Final = {
    "id": "uid=1000(ann) gid=100(users) groups=100(users),50(staff)\n",
    "whoami; cd; pwd": "ann\n/home/ann\n",
    "cat /etc/group > /home/ann/g; ls -l ~/g": (
        "-rw-r--r--    1 ann      users           42 Nov 15 12:00 /home/ann/g\n"
    ),
    "echo x > /x": "sh: can't create /x: Permission denied\n",
    "rm /etc/group": "rm: can't remove '/etc/group': Permission denied\n",
    "ls /root": "ls: can't open '/root': Permission denied\n",
    "ls /root/x": "ls: /root/x: Permission denied\n",
    "mkdir /home/bob": "mkdir: can't create directory '/home/bob': Permission denied\n",
    "chmod 777 /etc": "chmod: /etc: Operation not permitted\n",
    "touch ~/f; chown root ~/f": "chown: /home/ann/f: Operation not permitted\n",
    "mv /etc /tmp": "mv: can't rename '/etc': Permission denied\n",
    "ln -s a /b": "ln: /b: Permission denied\n",
}


@pytest.mark.parametrize(("line", "expected"), MAY.items())
def test_ordinary_user(line: str, expected: str) -> None:
    """A user who is not root may do what the modes say, and owns what he makes."""
    assert said(line, "ann") == expected


USERS: Final = {
    "": "uid=0(root) gid=0(root) groups=0(root)",
    "ann": "uid=1000(ann) gid=100(users) groups=100(users),50(staff)",
    "1000": "uid=1000(ann) gid=100(users) groups=100(users),50(staff)",
    "ann:staff": "uid=1000(ann) gid=50(staff) groups=50(staff)",
    "77": "uid=77 gid=0(root) groups=0(root)",
    "77:88": "uid=77 gid=88 groups=88",
}


@pytest.mark.parametrize(("user", "expected"), USERS.items())
def test_users(user: str, expected: str) -> None:
    """A config names its user by name or number, with a group or without."""
    assert said("id", user).strip() == expected


@pytest.mark.parametrize("user", ["nobody", "ann:nobody"])
def test_unknown_user(user: str) -> None:
    """A name that /etc/passwd or /etc/group does not have is refused in Docker's words."""
    what = "group" if ":" in user else "user"
    file = "group" if ":" in user else "passwd"
    words = f"unable to find {what} nobody: no matching entries in {file} file"
    with pytest.raises(ExecFailed, match=words):
        shell.run(mount(), "id", user=user)


def test_switch() -> None:
    """`gosu` starts a program as another user, once; only root may."""
    place = mount({"bin/gosu": file(ELF, 0o755)})
    assert shell.run(place, "gosu ann id -un; id -un").out == "ann\nroot\n"
    assert shell.run(place, "gosu root id", user="ann").code == 1
    assert "unable to find user nope" in shell.run(place, "gosu nope id").err
    assert shell.run(place, "gosu ann").code == 1


# -- what stays, and what is told --------------------------------------------------------------


def test_session() -> None:
    """Directory, variables and exit code stay from one line to the next; `exit` ends it."""
    session = shell.Shell(mount(), {"A": "b"})
    assert session.run("cd /etc; false").code == 1
    assert session.run("echo $? $A; pwd; B=c").out == "1 b\n/etc\n"
    assert session.run("echo $B").out == "c\n"
    assert session.ended is None
    assert session.run("exit 7; echo no").screen == ""
    assert (session.ended, session.status) == (7, 7)


def test_pipefail() -> None:
    """A pipeline has the exit code of its last command, or with `pipefail` the last that failed."""
    line = "(exit 3) | true; echo $?; set -o pipefail; (exit 3) | true; echo $?; ! true | true"
    done = shell.run(mount(), line)
    assert (done.out, done.code) == ("0\n3\n", 1)


def test_screen() -> None:
    """A screen shows output and errors in the order in which they came."""
    done = shell.run(mount(), "echo a; ls /x; echo b")
    assert done.screen == "a\nls: /x: No such file or directory\nb\n"
    assert (done.out, done.err) == ("a\nb\n", "ls: /x: No such file or directory\n")


def test_times() -> None:
    """Times are in UTC, those of long ago with their year; the clock is the mount's."""
    line = "touch /a; touch -d '2020-01-02 03:04:05' /b; ls -l /a /b; date; stat -c %y /b"
    assert said(line) == (
        "-rw-r--r--    1 root     root             0 Nov 15 12:00 /a\n"
        "-rw-r--r--    1 root     root             0 Jan  2  2020 /b\n"
        "Fri Nov 15 12:00:00 UTC 2024\n"
        "2020-01-02 03:04:05.000000000 +0000\n"
    )


def test_stat() -> None:
    """`stat` tells what is known, and nothing that is not: no device, no inode, one time."""
    assert said("echo hi > /f; chmod 4750 /f; chown ann:50 /f; stat /f") == (
        "  File: /f\n"
        "  Size: 3         \tBlocks: 8          IO Block: 4096   regular file\n"
        "Links: 1\n"
        "Access: (0750/-rwxr-x---)  Uid: ( 1000/     ann)   Gid: (   50/   staff)\n"
        "Modify: 2024-11-15 12:00:00.000000000 +0000\n"
    )


@pytest.fixture(params=["alpine", "debian:bookworm-slim"])
def system(request: pytest.FixtureRequest) -> tuple[Mount, str]:
    """A sample with a package manager, and how it installs `curl`."""
    ways = {"alpine": "apk add --no-cache", "debian:bookworm-slim": "apt-get install -y"}
    name = str(request.param)
    return Mount(samples.image(name).layers), ways[name]


def test_packages(system: tuple[Mount, str]) -> None:
    """Installing is a stand-in that says so; it leaves files, a record, and can be undone."""
    place, install = system
    before = shell.run(place, "find / | sort").out
    done = shell.run(place, f"{install} curl libxml2")
    assert done.code == 0
    assert "(stand-in: no network; made-up files of the right names)" in done.out
    assert {("A", "/usr/bin/curl"), ("A", "/usr/lib/libxml2.so.1")} <= set(place.changes())
    remove = "apk del" if "apk" in install else "apt-get remove"
    assert shell.run(place, f"which curl && {remove} curl libxml2").code == 0
    after = set(shell.run(place, "find /").out.split())
    assert after - set(before.split()) <= {"/usr/share", "/usr/share/curl"}
    assert shell.run(place, "which curl").code == 1


REFUSED: Final = ["apk frobnicate", "apt-get frobnicate", "apk add ../../etc", "apt-get install /x"]


@pytest.mark.parametrize("line", REFUSED)
def test_packages_refuse(line: str) -> None:
    """A package manager changes nothing for what it does not understand."""
    place = Mount(samples.image("alpine" if "apk" in line else "debian:bookworm-slim").layers)
    assert shell.run(place, line).code == 1
    assert place.changes() == []


TOKENS: Final = [
    "'",
    '"',
    "\\",
    "$",
    "$A",
    "${A:-b}",
    "$(",
    "`",
    ")",
    "(",
    "{",
    "}",
    ";",
    "&&",
    "||",
    "|",
]
TOKENS += [
    "!",
    "\n",
    "#",
    "if",
    "then",
    "fi",
    "for",
    "in",
    "do",
    "done",
    "x",
    "/f",
    "/etc",
    "*",
    "[",
]
TOKENS += [
    "]",
    "-r",
    "-l",
    "-a",
    "-n",
    "-c",
    "1",
    ">",
    ">>",
    "<",
    "2>&1",
    "<<EOF",
    "EOF",
    "A=1",
    "~",
]
TOKENS += [
    "..",
    "/",
    "--",
    "''",
    "%s",
    "755",
    "u+x",
    "root",
    "/no/x",
    "-name",
    "-type",
    "s/a/b/",
    ".",
]
TOKENS += [*PROGRAMS, *BUILTINS, "sh", "busybox"]


@given(st.lists(st.sampled_from(TOKENS), max_size=9).map(" ".join), st.sampled_from(["", "ann"]))
def test_no_line_breaks_it(line: str, user: str) -> None:
    """Whatever is typed, it ends with an exit code or with a refusal in words."""
    with suppress(CannotRun, ExecFailed):
        assert 0 <= shell.run(mount(), line, user=user).code <= 255


UNFINISHED: Final = (
    "for i in 1 2",
    "for i in 1 2; do echo $i",
    "if true; then",
    "echo 'a",
    'echo "a',
    "echo $(ls",
    "echo `ls",
    "echo a &&",
    "echo a |",
    "( ls",
    "{ ls;",
    "echo a \\",
)
FINISHED: Final = ("", "ls", "fi", "echo a \\\\", "ls )", "echo 'a' b", "cat <<E", "a &")


@pytest.mark.parametrize("text", UNFINISHED)
def test_waits_for_another_line(text: str) -> None:
    """What cannot end here goes on in the next line; a shell at a prompt waits for it."""
    assert is_unfinished(text)


@pytest.mark.parametrize("text", FINISHED)
def test_waits_for_nothing(text: str) -> None:
    """Whole lines, and those that no line could make right, are for now."""
    assert not is_unfinished(text)


def test_standard_input() -> None:
    """A program reads what it is given; a shell without arguments takes it as a script."""
    session = shell.Shell(mount())
    assert session.execute(["cat"], b"hello\n").out == "hello\n"
    done = session.execute(["sh"], b"echo a\necho b >&2\necho c; exit 3\n")
    assert (done.code, done.printed) == (3, ((1, "a\n"), (2, "b\n"), (1, "c\n")))

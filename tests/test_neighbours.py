"""Two learners on one machine, as two users: neither reaches what is the other's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import requests
from conftest import ROOT

from imgkit.errors import ImgkitError
from imgkit.lab import Lab
from imgkit.server import Registry, transport
from imgkit.store import Store

ANN: Final = 64001
BOB: Final = 64002

BECOME: Final = """
    import os, shutil, sys
    from imgkit.lab import Lab

    def lesson():
        lab = Lab()
        lab.pull("redis")
        lab.run("alpine", "sh").sh("echo mine > /note")
        return lab.home

    shutil.rmtree(lesson().parent)  # every module is loaded: another user may not read Python's own
    user = int(sys.argv[1])
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
"""
LESSON: Final = """
    print(lesson(), flush=True)
    input()
"""
SPY: Final = """
    from pathlib import Path
    for place in (sys.argv[2], os.path.dirname(sys.argv[2])):
        for do in (os.listdir, lambda at: Path(at, "planted").write_text("x"), os.rmdir):
            try:
                do(place)
            except PermissionError:
                continue
            print("let in:", place)
    home = Path(sys.argv[2])
    for file in ("index.json", "oci-layout", "blobs"):
        try:
            (home / file).stat()
            print("seen:", file)
        except PermissionError:
            pass
"""


def as_user(user: int, code: str, home: Path, *words: str) -> subprocess.Popen[str]:
    """Python that becomes that user, who has a home, and then does what the code says."""
    program = textwrap.dedent(BECOME) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(user), *words],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        cwd="/",
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Ann's lab, with a lesson under way: its directory, and her process."""
    if os.geteuid():
        pytest.skip("only root can become two users")
    home = tmp_path_factory.mktemp("ann")
    os.chown(home, ANN, ANN)
    running = as_user(ANN, LESSON, home)
    assert running.stdout
    place = running.stdout.readline().strip()
    assert place, running.communicate()[1]
    yield place, running.pid
    _, error = running.communicate("\n", timeout=60)
    assert error == ""
    assert not Path(place).exists()


def test_a_neighbour_reaches_no_lab(lesson: tuple[str, int], tmp_path: Path) -> None:
    """Bob can neither list, read, write nor remove what Ann's lab keeps."""
    place, _ = lesson
    spy = as_user(BOB, SPY, tmp_path, place)
    out, error = spy.communicate(timeout=60)
    assert (out, error) == ("", "")
    assert Path(place, "index.json").exists()
    assert stat.S_IMODE(Path(place).parent.stat().st_mode) == 0o700


def test_a_lesson_listens_nowhere(lesson: tuple[str, int]) -> None:
    """The registry of a lab is called in its own process: there is no port to come in by."""
    _, process = lesson
    sockets = {os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()}
    assert [name for name in sockets if name.startswith("socket:")] == []


def test_nothing_is_written_outside(lesson: tuple[str, int]) -> None:
    """Ann's files are below her home and her own temporary directories."""
    place, _ = lesson
    lab = Path(place).parent
    owned = [path for path in lab.parent.iterdir() if path.lstat().st_uid == ANN]
    assert owned == [lab]


def test_a_local_repository_is_its_owners_alone(tmp_path: Path) -> None:
    """Also with a umask that lets everybody read."""
    before = os.umask(0o000)
    try:
        store = Store(tmp_path / "home" / "imgkit")
        store.put_bytes(b"x", "text/plain")
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.home.stat().st_mode) == 0o700
    assert stat.S_IMODE(Lab().home.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_a_registry_is_served_on_this_machine_alone(host: str) -> None:
    """There is no way to serve it on another address than loopback."""
    with pytest.raises(ImgkitError, match="not an address of this machine alone"):
        transport.serve(Registry([Lab().store]), host)


def test_a_token_is_good_for_one_registry() -> None:
    """What one process hands out opens no other's; tokens cannot be guessed."""
    labs = [Lab(), Lab()]
    first, second = (lab.registry.tokens for lab in labs)
    scope = ["repository:library/redis:pull"]
    token = first.issue(scope, lambda path, action: True)["token"]
    assert first.allows(token, "library/redis", "pull")
    assert not second.allows(token, "library/redis", "pull")
    assert len(token) >= 32


def test_a_served_registry_can_have_a_password(tmp_path: Path) -> None:
    """`imgkit serve --user NAME:PASSWORD --private` keeps others out, from reading, too."""
    users = {"ann": "secret"}
    registry = Registry([Store(tmp_path / "own")], users=users, private=["library/redis"])
    with transport.serve(registry) as served:
        at = f"{served.url}/token?service=imgkit&scope=repository:library/redis:pull"
        anonymous = requests.get(at, timeout=10).json()
        assert not registry.tokens.allows(anonymous.get("token"), "library/redis", "pull")
        known = requests.get(at, auth=("ann", "secret"), timeout=10).json()
        assert registry.tokens.allows(known["token"], "library/redis", "pull")

"""Two learners on one machine, as two users: neither reaches what is the other's."""

from __future__ import annotations

import os
import socket
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
from imgkit.server import Registry, caller, transport
from imgkit.store import Store

ANN: Final = 100_000 + 2 * os.getpid()
BOB: Final = ANN + 1
"""Numbers of users that nobody has, and no other run of the tests."""

SHARED: Final = ("tmp", "var/tmp", "dev/shm", "run", "run/lock")
"""Directories that more than one user may write to."""

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
SERVING: Final = """
    from imgkit.server import Registry, transport
    users = {"ann": "secret"} if "ann" in sys.argv else None
    with transport.serve(Registry([Lab().store], auth=bool(users), users=users)) as served:
        print(served.host, flush=True)
        input()
"""
ASKING: Final = """
    import socket
    for method, path in (("GET", "/v2/"), ("POST", "/v2/app/blobs/uploads/")):
        host, port = sys.argv[2].split(":")
        with socket.create_connection((host, int(port))) as there:
            words = f"{method} {path} HTTP/1.0", f"Host: {sys.argv[2]}", "Content-Length: 0", "", ""
            there.sendall("\\r\\n".join(words).encode())
            print(there.makefile("rb").readline().split()[1].decode())
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
def home_of_ann(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid():
        pytest.skip("only root can become two users")
    home = tmp_path_factory.mktemp("ann")
    os.chown(home, ANN, ANN)
    return home


@pytest.fixture
def lesson(home_of_ann: Path) -> Iterator[tuple[str, int]]:
    """Ann's lab, with a lesson under way: its directory, and her process."""
    running = as_user(ANN, LESSON, home_of_ann)
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
    """Where everybody may write, Ann has the directory of her lab and nothing else."""
    place, _ = lesson
    lab = Path(place).parent
    places = {lab.parent, *map(Path("/").joinpath, SHARED)}
    found = [path for each in places if each.is_dir() for path in each.iterdir()]
    assert [path for path in found if path.lstat().st_uid == ANN] == [lab]


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


SERVED: Final = [
    # with passwords?  who asks, and what the answers to a look and a push are
    (False, {ANN: ["200", "202"], 0: ["200", "202"], BOB: ["403", "403"]}),
    (True, {ANN: ["401", "401"], BOB: ["401", "401"]}),
]


@pytest.mark.parametrize(("passwords", "answers"), SERVED)
def test_a_served_registry_is_for_whoever_serves_it(
    home_of_ann: Path, tmp_path: Path, passwords: bool, answers: dict[int, list[str]]
) -> None:
    """Ann's own programs come in by its port, and root's (Docker's engine); Bob's do not.

    With passwords it is for others, too, who need one.
    """
    server = as_user(ANN, SERVING, home_of_ann, *["ann"] * passwords)
    assert server.stdout
    host = server.stdout.readline().strip()
    assert host, server.communicate()[1]
    said = {}
    for user in answers:
        asker = as_user(user, ASKING, tmp_path, host)
        out, error = asker.communicate(timeout=60)
        said[user] = out.split()
        assert error == ""
    server.communicate("\n", timeout=60)
    assert said == answers


@pytest.mark.skipif(not caller.can_tell(), reason="this system does not say whose a connection is")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_whose_a_connection_is(host: str) -> None:
    """This user's, while it is open; nobody's afterwards, although the kernel still keeps it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        near = server.getsockname()[:2]
        with socket.create_connection((host, near[1])) as client:
            answering, far = server.accept()
            assert caller.user_of(far[:2], near) == os.geteuid()
            with socket.create_server((host, 0), family=family) as other:
                assert caller.user_of(far[:2], other.getsockname()[:2]) is None
            client.sendall(b"too late")
        with answering:
            assert caller.user_of(far[:2], near) is None
            assert answering.recv(8) == b"too late"


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody knows whose a connection is, it is let in; without a port it always is."""
    there = {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "1", "SERVER_NAME": "127.0.0.1"}
    there["SERVER_PORT"] = "2"
    assert caller.is_own(there) != caller.can_tell()
    monkeypatch.delattr(socket, "AF_NETLINK", raising=False)
    caller.can_tell.cache_clear()
    try:
        assert not caller.can_tell()
        assert caller.is_own(there)
    finally:
        caller.can_tell.cache_clear()
    assert caller.is_own({})


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

"""The seven commands, as a person calls them: each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from images import add_image

from imgkit import samples
from imgkit.commands import MODULES, VERBS
from imgkit.server import Registry
from imgkit.server.transport import serve
from imgkit.store import Store

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `imgkit` with these words; the local repository is `home` in the test's own folder."""

    def call(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "imgkit", *map(str, words)],
            env=os.environ | {"IMGKIT_HOME": str(tmp_path / "home"), "IMGKIT_LIVE": ""} | env,
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


def refused(done: subprocess.CompletedProcess[str], words: str, status: int = 1) -> None:
    """A sentence with these words, ours or Docker's; no traceback, and that exit status."""
    assert done.returncode == status, done.stderr
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- good input -------------------------------------------------------------------------------


def test_pull_images_inspect_verify(run: Run) -> None:
    """The first walk: pull, list, look, check; each says what Docker says."""
    pulled = run("pull", "redis").stdout.splitlines()
    image = samples.image("redis")
    assert image.index
    assert pulled[:2] == ["Using default tag: latest", "latest: Pulling from library/redis"]
    states = ("Pulling fs layer", "Pull complete")  # what Docker says to a pipe
    assert sorted(pulled[2:-3]) == sorted(
        f"{layer.digest.short}: {state}" for layer in image.manifest.layers for state in states
    )
    assert pulled[-3:] == [
        f"Digest: {image.index.digest}",
        "Status: Downloaded newer image for redis:latest",
        "docker.io/library/redis:latest",
    ]
    again = run("pull", "redis").stdout
    assert again.splitlines()[2:] == [
        f"Digest: {image.index.digest}",
        "Status: Image is up to date for redis:latest",
        "docker.io/library/redis:latest",
    ]
    heading, row = run("images").stdout.splitlines()
    assert heading.split("  ")[0] == "REPOSITORY"
    assert row.split()[:3] == ["redis", "latest", image.id.short]
    assert run("images", "-q").stdout.split() == [image.id.short]
    (facts,) = json.loads(run("inspect", "redis").stdout)
    assert facts["Id"] == image.id
    assert facts["RepoTags"] == ["redis:latest"]
    assert facts["RepoDigests"] == [f"redis@{image.index.digest}"]
    assert facts["RootFS"]["Layers"] == list(image.config.diff_ids)
    assert facts["Size"] == sum(layer.stored_size for layer in image.layers)
    assert "redis is sound" in run("verify", "redis").stdout
    assert "is sound" in run("verify", image.id.short).stdout


def test_platform_and_digest(run: Run) -> None:
    """--platform takes another machine's image; a digest takes exactly that one."""
    index = samples.store().lookup("docker.io/library/alpine:latest")
    assert index
    run("pull", "alpine", "--platform", "linux/arm64")
    (facts,) = json.loads(run("inspect", "alpine").stdout)
    assert facts["Architecture"] == "arm64"
    assert run("pull", f"alpine@{index.digest}").returncode == 0
    assert "<none>" in run("images", "--digests").stdout


def test_unpack(run: Run, tmp_path: Path) -> None:
    """The root filesystem is written, whiteouts and all."""
    run("pull", "demo/leaky:1.0")
    done = run("unpack", "demo/leaky:1.0", tmp_path / "root")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "root/app/app.sh").exists()
    assert not (tmp_path / "root/app/.env").exists()
    assert not list((tmp_path / "root").rglob(".wh.*"))


def test_unpack_layers(run: Run, tmp_path: Path) -> None:
    """A directory a layer, each with a line about what is in it; what is deleted is still below."""
    run("pull", "demo/leaky:1.0")
    done = run("unpack", "--layers", "demo/leaky:1.0", tmp_path / "layers")
    assert done.returncode == 0, done.stderr
    names = sorted(os.listdir(tmp_path / "layers"))
    lines = done.stdout.splitlines()
    assert [line.partition("/diff: ")[0] for line in lines] == names
    secret = [name for name in names if (tmp_path / "layers" / name / "diff/app/.env").is_file()]
    assert len(secret) == 1
    assert lines[3].endswith(", 2 whiteouts")


def test_verify_notes_what_engines_do_otherwise(tmp_path: Path, run: Run) -> None:
    """A layer that engines disagree about is sound, with a sentence about it."""
    add_image(Store(tmp_path / "home"), "it", [{"f": b"f"}, {"f/x": b"x"}])
    done = run("verify", "it")
    assert done.returncode == 0, done.stderr
    note, sound = done.stdout.splitlines()
    assert note.startswith("Note: Layer 1: /f was a file and becomes a directory")
    assert sound.startswith("it is sound")


def test_reference(run: Run) -> None:
    """One JSON object with six keys, for scripts."""
    done = run("reference", "redis")
    assert json.loads(done.stdout) == {
        "registry": "docker.io",
        "repository": "library/redis",
        "tag": "latest",
        "digest": None,
        "canonical": "docker.io/library/redis:latest",
        "familiar": "redis:latest",
    }
    assert len(done.stdout.splitlines()) == 1


def test_serve(run: Run, tmp_path: Path) -> None:
    """Another process pulls from the port that `serve` prints; Ctrl-C ends it quietly."""
    words = [sys.executable, "-m", "imgkit", "serve", "--root", str(tmp_path / "pushed")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stdout
        assert one.stderr
        try:
            host = one.stdout.readline().split("http://")[1].strip()
            assert run("pull", f"{host}/library/redis").returncode == 0
            refused(run("serve", "--port", host.split(":")[1]), "port")
            one.send_signal(signal.SIGINT)
            assert one.wait(60) == 130
        finally:
            one.kill()
        assert "Traceback" not in one.stderr.read()


def test_serve_empty(run: Run) -> None:
    """With --empty there is a registry with nothing in it."""
    words = [sys.executable, "-m", "imgkit", "serve", "--empty"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stdout
        host = one.stdout.readline().split("http://")[1].strip()
        pulled = run("pull", f"{host}/library/redis")
        one.terminate()
    refused(pulled, "manifest for .*/library/redis:latest not found: manifest unknown")


def test_home_may_stand_before_or_after(run: Run, tmp_path: Path) -> None:
    """--home is stronger than IMGKIT_HOME, wherever it stands."""
    run("--home", tmp_path / "a", "pull", "alpine")
    run("pull", "alpine", "--home", tmp_path / "b")
    assert run("images", "-q", "--home", tmp_path / "a").stdout
    assert run("--home", tmp_path / "b", "images", "-q").stdout
    assert not run("images", "-q").stdout


# -- bad input --------------------------------------------------------------------------------

NAMED = ["pull", "inspect", "verify", "unpack"]


def words(verb: str, name: str, tmp_path: Path) -> list[str]:
    return [verb, name, *([str(tmp_path / "root")] if verb == "unpack" else [])]


@pytest.mark.parametrize("verb", [*NAMED, "reference"])
@pytest.mark.parametrize("name", ["Redis", "a//b", "redis:", "https://docker.io/redis", "", "é"])
def test_an_illegal_name(verb: str, name: str, run: Run, tmp_path: Path) -> None:
    """A name that cannot be is refused in Docker's words, or by our own verbs with status 2."""
    done = run(*words(verb, name, tmp_path))
    if verb == "pull":
        refused(done, "^invalid reference format")
    elif verb == "inspect":
        refused(done, "^Error: No such object: ")
    else:
        refused(done, "image name|empty|name", 2)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("verb", NAMED)
def test_an_unknown_name(verb: str, run: Run, tmp_path: Path) -> None:
    """A name that nobody has is said to be unknown, and where it was looked for."""
    run("pull", "alpine")
    before = everything(tmp_path / "home")
    refused(run(*words(verb, "nobody/has:this", tmp_path)), "nobody/has")
    assert everything(tmp_path / "home") == before
    assert not (tmp_path / "root").exists()


def test_an_unknown_sample(run: Run) -> None:
    """What the embedded registry lacks may be in the real one, and the message says how to ask."""
    refused(run("pull", "nobody/has:this"), "embedded registry.*--live")


def test_no_network(run: Run) -> None:
    """Live, and nobody answers: one sentence that names the host."""
    refused(run("pull", "alpine", "--live"), r"registry-1\.docker\.io cannot be reached")
    refused(run("pull", "alpine", IMGKIT_LIVE="1"), r"registry-1\.docker\.io cannot be reached")
    refused(run("pull", "127.0.0.1:1/alpine"), r"127\.0\.0\.1")


@pytest.mark.parametrize("verb", ["images", "serve", *NAMED])
@pytest.mark.parametrize("kind", ["foreign", "file", "damaged", "a link to nowhere"])
def test_a_home_that_is_none(verb: str, kind: str, run: Run, tmp_path: Path) -> None:
    """A directory with other things, a file, a broken layout: refused, and left as it was."""
    home = tmp_path / "other"
    if kind == "foreign":
        home.mkdir()
        (home / "diary.txt").write_text("mine")
    elif kind == "file":
        home.write_text("mine")
    elif kind == "damaged":
        Store(home)
        (home / "index.json").write_text("{")
    else:
        home.symlink_to(tmp_path / "nowhere" / "at all")
    before = everything(tmp_path)
    named = ["--root", str(home)] if verb == "serve" else ["--home", str(home)]
    extra = words(verb, "alpine", tmp_path) if verb in NAMED else [verb]
    refused(run(*extra, *named), str(home))
    assert everything(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_a_home_of_somebody_else(mode: int, run: Run, tmp_path: Path) -> None:
    """No permission to read, or to write: the sentence names the directory."""
    home = tmp_path / "theirs"
    Store(home)
    home.chmod(mode)
    call = (
        "import os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "from imgkit.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    warm = "import imgkit.server.transport, imgkit.commands; dict(imgkit.commands.VERBS);"
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and len(parent.parts) > 2:
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", warm + call, "pull", "alpine", "--home", str(home)],
        check=False,
        capture_output=True,
        text=True,
    )
    refused(done, "theirs.*Permission denied")


def damaged(home: Path, change: Callable[[bytes], bytes]) -> Path:
    """The largest blob of a local repository, changed."""
    blob = max((home / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = blob.read_bytes()
    blob.chmod(0o600)
    blob.write_bytes(change(data))
    return blob


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data[:50] + bytes([data[50] ^ 1]) + data[51:], "the digest"),
        (lambda data: data[:-1], "must have"),
        (lambda data: b"", "must have"),
    ],
    ids=["flipped", "truncated", "emptied"],
)
def test_a_damaged_blob(
    change: Callable[[bytes], bytes], says: str, run: Run, tmp_path: Path
) -> None:
    """`verify` names it, `unpack` refuses it and writes nothing, `images` still lists."""
    run("pull", "alpine")
    blob = damaged(tmp_path / "home", change)
    verified = run("verify", "alpine")
    assert verified.returncode == 1
    assert blob.name in verified.stdout
    assert says in verified.stdout
    refused(run("unpack", "alpine", tmp_path / "root"), blob.name)
    assert not (tmp_path / "root").exists()
    assert not [p for p in tmp_path.iterdir() if p.name != "home"]
    listed = run("images")
    assert listed.returncode == 0
    assert "alpine" in listed.stdout


def test_a_truncated_blob_is_mended_by_the_next_pull(run: Run, tmp_path: Path) -> None:
    """A cut-off file does not count as the layer, so it is fetched again."""
    run("pull", "alpine")
    damaged(tmp_path / "home", lambda data: data[:-1])
    assert run("pull", "alpine").returncode == 0
    assert run("verify", "alpine").returncode == 0


def test_a_full_disk(run: Run, small_disk: Path, tmp_path: Path) -> None:
    """Pulling or unpacking onto a full disk says so, and what was there stays sound."""
    home = small_disk / "home"
    assert run("pull", "busybox:glibc", "--home", home).returncode == 0
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    refused(run("pull", "redis", "--home", home), "No space left")
    assert not (home / "ingest").exists() or not list((home / "ingest").iterdir())
    assert run("verify", "busybox:glibc", "--home", home).returncode == 0
    root = small_disk / "root"
    refused(run("unpack", "busybox:glibc", root, "--home", home), "No space left")
    assert sorted(p.name for p in small_disk.iterdir()) == ["filler", "home"]
    filler.unlink()
    assert run("pull", "redis", "--home", home).returncode == 0
    assert run("verify", "redis", "--home", home).returncode == 0


@pytest.mark.parametrize("kind", ["full", "file", "no parent"])
def test_a_destination_that_cannot_be(kind: str, run: Run, tmp_path: Path) -> None:
    """`unpack` writes to a new or empty directory, and touches nothing else."""
    run("pull", "alpine")
    root = tmp_path / "root"
    if kind == "full":
        root.mkdir()
        (root / "mine").write_text("mine")
    elif kind == "file":
        root.write_text("mine")
    else:
        root = tmp_path / "not" / "there"
    before = everything(tmp_path)
    refused(run("unpack", "alpine", root), str(root if kind != "no parent" else root.parent))
    assert everything(tmp_path) == before


def test_words_that_are_none(run: Run) -> None:
    """An unknown verb or flag, a missing or a spare word: usage, and the status Docker gives."""
    table: dict[int, list[list[str]]] = {
        1: [["bogus"], ["image", "bogus"], ["pull"], ["images", "a", "b"]],
        125: [["pull", "--bogus"], ["images", "-x"], ["serve", "--port", "x"], ["pull", "--home"]],
    }
    for status, wrongs in table.items():
        for wrong in wrongs:
            done = run(*wrong)
            assert done.returncode == status, wrong
            assert "--help' for more information" in done.stderr
            assert "Traceback" not in done.stderr


def test_each_verb_is_found_in_the_module_that_has_it() -> None:
    """So that the table, by which modules are imported when they are needed, leaves none out."""
    modules = {name: import_module(f"imgkit.commands.{name}") for name in _modules()}
    found = {name: tuple(there.VERBS) for name, there in modules.items() if hasattr(there, "VERBS")}
    assert found == MODULES


def _modules() -> list[str]:
    return [module.name for module in iter_modules(import_module("imgkit.commands").__path__)]


def loaded(home: Path, *words: str) -> set[str]:
    """Every module that the command imports for these words."""
    code = (
        "import sys; before = set(sys.modules); import imgkit.__main__ as command;"
        "status = command.main(sys.argv[1:]); print(*set(sys.modules) - before); sys.exit(status)"
    )
    env = os.environ | {"IMGKIT_HOME": os.fspath(home), "IMGKIT_LIVE": ""}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


ASKING = {"requests", "urllib3", "email", "http.client", "imgkit.client"}
SERVING = {"werkzeug", "imgkit.server", "imgkit.samples"}
READING = {"isal", "imgkit.tar", "imgkit.layer", "imgkit.overlay"}
RUNNING = {"imgkit.container", "imgkit.shell", "imgkit.build", "imgkit.kernel", "imgkit.unpack"}
WRITING = {"filelock", "tempfile", "shutil", "logging"}
RARE = {"platform", "subprocess", "fractions", "textwrap", "shlex", "imgkit.commands.line"}


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        ("images", ASKING | SERVING | READING | RUNNING | WRITING | RARE),
        ("reference redis", ASKING | SERVING | READING | RUNNING | WRITING | RARE),
        ("tag alpine other", ASKING | SERVING | READING | RUNNING),
        ("verify alpine", ASKING | SERVING | RUNNING | RARE - {"platform"}),
        ("save -o {} alpine", ASKING | SERVING | RUNNING),
        ("run alpine true", {"requests", "urllib3", "imgkit.client"} | SERVING),
    ],
)
def test_a_verb_imports_what_it_needs_and_no_more(
    words: str, unneeded: set[str], run: Run, tmp_path: Path
) -> None:
    """Half of the time of a command is its start: the list of images reads no layer it knows."""
    run("pull", "alpine")
    run("images")
    found = loaded(tmp_path / "home", *words.format(tmp_path / "a.tar").split())
    assert "imgkit.commands" in found
    assert sorted(found & unneeded) == []


def test_a_pull_imports_what_it_needs_and_no_more(tmp_path: Path) -> None:
    """It asks a registry, but opens no layer, runs nothing, and starts no registry of its own."""
    with serve(Registry([samples.store()])) as served:
        found = loaded(tmp_path / "home", "pull", f"{served.host}/library/alpine")
    assert "requests" in found
    unneeded = SERVING | RUNNING | {"imgkit.layer", "imgkit.overlay", "imgkit.tar"}
    assert sorted(found & (unneeded | {"imgkit.inventory", "imgkit.commands.line"})) == []


def test_a_real_registry_is_asked_without_starting_the_embedded_one(docker_registry: str) -> None:
    """It is started when it is first asked, by whatever does not name a host of its own."""
    code = (
        "import sys; from imgkit.commands import embedded; client = embedded.client();"
        "ask = lambda url: client.session.get(url).status_code;"
        "print(ask(sys.argv[1]), 'werkzeug' in sys.modules);"
        "print(ask('http://imgkit.localhost/v2/'), 'werkzeug' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"http://{docker_registry}/v2/"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["200 False", "401 True"]


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb: str, run: Run) -> None:
    """Every verb explains itself."""
    done = run(*verb.split(), "--help")
    assert done.returncode == 0
    assert f"imgkit {verb}" in done.stdout
    assert VERBS[verb].help in done.stdout


def test_a_pipe_that_closes(run: Run, tmp_path: Path) -> None:
    """`imgkit images | head -0` ends without a traceback."""
    run("pull", "alpine")
    command = f"{sys.executable} -m imgkit --home {tmp_path / 'home'} inspect alpine | true"
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True)
    assert done.stderr == ""


def test_names_of_strangers_do_not_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    """Escape sequences in what an image says are shown as replacement characters."""
    from images import tar_of

    from imgkit.config import Config, History
    from imgkit.digest import Digest
    from imgkit.manifest import OCI_LAYER, Manifest
    from imgkit.platforms import Platform
    from imgkit.reference import Reference

    store = Store(tmp_path / "home")
    tar = tar_of({"a": b"1"})
    config = Config.make(
        Platform("linux", "amd64"), [Digest.of(tar)], [History("x")], {"Cmd": ["\x1b[31mred"]}
    )
    blob = store.put_bytes(config.raw, config.descriptor.media_type)
    made = Manifest.make(blob, [store.put_bytes(tar, OCI_LAYER)])
    store.name(Reference.parse("evil"), store.put_bytes(made.raw, made.media_type), None)
    assert "\x1b" not in run("inspect", "evil").stdout

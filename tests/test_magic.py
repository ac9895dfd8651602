"""`%docker` and `%%docker` in a real IPython shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.testing.globalipapp import start_ipython

from imgkit import magic, samples
from imgkit.lab import Lab


@pytest.fixture(scope="module")
def everything() -> Any:
    """A shell with the extension, as `%load_ext imgkit` makes it."""
    shell = start_ipython()
    shell.run_line_magic("load_ext", "imgkit")
    return shell


@pytest.fixture
def shell(everything: Any) -> Iterator[Any]:
    """The shell, with a new lab."""
    everything.user_ns["lab"] = Lab()
    yield everything
    Lab.newest = None


def test_a_pull_prints_what_docker_prints(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines go to standard output; the result is the same text, and shows nothing."""
    output = shell.run_line_magic("docker", "pull -q redis")
    assert capsys.readouterr().out == "docker.io/library/redis:latest\n"
    assert output == "docker.io/library/redis:latest"
    assert output.status == 0
    assert output._ipython_display_() is None


def test_commands_inside_commands(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """`$(docker images -q)` becomes the IDs, word by word; between single quotes it stays."""
    for name in ("redis", "alpine"):
        shell.run_line_magic("docker", f"pull -q {name}")
    capsys.readouterr()
    shell.run_line_magic("docker", "run --rm alpine echo $(docker images -q) '$(docker images)'")
    ids = [samples.image(name).id.short for name in ("redis", "alpine")]
    assert sorted(capsys.readouterr().out.split()) == sorted([*ids, "$(docker", "images)"])


def test_variables_of_the_notebook(shell: Any) -> None:
    """`$name` and `{name}` are put in word by word; templates and unknown names stay."""
    known = {"ids": "a b", "files": ["x y", "z"], "n": 3}
    assert magic.variables("rmi $ids {n} $files", known) == "rmi a b 3 'x y' z"
    assert magic.variables("images --format '{{.ID}} $ids'", known) == (
        "images --format '{{.ID}} $ids'"
    )
    assert magic.variables("run alpine echo $HOME {{n}}", known) == "run alpine echo $HOME {{n}}"


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("inspect nosuch", 1, "o such object: nosuch"),
        ("bogus", 1, "docker: unknown command: docker bogus"),
        ("pull --bogus x", 125, "unknown flag: --bogus"),
        ("pull 'redis", 1, "this line cannot be read: No closing quotation"),
    ],
)
def test_a_failure_is_a_sentence(
    line: str, status: int, says: str, shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """What goes wrong is said on standard error; nothing is raised, so the notebook goes on."""
    output = shell.run_line_magic("docker", line)
    assert output.status == status
    assert says in capsys.readouterr().err


def test_the_body_of_a_cell_is_standard_input(
    shell: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`%%docker build -t app -` builds from the Dockerfile that the cell is."""
    shell.run_cell_magic("docker", "build -q -t app -", "FROM alpine\nLABEL a=b\n")
    capsys.readouterr()
    shell.run_line_magic("docker", "images -q app")
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%docker pu", "pull"),
        ("%docker image in", "inspect"),
        ("%docker images --dig", "--digests"),
        ("%docker inspect al", "alpine:latest"),
    ],
)
def test_words_are_completed(typed: str, offered: str, shell: Any) -> None:
    """Verbs, their second words, flags, and the names in the local repository."""
    shell.run_line_magic("docker", "pull -q alpine")
    with provisionalcompleter():
        found = [found.text for found in shell.Completer.completions(typed, len(typed))]
    assert offered in found or offered.removeprefix("--") in found, found


def test_no_lab(
    shell: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a lab the magic works on the user's own local repository."""
    Lab.newest = None
    monkeypatch.setenv("IMGKIT_HOME", str(tmp_path / "home"))
    shell.run_line_magic("docker", "pull -q alpine")
    assert (tmp_path / "home" / "index.json").exists()


def test_a_pull_is_shown(shell: Any) -> None:
    """In a notebook the rows and requests of a pull are those that PullMonitor shows."""
    from imgkit.commands import run
    from imgkit.pull import Pull
    from imgkit.widgets import PullView

    bench = Lab().bench(lambda line: None)
    pull = Pull(bench.client(), bench.store, platform=bench.platform)  # type: ignore[arg-type]
    view = PullView(pull)
    bench.watch, bench.on_progress = pull.watching, pull.progress
    assert run(bench, ["pull", "redis"]) == 0
    assert [row.state for row in pull.rows] == ["Verified, kept"] * 9
    assert "told kept" in view.box.value
    assert "Every digest was right" in view.box.value
    assert run(bench, ["pull", "nosuch"]) == 1
    assert "Not pulled" in view.box.value


def test_words_are_completed_in_bash(tmp_path: Path) -> None:
    """The lines of `imgkit completion bash` offer verbs, flags and names in a real bash."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = os.environ | {"IMGKIT_HOME": str(tmp_path / "home"), "PATH": path}
    program = f"{sys.executable} -m imgkit"
    script = f"""
        imgkit() {{ {program} "$@"; }}
        imgkit pull -q alpine >/dev/null
        eval "$(imgkit completion bash)"
        ask() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _imgkit; echo "${{COMPREPLY[*]}}"; }}
        ask imgkit pul; ask imgkit image pr; ask imgkit images --dig; ask imgkit rmi al
    """
    done = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["pull", "prune", "--digests", "alpine:latest"]


def test_nothing_is_completed_where_nothing_can_be_read(tmp_path: Path) -> None:
    """A local repository that is none does not write into the line that somebody types."""
    (tmp_path / "index.json").write_text("{")
    command = [sys.executable, "-m", "imgkit", "__complete", "rmi", ""]
    env = os.environ | {"IMGKIT_HOME": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")

"""`build`, where no recording of Docker reaches; the rest is in test_transcripts.py."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

import pytest
from verbs import Do, bench, docker

from imgkit.commands import Bench, run
from imgkit.image import verify
from imgkit.lab import Lab

__all__ = ["bench", "docker"]


def test_the_same_for_everybody(docker: Do) -> None:
    """In a lab, whose clock stands still, every line of a build is the same for every learner."""
    text = 'FROM alpine\nRUN echo "hello" > /file1\nRUN echo "world" > /file2\n'
    first = docker("build", "-t", "app", "-", stdin=text)
    assert first.status == 0
    out: list[str] = []
    second = Lab().bench(out.append, out.append)
    run(second, ["pull", "-q", "alpine"])
    out.clear()
    second.stdin = io.BytesIO(text.encode())
    assert run(second, ["build", "-t", "app", "-"]) == 0
    assert "\n".join(out) == first.out


def test_what_is_built(docker: Do, bench: Bench) -> None:
    """The image is sound; labels and arguments from outside are in it; its ID is in the file."""
    text = "FROM alpine\nARG WHO=world\nENV WHO=$WHO\nRUN echo hello $WHO > /file1"
    file = Path(bench.home, "id")
    flags = ["--build-arg", "WHO=moon", "--label", "a=it's $A", "--iidfile", str(file)]
    assert docker("build", "-q", *flags, "-t", "app:1", "-t", "app:2", "-", stdin=text).status == 0
    image = bench.store.image("app:2")
    assert verify(image) == []
    assert image.overlay.read("/file1") == b"hello moon\n"
    assert image.config.settings["Labels"]["a"] == "it's $A"
    assert file.read_text() == image.id == bench.store.image("app:1").id


def test_an_argument_from_outside(docker: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    """--build-arg with a name alone takes its value from the environment, if it has one there."""
    monkeypatch.setenv("WHO", "outside")
    text = "FROM alpine\nARG WHO=inside\nRUN echo $WHO"
    assert "\noutside\n" in docker("build", "--build-arg", "WHO", "-", stdin=text).out
    monkeypatch.delenv("WHO")
    assert "\ninside\n" in docker("build", "--build-arg", "WHO", "-", stdin=text).out


def test_another_platform(docker: Do, bench: Bench) -> None:
    """A base that is here for another machine is pulled for the one asked for, as by BuildKit."""
    assert bench.store.image("alpine").config.platform.architecture == "amd64"
    said = docker("build", "-t", "app", "--platform", "linux/arm64", "-", stdin="FROM alpine")
    assert (said.status, "Status: Downloaded newer image for alpine:latest" in said.out) == (
        0,
        True,
    )
    assert bench.store.image("app").config.platform.architecture == "arm64"


def test_fresh(docker: Do) -> None:
    """--pull asks the registry for every base, also where it is here."""
    assert "Pulling from" not in docker("build", "-", stdin="FROM alpine").out
    said = docker("build", "--pull", "-", stdin="FROM alpine\nCOPY --from=nginx /etc/passwd /")
    assert said.out.count("Status: Image is up to date for") == 2


REFUSED: Final = {
    b"FROM alpine\nRUN exit 3": (3, "The command '/bin/sh -c exit 3' returned a non-zero code: 3"),
    b'FROM alpine\nRUN ["/nope"]': (
        1,
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to st",
    ),
    b"": (1, "Error response from daemon: the Dockerfile (Dockerfile) cannot be empty"),
    b"\xff\xfe": (1, "imgkit: what comes from standard input is no text"),
    b"FROM alpine\nRUN sleep 1 &": (1, "imgkit: line 2, RUN sleep 1 &: "),
    b"FROM alpine\nADD https://example.com/x /": (1, "ADD failed: https://example.com/x would"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.items(), ids=map(repr, REFUSED))
@pytest.mark.parametrize("quiet", [False, True])
def test_refused(text: bytes, told: tuple[int, str], quiet: bool, docker: Do) -> None:
    """With the exit status of the command; nothing gets a name. With -q the lines come then."""
    status, sentence = told
    said = docker("build", *(["-q"] if quiet else []), "-t", "app", "-", stdin=text)
    assert said.status == status
    assert said.err.splitlines()[-1].startswith(sentence)
    assert docker("images", "-q", "app").out == ""
    if quiet:
        assert said.out == ""
        assert text[:4] != b"FROM" or "Step 1/2 : FROM alpine" in said.err.splitlines()


def test_a_context_that_is_not_there(docker: Do, tmp_path: Path) -> None:
    """Named as it was asked for; a URL is refused, because there is no network."""
    assert docker("build", str(tmp_path / "no")).err == (
        f'unable to prepare context: path "{tmp_path}/no" not found'
    )
    assert docker("build", str(tmp_path)).err.endswith(
        f"lstat {tmp_path}/Dockerfile: no such file or directory"
    )
    assert "over a network" in docker("build", "https://github.com/a/b.git").err
    (tmp_path / "Dockerfile").write_bytes(b"\xff")
    assert docker("build", str(tmp_path)).err.endswith("is no text, and so no Dockerfile.")


def test_a_dockerfile_elsewhere(docker: Do, tmp_path: Path) -> None:
    """-f - reads it from standard input, with a directory as its context."""
    (tmp_path / "a.txt").write_text("a\n")
    said = docker(
        "build", "-q", "-t", "app", "-f", "-", str(tmp_path), stdin="FROM alpine\nCOPY a.txt /"
    )
    assert said.status == 0
    assert docker("run", "--rm", "app", "cat", "/a.txt").out == "a"


def test_nothing_printed_steers(docker: Do) -> None:
    """Escape sequences that a command prints do not reach the terminal."""
    said = docker("build", "-", stdin="FROM alpine\nRUN printf '\\033[31mred\\n'")
    assert "red" in said.out.splitlines()
    assert "\x1b" not in said.out

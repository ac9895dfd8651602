"""Verbs of containers where no recording of Docker reaches: what only a real machine could do,
what a person types, and what another process sees. The rest is in test_transcripts.py."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSCTTY
from typing import Final

import pytest
from verbs import Do, bench, docker

from imgkit.commands import Bench
from imgkit.commands.flags import MACHINE
from imgkit.container.terminal import Terminal

__all__ = ["bench", "docker"]


# -- what needs a real machine -------------------------------------------------------------------


@pytest.mark.parametrize("flag", MACHINE, ids=lambda flag: flag.name)
def test_flags_of_real_machines(flag: object, docker: Do, bench: Bench) -> None:
    """Refused in one sentence, and nothing is made."""
    name = getattr(flag, "name", "")
    words = [f"--{name}", *(["1"] if getattr(flag, "value", "") else [])]
    said = docker("run", *words, "alpine", "true")
    assert (said.status, said.out) == (125, "")
    assert said.err.startswith(f"imgkit: --{name} is for a real machine")
    assert len(said.err.splitlines()) == 1
    assert bench.containers.records() == []


def test_when_to_pull(docker: Do) -> None:
    """An image that is here is asked for again only where `--pull always` says so."""
    assert docker("run", "--pull", "missing", "alpine", "true").err == ""
    again = docker("run", "--pull", "always", "alpine", "true")
    assert again.status == 0
    assert again.err.endswith("Status: Image is up to date for alpine:latest")
    assert docker("run", "--pull", "never", "redis").status == 125
    refused = docker("create", "--pull", "maybe", "alpine")
    assert refused.status == 125
    assert """invalid pull option: 'maybe': must be one of "always",""" in refused.err


def test_ports_open_nowhere(docker: Do) -> None:
    """`-P` is taken, and said to change nothing, as `-p` is."""
    said = docker("run", "-P", "alpine", "true")
    assert said.err == "imgkit: -P opens no port, because there is no network here."
    assert docker("run", "--publish-all=false", "alpine", "true").err == ""


def test_a_server(docker: Do) -> None:
    """It is not run, which is said at once and in its log; it counts as running until stopped."""
    said = docker("run", "-d", "--name", "web", "-p", "8080:80", "nginx")
    assert (said.status, len(said.out)) == (0, 64)
    first, second = said.err.splitlines()
    assert first == "imgkit: -p 8080:80 opens no port, because there is no network here."
    assert second.startswith("imgkit: /usr/sbin/nginx is a program for a real machine")
    assert docker("ps", "--format", "{{.Names}} {{.State}}").out == "web running"
    assert second in docker("logs", "web").err
    assert docker("stop", "web").out == "web"
    assert docker("ps", "-a", "--format", "{{.Status}}").out.startswith("Exited (0)")


def test_time_does_not_go_by(docker: Do) -> None:
    """A program that waits is not waited for: nobody would come back."""
    said = docker("run", "--name", "long", "alpine", "sleep", "1000")
    assert (said.status, said.out) == (0, "")
    assert said.err.splitlines() == [
        "imgkit: no time goes by here, so sleep 1000 is not waited for.",
        "imgkit: long counts as running, as with -d, until it is stopped.",
    ]


def test_more_than_the_small_shell(docker: Do, bench: Bench) -> None:
    """What came before it is printed; with --rm nothing is left."""
    said = docker("run", "--rm", "alpine", "sh", "-c", "echo before; sleep 1 & wait")
    assert said.status == 126
    assert said.err.startswith("imgkit: the small shell of imgkit does not know")
    assert bench.containers.records() == []


# -- options -------------------------------------------------------------------------------------


def test_environment(docker: Do, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files first, then flags; a name alone takes its value from outside, if it has one there."""
    monkeypatch.setenv("OUTSIDE", "here")
    monkeypatch.delenv("NOWHERE", raising=False)
    file = tmp_path / "env"
    file.write_text("# no\n\nA=file\nB=file\nOUTSIDE\n")
    words = ["--env-file", str(file), "-e", "B=flag", "-e", "NOWHERE", "--env=C=1=2"]
    said = docker("run", "--rm", *words, "alpine", "sh", "-c", "echo $A $B $C $OUTSIDE; env")
    assert said.out.splitlines()[0] == "file flag 1=2 here"
    assert "NOWHERE" not in said.out
    missing = docker("run", "--env-file", str(tmp_path / "nope"), "alpine")
    assert missing.status == 125
    assert "no such file or directory" in missing.err


REFUSED: Final = {
    "run --network nope alpine true": "network nope not found",
    "run --entrypoint= alpine": "No command specified",
    "run -w relative alpine true": "the working directory 'relative' is invalid",
    "run -u nobody-here alpine true": "unable to find user nobody-here: no matching entries",
    "run --pull never missing": "No such image: missing:latest",
    "run scratch": "'scratch' is a reserved name",
}


@pytest.mark.parametrize(("line", "why"), REFUSED.items())
def test_refused_by_the_engine(line: str, why: str, docker: Do) -> None:
    """In Docker's words, with 125: nothing was run."""
    said = docker(*line.split())
    assert said.status == 125
    assert f"docker: Error response from daemon: {why}" in said.err
    assert said.err.endswith("Run 'docker run --help' for more information")


def test_prune_asks(docker: Do) -> None:
    """Without -f it waits for a yes; what runs stays."""
    docker("run", "-d", "--name", "runs", "alpine", "sleep", "9")
    docker("run", "--name", "done", "alpine", "sh", "-c", "echo 12345 > /x")
    assert docker("container", "prune", stdin="n\n").out.endswith("[y/N] ")
    assert docker("ps", "-aq").out.count("\n") == 1
    said = docker("container", "prune", stdin="y\n")
    assert said.out.endswith("Total reclaimed space: 6B")
    assert docker("ps", "-a", "--format", "{{.Names}}").out == "runs"


FILTERS: Final = {
    "status=exited": "b a",
    "status=running": "c",
    "name=^b$": "b",
    "label=k": "b",
    "label=k=other": "",
    "exited=3": "b",
    "ancestor=alpine": "c b a",
    "ancestor=nothing": "",
    "before=c": "b a",
    "since=a": "c b",
    "volume=x": "",
}


def test_filters(docker: Do) -> None:
    """Each finds what it says, the newest first; an unknown one is refused."""
    docker("run", "--name", "aa", "alpine", "true")
    docker("run", "--name", "bb", "-l", "k=v", "alpine", "sh", "-c", "exit 3")
    docker("run", "--name", "cc", "-d", "alpine", "sleep", "9")
    for text, names in FILTERS.items():
        text = re.sub(r"\b([abc])(?=\$?$)", r"\1\1", text)
        said = docker("ps", "-a", "-f", text, "--format", "{{.Names}}")
        assert [name[0] for name in said.out.split()] == names.split(), text
    assert docker("ps", "-f", "foo=bar").err == "Error response from daemon: Invalid filter 'foo'"
    assert docker("ps", "-f", "foo").status == 125


def test_columns(docker: Do) -> None:
    """A long command is cut; an image that has another name now is shown by its ID."""
    docker("build", "-t", "mine", "-", stdin="FROM alpine")
    docker("run", "--name", "one", "mine", "echo", "a b", "0123456789")
    assert docker("ps", "-al", "--format", "{{.Command}}").out == "\"echo 'a b' 01234567…\""
    whole = docker("ps", "-a", "--no-trunc", "--format", "{{.Command}}").out
    assert whole == "\"echo 'a b' 0123456789\""
    assert docker("ps", "-a", "--format", "{{.Image}}").out == "mine"
    assert docker("ps", "-as").out.splitlines()[1].split()[-3] == "0B"
    docker("build", "-t", "mine", "-", stdin="FROM alpine\nENV A=b")
    assert len(docker("ps", "-a", "--format", "{{.Image}}").out) == 12
    assert docker("ps", "-a", "--format", "{{.Nope}}").status


# -- a person ------------------------------------------------------------------------------------


def test_attached(docker: Do, bench: Bench) -> None:
    """`run -it` and `exec -it` put a person before a terminal; other programs just run."""
    met: list[Terminal] = []

    def attach(terminal: Terminal) -> int:
        met.append(terminal)
        terminal.type("echo $0 > /seen; pwd")
        terminal.type("exit 5")
        return terminal.code or 0

    bench.terminal = False
    assert docker("run", "-it", "alpine", "sh").err == "the input device is not a TTY"
    bench.attach = attach
    assert docker("run", "-it", "--name", "one", "-w", "/etc", "alpine").status == 5
    assert met[0].transcript == "/etc # echo $0 > /seen; pwd\n/etc\n/etc # exit 5"
    assert docker("container", "diff", "one").out.splitlines()[-1] == "A /seen"
    assert docker("run", "-it", "--rm", "alpine", "echo", "hello").out == "hello"
    docker("run", "-dit", "--name", "two", "alpine")
    assert docker("exec", "-it", "-u", "nobody", "two", "sh").status == 5
    assert met[-1].transcript.startswith("/ $ ")
    assert docker("ps", "-q").out


def test_a_real_prompt(tmp_path: Path) -> None:
    """In a terminal the container's prompt reads lines, with the keys of a terminal, to its end."""
    env = {**os.environ, "IMGKIT_HOME": str(tmp_path / "home"), "TERM": "dumb", "IMGKIT_LIVE": ""}
    command = [sys.executable, "-m", "imgkit", "run", "-it", "--name", "box", "alpine", "sh"]
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: ioctl(0, TIOCSCTTY, 0),  # noqa: PLW1509  one thread; else no Ctrl-C
    )
    os.close(inner)
    screen = Screen(outer)
    try:
        screen.wait_for("/ # ")
        for typed, shown in TYPED:
            screen.type(typed)
            screen.wait_for(shown)
        assert process.wait(20) == 3
    finally:
        process.kill()
        process.wait(20)
        os.close(outer)
    listed = [sys.executable, "-m", "imgkit", "container", "diff", "box"]
    done = subprocess.run(listed, env=env, capture_output=True, text=True, check=True)
    assert "A /file1" in done.stdout.splitlines()


CTRL_C: Final = "\x03"

TYPED: Final = (
    ("echo hello > /file1\n", "/ # "),
    ("cat /file1\n", "hello\r\n/ # "),
    ("\x1b[A\x1b[A\n", "/ # "),  # two lines back, where there is readline
    ("cd /etc\n", "/etc # "),
    ("for i in 1 2; do\n", "> "),
    ("echo n$i\n", "> "),
    ("done\n", "n1\r\nn2\r\n/etc # "),
    ("echo 'never\n", "> "),
    (CTRL_C, "/etc # "),
    ("exit 3\n", ""),
)


class Screen:
    """What a program writes to a terminal."""

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self.text = self.typed = ""

    def type(self, text: str) -> None:
        self.text, self.typed = "", text
        os.write(self.terminal, text.encode())

    def wait_for(self, text: str) -> None:
        """Read on until it is there.

        Python's `input` first prints the prompt and then waits for a key; a signal between the two
        does not wake it. So a Ctrl-C that nothing answers is typed again, as a person would.
        """
        until = time.monotonic() + 30
        while text not in self.text:
            assert time.monotonic() < until, f"not {text!r} but {self.text!r}"
            if not select.select([self.terminal], [], [], 5)[0]:
                if self.typed == CTRL_C:
                    os.write(self.terminal, CTRL_C.encode())
                continue
            try:
                self.text += os.read(self.terminal, 4096).decode()
            except OSError:  # whoever wrote has ended
                pytest.fail(f"not {text!r} but {self.text!r}")


def test_nothing_from_an_image_steers(docker: Do) -> None:
    """Escape sequences that a program prints, or is started with, are not printed."""
    steer = "\x1b[31mred\x1b[0m\x1b]0;title\x07"
    assert docker("run", "--name", "one", "alpine", "printf", steer).out == "red"
    assert docker("logs", "one").out == "red"
    for line in (("ps", "-a"), ("ps", "-a", "--no-trunc", "--format", "{{.Command}}")):
        said = docker(*line)
        assert "\x1b" not in said.out

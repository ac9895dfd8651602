"""`imgkit serve`, with users, a private repository and an allowance; seen from another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from images import add_image
from recorder import hurried

from imgkit.client import Client
from imgkit.client.credentials import Credentials, Login
from imgkit.errors import RateLimited, Unauthorized
from imgkit.image import copy
from imgkit.reference import Reference
from imgkit.store import Store

IMGKIT = [sys.executable, "-m", "imgkit"]
ME = Login("me", "se:cret")


@contextmanager
def serving(tmp_path: Path, *flags: str) -> Iterator[str]:
    """Where a registry is served, with these flags."""
    words = [*IMGKIT, "serve", "--root", str(tmp_path / "pushed"), *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout
        yield one.stdout.readline().split("http://")[1].strip()
        one.terminate()


def client(host: str, login: Login | None) -> Client:
    return Client(credentials=Credentials({host: login} if login else {}), patience=hurried())


@pytest.mark.parametrize("how", [["--basic"], []])
def test_users_and_private_repositories(tmp_path: Path, how: list[str]) -> None:
    """Users push, and pull what is private; others pull the rest."""
    local = Store(tmp_path / "local")
    made = add_image(local, "app")
    users = ["--user", "me:se:cret", "--user=you:too", "--private", "team/secret"]
    with serving(tmp_path, *users, *how) as host:
        for login, right in ((None, False), (Login("me", "no"), False), (ME, True)):
            for path in ("team/open", "team/secret"):
                name = Reference.parse(f"{host}/{path}:v1")
                local.name(name, made, None)
                asker = client(host, login)
                if right:
                    copy(local, asker.repository(name), name)
                else:
                    with pytest.raises(Unauthorized):
                        copy(local, asker.repository(name), name)
                asker.session.close()
        asker = client(host, None)
        for path in ("team/open", "library/redis") if not how else ():
            name = Reference.parse(f"{host}/{path}").with_tag("v1" if "open" in path else "latest")
            asker.repository(name).resolve(name)
        secret = Reference.parse(f"{host}/team/secret:v1")
        with pytest.raises(Unauthorized):
            asker.repository(secret).resolve(secret)
        asker.session.close()


def test_an_allowance(tmp_path: Path) -> None:
    """After so many pulls it says no, and that there are none left."""
    with serving(tmp_path, "--allowance", "2") as host:
        name = Reference.parse(f"{host}/library/alpine:latest")
        asker = client(host, None)
        for _ in range(2):
            asker.repository(name).resolve(name)
        with pytest.raises(RateLimited, match="allows 2 requests in 6 hours, and 0 are left"):
            asker.repository(name).resolve(name)
        asker.session.close()


WRONG = [
    (["--user", "me"], "--user takes NAME:PASSWORD"),
    (["--user", ":secret"], "--user takes NAME:PASSWORD"),
    (["--basic"], "without a --user"),
    (["--private", "team/secret"], "without a --user"),
    (["--allowance", "-1"], "0 or more"),
]


@pytest.mark.parametrize(("flags", "words"), WRONG)
def test_flags_that_keep_nobody_out(tmp_path: Path, flags: list[str], words: str) -> None:
    """They are refused before anything is served, in one line."""
    env = os.environ | {"IMGKIT_HOME": str(tmp_path)}
    done = subprocess.run(
        [*IMGKIT, "serve", *flags], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("imgkit: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1

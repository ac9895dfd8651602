"""Logins: where this user's container tools keep them, and which one a repository gets.

Docker's file, and Podman's of the same form (docker/cli "config.json", containers-auth.json(5))::

    {
      "auths": {"ghcr.io": {"auth": "bWU6c2VjcmV0"},              base64 of me:secret
                "quay.io/team": {"auth": "..."},                  for these repositories alone
                "https://index.docker.io/v1/": {"identitytoken": "..."}},       Docker Hub
      "credHelpers": {"gcr.io": "gcloud"},      ask the program docker-credential-gcloud
      "credsStore": "desktop"                   ask docker-credential-desktop for all others
    }
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from imgkit import document
from imgkit.errors import ImgkitError, StoreError
from imgkit.reference import DOCKER_HUB

HUB_KEY: Final = "https://index.docker.io/v1/"
"""The key of Docker Hub's login, from the days of its first API."""
IDENTITY: Final = "<token>"
"""The user name by which a helper says that its secret is an identity token."""
HELPER_TIME: Final = 60
"""Seconds that a helper may take: it may have to ask the user."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password, or an identity token, which stands for both; secrets do not print."""

    user: str
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Credentials:
    """The logins that were given, then those of files, in order; with neither, none.

    The most exact key wins: `ghcr.io/team/app`, then `ghcr.io/team`, then `ghcr.io`.
    """

    def __init__(
        self, given: Mapping[str, Login] | None = None, files: Sequence[Path] = ()
    ) -> None:
        self._given = dict(given or {})
        self.files = tuple(files)

    @classmethod
    def of_user(cls, environ: Mapping[str, str] | None = None, home: Path | None = None) -> Self:
        """What Docker and Podman would find: in the user's files and those the environment names.

        `$DOCKER_CONFIG/config.json` (or `~/.docker/config.json`), `$REGISTRY_AUTH_FILE`,
        `$XDG_RUNTIME_DIR/containers/auth.json`, `$XDG_CONFIG_HOME/containers/auth.json`.
        """
        env, home = os.environ if environ is None else environ, home or Path.home()
        files = [Path(env.get("DOCKER_CONFIG") or home / ".docker", "config.json")]
        if named := env.get("REGISTRY_AUTH_FILE"):
            files.append(Path(named))
        if runtime := env.get("XDG_RUNTIME_DIR"):
            files.append(Path(runtime, "containers", "auth.json"))
        config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
        return cls(files=[*files, config / "containers" / "auth.json"])

    def find(self, domain: str, path: str) -> Login | None:
        """The login for a repository; None if there is none.

        Raises `StoreError` for a file that cannot be read, or a helper that fails.
        """
        keys = list(_keys(domain, path))
        for key in keys:
            if key in self._given:
                return self._given[key]
        for file in self.files:
            if file.is_file() and (login := _File(file).find(keys)):
                return login
        return None


def _keys(domain: str, path: str) -> Iterator[str]:
    """The keys under which a repository's login may stand, the most exact first."""
    parts = [domain, *path.split("/")]
    for count in range(len(parts), 0, -1):
        yield "/".join(parts[:count])
    if domain == DOCKER_HUB:
        yield from (HUB_KEY, "index.docker.io", "registry-1.docker.io")


class _File:
    """One file of logins."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = document.load(path.read_bytes() or b"{}", "file")
            self._helpers = document.string_map(self._data, "credHelpers")
            self._auths = document.mapping(self._data, "auths", optional=True)
        except (OSError, ImgkitError) as error:
            raise self._problem(f"it cannot be read: {error}") from None

    def find(self, keys: Sequence[str]) -> Login | None:
        for key in keys:
            if key in self._helpers:
                return self._ask(self._helpers[key], key)
        for key in keys:
            login = self._stored(key)
            if login:
                return login
        store = self._data.get("credsStore")
        if not store or not isinstance(store, str):
            return None
        # Helpers know whole registries, and Docker Hub by its old address alone.
        return self._ask(store, HUB_KEY if HUB_KEY in keys else keys[-1])

    def _stored(self, key: str) -> Login | None:
        """The login that stands in the file under that key, or an old form of it."""
        old = (f"https://{key}", f"https://{key}/", f"https://{key}/v1/", f"https://{key}/v2/")
        for name in (key, *old):
            entry = self._auths.get(name)
            if isinstance(entry, dict) and (login := self._login(name, entry)):
                return login
        return None

    def _login(self, key: str, entry: Mapping[str, Any]) -> Login | None:
        user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
        if entry.get("auth"):
            try:
                text = base64.b64decode(str(entry["auth"]), validate=True).decode()
            except (binascii.Error, ValueError):
                raise self._problem(f"the `auth` of {key} is not base64 of user:password") from None
            user, _, password = text.partition(":")
            password = password.rstrip("\0")
        identity = str(entry.get("identitytoken") or "")
        return Login(user, password, identity) if user or identity else None

    def _ask(self, helper: str, server: str) -> Login | None:
        """What the helper says; None if it knows no login, or is not installed."""
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", helper):
            raise self._problem(f"{helper!r} is not the name of a credential helper")
        import shutil  # noqa: PLC0415  few have a helper, and every pull would import these
        import subprocess  # noqa: PLC0415

        name = f"docker-credential-{helper}"
        program = shutil.which(name)
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, "get"],
                input=server.encode(),
                capture_output=True,
                timeout=HELPER_TIME,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._problem(f"{name} cannot be asked: {error}") from None
        if done.returncode:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            if "not found" in said:
                return None
            raise self._problem(f"{name} failed for {server}: {said[:200]!r}")
        try:
            answer = document.load(done.stdout, "answer")
            user, secret = document.text(answer, "Username"), document.text(answer, "Secret")
        except ImgkitError:
            raise self._problem(f"{name} gave no login for {server} that can be read") from None
        return Login("", identity=secret) if user == IDENTITY else Login(user, secret)

    def _problem(self, reason: str) -> StoreError:
        return StoreError(f"the logins in {self.path} are of no use: {reason}", path=self.path)

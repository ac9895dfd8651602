"""One pull from Debian's docker-registry, however it is guarded and wherever it stands.

With no login, a password and tokens; on a port and behind nginx with TLS and a private CA; and as
a pull-through cache of our own registry. The image was put there by skopeo.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from gateway import HOST, Authority, TokenService, nginx, proxy
from recorder import hurried

from benchmarks.registry import registry
from imgkit import samples
from imgkit.client import Client
from imgkit.client.credentials import Credentials, Login
from imgkit.digest import Digest
from imgkit.errors import Unauthorized, Unreachable
from imgkit.image import Copied, copy, verify
from imgkit.manifest import Descriptor
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.server import Registry
from imgkit.server.transport import serve
from imgkit.store import Store

pytestmark = pytest.mark.peer("docker-registry", "skopeo", "nginx", "openssl")

ME: Final = Login("me", "secret")
HASHED: Final = "me:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n"
REPOSITORY: Final = "team/box"
AMD64: Final = Platform("linux", "amd64")

Guarded = Callable[[Path, TokenService, str], str]
"""The configuration of a guard: in that folder, with that token service at that address."""


def no_login(_: Path, __: TokenService, ___: str) -> str:
    return ""


def htpasswd(folder: Path, _: TokenService, __: str) -> str:
    (folder / "htpasswd").write_text(HASHED)
    return f"auth:\n  htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}\n"


def token(_: Path, service: TokenService, realm: str) -> str:
    return service.configuration(realm)


GUARDS: list[Guarded] = [no_login, htpasswd, token]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, shared_images: Path) -> tuple[Path, Digest]:
    """The folder of a docker-registry with one image, and the digest that skopeo says it has."""
    folder = tmp_path_factory.mktemp("filled")
    with registry("docker-registry", folder) as host:
        name = f"docker://{host}/{REPOSITORY}:v1"
        box = f"oci:{shared_images / 'busybox-latest-musl-amd64'}"
        skopeo = ["skopeo", "--insecure-policy"]
        subprocess.run([*skopeo, "copy", "-q", "--dest-tls-verify=false", box, name], check=True)
        look = [*skopeo, "inspect", "--tls-verify=false", "--format", "{{.Digest}}", name]
        said = subprocess.run(look, check=True, capture_output=True, text=True).stdout
    return folder, Digest(said.strip())


@contextmanager
def on_a_port(guard: Guarded, folder: Path, service: TokenService) -> Iterator[str]:
    """The registry's name; it speaks http, and is on this machine."""
    with serve(service) as tokens:
        more = guard(folder, service, f"{tokens.url}/token")
        with registry("docker-registry", folder, more) as host:
            yield host


@contextmanager
def behind_nginx(
    guard: Guarded, folder: Path, service: TokenService, patch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The registry's name; it speaks https, and the environment says how to get there."""
    with serve(service) as tokens, ExitStack() as stack:
        more = guard(folder, service, f"https://{HOST}/token")
        host = stack.enter_context(registry("docker-registry", folder, more))
        socket = stack.enter_context(nginx(service.authority, host, tokens.host))
        patch.setenv("HTTPS_PROXY", stack.enter_context(proxy(socket)))
        patch.setenv("REQUESTS_CA_BUNDLE", str(service.authority.certificate))
        yield HOST


def pull(host: str, login: Login | None, home: Path, target: str = ":v1") -> Digest:
    """The digest of the image that was pulled, which is sound."""
    name = Reference.parse(f"{host}/{REPOSITORY}{target}")
    credentials = Credentials({host: login} if login else {})
    client = Client(credentials=credentials, patience=hurried())
    store = Store(home)
    try:
        copied = copy(client.repository(name), store, name, platform=AMD64)
    finally:
        client.session.close()
    assert verify(store.image(str(name))) == []
    return copied.manifest.digest


def check(host: str, guard: Guarded, digest: Digest, home: Path) -> None:
    """With the login the image comes, by tag and by digest; without, or with a wrong one, not."""
    login = None if guard is no_login else ME
    assert pull(host, login, home / "by-tag") == digest
    assert pull(host, login, home / "by-digest", f"@{digest}") == digest
    for wrong in (None, Login("me", "wrong")) if login else ():
        with pytest.raises(Unauthorized):
            pull(host, wrong, home / "none")
        assert Store(home / "none").records() == []


@pytest.mark.parametrize("guard", GUARDS)
def test_on_a_port(
    guard: Guarded, filled: tuple[Path, Digest], authority: Authority, tmp_path: Path
) -> None:
    """The same image with no login, by password and by token."""
    folder, digest = filled
    service = TokenService(authority, {"me": "secret"})
    with on_a_port(guard, folder, service) as host:
        check(host, guard, digest, tmp_path)
    assert bool(service.asked) == (guard is token)


@pytest.mark.parametrize("guard", GUARDS)
def test_behind_nginx(
    guard: Guarded,
    filled: tuple[Path, Digest],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same over TLS, whose certificate is of an authority that the environment names."""
    folder, digest = filled
    service = TokenService(authority, {"me": "secret"})
    with behind_nginx(guard, folder, service, monkeypatch) as host:
        check(host, guard, digest, tmp_path)
    assert bool(service.asked) == (guard is token)


def test_an_authority_that_nobody_named(
    filled: tuple[Path, Digest],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A certificate of an authority that is not known is refused; SSL_CERT_FILE can name it too."""
    folder, digest = filled
    service = TokenService(authority, {})
    with behind_nginx(no_login, folder, service, monkeypatch) as host:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(Unreachable, match=r"certificate.*REQUESTS_CA_BUNDLE"):
            pull(host, None, tmp_path / "none")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        assert pull(host, None, tmp_path / "some") == digest


@contextmanager
def by_tls(
    guard: Guarded, folder: Path, service: TokenService, patch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The registry's name; it is on this machine, and speaks https only."""
    patch.setenv("REGISTRY_HTTP_TLS_CERTIFICATE", str(service.authority.folder / "host.crt"))
    patch.setenv("REGISTRY_HTTP_TLS_KEY", str(service.authority.folder / "host.key"))
    patch.setenv("REQUESTS_CA_BUNDLE", str(service.authority.certificate))
    with registry("docker-registry", folder, guard(folder, service, "")) as host:
        yield host


@pytest.mark.parametrize("guard", [no_login, htpasswd])
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_tls_on_this_machine(
    guard: Guarded,
    name: str,
    filled: tuple[Path, Digest],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A registry on a loopback address that speaks TLS is spoken to in TLS, as by Docker."""
    folder, digest = filled
    with by_tls(guard, folder, TokenService(authority, {}), monkeypatch) as host:
        check(host.replace("127.0.0.1", name), guard, digest, tmp_path)


def test_tls_on_this_machine_is_checked(
    filled: tuple[Path, Digest],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A certificate that nobody vouches for is an error; http is not tried in its place."""
    with by_tls(no_login, filled[0], TokenService(authority, {}), monkeypatch) as host:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with pytest.raises(Unreachable, match=r"certificate.*REQUESTS_CA_BUNDLE"):
            pull(host, ME, tmp_path)


@pytest.mark.parametrize("guard", GUARDS)
def test_by_the_command(
    guard: Guarded,
    filled: tuple[Path, Digest],
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`imgkit pull` gets there too: proxy, authority and login are all the environment's."""
    folder, digest = filled
    service = TokenService(authority, {"me": "secret"})
    logins = {"auths": {HOST: {"auth": base64.b64encode(b"me:secret").decode()}}}
    (tmp_path / "config.json").write_text(json.dumps(logins))
    with behind_nginx(guard, folder, service, monkeypatch) as host:
        command = [sys.executable, "-m", "imgkit", "pull", "--live", "--platform", "linux/amd64"]
        command += ["--home", str(tmp_path / "home"), f"{host}/{REPOSITORY}:v1"]
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"Digest: {digest}" in done.stdout


def kept_by(cache: Path, wanted: Sequence[Descriptor]) -> bool:
    """Whether docker-registry has all of these blobs in its folder, where it puts them later."""
    blobs = cache / "data/docker/registry/v2/blobs/sha256"
    return all((blobs / b.digest.hex[:2] / b.digest.hex / "data").is_file() for b in wanted)


def pull_by(mirror: str, home: Path) -> tuple[Copied, list[str]]:
    """What was copied of `redis`, as a mirror has it, and what that was asked."""
    asked: list[str] = []
    client = Client(mirror=mirror, on_exchange=lambda exchange: asked.append(exchange.url))
    name = Reference.parse("redis:latest")
    copied = copy(client.repository(name), Store(home), name, platform=AMD64)
    client.session.close()
    assert verify(Store(home).image("redis:latest")) == []
    return copied, asked


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_pull_through_cache_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_flag: bool
) -> None:
    """`--mirror` or IMGKIT_MIRROR is asked in the place of Docker Hub, without a login."""
    logins = {"auths": {"https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"}}}
    (tmp_path / "config.json").write_text(json.dumps(logins))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("IMGKIT_LIVE", raising=False)
    with serve(Registry([samples.store()], auth=False)) as served:
        more = f"proxy: {{remoteurl: '{served.url}'}}\n"
        with registry("docker-registry", tmp_path, more) as host:
            command = [sys.executable, "-m", "imgkit", "pull", "--home", str(tmp_path / "home")]
            if by_flag:
                command += ["--mirror", f"http://{host}"]
            else:
                monkeypatch.setenv("IMGKIT_MIRROR", f"http://{host}")
            command += ["--platform", "linux/amd64", "redis"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    index = samples.image("redis").index
    assert index
    assert f"Digest: {index.digest}" in done.stdout
    said = (tmp_path / "registry.log").read_text()
    assert "/v2/library/redis/manifests/latest?ns=docker.io" in said
    assert "bWU6c2VjcmV0" not in said


@pytest.mark.parametrize("auth", [False, True])
def test_a_pull_through_cache(tmp_path: Path, auth: bool) -> None:
    """docker-registry as a cache of ours is told which registry is meant; then it needs us not."""
    embedded = Registry([samples.store()], auth=auth)
    with serve(embedded) as served:
        more = f"proxy: {{remoteurl: '{served.url}'}}\n"
        with registry("docker-registry", tmp_path, more) as host:
            first, asked = pull_by(f"http://{host}", tmp_path / "first")
            of_redis = [url for url in asked if "/v2/library/redis/" in url]
            assert len(of_redis) == len(first.fetched) + 2  # index and manifest
            assert all(url.endswith("?ns=docker.io") for url in of_redis)
            until = time.monotonic() + 30
            while not kept_by(tmp_path, first.fetched) and time.monotonic() < until:
                time.sleep(0.05)
            embedded.log.clear()
            second, _ = pull_by(f"http://{host}", tmp_path / "second")
    assert second == first
    assert [exchange.path for exchange in embedded.log if "/blobs/" in exchange.path] == []

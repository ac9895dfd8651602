"""What honest images never meet: each limit from both sides, as docs/limits.md has it."""

from __future__ import annotations

import gzip
import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import bomb
import pytest
from images import AMD64, add_image, tar_of
from test_tar import END, block, said
from trees import file, layer_of, symlink

from imgkit import manifest, tar
from imgkit.__main__ import main
from imgkit.archive import IMAGES, Archive
from imgkit.archive.members import LINKS
from imgkit.build import build, unarchive
from imgkit.client import Client
from imgkit.client.endpoint import PAGES
from imgkit.client.wire import REDIRECTS
from imgkit.config import Config
from imgkit.errors import ImgkitError, InvalidLayer, InvalidSetting, LimitExceeded
from imgkit.image import Image
from imgkit.layer import READ_LIMIT, Layer
from imgkit.limits import VARIABLE, Limits, current
from imgkit.manifest import OCI_CONFIG, OCI_INDEX, OCI_LAYER, Descriptor, Index, Manifest
from imgkit.overlay import Overlay
from imgkit.overlay.tree import LINK_LIMIT, STEP_LIMIT
from imgkit.place import EMBEDDED
from imgkit.reference import Reference
from imgkit.server import transport
from imgkit.store import Store
from imgkit.tar.pax import Extensions
from imgkit.unpack import unpack, unpack_layers

TABLE: Final = Path(__file__).parents[1] / "docs" / "limits.md"
PLAIN: Final = tar_of({"a": b"x" * 5000, "b": b""})


def read(data: bytes, **limits: int) -> None:
    most = Limits(**limits)
    for _ in tar.read(tar.decompress(io.BytesIO(data), most), most):
        pass


def named(path: str) -> bytes:
    """A tar of one file, whose name needs an extended header if it is long."""
    return tar_of({path: b""})


def linked() -> bytes:
    """A tar with one PAX header of 600 bytes or so for each of two files."""
    return tar_of({"a/" * 200 + "x": b"", "a/" * 200 + "y": b""})


def attributed() -> bytes:
    """A tar that gives each of two files an attribute of 20 bytes, name and value."""
    record = said(b"x", b"25 SCHILY.xattr.user.a=\0\n")
    return record + block(b"a") + record + block(b"b") + END


LAYERS: Final[dict[str, tuple[Callable[[int], None], int]]] = {
    "unpacked": (lambda most: read(gzip.compress(PLAIN), unpacked=most), len(PLAIN)),
    "ratio": (lambda most: read(gzip.compress(bytes(1 << 20)), ratio=most, ratio_from=1), 1100),
    "ratio_from": (lambda most: read(gzip.compress(PLAIN), ratio=1, ratio_from=most), len(PLAIN)),
    "entries": (lambda most: read(PLAIN, entries=most), 2),
    "extended": (lambda most: read(linked(), extended=most), 1024),
    "extended_total": (lambda most: read(linked(), extended_total=most), 2048),
    "attributes": (lambda most: read(attributed(), attributes=most), 2 * (20 + 64)),
    "path": (lambda most: read(named("p" * 200 + "/" + "q" * 100), path=most), 301),
    "component": (lambda most: read(named("p" * 90), component=most), 90),
    "depth": (lambda most: read(named("a/b/c"), depth=most), 3),
}
"""Of each limit of a layer: what reads one with that limit, and a value at which it may be read."""


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer(name: str) -> None:
    """At the limit a layer is read; far below what it needs, it is refused."""
    reads, enough = LAYERS[name]
    reads(enough)
    with pytest.raises(LimitExceeded, match=f"{VARIABLE}={name.removesuffix('_from')}="):
        reads(enough // 3)


def test_records_that_nobody_reads_are_not_kept() -> None:
    """An extended header may have 80,000 of them."""
    extensions = Extensions(Limits())
    extensions.take(b"x", b"".join(b"12 k%05d=x\n" % n for n in range(80_000)), 0)
    extensions.take(b"x", b"10 uid=42\n", 0)
    assert extensions.next() == {"uid": b"42"}


def layers_of(count: int) -> bytes:
    layer = Descriptor.of(b"x", OCI_LAYER)
    return Manifest.make(Descriptor.of(b"{}", OCI_CONFIG), [layer] * count).raw


def entries_of(count: int) -> bytes:
    return Index.make(
        [
            Descriptor.of(
                b"x",
                manifest.OCI_MANIFEST,
            )
        ]
        * count
    ).raw


def padded(size: int) -> bytes:
    raw = Config.make(AMD64, [], [], {}, None).raw
    return raw + b" " * (size - len(raw))


@pytest.mark.parametrize(
    ("reads", "most"),
    [
        (lambda n: manifest.parse(layers_of(n)), Limits().layers),
        (lambda n: manifest.parse(entries_of(n)), Limits().manifests),
        (lambda n: Config.parse(padded(n)), Limits().document),
    ],
    ids=["layers", "manifests", "bytes"],
)
def test_a_document(reads: Callable[[int], Any], most: int) -> None:
    """So many are read, and one more is not."""
    reads(most)
    with pytest.raises(LimitExceeded, match=str(most)):
        reads(most + 1)


def nested(store: Store, depth: int) -> Reference:
    """An image in an index in an index."""
    made = add_image(store, None)
    inner = Descriptor(made.media_type, made.digest, made.size, AMD64)
    for _ in range(depth):
        inner = store.put_bytes(Index.make([inner]).raw, OCI_INDEX)
    name = Reference.parse("deep:1")
    store.name(name, inner, None)
    return name


def test_depth(tmp_path: Path) -> None:
    """An index may list one that lists one, to that depth."""
    store = Store(tmp_path)
    assert Image.of(store, nested(store, Limits().index_depth), AMD64).layers
    with pytest.raises(LimitExceeded, match="over 8 deep"):
        Image.of(store, nested(store, Limits().index_depth + 1), AMD64)


def test_those_of_an_image_can_be_set(tmp_path: Path) -> None:
    """Its layers are read with the limits it has when they are asked for."""
    store = Store(tmp_path)
    add_image(store, "it:1", [{"a": b"", "b": b""}])
    image = store.image("it:1")
    image.limits = Limits(entries=1)
    with pytest.raises(LimitExceeded, match="2 entries"):
        image.layers[0].entries  # noqa: B018  reading them checks them
    assert len(store.image("it:1").layers[0].entries) == 2


def images_in(count: int) -> None:
    from test_archive import archive_of, classic

    [entry] = json.loads(str(classic()["manifest.json"], "utf-8"))  # type: ignore[arg-type]
    named = {"manifest.json": json.dumps([entry] * count).encode()}
    with Archive(io.BytesIO(archive_of({**classic(), **named})), "x.tar") as archive:
        assert len(archive.images) == count


def linked_in(count: int) -> None:
    from test_archive import archive_of, classic

    links = {f"{n}": ("symlink", f"{n + 1}") for n in range(count - 1)}
    members = classic(members={"a/layer.tar": ("symlink", "../0"), **links})
    members[str(count - 1)] = classic()["a/layer.tar"]
    with Archive(io.BytesIO(archive_of(members)), "x.tar") as archive:
        assert archive.images


def followed(count: int) -> None:
    links = [symlink(f"{n}", f"{n - 1}") for n in range(1, count + 1)]
    assert Overlay([layer_of(file("0", b"x"), *links)]).read(f"{count}") == b"x"


def looked_at(count: int) -> None:
    text = "/".join(["."] * (count - 3) + ["t"])
    assert Overlay([layer_of(file("t/x", b"x"), symlink("s", text))]).read("s/x") == b"x"


def implied(count: int) -> None:
    deep = [file(f"{n}/{'d/' * 249}x") for n in range(count // 250)]
    more = [file(f"more/{'d/' * (count % 250 - 1)}x")] * bool(count % 250)
    assert len(Overlay([layer_of(*deep, *more)]).paths) == count + len(deep + more)


def pages(count: int) -> None:
    """A registry with a list of tags of so many pages."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        number = int(dict(parse_qsl(environ["QUERY_STRING"])).get("last", 1))
        link = [("Link", f'<?last={number + 1}>; rel="next"')] if number < count else []
        start("200 OK", [("Content-Type", "application/json"), *link])
        return [b'{"tags":[]}']

    client = Client(mirror=EMBEDDED)
    transport.mount(client.session, answer)
    assert client.repository(Reference.parse("app")).tags() == []


def redirects(count: int) -> None:
    """A registry that sends a request on so often."""
    raw = layers_of(1)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        number = int(dict(parse_qsl(environ["QUERY_STRING"])).get("hop", 0))
        if number < count:
            start("307 Temporary Redirect", [("Location", f"?hop={number + 1}")])
            return []
        start("200 OK", [("Content-Type", manifest.OCI_MANIFEST)])
        return [raw]

    client = Client(mirror=EMBEDDED)
    transport.mount(client.session, answer)
    assert client.repository(Reference.parse("app")).resolve(Reference.parse("app:1"))


def added(size: int) -> None:
    """ADD of a tar that is cut off after a header that claims so many bytes."""
    member = tarfile.TarInfo("large")
    member.size = size
    head = member.tobuf(format=tarfile.GNU_FORMAT)
    with tempfile.TemporaryDirectory() as home:
        try:
            build("FROM scratch\nADD a.tar /", {"a.tar": head}, Store(home))
        except InvalidLayer as error:
            assert "cut off" in str(error) or "before the end" in str(error)  # noqa: PT017


def unpacked(size: int) -> None:
    """An image of two layers whose files have so many bytes, merged and unpacked in both ways."""
    layers = [layer_of(file("a", bytes(size - 10))), layer_of(file("b", bytes(10)))]
    with tempfile.TemporaryDirectory() as home:
        ways: list[Callable[[], object]] = [
            lambda: Overlay(layers),
            lambda: unpack(layers, f"{home}/merged"),
            lambda: unpack_layers(layers, f"{home}/layers"),
        ]
        refused = []
        for way in ways:
            try:
                way()
            except LimitExceeded as error:
                refused.append(error)
        assert (len(refused), len(os.listdir(home))) in ((0, 2), (3, 0))
    if refused:
        raise refused[0]


def deep(depth: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        store = Store(home)
        assert Image.of(store, nested(store, depth), AMD64).layers


def token(size: int) -> None:
    """A registry whose token comes in an answer of so many bytes."""
    challenge = f'Bearer realm="{EMBEDDED}/token"'

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/token":
            start("200 OK", [("Content-Type", "application/json")])
            return [b'{"token":"t"}'.ljust(size)]
        known = "HTTP_AUTHORIZATION" in environ
        start("200 OK" if known else "401 No", [("WWW-Authenticate", challenge)])
        return [b'{"tags":[]}']

    client = Client(mirror=EMBEDDED)
    transport.mount(client.session, answer)
    assert client.repository(Reference.parse("app")).tags() == []


SETTABLE: Final[dict[str, tuple[Callable[[int], Any], int]]] = {
    "entries": (lambda n: layer_of(*(file(f"{i}", b"") for i in range(n))).entries, 5),
    "implied": (implied, 300),
    "layers": (lambda n: manifest.parse(layers_of(n)), 200),
    "manifests": (lambda n: manifest.parse(entries_of(n)), 1500),
    "document": (lambda n: Config.parse(padded(n)), 5 << 20),
    "index_depth": (deep, 12),
    "image_unpacked": (unpacked, 5000),
    "token": (token, 2 << 20),
}
"""Of limits as the environment sets them, what takes so much, and how much."""


@pytest.mark.parametrize("name", SETTABLE)
def test_whoever_trusts_an_image_can_let_more_through(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment sets a limit; whoever meets it is told the name to set."""
    does, much = SETTABLE[name]
    monkeypatch.setenv(VARIABLE, f"{name}={much}")
    does(much)
    with pytest.raises(LimitExceeded, match=f"To let more through: {VARIABLE}={name}="):
        does(much + 1)


def test_every_settable_limit_is_tested() -> None:
    """None is forgotten."""
    assert LAYERS.keys() | SETTABLE.keys() == {field.name for field in fields(Limits)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Limits()),
        ("ratio=2000", Limits(ratio=2000)),
        (" ratio = 2000, entries=5,", Limits(ratio=2000, entries=5)),
    ],
)
def test_a_setting(text: str, found: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and numbers, after commas; what is not named is as it was."""
    monkeypatch.setenv(VARIABLE, text)
    assert current() == found


BIG: Final = "ratio=" + 5000 * "9"
"""More digits than Python makes a number of."""


@pytest.mark.parametrize(
    "text", ["ratio", "rate=5", "ratio=", "ratio=-1", "ratio=1e9", "ratio=²", BIG]
)
def test_a_wrong_setting(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is done, with all names that there are."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InvalidSetting, match=r"NAME=NUMBER.*unpacked, ratio, .*, image_unpacked"):
        current()
    done = subprocess.run(
        [sys.executable, "-m", "imgkit", "images"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"imgkit: {text!r} in IMGKIT_LIMITS is no limit")


def test_a_limit_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`IMGKIT_LIMITS=entries=1 imgkit verify` holds an image to it."""
    add_image(Store(tmp_path), "it:1", [{"a": b"", "b": b""}])
    monkeypatch.setenv("IMGKIT_HOME", str(tmp_path))
    for most, status in ((1, 1), (2, 0)):
        monkeypatch.setenv(VARIABLE, f"entries={most}")
        assert main(["verify", "it:1"]) == status


@pytest.mark.parametrize(
    ("does", "most", "says"),
    [
        (images_in, IMAGES, "1001 images"),
        (linked_in, LINKS, "over 10 times"),
        (followed, LINK_LIMIT, "nothing at"),
        (looked_at, STEP_LIMIT, "nothing at"),
        (implied, Limits().implied, "200001 directories"),
        (pages, PAGES, "over 500 pages"),
        (redirects, REDIRECTS, "sent us on 6 times"),
        (added, unarchive.UNPACKED, "at most 4294967296"),
    ],
)
def test_others(does: Callable[[int], None], most: int, says: str) -> None:
    """So many, and not one more."""
    does(most)
    with pytest.raises(ImgkitError, match=says):
        does(most + 1)


def test_a_file_that_is_read() -> None:
    """A file as large as the limit is read into memory, and no larger one."""
    layer = layer_of(file("f", b"12345"))
    assert layer.read("f", 5) == b"12345"
    with pytest.raises(LimitExceeded, match="5 bytes, and at most 4"):
        layer.read("f", 4)
    for reads in (Layer.read, Layer.read_entry, Overlay.read):
        assert inspect.signature(reads).parameters["limit"].default == READ_LIMIT


def test_the_table() -> None:
    """docs/limits.md has every limit with its value."""
    found = re.findall(r"^\| `([\w.]+)` \| (\d+) \|", TABLE.read_text(), re.MULTILINE)
    for name, value in found:
        module, _, last = name.rpartition(".")
        holder = importlib.import_module(f"imgkit.{module}") if module else Limits()
        assert getattr(holder, last) == int(value), name
    settable = [name for name, _ in found if "." not in name]
    assert settable == [field.name for field in fields(Limits)]
    assert len(found) - len(settable) == 10


# -- bombs --------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says it in /proc")
@pytest.mark.parametrize("form", bomb.BOMBS)
def test_a_bomb_of_ten_gigabytes(form: str, tmp_path: Path) -> None:
    """Whoever meets it gives up after two thirds of a gigabyte, in 200 MB, and leaves nothing.

    A pull takes the compressed bytes, which are as the manifest says. In xz and bzip2 there are no
    layers, but ADD takes them.
    """
    (tmp_path / "bomb").write_bytes(bomb.BOMBS[form](10 << 30))
    command = [sys.executable, bomb.__file__, tmp_path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    peak, said = json.loads(done.stdout)
    assert said.pop("pull bomb:1", "0 ").startswith("0 ")
    for line, what in said.items():
        assert re.match(r"1 .*gave [56]\d{8} already.*bomb", what, re.DOTALL), (line, what)
    assert peak < 200, said
    assert not (tmp_path / "root").exists()
    assert [row.name for row in Store(tmp_path / "home").records() if "it" in str(row.name)] == []

"""An image whose every text is an attack on what shows it; and all that shows it.

A script that ran would set `window.pwned`. The escape sequences erase a screen and colour what
follows; the marks reverse the order of letters.
"""

from __future__ import annotations

import gzip
import io
import json
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, Final

from images import tar_of

from imgkit import diagrams, magic, samples
from imgkit.build import Options
from imgkit.client import Exchange
from imgkit.config import Config, History
from imgkit.container import Container
from imgkit.container.terminal import Terminal
from imgkit.digest import Digest
from imgkit.errors import ImgkitError
from imgkit.figure import Figure
from imgkit.image import copy
from imgkit.lab import Lab
from imgkit.manifest import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor, Index, Manifest
from imgkit.platforms import Platform
from imgkit.rebuild import Rebuild
from imgkit.reference import Reference
from imgkit.selection import Selection
from imgkit.server import transport
from imgkit.sharing import Sharing, rehearse
from imgkit.store import Store
from imgkit.widgets import (
    BuildStepper,
    DigestLab,
    LayerExplorer,
    NameExplorer,
    OverlayStepper,
    PlatformPicker,
    PullMonitor,
    SharingMatrix,
    TerminalView,
)

LEFTWARD: Final = " \u05e9\u05dc\u05d5\u05dd 12 (3) "
"""Letters that turn the digits and brackets beside them, and are not escaped."""
STEER: Final = "\x1b[2J\x1b[31mred\x1b]0;owned\x07\x9b31m\r\x08\u202egnp.exe\u2066\u200f"
EVIL: Final = (
    "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    '"\'><svg/onload=window.pwned=1>&lt;b&gt;<a href="javascript:window.pwned=1">x</a></pre></td>'
    "</table></div></details><style>*{display:none}</style>" + LEFTWARD + STEER
)
FILE: Final = "<img src=x onerror=window.pwned=1>" + LEFTWARD + STEER
"""The same for a file name, which has no slash."""
LONG: Final = "W" * 200
NAME: Final = f"evil/{'w' * 100}:{'v' * 100}"
AMD64: Final = Platform("linux", "amd64")
ODD: Final = Platform(f"li{FILE}", FILE, None, FILE)
DOCKERFILE: Final = f"""\
FROM {NAME}
LABEL x="<img src=x onerror='window.pwned=1'>{LONG}"
RUN echo '<script>window.pwned=1</script>' > /new
COPY f /
"""


def put(store: Store, platform: Platform = AMD64) -> Descriptor:
    """Afterwards the store has the image, over Alpine's layer; not yet a name for it."""
    base, under = samples.image("alpine"), Reference.parse("alpine:latest")
    copy(samples.store(), store, under)
    layers = [
        {f"etc/{FILE}": EVIL.encode(), f"etc/{LONG}": EVIL.encode(), "etc/motd": EVIL.encode()},
        {f"etc/.wh.{FILE}": b"", f"{FILE}/{FILE}": b"\xff\x00" + EVIL.encode()},
    ]
    tars = [tar_of(files) for files in layers]
    settings = {
        "Cmd": ["sh"],
        "Env": [f"EVIL={EVIL}"],
        "Labels": {EVIL: EVIL, "long": LONG},
        "User": "",
        "WorkingDir": f"/{LONG}/{FILE}",
        "Entrypoint": None,
        "ExposedPorts": {EVIL: {}},
        "Volumes": {f"/{FILE}": {}},
    }
    steps = [History(f"RUN {EVIL}", EVIL, EVIL), History(f"COPY {LONG} {EVIL}", None, EVIL)]
    diff_ids = [*(layer.diff_id for layer in base.layers), *map(Digest.of, tars)]
    steps = [History("ADD alpine /"), *steps]
    config = Config.make(platform, diff_ids, steps, settings, None, EVIL)
    blobs = list(base.manifest.layers)
    blobs += [store.put_bytes(gzip.compress(tar, mtime=0), OCI_LAYER + "+gzip") for tar in tars]
    made = Manifest.make(store.put_bytes(config.raw, config.descriptor.media_type), blobs)
    return store.put_bytes(made.raw, OCI_MANIFEST)


def lab() -> Lab:
    """A lab whose registry has the image, and an index of it; its local repository has it, too."""
    made = Lab()
    office, name = made.registry.stores[0], Reference.parse(NAME)
    entries = [
        Descriptor(at.media_type, at.digest, at.size, platform)
        for platform in (AMD64, ODD)
        for at in [put(office, platform)]
    ]
    office.name(name, office.put_bytes(Index.make(entries).raw, OCI_INDEX), None)
    made.pull(NAME)
    return made


class Liar:
    """A registry that refuses everything, in its own words."""

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        error = {"code": EVIL, "message": EVIL, "detail": EVIL}
        body = json.dumps({"errors": [error]}).encode()
        start("403 Forbidden", [("Content-Length", str(len(body))), ("X-Evil", "<b>")])
        return [body]


def liar() -> Lab:
    """A lab whose registry is one."""
    made = Lab()
    transport.mount(made.http, Liar())
    return made


# -- all that shows it ----------------------------------------------------------------------------


def box() -> Container:
    return lab().run(NAME, "sh")


def explored(layer: int) -> LayerExplorer:
    made = LayerExplorer(lab().image(NAME))
    made.layer.value = layer
    made.path.value = next(path for _, path in made.path.options if "<img" in path)
    return made


def stepped() -> OverlayStepper:
    made = OverlayStepper(box(), f"/etc/{FILE}", "/etc")
    made.step("append", f"/etc/{LONG}", EVIL.replace("\r", ""))
    made.step("delete", "/etc/motd")
    made.step("delete", f"/nope{FILE}")
    return made


def built() -> BuildStepper:
    made = BuildStepper(lab(), DOCKERFILE, {"f": EVIL.encode(), FILE: b"x"})
    made.go.click()
    made.text.value = "FROM {}\nRUN {}\n".format(NAME, EVIL.replace("\r", ""))
    made.go.click()
    return made


def rebuilt() -> Rebuild:
    made = Rebuild(lab().store, DOCKERFILE, {"f": EVIL.encode()}, Options())
    made.build()
    return made


def digests() -> DigestLab:
    made = DigestLab(lab().image(NAME), find="<script>")
    made.change("config", "<script>", "x")
    made.find.value = EVIL
    return made


def picked() -> PlatformPicker:
    made = PlatformPicker(lab(), NAME, names=())
    made.platform.value = f"linux/{FILE}"
    made.platform.value = "linux/amd64"
    return made


def refused() -> PullMonitor:
    made = PullMonitor(liar(), ["redis", NAME])
    made.click()
    return made


def pulled() -> PullMonitor:
    made = PullMonitor(lab(), [NAME])
    made.click()
    return made


def shared() -> SharingMatrix:
    there = lab()
    there.run(NAME, "sh")
    made = SharingMatrix(there)
    made.pick(NAME, EVIL)
    return made


def typed() -> TerminalView:
    made = TerminalView(Terminal(box()))
    made.type("cat /etc/motd; ls -la /etc /")
    made.type(f"echo '<script>window.pwned=1</script>{STEER}'".replace("\r", ""))
    made.type("'<img src=x onerror=window.pwned=1>'")
    return made


def selected() -> Selection:
    there = lab()
    return Selection.of(there.repository(NAME), Reference.parse(NAME), AMD64)


def asked() -> Figure:
    there = lab()
    done = Lab.pull(there, NAME)
    line = Exchange("GET", f"{there.url}/v2/{FILE}/manifests/{FILE}", 200, 9)
    return diagrams.conversation([*done.requests, line], done.copied)


WIDGETS: Final[dict[str, Callable[[], Any]]] = {
    "LayerExplorer, layer 2": lambda: explored(2),
    "LayerExplorer, layer 3": lambda: explored(3),
    "OverlayStepper": stepped,
    "BuildStepper": built,
    "DigestLab": digests,
    "PlatformPicker": picked,
    "NameExplorer": lambda: NameExplorer(EVIL, [EVIL, LONG]),
    "PullMonitor, refused": refused,
    "PullMonitor": pulled,
    "SharingMatrix": shared,
    "TerminalView": typed,
}

FIGURES: Final[dict[str, Callable[[], Figure]]] = {
    "image_parts": lambda: diagrams.image_parts(lab().image(NAME)),
    "hash_chain": lambda: diagrams.hash_chain(lab().image(NAME), 1),
    "sharing": lambda: diagrams.sharing(Sharing.of(lab().store)),
    "removals": lambda: diagrams.removals([rehearse(lab().store, [NAME, EVIL])]),
    "lookup": lambda: diagrams.lookup(box(), f"/etc/{FILE}"),
    "containers": lambda: diagrams.containers([box()]),
    "platforms": lambda: diagrams.platforms(selected()),
    "build_cache": lambda: diagrams.build_cache(rebuilt().runs),
    "conversation": asked,
    "name_parts": lambda: diagrams.name_parts(NAME),
}

LINES: Final = (
    f"inspect {NAME}",
    f"history --no-trunc {NAME}",
    f"history {NAME}",
    f"images --filter label={shlex.quote(EVIL)}",
    f"run {NAME} cat /etc/motd",
    f"run {NAME} ls -R /",
    f"inspect --format '{{{{json .Config}}}}' {NAME}",
    "inspect --format '{{.Config.Labels}}{{.Author}}{{.Config.Env}}' " + NAME,
    f"explore {NAME}",
    f"pull {shlex.quote(EVIL)}",
    "ps -a --no-trunc",
    f"nonsense{shlex.quote(EVIL)}",
)
"""What `%docker` is told, on that image."""


def said(line: str, there: Lab | None = None) -> str:
    """What `%docker` writes to the notebook."""
    Lab.newest = there or lab()
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        magic.carry_out(line)
    return out.getvalue()


def errors() -> list[str]:
    """What a cell shows that ends with an error of ours."""
    found = []
    for do in (
        lambda: liar().pull("redis"),
        lambda: lab().image(NAME).layers[0].read(f"nope{FILE}"),
        lambda: Reference.parse(EVIL),
        lambda: box().sh(EVIL),
        lambda: Platform.parse(EVIL),
    ):
        try:
            do()
        except ImgkitError as error:
            found += error._render_traceback_()
    return found


def show_all() -> None:
    """In a notebook: everything that shows the image, one after another."""
    from IPython.display import display

    for make in (*WIDGETS.values(), *FIGURES.values()):
        display(make())
    for line in LINES:
        sys.stdout.write(said(line))
    sys.stdout.write(said("pull redis", liar()))
    sys.stdout.write("\n".join(errors()))

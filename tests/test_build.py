"""Builds: which step makes a layer, what comes from the cache, what is copied, what is refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from images import AMD64, add_image

from imgkit.build import Builder, Built, Options, build
from imgkit.build.patterns import Ignore, matches
from imgkit.config import Config
from imgkit.digest import Digest
from imgkit.errors import (
    BuildFailed,
    CannotRun,
    ExecFailed,
    ImgkitError,
    InvalidDockerfile,
    InvalidLayer,
    InvalidReference,
    NotFound,
    UnsafePath,
)
from imgkit.image import verify
from imgkit.layer import pack
from imgkit.manifest import OCI_CONFIG, OCI_LAYER, Manifest
from imgkit.platforms import Platform
from imgkit.reference import Reference
from imgkit.store import Store
from imgkit.tar.entry import Entry, Kind

CLOCK: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
PROGRAM: Final = bytes([127]) + b"ELF program"
PROGRAMS: Final = ("sh", "cat", "cp", "echo", "id", "ln", "mkdir", "rm", "true", "false", "touch")

# An instruction after FROM base -> whether it makes a layer, and how the history tells it.
STEPS: Final = [
    ('RUN echo "hello" > /file1', True, '/bin/sh -c echo "hello" > /file1'),
    ("RUN true", False, "/bin/sh -c true"),
    ('RUN ["touch", "/a b"]', True, "touch /a b"),
    ("WORKDIR /etc", False, "/bin/sh -c #(nop) WORKDIR /etc"),
    ("WORKDIR app/./x", True, "/bin/sh -c #(nop) WORKDIR /app/x"),
    ("COPY a.txt /new/", True,
     ("/bin/sh -c #(nop) COPY "
     "file:a596f0888def06c3cad1442667ede22d419985a1c8a3155b838b650c4cf52ecc in /new/ ")),
    ("ENV A=1 B='x y'", False, "/bin/sh -c #(nop)  ENV A=1 B=x y"),
    ("ARG A=1", False, "/bin/sh -c #(nop)  ARG A=1"),
    ("ARG A", False, "/bin/sh -c #(nop)  ARG A"),
    ("USER me", False, "/bin/sh -c #(nop)  USER me"),
    ("CMD a b", False, '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "a b"]'),
    ('ENTRYPOINT ["a"]', False, '/bin/sh -c #(nop)  ENTRYPOINT ["a"]'),
    ("EXPOSE 80 53/udp", False, "/bin/sh -c #(nop)  EXPOSE 53/udp 80"),
    ("LABEL a=b", False, "/bin/sh -c #(nop)  LABEL a=b"),
    ("VOLUME /a /b", False, "/bin/sh -c #(nop)  VOLUME [/a /b]"),
    ('SHELL ["/bin/sh", "-e", "-c"]', False, "/bin/sh -e -c #(nop)  SHELL [/bin/sh -e -c]"),
    ("STOPSIGNAL 9", False, "/bin/sh -c #(nop)  STOPSIGNAL 9"),
    ("ONBUILD RUN x", False, "/bin/sh -c #(nop)  ONBUILD RUN x"),
    ("MAINTAINER me", False, "/bin/sh -c #(nop)  MAINTAINER me"),
]  # fmt: skip

# Instructions that can be read but not carried out -> what is said.
REFUSED: Final = [
    ("COPY nope /", ("COPY failed: file not found in build context or excluded by .dockerignore: "
     "stat nope: file does not exist")),
    ("COPY ../nope /", "COPY failed: forbidden path outside the build context: ../nope ()"),
    ("COPY a.txt a.txt b", ("When using COPY with more than one source file, the destination must "
     "be a directory and end with a /")),
    ("COPY no* /", "COPY failed: no source files were specified"),
    ("COPY [ /", "syntax error in pattern"),
    ("COPY --from=5 /a /b", "invalid from flag value 5: index out of bounds"),
    ("COPY --from=0 /a /b", "invalid from flag value 0: refers to current build stage"),
    ("COPY --chown=who a.txt /", "can't find uid for user who: no such user: who"),
    ("COPY --chmod=rwx a.txt /", "invalid chmod parameter"),
    ("COPY a.txt /bin/sh/x", "Not a directory"),
    ("ADD https://example.com/x /", "fetched over a network, and there is none here"),
    ("RUN exit 3", "The command '/bin/sh -c exit 3' returned a non-zero code: 3"),
    ("EXPOSE abc", "Invalid containerPort: abc"),
    ("EXPOSE 70000", "Invalid containerPort: 70000"),
    ("STOPSIGNAL foo", "Invalid signal: foo"),
    ("HEALTHCHECK --interval=1 CMD x", "--interval must be a time"),
    ("HEALTHCHECK --retries=x CMD x", "--retries must be a number"),
    ("WORKDIR $none", "cannot normalize nothing"),
    ("VOLUME $none", "VOLUME specified can not be an empty string"),
]  # fmt: skip

# The lines of a .dockerignore -> what it leaves of PATHS.
PATHS: Final = ("a.md", "b.txt", "doc/a.md", "doc/deep/c.md", "doc/x.txt", "tmp/x", "tmp/y/z")
IGNORED: Final = [
    ("", "a.md b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    ("*.md", "b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    ("**/*.md", "b.txt doc/x.txt tmp/x tmp/y/z"),
    ("/doc", "a.md b.txt tmp/x tmp/y/z"),
    ("tmp/", "a.md b.txt doc/a.md doc/deep/c.md doc/x.txt"),
    ("./tmp/../tmp", "a.md b.txt doc/a.md doc/deep/c.md doc/x.txt"),
    ("*/x", "a.md b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/y/z"),
    ("doc\n!doc/a.md", "a.md b.txt doc/a.md tmp/x tmp/y/z"),
    ("!a.md\n*.md", "b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    ("*\n!tmp/y", "tmp/y/z"),
    ("doc/**", "a.md b.txt tmp/x tmp/y/z"),
    ("doc/**/c.md", "a.md b.txt doc/a.md doc/x.txt tmp/x tmp/y/z"),
    ("# a.md\n  \n?.md", "b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    ("[ab].*", "doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    ("[^a].*", "a.md doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
    (".", "a.md b.txt doc/a.md doc/deep/c.md doc/x.txt tmp/x tmp/y/z"),
]


def base(store: Store, name: str = "base", **settings: Any) -> None:
    """Afterwards the store has an image with a shell and a few programs."""
    entries = [(Entry("bin", Kind.DIR, 0o755), b""), (Entry("etc", Kind.DIR, 0o755), b"")]
    entries += [(Entry(f"bin/{name}", mode=0o755), PROGRAM) for name in PROGRAMS]
    entries += [(Entry("etc/passwd"), b"root:x:0:0::/:/bin/sh\nme:x:7:8::/:/bin/sh\n")]
    entries += [(Entry("etc/group"), b"root:x:0:\nme:x:8:\n")]
    tar = pack(entries)
    layer = store.put_bytes(gzip.compress(tar, mtime=0), OCI_LAYER + "+gzip")
    config = Config.make(Platform.here(), [Digest.of(tar)], [], settings)
    made = Manifest.make(store.put_bytes(config.raw, OCI_CONFIG), [layer])
    store.name(Reference.parse(f"{name}:latest"), store.put_bytes(made.raw, made.media_type), None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "home")
    base(made)
    return made


def make(
    store: Store, text: str, context: Path | Mapping[str, bytes] | None = None, **options: Any
) -> Built:
    """Build upon `base`, at a fixed time; what comes out is sound."""
    tag = options.pop("tag", ())
    given = {"a.txt": b"a\n"} if context is None else context
    how = Options(**{"clock": lambda: CLOCK, **options})
    built = build(f"FROM base\n{text}", given, store, tag, how)
    assert verify(built.image) == []
    return built


def files(built: Built) -> dict[str, bytes]:
    """What the last layer adds."""
    layer = built.image.layers[-1]
    return {e.path: layer.read_entry(e) for e in layer.changes if e.kind is Kind.FILE}


def cached(built: Built) -> list[bool]:
    return [step.cached for step in built.steps]


# -- layers and config -----------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "makes_layer", "told"), STEPS)
def test_steps(store: Store, text: str, makes_layer: bool, told: str) -> None:
    """RUN, COPY, ADD make a layer, WORKDIR where it makes a directory; all else is an empty one."""
    built = make(store, text)
    last = built.image.config.history[-1]
    assert (last.created_by, last.empty_layer) == (told, not makes_layer)
    assert len(built.image.layers) == 1 + makes_layer
    assert bool(built.steps[-1].layer) is makes_layer
    assert last.created == "2024-05-01T12:00:00Z"


def test_the_documents_example(store: Store) -> None:
    """Each RUN leaves one layer with one file, and the base image's layers stay below."""
    built = make(store, 'RUN echo "hello" > /file1\nRUN echo "world" > /file2', tag="app")
    base_image = store.image("base")
    assert [layer.digest for layer in built.image.layers[:-2]] == [
        layer.digest for layer in base_image.layers
    ]
    assert [[e.path for e in layer.entries] for layer in built.image.layers[-2:]] == [
        ["file1"],
        ["file2"],
    ]
    assert built.image.overlay.read("/file1") == b"hello\n"
    assert store.image("app").id == built.id
    assert built.steps[-1].image == built.id


def test_a_deletion_is_a_whiteout(store: Store) -> None:
    """What a later RUN removes is hidden, and stays in the layer below."""
    built = make(store, "RUN echo secret > /key\nRUN rm /key")
    assert built.image.layers[-1].whiteouts == {"key"}
    assert built.image.layers[-2].read("key") == b"secret\n"
    assert "key" not in built.image.overlay


def test_settings_of_the_config(store: Store) -> None:
    """What the instructions say is in the config; ENV and LABEL add to those of the base."""
    base(store, "base", Env=["PATH=/bin", "A=0"], Labels={"x": "y"}, Cmd=["sh"])
    text = 'ENV A=1 B=$A\nLABEL l=$A\nUSER me\nWORKDIR /w\nEXPOSE 80\nENTRYPOINT ["e"]\nVOLUME /v'
    assert make(store, text).image.config.settings == {
        "Env": ["PATH=/bin", "A=1", "B=0"],
        "Labels": {"x": "y", "l": "1"},
        "User": "me",
        "WorkingDir": "/w",
        "ExposedPorts": {"80/tcp": {}},
        "Entrypoint": ["e"],
        "Volumes": {"/v": {}},
    }


def test_entrypoint_takes_the_bases_cmd_away(store: Store) -> None:
    """A CMD of the same stage stays."""
    base(store, "base", Cmd=["sh"])
    assert "Cmd" not in make(store, 'ENTRYPOINT ["e"]').image.config.settings
    assert make(store, 'CMD ["c"]\nENTRYPOINT ["e"]').image.config.settings["Cmd"] == ["c"]


def test_author(store: Store) -> None:
    """MAINTAINER is the author in the config."""
    assert b'"author":"me"' in make(store, "MAINTAINER me").image.config.raw


def test_volumes_keep_nothing(store: Store) -> None:
    """What a RUN writes to a volume is gone with its container; the directory stays."""
    built = make(store, "VOLUME /v\nRUN echo lost > /v/x && echo kept > /y")
    assert built.image.overlay.listdir("/v") == []
    assert "y" in built.image.overlay
    built = make(store, "RUN mkdir /v && echo 1 > /v/old\nVOLUME /v\nRUN rm /v/old")
    assert built.image.overlay.read("/v/old") == b"1\n"


def test_a_build_of_from_alone_is_its_base(store: Store) -> None:
    """Without a step nothing is made, and the base image gets the name."""
    assert make(store, "", tag="again").id == store.image("base").id
    assert store.image("again").digest == store.image("base").digest


def test_scratch(store: Store) -> None:
    """FROM scratch begins with nothing: one COPY, one layer."""
    built = build(
        "FROM scratch\nCOPY a.txt /", {"a.txt": b"a\n"}, store, (), Options(platform=AMD64)
    )
    assert verify(built.image) == []
    assert built.image.overlay.paths == ["a.txt"]
    assert built.image.config.platform == AMD64
    with pytest.raises(BuildFailed, match=r"No image was generated. Is your Dockerfile empty\?"):
        build("FROM scratch", {}, store)


# -- arguments and stages --------------------------------------------------------------------------


def test_arguments(store: Store) -> None:
    """An ARG is known from its line on, to RUN and to words; ENV hides it; the history has it."""
    text = "RUN echo is:$A > /1\nARG A=x\nRUN echo is:$A > /2\nENV A=e\nRUN echo is:$A > /3"
    built = make(store, text, args={"A": "given"})
    assert [built.image.overlay.read(f"/{n}") for n in "123"] == [
        b"is:\n",
        b"is:given\n",
        b"is:e\n",
    ]
    assert built.image.config.history[2].created_by == "|1 A=given /bin/sh -c echo is:$A > /2"
    assert built.image.config.history[-1].created_by == "/bin/sh -c echo is:$A > /3"


def test_arguments_before_from(store: Store) -> None:
    """They are for FROM lines; a stage that wants one names it again."""
    text = "ARG image=base\nARG v=1\nFROM $image\nRUN echo is:$v > /1\nARG v\nRUN echo is:$v > /2"
    built = build(text, {}, store)
    assert [built.image.overlay.read(f"/{n}") for n in "12"] == [b"is:\n", b"is:1\n"]
    with pytest.raises(BuildFailed, match="should not be blank"):
        build("FROM $none", {}, store)


def test_predefined_arguments_are_not_told(store: Store) -> None:
    """A proxy is known to RUN without an ARG, and stands in no history."""
    built = make(store, "RUN echo $HTTP_PROXY > /p", args={"HTTP_PROXY": "secret"})
    assert files(built) == {"p": b"secret\n"}
    assert "secret" not in str(built.image.config.history)


def test_stages(store: Store) -> None:
    """COPY --from takes from a stage by name or number, with its owners, and nothing else."""
    text = (
        "FROM base AS one\nRUN echo built > /out && mkdir /dir\nCOPY --chown=me:me a.txt /dir/\n"
        "FROM base\nCOPY --from=one /out /got\nCOPY --from=0 /dir /dir"
    )
    built = build(text, {"a.txt": b"a\n"}, store)
    assert verify(built.image) == []
    assert built.image.overlay.read("/got") == b"built\n"
    assert "out" not in built.image.overlay
    entry = built.image.overlay.get("/dir/a.txt").entry
    assert (entry.uid, entry.gid) == (7, 8)
    assert [step.stage for step in built.steps] == [0, 0, 0, 1, 1, 1]


def test_a_stage_from_a_stage(store: Store) -> None:
    """FROM may name an earlier stage; what was made there is there."""
    built = build("FROM base AS one\nRUN echo 1 > /x\nFROM one\nRUN cat /x > /y", {}, store)
    assert verify(built.image) == []
    assert built.image.overlay.read("/y") == b"1\n"


def test_target(store: Store) -> None:
    """A build ends with the stage that is asked for, and counts its steps accordingly."""
    text = "FROM base AS one\nRUN echo 1 > /x\nFROM base AS two\nRUN false"
    built = build(text, {}, store, (), Options(target="one"))
    assert [(step.number, step.total) for step in built.steps] == [(1, 2), (2, 2)]
    with pytest.raises(BuildFailed, match="failed to reach build target three"):
        build(text, {}, store, (), Options(target="three"))


def test_copy_from_another_image(store: Store) -> None:
    """COPY --from may name an image of the local repository."""
    add_image(store, "other", [{"etc/motd": b"hi"}], Platform.here())
    assert files(make(store, "COPY --from=other /etc/motd /m")) == {"m": b"hi"}


def test_triggers(store: Store) -> None:
    """ONBUILD waits for the build that starts from the image, and is done once."""
    make(store, "ONBUILD RUN echo later > /later", tag="parent")
    said: list[str] = []
    child = build("FROM parent\nRUN true", {}, store, "child", Options(say=said.append))
    assert child.image.overlay.read("/later") == b"later\n"
    assert "# Executing 1 build trigger" in said
    assert "OnBuild" not in child.image.config.settings


def test_base_images_are_pulled(store: Store, tmp_path: Path) -> None:
    """A base that is not in the local repository is asked of the puller; without one, refused."""
    asked: list[str] = []

    def pull(reference: Reference, platform: Platform | None) -> None:
        asked.append(reference.familiar)
        add_image(store, "far:1", platform=Platform.here())

    assert (
        build("FROM far:1", {}, store, (), Options(pull=pull)).image.overlay.read("/etc/motd")
        == b"hello"
    )
    assert asked == ["far:1"]
    with pytest.raises(NotFound, match="nowhere:1 is not in the local repository"):
        build("FROM nowhere:1", {}, store)


# -- the cache -------------------------------------------------------------------------------------


def test_unchanged_steps_come_from_the_cache(store: Store) -> None:
    """The second build makes nothing; another process's cache is on disk."""
    text = "ENV A=1\nRUN echo 1 > /1\nCOPY a.txt /\nWORKDIR /w"
    first, said = make(store, text), []
    again = make(Store(store.home), text, say=said.append)
    assert cached(first) == [False] * 5
    assert cached(again) == [False, True, True, True, True]
    assert again.id == first.id
    assert said.count(" ---> Using cache") == 4
    assert [s.layer for s in again.steps] == [s.layer for s in first.steps]


def test_a_changed_step_and_all_after_it_are_done_again(store: Store) -> None:
    """The steps above it come from the cache; those below do not, though they read the same."""
    make(store, "RUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3")
    again = make(store, "RUN echo 1 > /1\nRUN echo two > /2\nRUN echo 3 > /3")
    assert cached(again) == [False, True, False, False]


def test_copy_is_cached_by_content(store: Store, tmp_path: Path) -> None:
    """A file's time does not matter; its content, mode and name do."""
    folder = tmp_path / "context"
    folder.mkdir()
    path = folder / "a.txt"
    path.write_text("1")

    def is_cached() -> bool:
        return cached(make(store, "COPY . /", folder))[-1]

    assert not is_cached()
    path.touch()
    assert is_cached()
    path.chmod(0o600)
    assert not is_cached()
    path.write_text("2")
    assert not is_cached()
    path.rename(folder / "b.txt")
    assert not is_cached()
    assert is_cached()


def test_no_cache(store: Store) -> None:
    """With --no-cache every step is done again; the next build may use them."""
    make(store, "RUN echo 1 > /1")
    assert cached(make(store, "RUN echo 1 > /1", no_cache=True)) == [False, False]
    assert cached(make(store, "RUN echo 1 > /1")) == [False, True]


def test_an_argument_that_a_run_can_see_changes_it(store: Store) -> None:
    """Another --build-arg, another step; one that is not declared yet changes nothing."""
    text = "RUN echo 1 > /1\nARG A\nRUN echo 2 > /2"
    make(store, text, args={"A": "1"})
    assert cached(make(store, text, args={"A": "2"})) == [False, True, True, False]


def test_a_cached_layer_that_is_gone_is_made_again(store: Store) -> None:
    """An entry of the cache whose blobs were deleted, or that is damaged, is none."""
    built = make(store, "RUN echo 1 > /1")
    store.path(built.image.layers[-1].digest).unlink()
    assert cached(make(store, "RUN echo 1 > /1")) == [False, False]
    for path in (store.home / "cache").iterdir():
        path.write_text('{"config": 1}')
    assert cached(make(store, "RUN echo 1 > /1")) == [False, False]


def test_the_same_everywhere(tmp_path: Path) -> None:
    """With the same clock, two repositories get the same IDs and say the same lines."""
    results = []
    for name in ("one", "two"):
        store, said = Store(tmp_path / name), []
        base(store)
        built = make(store, "COPY a.txt /\nRUN echo 1 > /1", tag="app", say=said.append)
        results.append((built.id, built.image.config.diff_ids, said))
    assert results[0] == results[1]


# -- what is copied --------------------------------------------------------------------------------


@pytest.mark.parametrize(("rules", "left"), IGNORED)
def test_dockerignore(store: Store, tmp_path: Path, rules: str, left: str) -> None:
    """What a .dockerignore leaves of a context, in a directory and in memory alike."""
    content = {path: path.encode() for path in PATHS}
    folder = tmp_path / "context"
    for path in PATHS:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content[path])
    (folder / ".dockerignore").write_text(rules + "\n.dockerignore")
    in_memory = {**content, ".dockerignore": f"{rules}\n.dockerignore".encode()}
    wanted = {f"c/{path}": content[path] for path in left.split()}
    assert files(make(store, "COPY . /c", folder)) == wanted
    assert files(make(store, "COPY . /c", in_memory, no_cache=True)) == wanted


def test_an_exclamation_mark_alone_is_refused() -> None:
    """It takes nothing in."""
    with pytest.raises(BuildFailed, match="illegal exclusion pattern"):
        Ignore(["!"])


def test_patterns_match_names_with_odd_characters() -> None:
    """A backslash takes the meaning away; in a COPY `**` is nothing special."""
    assert matches(r"a\*", "a*")
    assert not matches(r"a\*", "ab")
    assert not matches("**", "a/b")
    assert matches("a[b-d]?.txt", "acx.txt")
    assert not matches("*", "a/b")


def test_symlinks_never_lead_out_of_the_context(store: Store, tmp_path: Path) -> None:
    """An absolute or climbing symlink is a path inside the context, where nothing is."""
    (tmp_path / "victim").write_text("secret")
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "absolute").symlink_to(tmp_path / "victim")
    (folder / "climbing").symlink_to("../victim")
    (folder / "up").symlink_to("..")
    for source in ("absolute", "climbing", "up/victim"):
        with pytest.raises(BuildFailed, match="file does not exist"):
            make(store, f"COPY {source} /x", folder)
    built = make(store, "COPY . /all", folder)
    assert files(built) == {}
    assert built.image.overlay.get("/all/climbing").entry.link == "../victim"


def test_symlinks_never_lead_out_of_the_image(store: Store, tmp_path: Path) -> None:
    """A symlink to / in the image is its own root, whatever is copied through it."""
    built = make(store, "RUN ln -s ../../../tmp /out\nCOPY a.txt /out/x/")
    assert files(built) == {"tmp/x/a.txt": b"a\n"}


def test_a_missing_context(store: Store, tmp_path: Path) -> None:
    """It is said which directory cannot be read."""
    with pytest.raises(ImgkitError, match="cannot read the build context"):
        make(store, "COPY . /", tmp_path / "nowhere")


def test_modes_and_owners(store: Store) -> None:
    """--chmod and --chown are for everything that is copied; names are looked up in the image."""
    built = make(store, "COPY --chown=me --chmod=751 a.txt /x/")
    entry = built.image.overlay.get("/x/a.txt").entry
    assert (entry.mode, entry.uid, entry.gid) == (0o751, 7, 8)
    assert built.image.overlay.get("/x").entry.uid == 7


def tar_of(*members: tuple[str, bytes], link: str = "") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if link and name == "link":
                member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member, io.BytesIO(content))
    return raw.getvalue()


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_add_unpacks_a_tar(store: Store, squeeze: Any) -> None:
    """However it is compressed and whatever it is called; COPY does not."""
    archive = squeeze(tar_of(("d/f", b"hello")))
    assert files(make(store, "ADD x /x", {"x": archive})) == {"x/d/f": b"hello"}
    assert files(make(store, "COPY x /x", {"x": archive})) == {"x": archive}


@pytest.mark.parametrize(
    ("archive", "error"),
    [
        (tar_of(("a", b""), ("../x", b"")), UnsafePath),
        (tar_of(("link", b""), ("link/x", b""), link="/etc"), UnsafePath),
        (tar_of(("a", b"x" * 4000))[:3000], InvalidLayer),
        (gzip.compress(tar_of(("a", bytes(70_000)), ("b", b"x")))[:-20], InvalidLayer),
        (lzma.compress(tar_of(("a", bytes(70_000)), ("b", b"x")))[:-20], InvalidLayer),
    ],
)
def test_add_refuses_bad_tars(store: Store, archive: bytes, error: type[ImgkitError]) -> None:
    """They go through the strict reader of layers, and no image comes of them."""
    with pytest.raises(error):
        make(store, "ADD x.tar /x", {"x.tar": archive}, tag="bad")
    assert [record.name for record in store.records()] == ["docker.io/library/base:latest"]


def test_add_of_what_only_looks_compressed(store: Store) -> None:
    """A file that is no tar is copied as it is, compressed or not."""
    for content in (gzip.compress(b"hello"), b"", bytes(2000), b"text" * 500):
        assert files(make(store, "ADD x /x", {"x": content})) == {"x": content}


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_refused_steps(store: Store, text: str, reason: str) -> None:
    """What cannot be carried out says why, with its line; nothing half-built gets the name."""
    make(store, "RUN echo old > /old", tag="app")
    before = store.image("app").id
    with pytest.raises(BuildFailed) as caught:
        make(store, f"RUN true\n{text}", tag="app")
    assert reason in str(caught.value)
    assert store.image("app").id == before
    if "pattern" not in reason:
        assert (caught.value.line, caught.value.text) == (3, text)


def test_what_cannot_be_simulated(store: Store) -> None:
    """A program that is really there cannot run here, and one that is not there is not found."""
    base(store, "base")
    make(store, "COPY --chmod=755 app /", {"app": PROGRAM}, tag="base")
    with pytest.raises(CannotRun, match=r"^line 2, RUN /app: "):
        make(store, "RUN /app")
    with pytest.raises(ExecFailed, match=r"^line 2, RUN \[\"nosuch\"\]: "):
        make(store, 'RUN ["nosuch"]')


def test_bad_variables_name_their_line(store: Store) -> None:
    """A quote or a brace that is left open is found when its step is carried out."""
    for text in ("ENV A=${B", "COPY '/a.txt /"):
        with pytest.raises(InvalidDockerfile) as caught:
            make(store, text)
        assert str(caught.value).startswith(f"line 2, {text}: ")
        assert caught.value.line == 2


def test_too_many_layers(store: Store) -> None:
    """The 126th layer is refused, as in Docker."""
    add_image(store, "deep", [{f"f{n}": b""} for n in range(125)], Platform.here())
    with pytest.raises(BuildFailed, match="max depth exceeded"):
        build("FROM deep\nCOPY a.txt /", {"a.txt": b"a"}, store)


def test_bad_names_are_refused_before_anything_is_done(store: Store) -> None:
    """No step is carried out for a tag that nothing can have."""
    said: list[str] = []
    with pytest.raises(InvalidReference):
        make(store, "RUN true", tag="UPPER", say=said.append)
    with pytest.raises(BuildFailed, match="a digest is what an image has"):
        make(store, "RUN true", tag=f"app@{Digest.of(b'')}", say=said.append)
    assert said == []


# -- a step at a time ------------------------------------------------------------------------------


def test_step_by_step(store: Store) -> None:
    """Nothing is done before it is asked for; the image is there after each step."""
    said: list[str] = []
    text = "FROM base\nENV A=1\nRUN echo 1 > /1"
    builder = Builder(text, {}, store, Options(say=said.append, clock=lambda: CLOCK))
    assert said == ["Sending build context to Docker daemon  2.048kB"]
    steps = iter(builder)
    assert next(steps).instruction.verb == "FROM"
    second = next(steps)
    assert (second.number, second.total, second.layer) == (2, 3, None)
    assert builder.steps[-1] == second
    built = builder.finish("app:1", "app:2")
    assert store.image("app:1").id == store.image("app:2").id == built.id
    assert said[-2:] == ["Successfully tagged app:1", "Successfully tagged app:2"]


def test_arguments_that_nobody_asked_for(store: Store) -> None:
    """They are named at the end."""
    said: list[str] = []
    make(store, "RUN true", args={"zz": "1"}, say=said.append)
    assert "[Warning] One or more build-args [zz] were not consumed" in said


def test_labels_from_outside(store: Store) -> None:
    """Each --label is one more LABEL at the end, whose value is taken as it is."""
    said: list[str] = []
    labels = {"z": "it's $A", "a": "b"}
    built = make(store, "ENV A=1", labels=labels, say=said.append)
    assert built.image.config.settings["Labels"] == labels
    assert {"Step 3/4 : LABEL a=b", "Step 4/4 : LABEL z=it's $A"} < set(said)


def test_a_base_for_arm64_v8_is_one_for_arm64(store: Store) -> None:
    """--platform linux/arm64 takes what runs there, as Docker's matcher does, and nothing else."""
    add_image(store, "eight:1", platform=Platform("linux", "arm64", "v8"))
    wanted = Options(platform=Platform.parse("linux/arm64"))
    built = build("FROM eight:1\nENV A=1", {}, store, (), wanted)
    assert built.image.config.platform.variant == "v8"
    with pytest.raises(BuildFailed, match="is here for linux/arm64/v8, and not for linux/amd64"):
        build("FROM eight:1\nENV A=1", {}, store, (), Options(platform=AMD64))

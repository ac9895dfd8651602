"""Each claim about overlays: what it says will happen, the simulation, the kernel, the record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from imgkit import kernel
from imgkit.kernel import Kernel, evidence, why_not
from imgkit.kernel.claims import CLAIMS, Claim
from imgkit.kernel.evidence import ONLY_ROOT, Outcome, asked, observed, recorded, simulated
from imgkit.mount.facts import of_tree

D: Final = "directory 0755"
OPAQUE: Final = f"{D} trusted.overlay.opaque=y"
F: Final = "file 0644 'hello'"
NUL: Final = r"\x00"

# What each call answers, and what is in upper then, written down from the rules of overlayfs.
ROWS: Final[dict[str, tuple[list[str], dict[str, str]]]] = {
    "merge": (["a b c", "1", "2"], {}),
    "file-hides": (["c"], {}),
    "whiteout-below": (["b", "ENOENT"], {}),
    "opaque-below": (["b", "ENOENT"], {}),
    "whiteout-of-nothing": (["a", "ENOENT"], {}),
    "whiteout-in-opaque": (["a", "ENOENT"], {}),
    "whiteout-by-mark": (["kept", "ENOENT"], {}),
    "symlink-hides": (["r", "new"], {}),
    "aufs-name": (["done", ".wh.f f sub"], {"d": D, "d/.wh.f": "file 0644 'x'"}),
    "mknod": (["EPERM"], {}),
    "read": (["hello", "f sub"], {}),
    "copy-up": (["done", "hello!"], {"d": D, "d/f": "file 0644 'hello!'"}),
    "open-copies": (["done"], {"d": D, "d/f": F}),
    "truncate": (["done"], {"d": D, "d/f": "file 0644 ''"}),
    "chmod": (["done"], {"d": D, "d/f": "file 0600 'hello'"}),
    "chown": (["done"], {"d": D, "d/f": F}),
    "utime": (["done"], {"d": D, "d/f": F}),
    "chmod-directory": (["done", "f sub"], {"d": "directory 0700"}),
    "setuid-kept": (["done"], {"su": "file 4755 'su!'"}),
    "through-symlink": (["done"], {"d": D, "d/f": "file 0644 'hello!'"}),
    "own-symlink": (["done"], {"link": "symlink -> d/f"}),
    "unlink": (["done", "sub", "ENOENT"], {"d": D, "d/f": "whiteout"}),
    "unlink-own": (["done", "done"], {"d": D}),
    "create-over-whiteout": (["done", "done"], {"d": D, "d/f": "file 0644 'new'"}),
    "remake-directory": (["done", "done"], {"empty": OPAQUE}),
    "file-to-directory": (["done", "done"], {"d": D, "d/f": OPAQUE}),
    "directory-to-file": (["done", "done"], {"empty": "file 0644 'file'"}),
    "rmdir-full": (["ENOTEMPTY"], {}),
    "rmdir-emptied": (["done", "done", "done", "done"], {"d": "whiteout"}),
    "mkdir": (["done"], {"d": D, "d/new": D}),
    "rename-file": (["done", "g sub"], {"d": D, "d/f": "whiteout", "d/g": F}),
    "rename-directory": (["EXDEV"], {}),
    "rename-merged": (["done", "EXDEV"], {"d": D, "d/new": "file 0644 '1'"}),
    "rename-redirect": (
        ["done", "hello"],
        {"d": "whiteout", "e": f"{D} trusted.overlay.redirect=d"},
    ),
    "rename-own": (
        ["done", "done", "done"],
        {"newer": OPAQUE, "newer/f": "file 0644 '1'"},
    ),
    "hard-link-broken": (["done", "old!", "old"], {"one": "file 0644 'old!'"}),
    "hard-link-index": (
        ["done", "old!", "done", "old!"],
        {"one": "file 0644 'old!' 2 names", "two": "whiteout"},
    ),
    "chmod-metacopy": (
        ["done", "hello", "done", "done"],
        {
            "d": D,
            "d/f": rf"file 0600 '{NUL * 5}' trusted.overlay.metacopy=",
            "su": "file 0755 'su'",
        },
    ),
    "link": (["done"], {"d": D, "d/f": f"{F} 2 names", "g": f"{F} 2 names"}),
}

each_claim = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)


@pytest.fixture(scope="module", params=[False, True], ids=["root", "rootless"])
def kernels(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """The kernel as root sees it, and as other users do; where it lets us mount."""
    if reason := why_not(rootless=request.param):
        pytest.skip(reason)
    with Kernel(rootless=request.param) as kernel:
        yield kernel


def test_every_claim_has_a_row() -> None:
    """No claim is without an expectation that was written by hand, nor without a record."""
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert set(ROWS) == set(ids)
    assert list(evidence._record()["outcomes"]) == ids, "run `make claims`"


@each_claim
def test_simulated(claim: Claim) -> None:
    """The simulation does what the row says, and what the kernel is recorded to have done."""
    outcome = simulated(claim)
    assert (outcome.answers, outcome.upper) == ROWS[claim.id]
    assert outcome == recorded(claim) == simulated(claim)


@each_claim
def test_observed(kernels: Kernel, claim: Claim) -> None:
    """The kernel does what the row says, today too."""
    if claim.only_root and kernels.rootless:
        pytest.skip(ONLY_ROOT)
    outcome = observed(claim, kernels)
    assert (outcome.answers, outcome.upper) == ROWS[claim.id]
    assert outcome == recorded(claim)


@each_claim
def test_lower_trees_stay(claim: Claim) -> None:
    """No call changes a lower tree."""
    lowers = claim.lowers()
    before = [of_tree(lower) for lower in lowers]
    simulated(Claim(claim.id, claim.sentence, lambda: lowers, claim.calls, claim.options))
    assert [of_tree(lower) for lower in lowers] == before


def test_asked_here() -> None:
    """Where mounts are allowed the kernel is asked, and says so."""
    if reason := why_not():
        pytest.skip(reason)
    outcome, said = asked(CLAIMS[0])
    assert outcome == recorded(CLAIMS[0])
    assert said.endswith("was asked now.")


def test_asked_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are not, the record is shown, and why."""
    why_not.cache_clear()
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    try:
        outcome, said = asked(CLAIMS[0])
    finally:
        why_not.cache_clear()
    assert outcome == recorded(CLAIMS[0])
    assert "unshare (of util-linux) is not installed. This is what Linux " in said


def test_refused_mounts_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that refuses namespaces gives a sentence, never an error."""
    why_not.cache_clear()
    monkeypatch.setattr(kernel.sys, "executable", "/bin/false")
    try:
        said = why_not() or ""
    finally:
        why_not.cache_clear()
    assert said.startswith("The kernel is not asked: ")


def test_record_is_small() -> None:
    """The record is one file of the package, and reads back as it was written."""
    text = json.dumps(evidence._record())
    assert len(text) < 20_000
    assert isinstance(recorded(CLAIMS[0]), Outcome)

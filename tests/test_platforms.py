"""Platforms: how they are written, and which image of several a machine runs (containerd's rules).

The rules of `windows` and the order of variants are those of containerd's `platforms` package.
"""

from __future__ import annotations

import pytest

from imgkit.digest import Digest
from imgkit.errors import InvalidManifest, NoMatchingPlatform
from imgkit.manifest import OCI_MANIFEST, Descriptor, Index
from imgkit.platforms import Platform

WRITTEN = [
    # written; in full; its os.version and os.features
    ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64", "10.0.17763", ()),
    ("Windows(10.0.17763.1)/x86_64", "windows(10.0.17763.1)/amd64", "10.0.17763.1", ()),
    (
        "windows(10.0.17763+win32k)/amd64",
        "windows(10.0.17763+win32k)/amd64",
        "10.0.17763",
        ("win32k",),
    ),
    ("windows(+win32k)/amd64", "windows(+win32k)/amd64", None, ("win32k",)),
    ("windows(1.2)+b+a+b/amd64", "windows(1.2+a+b)/amd64", "1.2", ("a", "b")),
    ("windows()/amd64", "windows/amd64", None, ()),
    ("linux/arm64/v8", "linux/arm64", None, ()),
    ("linux/arm64/8", "linux/arm64", None, ()),
    ("linux/arm64/v8.0", "linux/arm64", None, ()),
    ("linux/arm64/9", "linux/arm64/v9", None, ()),
    ("linux/arm64/v9.0", "linux/arm64/v9", None, ()),
    ("linux/arm64/v9.2", "linux/arm64/v9.2", None, ()),
    ("linux/amd64/v1", "linux/amd64", None, ()),
    ("linux/amd64/3", "linux/amd64/v3", None, ()),
    ("linux/arm", "linux/arm/v7", None, ()),
    ("linux/arm/5", "linux/arm/v5", None, ()),
    ("riscv64", "linux/riscv64", None, ()),
]


@pytest.mark.parametrize(("written", "full", "version", "features"), WRITTEN)
def test_written(written: str, full: str, version: str | None, features: tuple[str, ...]) -> None:
    """`os(version+feature)/architecture/variant`, read to one form and read back from it."""
    platform = Platform.parse(written)
    assert (platform.full, platform.os_version, platform.os_features) == (full, version, features)
    assert Platform.parse(platform.full) == platform
    assert Platform.from_json(platform.to_json()) == platform


@pytest.mark.parametrize(
    "text",
    [
        *("windows(/amd64", "windows(1.0/amd64", "windows(1)2/amd64", "win dows(1)/amd64"),
        *("linux/amd64(1)", "linux+/amd64", "*/amd64", "linux/*", "a/b/c/d", "(1)/amd64"),
        *("windows((1))/amd64", "amd64+x", "amd64(1)"),
    ],
)
def test_not_a_platform(text: str) -> None:
    """Whatever else stands there is refused."""
    with pytest.raises(InvalidManifest):
        Platform.parse(text)


WINDOWS = [
    # (build of the host, build of the image, does it run?)
    ("10.0.17763.1", "10.0.17763.9999", True),  # the patch level does not count
    ("10.0.17763", "10.0.17762", False),
    ("10.0.17763", "10.0.17764", False),
    ("10.0.20347", "10.0.17763", False),
    ("10.0.20348", "10.0.20348.5", True),
    ("10.0.20348", "10.0.17763", False),
    ("10.0.20348", "10.0.22621", False),  # newer than the host
    ("10.0.22621", "10.0.20348", True),  # the long-term release before
    ("10.0.22621", "10.0.22000", True),
    ("10.0.22621", "10.0.19041", False),
    ("10.0.26100", "10.0.20348", True),
    ("10.0.26100", "10.0.26100", True),
    ("10.0.26101", "10.0.20348", False),
    ("10.0.26101", "10.0.26100", True),
    ("11.0.20348", "10.0.20348", False),
    ("10.1.20348", "10.0.20348", False),
    ("10.0.20348", "nonsense", False),
    ("10.0.20348", None, True),  # an image that does not say
    (None, "10.0.17763", True),  # a host that does not say
]


@pytest.mark.parametrize(("host", "image", "runs"), WINDOWS)
def test_windows(host: str | None, image: str | None, runs: bool) -> None:
    """Before build 20348 the very same build; then from the long-term release before on."""
    here = Platform("windows", "amd64", None, host)
    assert here.admits(Platform("windows", "amd64", None, image)) is runs


def test_versions_are_for_windows() -> None:
    """On Linux, os.version hinders nothing."""
    assert Platform("linux", "amd64", None, "5").admits(Platform("linux", "amd64", None, "6"))


@pytest.mark.parametrize(
    ("host", "image", "runs"),
    [((), (), True), (("a",), (), True), (("a", "b"), ("b",), True), ((), ("a",), False)],
)
def test_features(host: tuple[str, ...], image: tuple[str, ...], runs: bool) -> None:
    """An image runs where all features are that it wants."""
    here = Platform("windows", "amd64", os_features=host)
    assert here.admits(Platform("windows", "amd64", os_features=image)) is runs


EIGHT = "arm64/v8.4 arm64/v8.3 arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"
ORDERS = [
    ("linux/arm64", "arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
    ("linux/arm64/v8.2", "arm64/v8.2 arm64/v8.1 arm64 arm/v8 arm/v7 arm/v6 arm/v5"),
    (
        "linux/arm64/v9",
        f"arm64/v9 arm64/v8.5 {EIGHT}",
    ),
    (
        "linux/arm64/v9.1",
        f"arm64/v9.1 arm64/v9 arm64/v8.6 arm64/v8.5 {EIGHT}",
    ),
    ("linux/arm/v7", "arm/v7 arm/v6 arm/v5"),
    ("linux/amd64/v3", "amd64/v3 amd64/v2 amd64 386"),
    ("linux/amd64", "amd64 386"),
    ("linux/386", "386"),
    ("linux/s390x", "s390x"),
]


@pytest.mark.parametrize(("text", "order"), ORDERS)
def test_order(text: str, order: str) -> None:
    """What runs on a machine, the best first."""
    found = Platform.parse(text).candidates()
    assert ["/".join(filter(None, pair)) for pair in found] == order.split()


def entry(text: str) -> Descriptor:
    return Descriptor(OCI_MANIFEST, Digest.of(text.encode()), 1, Platform.parse(text))


CHOICES = [
    # (asked for, offered, chosen)
    (
        "windows(10.0.20348)/amd64",
        ["windows(10.0.17763)/amd64", "windows(10.0.20348.1)/amd64"],
        "windows(10.0.20348.1)/amd64",
    ),
    (
        "windows(10.0.26100)/amd64",
        ["windows(10.0.20348.9)/amd64", "windows(10.0.26100.2)/amd64", "windows(10.0.17763)/amd64"],
        "windows(10.0.26100.2)/amd64",
    ),
    ("windows(10.0.17763)/amd64", ["windows(10.0.20348)/amd64"], None),
    ("windows/amd64", ["windows(10.0.17763)/amd64", "windows(10.0.20348)/amd64"], "first"),
    ("windows/amd64", ["windows(+win32k)/amd64", "windows/amd64"], "windows/amd64"),
    ("linux/arm64/v9", ["linux/arm64/v9.1", "linux/arm64/v8.3", "linux/arm64"], "linux/arm64/v8.3"),
]


@pytest.mark.parametrize(("asked", "offered", "chosen"), CHOICES)
def test_choice(asked: str, offered: list[str], chosen: str | None) -> None:
    """Of several that run, the best; the error names what there is, with its version."""
    index = Index.make(list(map(entry, offered)))
    if chosen is None:
        with pytest.raises(NoMatchingPlatform) as caught:
            index.choose(Platform.parse(asked))
        assert all(text in str(caught.value) for text in (asked, *offered))
    else:
        wanted = offered[0] if chosen == "first" else chosen
        assert index.choose(Platform.parse(asked)).digest == entry(wanted).digest

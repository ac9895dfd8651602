"""Platforms: what an image was built for, and which of several suits this machine.

Names and fall-backs follow the OCI image index and containerd: `x86_64` is `amd64`, `aarch64` is
`arm64`; an arm64 machine also runs 32-bit arm, and an amd64 machine 386.

A platform is written `os[(version+feature+...)]/architecture[/variant]`, the version and the
features (os.version, os.features) for Windows: `windows(10.0.20348)/amd64`. There, images of
another version run on newer hosts only: from build 20348 (Windows Server 2022) on, a host runs
images from the long-term release before its own up to its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imgkit import document
from imgkit.errors import InvalidManifest

LONG_TERM: Final = (20348, 26100)
"""Builds of Windows Server 2022 and 2025; before the first, only the very same build runs."""

_WORD: Final = r"[A-Za-z0-9_.-]+"
_OS: Final = re.compile(rf"([A-Za-z0-9_-]+)(?:\(({_WORD})?((?:\+{_WORD})*)\))?((?:\+{_WORD})*)")
_KNOWN: Final = ("linux", "windows", "darwin", "freebsd")


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest was built for: `os/architecture[/variant]` (image-index.md)."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, written: str) -> Platform:
        """The platform that a user wrote, as `--platform` takes it.

        >>> str(Platform.parse("linux/aarch64"))
        'linux/arm64'
        """
        first, *more = parts = written.strip().split("/")
        found = _OS.fullmatch(first)
        if not more and found and found[1].lower() not in _KNOWN:
            parts = more = [first]  # an architecture; the rest is as on this machine
            found = _OS.fullmatch("linux")
        if not found or len(parts) > 3 or not all(re.fullmatch(_WORD, part) for part in more):
            raise InvalidManifest(
                f"{written!r} is not a platform: write os/architecture or os/architecture/variant, "
                "for example linux/amd64 or linux/arm/v7",
                reason="platform",
            )
        os, version, *features = found.groups()
        architecture, variant, *_ = (*more, "", "") if more else (cls.here().architecture, "")
        named = tuple("".join(part or "" for part in features).split("+")[1:])
        machine = (architecture.lower(), variant.lower() or None)
        return cls(os.lower(), *machine, version, named)._normal()

    @classmethod
    def here(cls) -> Platform:
        """This machine's CPU, with Linux: what Docker asks for, on Docker Desktop too."""
        import platform as host  # noqa: PLC0415  a list of images is made without

        return cls("linux", host.machine().lower() or "amd64")._normal()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Platform:
        return cls(
            document.text(data, "os"),
            document.text(data, "architecture"),
            document.text(data, "variant", optional=True) or None,
            document.text(data, "os.version", optional=True) or None,
            tuple(document.strings(data, "os.features", optional=True)),
        )

    def to_json(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            facts["os.version"] = self.os_version
        if self.os_features:
            facts["os.features"] = list(self.os_features)
        if self.variant:
            facts["variant"] = self.variant
        return facts

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @property
    def full(self) -> str:
        """As it is written with the version and the features of its operating system."""
        options = "".join([self.os_version or "", *(f"+{name}" for name in self.os_features)])
        rest = str(self).removeprefix(self.os)
        return f"{self.os}({options}){rest}" if options else str(self)

    def _normal(self) -> Platform:
        """The same platform under the names that Go and the OCI specifications use."""
        architecture, variant = _ARCHITECTURES.get(
            self.architecture, (self.architecture, self.variant)
        )
        variant = self.variant or variant
        if architecture in ("arm64", "amd64") and variant:
            variant = f"v{variant.removeprefix('v').removesuffix('.0')}"
        if (architecture, variant) in (("arm64", "v8"), ("amd64", "v1")):
            variant = None
        if architecture == "arm":
            variant = f"v{(variant or 'v7').removeprefix('v')}"
        os = {"macos": "darwin"}.get(self.os, self.os)
        features = tuple(sorted(set(self.os_features)))
        return Platform(os, architecture, variant, self.os_version, features)

    def matches(self, os: str, architecture: str, variant: str | None) -> bool:
        """Whether an image for this platform is one for that os, architecture and variant."""
        mine = self._normal()
        return (mine.os, mine.architecture, mine.variant) == (os, architecture, variant)

    def admits(self, image: Platform) -> bool:
        """Whether the operating system of this platform runs that image, by version and features.

        What is not said is no hindrance, but for a feature that an image wants.
        """
        if not set(image.os_features) <= set(self.os_features):
            return False
        if self.os != "windows" or not self.os_version or not image.os_version:
            return True
        host, wanted = _version(self.os_version), _version(image.os_version)
        if host[:2] != wanted[:2]:
            return False
        before = [build for build in LONG_TERM if build < host[2]]
        oldest = max(before, default=min(host[2], LONG_TERM[0]))
        return host[2] == wanted[2] or oldest <= wanted[2] <= host[2] >= LONG_TERM[0]

    def best(self, images: Sequence[Platform]) -> int | None:
        """Which of these runs here best, as its place in the list; None if none does.

        The first of those that suit equally well; of Windows the newest.
        """
        for architecture, variant in self.candidates():
            found = [
                place
                for place, image in enumerate(images)
                if image.matches(self.os, architecture, variant) and self.admits(image)
            ]
            if found and self.os == "windows" and self.os_version:
                return max(found, key=lambda place: _version(images[place].os_version or ""))
            if found:
                return found[0]
        return None

    def runs(self, image: Platform) -> bool:
        """Whether an image for that platform runs here."""
        return self.best([image]) is not None

    def candidates(self) -> list[tuple[str, str | None]]:
        """The (architecture, variant) pairs that run here, best first (containerd's order)."""
        wanted = self._normal()
        if wanted.architecture == "arm64":
            arm = [("arm", f"v{v}") for v in (8, 7, 6, 5)]
            return [*(("arm64", v) for v in _arm64(wanted.variant)), *arm]
        if wanted.architecture == "arm":
            version = int(re.sub(r"\D", "", wanted.variant or "") or 7)
            return [("arm", f"v{v}") for v in range(version, 4, -1)]
        if wanted.architecture == "amd64":
            version = int(re.sub(r"\D", "", wanted.variant or "") or 1)
            levels = [("amd64", f"v{v}") for v in range(version, 1, -1)]
            return [*levels, ("amd64", None), ("386", None)]
        return [(wanted.architecture, wanted.variant)]


def _arm64(variant: str | None) -> list[str | None]:
    """The variants of arm64 that run there: v9.x knows all of v8.(x + 5), and v8 has no name."""
    found = re.fullmatch(r"v([89])(?:\.([0-9]))?", variant or "v8")
    if found is None:
        return [variant, None]
    minor = int(found[2] or 0)
    nine = [f"v9.{m}" for m in range(minor, 0, -1)] + ["v9"] if found[1] == "9" else []
    top = minor + 5 if nine else minor
    return [*nine, *(f"v8.{m}" for m in range(top, 0, -1)), None]


def _version(text: str) -> tuple[int, ...]:
    """A version of Windows: major, minor, build and revision, as far as they are numbers."""
    numbers = [int(part) if re.fullmatch(r"[0-9]{1,9}", part) else 0 for part in text.split(".")]
    return (*numbers, 0, 0, 0, 0)[:4]


_ARCHITECTURES: Final = {
    "x86_64": ("amd64", None),
    "x86-64": ("amd64", None),
    "aarch64": ("arm64", None),
    "i386": ("386", None),
    "i486": ("386", None),
    "i586": ("386", None),
    "i686": ("386", None),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
}

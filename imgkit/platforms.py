"""Platforms: what an image was built for, and which of several suits this machine.

Names and fall-backs follow the OCI image index and containerd: `x86_64` is `amd64`, `aarch64` is
`arm64`; an arm64 machine also runs 32-bit arm, and an amd64 machine 386.
"""

from __future__ import annotations

import platform as host
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from imgkit import document
from imgkit.errors import InvalidManifest


@dataclass(frozen=True, slots=True)
class Platform:
    """What a manifest was built for: `os/architecture[/variant]` (image-index.md)."""

    os: str
    architecture: str
    variant: str | None = None
    os_version: str | None = None

    @classmethod
    def parse(cls, written: str) -> Platform:
        """The platform that a user wrote, as `--platform` takes it.

        >>> str(Platform.parse("linux/aarch64"))
        'linux/arm64'
        """
        parts = written.strip().split("/")
        if not 1 <= len(parts) <= 3 or not all(re.fullmatch(r"[A-Za-z0-9_.-]+", p) for p in parts):
            raise InvalidManifest(
                f"{written!r} is not a platform: write os/architecture or os/architecture/variant, "
                "for example linux/amd64 or linux/arm/v7",
                reason="platform",
            )
        if len(parts) == 1:
            known_os = parts[0].lower() in ("linux", "windows", "darwin", "freebsd")
            parts = [parts[0], cls.here().architecture] if known_os else ["linux", parts[0]]
        os, architecture, *variant = (part.lower() for part in parts)
        return cls(os, architecture, *variant)._normal()

    @classmethod
    def here(cls) -> Platform:
        """This machine's CPU, with Linux: what Docker asks for, on Docker Desktop too."""
        return cls("linux", host.machine().lower() or "amd64")._normal()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Platform:
        return cls(
            document.text(data, "os"),
            document.text(data, "architecture"),
            data.get("variant") or None,
            data.get("os.version") or None,
        )

    def to_json(self) -> dict[str, str]:
        facts = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            facts["os.version"] = self.os_version
        if self.variant:
            facts["variant"] = self.variant
        return facts

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def _normal(self) -> Platform:
        """The same platform under the names that Go and the OCI specifications use."""
        architecture, variant = _ARCHITECTURES.get(
            self.architecture, (self.architecture, self.variant)
        )
        variant = self.variant or variant
        if (architecture, variant) in (("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")):
            variant = None
        if architecture == "arm":
            variant = f"v{(variant or 'v7').removeprefix('v')}"
        os = {"macos": "darwin"}.get(self.os, self.os)
        return Platform(os, architecture, variant, self.os_version)

    def matches(self, os: str, architecture: str, variant: str | None) -> bool:
        """Whether an image for this platform is one for that os, architecture and variant."""
        mine = self._normal()
        return (mine.os, mine.architecture, mine.variant) == (os, architecture, variant)

    def candidates(self) -> list[tuple[str, str | None]]:
        """The (architecture, variant) pairs that run here, best first (containerd's order)."""
        wanted = self._normal()
        if wanted.architecture == "arm64":
            below = [("arm", "v8"), ("arm", "v7"), ("arm", "v6"), ("arm", "v5")]
            return [("arm64", wanted.variant), ("arm64", None), *below]
        if wanted.architecture == "arm":
            version = int(re.sub(r"\D", "", wanted.variant or "") or 7)
            return [("arm", f"v{v}") for v in range(version, 4, -1)]
        if wanted.architecture == "amd64":
            version = int(re.sub(r"\D", "", wanted.variant or "") or 1)
            levels = [("amd64", f"v{v}") for v in range(version, 1, -1)]
            return [*levels, ("amd64", None), ("386", None)]
        return [(wanted.architecture, wanted.variant)]


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

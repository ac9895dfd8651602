"""An image name taken apart: what was typed, what was left out, and the address that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imgkit.client.origins import is_loopback, origin
from imgkit.errors import InvalidReference, RegistryError
from imgkit.reference import DEFAULT_TAG, DOCKER_HUB, Reference

TYPED: Final = "typed"
ASSUMED: Final = "assumed"
ABSENT: Final = "absent"

NONE: Final = "(none)"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a name: its role, its value, whether it was typed, and what it means."""

    role: str
    value: str
    state: str
    says: str


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """What a text means as an image name; of an illegal one, `problem` says exactly why."""

    text: str
    reference: Reference | None
    problem: str = ""
    reason: str = ""

    @classmethod
    def of(cls, text: str) -> Address:
        """The text, read by the rules of `imgkit.reference`; raises nothing."""
        try:
            return cls(text, Reference.parse(text))
        except InvalidReference as error:
            return cls(text, None, str(error), error.reason)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Registry, user or organization, repository, tag and digest; none of an illegal name."""
        name = self.reference
        if name is None:
            return ()
        namespace, _, repository = name.path.rpartition("/")
        return (
            self._registry(name),
            self._namespace(name, namespace),
            Part("repository", repository, TYPED, "images that belong together"),
            self._tag(name),
            self._digest(name),
        )

    @property
    def url(self) -> str:
        """What the registry will be asked for (distribution-spec, "Pulling manifests")."""
        name = self.reference
        if name is None:
            return ""
        asked = f"{name.registry_host}/v2/{name.path}/manifests/{name.target}"
        try:
            plain = is_loopback(origin(f"http://{asked}")[1])
        except RegistryError as error:  # port 99999 is in the grammar, but nowhere else
            return f"nobody: {error}"
        return f"{'http' if plain else 'https'}://{asked}"

    def __repr__(self) -> str:
        if self.reference is None:
            return f"{self.problem}\nReason: {self.reason}"
        rows = [f"{p.role:<13}{p.value:<22} {p.state:<8} {p.says}".rstrip() for p in self.parts]
        return "\n".join([*rows, f"GET {self.url}"])

    def _registry(self, name: Reference) -> Part:
        if not self._rest(name):
            return Part("registry", name.registry, ASSUMED, "Docker Hub, since none was named")
        says = "Docker Hub" if name.registry == DOCKER_HUB else "asked instead of Docker Hub"
        return Part("registry", name.registry, TYPED, says)

    def _namespace(self, name: Reference, namespace: str) -> Part:
        role = "user or org"
        if not namespace:
            return Part(role, NONE, ABSENT, "this registry needs none")
        official = name.registry == DOCKER_HUB and namespace == "library"
        says = "official images" if official else "who keeps the repository"
        path = self._rest(name) or self.text
        state = TYPED if path.startswith(f"{namespace}/") else ASSUMED
        return Part(role, namespace, state, says)

    def _tag(self, name: Reference) -> Part:
        if name.tag is not None:
            ignored = " (the digest decides)" if name.digest else ""
            return Part("tag", name.tag, TYPED, f"can be moved to another image{ignored}")
        if name.digest:
            return Part("tag", NONE, ABSENT, "the digest says which image")
        return Part("tag", DEFAULT_TAG, ASSUMED, "since neither tag nor digest was named")

    def _digest(self, name: Reference) -> Part:
        if name.digest is None:
            return Part("digest", NONE, ABSENT, "so whatever has the tag today")
        return Part("digest", name.digest.short, TYPED, "exactly these bytes")

    def _rest(self, name: Reference) -> str:
        """What was typed behind the registry; empty if the registry was left out."""
        for registry in (name.registry, f"index.{DOCKER_HUB}"):
            if self.text.startswith(f"{registry}/"):
                return self.text.removeprefix(f"{registry}/")
        return ""

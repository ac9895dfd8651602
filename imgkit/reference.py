"""Image names: what may be written, what it is short for, and how it is printed.

Grammar (the `distribution/reference` project; ASCII only, always the whole string)::

    reference        ::= name [ ":" tag ] [ "@" digest ]
    name             ::= [ domain "/" ] path
    domain           ::= host [ ":" digit+ ]
    host             ::= domain-component ("." domain-component)*  |  "[" (hex | ":")+ "]"
    domain-component ::= letters and digits, with "-" allowed inside
    path             ::= path-component ("/" path-component)*     (at most 255 characters)
    path-component   ::= alnum (separator alnum)*
    alnum            ::= [a-z0-9]+
    separator        ::= "." | "_" | "__" | "-"+
    tag              ::= [A-Za-z0-9_] [A-Za-z0-9_.-]*             (at most 128 characters)
    digest           ::= algorithm ":" 32 or more hex digits
    algorithm        ::= word ([-_+.] word)*                      (word: [A-Za-z] [A-Za-z0-9]*)

What people type is shorter: without a registry, `docker.io` is meant, and on it a name of one
word is `library/` that word. What stands before the first "/" is a registry only if it is
`localhost` or has a ".", a ":" or an upper-case letter in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from imgkit.digest import Digest, Digester
from imgkit.errors import InvalidDigest, InvalidReference

DOCKER_HUB: Final = "docker.io"
OFFICIAL: Final = "library/"
DEFAULT_TAG: Final = "latest"
MAX_PATH: Final = 255
MAX_TAG: Final = 128

_DOMAIN_COMPONENT = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[[0-9A-Fa-f:]+\])"
_DOMAIN: Final = re.compile(rf"{_HOST}(?::[0-9]+)?")
_PATH_COMPONENT: Final = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGEST: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}")
_IMAGE_ID: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Reference:
    """The full name of an image, as made by `parse`; two names are equal if all parts are.

    >>> Reference.parse("redis")
    Reference(domain='docker.io', path='library/redis', tag=None, digest=None)
    >>> Reference.parse("redis").canonical
    'docker.io/library/redis:latest'
    >>> Reference.parse("docker.io/library/redis:7.2").familiar
    'redis:7.2'
    >>> Reference.parse("localhost:5000").repository  # no "/", so no registry
    'docker.io/library/localhost'
    """

    domain: str
    path: str
    tag: str | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The full name that `text` is short for, without a default tag.

        Raises `InvalidReference`; its `reason` is one of "empty", "uppercase", "too long",
        "bad digest length", "unsupported digest" and "bad format".
        """
        _check_text(text)
        domain, rest = _split_domain(text)
        name, at, digest = rest.partition("@")
        path, colon, tag = name.partition(":")
        _check_case(text, rest)
        _check_domain(text, domain)
        _check_path(text, path)
        if colon:
            _check_tag(text, tag)
        return cls(domain, path, tag if colon else None, _digest(text, digest) if at else None)

    def with_default_tag(self) -> Reference:
        """The same name, with the tag `latest` if it had neither tag nor digest."""
        if self.tag is None and self.digest is None:
            return replace(self, tag=DEFAULT_TAG)
        return self

    def with_tag(self, tag: str) -> Reference:
        """The image of that tag in the same repository; a digest is dropped."""
        _check_tag(f"{self.repository}:{tag}", tag)
        return replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """The same name, pinned to the bytes that `digest` names; a tag is kept beside it."""
        return replace(self, digest=digest)

    @property
    def registry(self) -> str:
        """Who is asked: `docker.io`, `ghcr.io`, `localhost:5000`."""
        return self.domain

    @property
    def registry_host(self) -> str:
        """The host that really answers for `registry`; Docker Hub's has another name."""
        return "registry-1.docker.io" if self.domain == DOCKER_HUB else self.domain

    @property
    def repository(self) -> str:
        """Registry and path: `docker.io/library/redis`."""
        return f"{self.domain}/{self.path}"

    @property
    def target(self) -> str:
        """What to ask the repository for: the digest if there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def canonical(self) -> str:
        """The name with nothing left out: `docker.io/library/redis:latest`."""
        return self.repository + self._suffix

    @property
    def familiar(self) -> str:
        """The shortest text that still means this image: `redis:latest`."""
        short = self.path
        if short.startswith(OFFICIAL) and short.count("/") == 1:
            short = short.removeprefix(OFFICIAL)
        # docker.io/localhost/x and docker.io/a.b/x stay long: shortened, they name a registry.
        if self.domain != DOCKER_HUB or _split_domain(short)[0] != DOCKER_HUB:
            short = self.repository
        return short + self._suffix

    @property
    def _suffix(self) -> str:
        full = self.with_default_tag()
        return (f":{full.tag}" if full.tag else "") + (f"@{full.digest}" if full.digest else "")

    def facts(self) -> dict[str, str | None]:
        """The parts by name, ready for JSON; the default tag is in, what is absent is None."""
        return {
            "registry": self.registry,
            "repository": self.path,
            "tag": self.with_default_tag().tag,
            "digest": None if self.digest is None else str(self.digest),
            "canonical": self.canonical,
            "familiar": self.familiar,
        }

    def __str__(self) -> str:
        return self.canonical


def _refuse(text: str, reason: str, why: str) -> NoReturn:
    raise InvalidReference(f"{text!r} is not an image name: {why}.", text=text, reason=reason)


def _split_domain(text: str) -> tuple[str, str]:
    """The registry and the rest, with what was left out of a Docker Hub name put back."""
    first, slash, rest = text.partition("/")
    if not slash or not (first == "localhost" or re.search(r"[.:A-Z]", first)):
        first, rest = DOCKER_HUB, text
    if first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = OFFICIAL + rest
    return first, rest


def _check_text(text: str) -> None:
    """Refuse what can be seen before anything is taken apart."""
    if not text:
        _refuse(text, "empty", "it is empty. Write a name such as 'redis' or 'redis:7.2'")
    if text.startswith((":", "@")):
        _refuse(text, "bad format", f"the name before {text[0]!r} is missing, as in 'redis{text}'")
    scheme, found, address = text.partition("://")
    if found:
        why = f"a name is no web address. Drop the scheme {scheme + found!r}: write {address!r}"
        _refuse(text, "bad format", why)
    strange = re.search(r"[^!-~]", text)
    if strange:
        what = "a blank" if strange[0].isspace() else f"the character {strange[0]!r}"
        why = f"it has {what} at position {strange.start()}; names are ASCII, without blanks"
        _refuse(text, "bad format", why)
    if _IMAGE_ID.fullmatch(text):
        why = (
            "64 hex digits are an image ID. For a repository of that name write "
            f"'docker.io/library/{text}'; for the image, its ID 'sha256:{text}'"
        )
        _refuse(text, "bad format", why)


def _check_case(text: str, rest: str) -> None:
    # Up to the first ":" only: tags may have upper case.
    before, colon, after = rest.partition(":")
    if re.search(r"[A-Z]", before):
        right = before.lower().removeprefix(OFFICIAL) + colon + after
        why = f"the repository must be in lower case. Write {right!r} (only tags may differ)"
        _refuse(text, "uppercase", why)


def _check_domain(text: str, domain: str) -> None:
    if _DOMAIN.fullmatch(domain):
        return
    why = f"what is before the first '/', {domain!r}, is read as a registry, and should be "
    why += "a host such as 'ghcr.io' or '[::1]', perhaps with a port number, as in 'localhost:5000'"
    _refuse(text, "bad format", why)


def _check_path(text: str, path: str) -> None:
    for component in path.split("/"):
        if not component:
            why = "a part of the path is empty. Write one '/' between parts and none at the end"
            _refuse(text, "bad format", why)
        if not _PATH_COMPONENT.fullmatch(component):
            why = f"{component!r} in the path is wrong. Write lower-case letters and digits, and "
            why += "only between them one '.', one '_', two '_' or some '-'"
            _refuse(text, "bad format", why)
    if len(path) > MAX_PATH:
        why = f"the path {path[:20]!r}... has {len(path)} characters, and {MAX_PATH} are allowed"
        _refuse(text, "too long", why)


def _check_tag(text: str, tag: str) -> None:
    if not tag:
        _refuse(text, "bad format", "the tag after ':' is missing. Write one, or leave out the ':'")
    if not _TAG.fullmatch(tag):
        why = f"the tag {tag!r} is wrong. Write letters, digits, '_', '.' and '-' "
        why += "(the first not '.' or '-')"
        _refuse(text, "bad format", why)
    if len(tag) > MAX_TAG:
        why = f"the tag has {len(tag)} characters, and {MAX_TAG} are allowed"
        _refuse(text, "too long", why)


def _digest(text: str, digest: str) -> Digest:
    if not _DIGEST.fullmatch(digest):
        why = f"{digest!r} after the '@' is no digest. Write 'sha256:' and 64 hex digits"
        _refuse(text, "bad format", why)
    algorithm = digest.partition(":")[0]
    try:
        Digester(algorithm)
    except InvalidDigest:
        why = f"{algorithm!r} digests are unsupported here; 'sha256' and 'sha512' are known"
        _refuse(text, "unsupported digest", why)
    try:
        return Digest(digest)
    except InvalidDigest as error:
        lower = digest == digest.lower()
        _refuse(text, "bad digest length" if lower else "bad format", str(error))

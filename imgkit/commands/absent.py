"""What Docker has and imgkit has not, each with what to use in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_ENGINE: Final = "it is about an engine that runs, and there is none"
_TIME: Final = "no time goes by in a container here"

ABSENT: Final[Mapping[str, str]] = {
    "attach": "`logs` shows what a container printed, `exec -it NAME sh` opens a shell in it",
    "buildx build": "`build` does it",
    "compose": _ENGINE,
    "context": _ENGINE,
    "cp": "`exec` reads and writes files in a container that runs, COPY puts them in an image",
    "events": _ENGINE,
    "export": "`commit` makes an image of a container, and `save` or `unpack` writes that out",
    "import": "a Dockerfile of FROM scratch and ADD makes an image of a tar",
    "info": "`doctor` says what works on this machine",
    "login": "what `docker login` or `podman login` has stored is used",
    "logout": "what `docker login` or `podman login` has stored is used",
    "network": "containers have no network here",
    "node": _ENGINE,
    "pause": _TIME,
    "plugin": _ENGINE,
    "port": "containers have no network here",
    "search": "Docker Hub's own search is on its web page",
    "service": "`run` starts a container; a service needs a swarm of engines",
    "stack": _ENGINE,
    "stats": _TIME,
    "swarm": _ENGINE,
    "system": "`image prune` and `container prune` make room, `verify --all` checks what is here",
    "top": _TIME,
    "unpause": _TIME,
    "update": _ENGINE,
    "version": "`doctor` says what works on this machine",
    "volume": "a container's files are in its own layer here; COPY puts files in an image",
}


def instead(words: Sequence[str]) -> str:
    """What to use in place of a command of Docker's; nothing if these words begin with none."""
    *_, second = " ".join(words[:2]).rpartition("container ")
    return ABSENT.get(second) or ABSENT.get(words[0], "")

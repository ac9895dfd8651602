"""The flags that several verbs for containers have, and NAME=value as a flag takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from imgkit.commands.bench import Refused
from imgkit.commands.verb import UNKNOWN_FLAG, Flag

COMMON: Final = (
    Flag("env", "Set environment variables", "e", "list"),
    Flag("env-file", "Read in a file of environment variables", value="list"),
    Flag("interactive", "Keep STDIN open even if not attached", "i"),
    Flag("tty", "Allocate a pseudo-TTY", "t"),
    Flag("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', "u", "string"),
    Flag("workdir", "Working directory inside the container", "w", "string"),
)
"""How a program is started: of run, create and exec."""

MACHINE: Final = (
    Flag("cap-add", "Add Linux capabilities", value="list"),
    Flag("cap-drop", "Drop Linux capabilities", value="list"),
    Flag("cpus", "Number of CPUs", value="decimal"),
    Flag("device", "Add a host device to the container", value="list"),
    Flag("gpus", "GPU devices to add to the container", value="gpu-request"),
    Flag("memory", "Memory limit", "m", "bytes"),
    Flag("mount", "Attach a filesystem mount to the container", value="mount"),
    Flag("privileged", "Give extended privileges to this container"),
    Flag("read-only", "Mount the container's root filesystem as read only"),
    Flag("restart", "Restart policy to apply when a container exits", value="string"),
    Flag("tmpfs", "Mount a tmpfs directory", value="list"),
    Flag("volume", "Bind mount a volume", "v", "list"),
    Flag("volumes-from", "Mount volumes from the specified container(s)", value="list"),
)
"""What only a real machine can do; refused."""

CREATE: Final = (
    *COMMON,
    *MACHINE,
    Flag("entrypoint", "Overwrite the default ENTRYPOINT of the image", value="string"),
    Flag("hostname", "Container host name", "h", "string"),
    Flag("label", "Set meta data on a container", "l", "list"),
    Flag("name", "Assign a name to the container", value="string"),
    Flag("net", "Connect a container to a network", value="network"),
    Flag("network", "Connect a container to a network", value="network"),
    Flag("platform", "Set platform if server is multi-platform capable", value="string"),
    Flag("publish", "Publish a container's port(s) to the host", "p", "list"),
    Flag("publish-all", "Publish all exposed ports to random ports", "P"),
    Flag("pull", 'Pull image before creating ("always", "missing", "never")', value="string"),
    Flag("quiet", "Suppress the pull output", "q"),
    Flag("rm", "Automatically remove the container when it exits"),
)
"""How a container is made: of run and create."""


def assigned(texts: Iterable[str], outside: Mapping[str, str] | None = None) -> dict[str, str]:
    """The values of all NAME=value; of a name alone, that which it has outside, if it has one.

    Raises `Refused` where there is no name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            why = f"imgkit: {text!r} gives no name a value. Write NAME=value."
            raise Refused(why, status=UNKNOWN_FLAG)
        if equals or outside is None:
            found[name] = value
        elif name in outside:
            found[name] = outside[name]
    return found

"""Everything that imgkit refuses, as one tree.

    ImgkitError
    ├── InvalidReference          the text is not an image name
    ├── InvalidDigest             the text is not a digest
    ├── VerificationError         bytes are not what they were said to be
    │   ├── DigestMismatch
    │   └── SizeMismatch
    ├── InvalidManifest           bytes that are no manifest, index or config we can accept
    │   └── UnsupportedMediaType
    ├── InvalidLayer              a tar stream that breaks a rule, with its offset
    │   └── UnsafePath            ... by naming something outside of the root
    ├── InvalidArchive            a tar of images that lies, lacks something or breaks a rule
    ├── InvalidDockerfile         a line of a Dockerfile that says nothing we can do
    ├── BuildFailed               a step of a build that could not be carried out
    ├── LimitExceeded             more than an honest image ever needs
    ├── InvalidSetting            an environment variable says nothing we can do
    ├── NotFound                  nothing has that name or digest
    │   └── NoMatchingPlatform    the image exists, but not for this machine
    ├── RegistryError             a registry answered with an error
    │   ├── Unauthorized          ... because it wants other credentials
    │   ├── RateLimited           ... because it was asked too often
    │   └── Unreachable           ... or did not answer at all
    ├── ExecFailed                the program of a container could not be started, as Docker says it
    ├── CannotRun                 it needs a real machine: a foreign program, or more of a shell
    ├── ContainerError            no container has that name, or it is not in a state for that
    ├── StoreError                the local repository, or a directory, cannot be used
    ├── InvalidCode               the text is no code of a learner's progress
    └── Stopped                   given up, because something beside it failed

Every message says what was asked, what was found and, where there is something to do, what to do.
The facts are kept as attributes too, so that a program (or a lesson) need not parse the sentence.
"""

from __future__ import annotations

from typing import Any

from imgkit.printable import shown


class ImgkitError(Exception):
    """Base of all errors of this package; keyword arguments become attributes.

    What others wrote may stand in the message: there it steers no terminal.
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(shown(message))
        self.facts = facts

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None

    def _render_traceback_(self) -> list[str]:
        """In a notebook an error is its sentence: the way to it would say nothing to a learner."""
        return [f"{type(self).__name__}: {self}"]


class InvalidReference(ImgkitError):
    """The text is not an image name. Facts: `text`, `reason`."""


class InvalidDigest(ImgkitError):
    """The text is not a digest. Facts: `text`."""


class VerificationError(ImgkitError):
    """Bytes are not what they were said to be. Facts: `expected`, `actual`, `what`."""


class DigestMismatch(VerificationError):
    """The bytes have another digest than the one that was asked for."""


class SizeMismatch(VerificationError):
    """There are fewer or more bytes than the descriptor says."""


class InvalidManifest(ImgkitError):
    """The bytes are no manifest, index or config that can be accepted. Facts: `reason`."""


class UnsupportedMediaType(InvalidManifest):
    """The media type is known to be one that this package does not read. Facts: `media_type`."""


class InvalidLayer(ImgkitError):
    """A layer's tar stream breaks a rule. Facts: `offset` (bytes, uncompressed), `path`."""


class UnsafePath(InvalidLayer):
    """An entry names something outside of the root it is unpacked to."""


class InvalidArchive(ImgkitError):
    """A tar of images cannot be accepted. Facts: `path` (of the archive), `reason`."""


class InvalidDockerfile(ImgkitError):
    """A line of a Dockerfile cannot be carried out as it is. Facts: `line` (from 1), `text`."""


class BuildFailed(ImgkitError):
    """A step of a build could not be carried out. Facts: `line`, `text`, `code` (of a command)."""


class LimitExceeded(ImgkitError):
    """More than an honest image ever needs. Facts: `limit`, `actual`."""


class InvalidSetting(ImgkitError):
    """An environment variable says nothing that can be done. Facts: `text`."""


class NotFound(ImgkitError):
    """Nothing has that name or digest. Facts: `name`."""


class NoMatchingPlatform(NotFound):
    """The image exists, but not for the platform asked for. Facts: `platform`, `available`."""


class RegistryError(ImgkitError):
    """A registry answered with an error. Facts: `status`, `code`, `url`."""


class Unauthorized(RegistryError):
    """The registry wants other credentials than those it was given."""


class RateLimited(RegistryError):
    """The registry was asked too often.

    Facts: also `retry_after` (seconds), `limit` and `remaining` (requests); None if not said.
    """


class Unreachable(RegistryError):
    """The registry did not answer, or stopped answering. `status` is None."""


class ExecFailed(ImgkitError):
    """The program could not be started. Facts: `program`, `code` (126 or 127)."""


class CannotRun(ImgkitError):
    """Running this needs a real machine. Facts: `what`."""


class ContainerError(ImgkitError):
    """No container has that name, or it is in no state for what was asked. Facts: `name`."""


class StoreError(ImgkitError):
    """The local repository, or another directory on disk, cannot be used. Facts: `path`."""


class InvalidCode(ImgkitError):
    """The text is no code of a learner's progress."""


class Stopped(ImgkitError):
    """Given up, because something beside it failed; that other error is the one to read."""

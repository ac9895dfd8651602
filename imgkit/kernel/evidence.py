"""Whether a claim about overlays is true: asked of the simulation, and of the kernel.

Where mounts are allowed the kernel is asked at once; elsewhere what it answered before is shown,
from `claims.json` (`make claims` records it anew).
"""

from __future__ import annotations

import errno
import json
import platform
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from imgkit.kernel import Kernel, why_not
from imgkit.kernel.claims import CLAIMS, Claim
from imgkit.mount import Mount
from imgkit.mount.facts import Facts, of_tree, of_union
from imgkit.mount.inode import folder

RECORD: Final = "claims.json"
ONLY_ROOT: Final = "The kernel is not asked: this one is about root, who you are not here."


class Outcome(NamedTuple):
    """The answers to the calls, and what is then in merged and in upper, by path."""

    answers: list[str]
    merged: dict[str, str]
    upper: dict[str, str]


def simulated(claim: Claim) -> Outcome:
    """What `Mount` answers."""
    mount = Mount(claim.lowers(), folder(), options=claim.options)
    answers = [_answer(getattr(mount, str(name)), arguments) for name, *arguments in claim.calls]
    return _outcome(answers, of_union(mount.overlay), of_tree(mount.upper))


def observed(claim: Claim, kernel: Kernel) -> Outcome:
    """What the kernel answers."""
    kernel.mount(claim.lowers(), options=claim.options)
    answers = [_answer(kernel.call, call) for call in claim.calls]
    return _outcome(answers, kernel.merged(), kernel.upper())


def recorded(claim: Claim) -> Outcome:
    """What the kernel answered when the claims were recorded."""
    return Outcome(**_record()["outcomes"][claim.id])


def asked(claim: Claim) -> tuple[Outcome, str]:
    """The kernel's outcome, and a sentence that says when it was asked."""
    if (reason := why_not()) is None:
        with Kernel() as kernel:
            if not (claim.only_root and kernel.rootless):
                return observed(claim, kernel), f"Linux {_release()} was asked now."
    answered = f"This is what Linux {_record()['kernel']} answered."
    return recorded(claim), f"{reason or ONLY_ROOT} {answered}"


def record() -> str:
    """The recorded outcomes of all claims, as text, from the kernel that is running."""
    with Kernel() as kernel:
        outcomes = {claim.id: observed(claim, kernel)._asdict() for claim in CLAIMS}
    return json.dumps({"kernel": _release(), "outcomes": outcomes}, indent=1) + "\n"


@cache
def _record() -> Any:
    return json.loads(files("imgkit.kernel").joinpath(RECORD).read_text(encoding="utf-8"))


def _answer(call: Callable[..., Any], arguments: Iterable[object]) -> str:
    try:
        result = call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    if isinstance(result, bytes):
        return result.decode()
    return " ".join(result) if isinstance(result, list) else str(result or "done")


def _outcome(answers: list[str], merged: Facts, upper: Facts) -> Outcome:
    merged_texts, upper_texts = (
        {path: str(fact) for path, fact in facts.items() if path} for facts in (merged, upper)
    )
    return Outcome(answers, merged_texts, upper_texts)


def _release() -> str:
    """The version of the kernel, without what its builder added."""
    return ".".join(platform.release().split(".")[:2])

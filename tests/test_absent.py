"""What Docker has and imgkit has not is refused by its name, with what to use in its place."""

from __future__ import annotations

import pytest

from imgkit.commands import Refused, beginning, parse
from imgkit.commands.absent import ABSENT


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("behind", [[], ["x"], ["--nope"], ["--help"]])
def test_absent(name: str, behind: list[str]) -> None:
    """It is not called an unknown command, and it is no verb."""
    words = [*name.split(), *behind]
    assert beginning(words) == ""
    with pytest.raises(Refused, match=f"^imgkit: there is no `{name}.*` here: ") as caught:
        parse("docker", words)
    assert str(caught.value).endswith(f": {ABSENT[name]}.")


def test_absent_of_containers() -> None:
    """The same where Docker's longer name was typed."""
    with pytest.raises(Refused, match=r"^imgkit: there is no `container cp a b` here: "):
        parse("docker", ["container", "cp", "a", "b"])

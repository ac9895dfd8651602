"""The list of images, where one of them is not as it should be."""

from __future__ import annotations

import pytest
from images import add_image
from verbs import Do, bench, docker

from imgkit.commands import Bench
from imgkit.config import Config

__all__ = ["bench", "docker"]


@pytest.mark.parametrize("created", ["yesterday", "2024-13-45T00:00:00Z", "2024-05-01"])
def test_created_at_no_time(
    created: str, docker: Do, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image whose config says no time, or one of no zone, is listed, filtered and pruned."""
    add_image(bench.store, "whole:1")
    make = Config.make
    with monkeypatch.context() as patch:
        patch.setattr(Config, "make", lambda *parts: make(*parts[:-1], created))
        add_image(bench.store, "odd:1", [{"a": b"odd"}])
    for flags in ([], ["--digests"], ["--view", "containerd"], ["--filter", "since=odd:1"]):
        assert docker("images", *flags).status == 0
    assert "odd" in docker("images").out
    assert docker("image", "prune", "-af", "--filter", "until=1h").status == 0
    assert "odd" not in docker("images").out

"""The order in which images are built that cannot be pulled."""

from __future__ import annotations

import threading
import time

import pytest

from infra.engine.images import ImageRecipe, _build_all

BUILDS = {
    "alone": ImageRecipe(),
    "database": ImageRecipe(needs=("node", "python")),
    "python": ImageRecipe(needs=("debian",)),
    "node": ImageRecipe(needs=("debian", "there already")),
    "debian": ImageRecipe(),
}


def test_two_are_built_at_a_time_each_after_what_it_needs() -> None:
    done: list[str] = []
    at_work: list[int] = []
    gate = threading.Lock()

    def build(name: str) -> None:
        with gate:
            at_work.append(len(at_work) + 1 - len(done))
            assert set(BUILDS[name].needs) - {"there already"} <= set(done)
        time.sleep(0.05)
        with gate:
            done.append(name)

    _build_all(BUILDS, build)
    assert sorted(done) == sorted(BUILDS)
    assert max(at_work) == 2


def test_an_error_of_a_build_ends_it() -> None:
    built: list[str] = []

    def build(name: str) -> None:
        built.append(name)
        if name == "debian":
            raise RuntimeError("no mirror")

    with pytest.raises(RuntimeError, match="no mirror"):
        _build_all(BUILDS, build)
    assert set(built) <= {"debian", "alone"}

"""A minute of `make zero`, at a third of its rate beside other tests: nobody notices a release.

The whole, every path that a release can take, is in tests/e2e/zero. A rollback and a release that breaks at
its start are there, and under less load in test_story.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import World, world_of_its_own
from tests.e2e.zero.paths import deploy, unnoticed
from tests.e2e.zero.users import Users

pytestmark = pytest.mark.e2e
RATE = 17


@pytest.fixture
def world(engine, prefect: str, tmp_path: Path) -> Iterator[World]:
    with world_of_its_own("short", tmp_path, f"{prefect}/api") as found:
        yield found


def test_nobody_notices(world: World, tmp_path: Path) -> None:
    first = world.publish()
    world.add_migration("colour", "ALTER TABLE messages ADD COLUMN colour text")
    world.rename("later")
    later = world.publish()
    deploy(world, first)
    users = Users(world, tmp_path / "asked.jsonl", RATE)
    with users.busy():
        unnoticed(users.path("a release with a migration", lambda: deploy(world, later)))
    assert users.conflicts() == 0

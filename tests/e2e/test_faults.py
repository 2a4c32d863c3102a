"""A part of the matrix of faults: a kill wherever state changes hands, and one of each other kind.

Ctrl-C is in test_story, the registry and the network are in test_wrong_input; `make faults` has all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import World
from tests.e2e.faults.cells import Cell
from tests.e2e.faults.matrix import begun, small_disk

pytestmark = pytest.mark.e2e
# Each begins with the release that the one before it ended with.
PART = (
    Cell("deploy", "migrate", "sigkill"), Cell("rollback", "downgrade", "sigkill"),
    Cell("deploy", "replace api", "sigkill"), Cell("restore", "restore database", "sigkill"),
    Cell("rollback", "replace bot", "sigkill"), Cell("deploy", "migrate", "postgres"),
    Cell("rollback", "replace api", "ssh cut"), Cell("deploy", "replace bot", "cancel"),
    Cell("rollback", "record", "sigkill"), Cell("deploy", "replace api", "engine"),
    Cell("rollback", "replace api", "disk full"),
)  # fmt: skip


@pytest.fixture
def world(engine, tmp_path: Path) -> Iterator[World]:
    with small_disk("part", tmp_path) as found:
        yield found


def test_one_run_more_converges(world: World, tmp_path: Path) -> None:
    matrix = begun(world, tmp_path / "results.jsonl")
    results = [matrix.play(cell) for cell in PART]
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []

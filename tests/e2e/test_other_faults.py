"""A part of the matrix of faults: kinds that are no kill of the deployer.

A file of its own, so that another process plays it beside test_faults.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.faults.cells import Cell
from tests.e2e.faults.matrix import Matrix, begun, small_disk

pytestmark = pytest.mark.e2e
# Each begins with the release that the one before it ended with.
PART = (
    Cell("deploy", "migrate", "postgres"), Cell("rollback", "replace api", "ssh cut"),
    Cell("deploy", "replace api", "engine"), Cell("rollback", "replace api", "disk full"),
)  # fmt: skip


@pytest.fixture(scope="module")
def matrix(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("other")
    with small_disk("other", folder) as world:
        yield begun(world, folder / "results.jsonl")


def test_one_run_more_converges(matrix: Matrix) -> None:
    results = [matrix.play(cell) for cell in PART]
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []

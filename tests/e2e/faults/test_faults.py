"""Whatever happens before whichever step: one run more, and there is one release and every row.

`make faults` plays the whole matrix on two servers at once and prints it. Results of a commit are
kept in `.state/faults/`, one line each as they come: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import World
from tests.e2e.faults.cells import HANDS, LATER, VERBS, Cell, next_of
from tests.e2e.faults.conftest import results_file
from tests.e2e.faults.matrix import Matrix, begun, small_disk

pytestmark = [pytest.mark.e2e, pytest.mark.faults]
EVERYWHERE = ("sigkill", "ssh cut")
ELSEWHERE = ("ctrl-c", "cancel", "network", "engine", "postgres", "disk full")
ONLY = os.environ.get("FAULTS", "")
"""A word that a cell must hold, to play a part of the matrix."""


@pytest.fixture(scope="module")
def world(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_disk("faults", tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture(scope="module")
def matrix(world: World) -> Matrix:
    return begun(world, results_file())


def cells(matrix: Matrix, verb: str) -> list[Cell]:
    """SIGKILL and a cut at every boundary, each other fault where state changes hands."""
    found = []
    for place, step in enumerate(matrix.steps(verb)):
        due = [*EVERYWHERE, *(ELSEWHERE if step in HANDS else ())]
        due += ["registry"] if step == "pull" else []
        found += [Cell(verb, step, fault, place) for fault in due]
    return [c for c in found if ONLY in c.key]


@pytest.mark.parametrize("half", [0, 1])
def test_every_cell_converges(matrix: Matrix, half: int) -> None:
    """Two halves, so that two sandboxes play at once."""
    # In the order of where they begin: deploy and migrate, then rollback and restore.
    verbs = sorted(VERBS, key=lambda verb: verb in LATER)
    due = [cell for verb in verbs for cell in cells(matrix, verb)][half::2]
    known = matrix.known()
    left = [cell for cell in due if cell.key not in known]
    while left:
        cell = next_of(left, matrix.at_after)
        left.remove(cell)
        matrix.keep(matrix.play(cell))
    known = matrix.known()
    results = [known[cell.key] for cell in due]
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []

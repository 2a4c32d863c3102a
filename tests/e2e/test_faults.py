"""A part of the matrix of faults: kills where state changes hands, and one that is none.

`make faults` has all. Ctrl-C and a kill in a migration are in test_story, the registry and the network
in test_wrong_input.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import world_of_its_own
from tests.e2e.faults.cells import Cell
from tests.e2e.faults.matrix import STILL_AT_WORK, Matrix, begun

pytestmark = pytest.mark.e2e
# Each begins with the release that the one before it ended with.
PART = (
    Cell("deploy", "migrate", "postgres"), Cell("rollback", "drain old containers", "sigkill"),
)  # fmt: skip


@pytest.fixture(scope="module")
def matrix(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("part")
    with world_of_its_own("part", folder, "") as world:
        yield begun(world, folder / "results.jsonl")


def test_one_run_more_converges(matrix: Matrix) -> None:
    results = [matrix.play(cell) for cell in PART]
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []


def test_what_a_killed_deploy_has_done_is_not_done_twice(matrix: Matrix) -> None:
    matrix.settle("deploy")
    world, before = matrix.world, len(matrix.world.ledger())
    killed = matrix.deployer("deploy", "drain old containers")
    assert killed.stands("drain old containers"), killed.text
    killed.kill()
    replaced = world.containers()
    again = matrix.run("deploy")
    assert "its release is asked for: on to" in again.text
    assert world.containers() == replaced
    (line,) = world.ledger()[before:]
    assert (line["manifest"], line["outcome"]) == (matrix.after, "ok")
    assert world.on_server(f"head -n 1 releases/{line['release']}/report.md")


def test_a_step_whose_deployer_died_in_its_middle_ends_by_itself(matrix: Matrix) -> None:
    """Its sshd is gone too: a line that nobody reads must not end a replacement half way."""
    matrix.settle("deploy")
    world = matrix.world
    killed = matrix.deployer("deploy", "start new containers")
    assert killed.stands("start new containers"), killed.text
    killed.go()
    _until(lambda: "started the new containers of api" in killed.text)
    killed.kill()
    assert "api is healthy" not in killed.text
    last = json.loads(world.on_server(STILL_AT_WORK))
    assert (last["step"], last["event"], last["outcome"]) == (
        "start new containers", "end", "ok",
    )  # fmt: skip
    # Both run, and nobody was sent to the new one; the run that comes next takes it up.
    assert len(world.on_server("docker ps -q --filter name=homeguru-api").split()) == 2
    matrix.run("deploy")


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)

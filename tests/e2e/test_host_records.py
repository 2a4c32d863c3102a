"""A host whose records an older version wrote: today's goes on with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.history.ledger import Ledger
from deployments.history.step_kind import StepKey
from tests.e2e.faults.matrix import STILL_AT_WORK, Matrix, begun, small_disk
from tests.e2e.host_records import put_records

pytestmark = [pytest.mark.e2e, pytest.mark.database]


@pytest.fixture(scope="module")
def matrix(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("records")
    with small_disk("records", folder) as world:
        yield begun(world, folder / "results.jsonl")


def test_a_host_written_by_the_version_before_goes_on(matrix: Matrix, tmp_path: Path) -> None:
    """Journals and a ledger of format 1: resumed, rolled back, verified, deployed to."""
    matrix.settle("rollback")
    matrix.run("rollback")
    world = matrix.world
    killed = matrix.deployer("deploy", "drain old containers")
    assert killed.stands("drain old containers"), killed.text
    killed.kill()
    world.on_server(STILL_AT_WORK)
    put_records(world, matrix.before, matrix.after, tmp_path)
    unfinished = world.homeguru("status", "--env", "sandbox").stdout
    assert f"never ended (release 4-{matrix.after})" in unfinished
    replaced = world.containers()["api"]
    again = matrix.run("deploy")
    assert f"its release is asked for: on to 4-{matrix.after} first" in again.text
    assert world.containers()["api"] == replaced, "what is done is not done twice"
    matrix.run("rollback")
    assert not matrix.at_after
    assert world.homeguru("verify", "--env", "sandbox", PREFECT_API_URL="").code == 0
    matrix.run("deploy")
    assert matrix.at_after
    lines = world.on_server("cat releases.jsonl").splitlines()
    ledger = Ledger(tuple(lines))
    assert ledger.broken_at() is None
    assert [line.outcome for line in ledger.lines] == ["ok"] * 6
    assert [line.steps[0].key for line in ledger.lines] == [StepKey("upload")] * 6
    assert '"kind"' not in lines[0] and '"kind":"replace"' in lines[-1]

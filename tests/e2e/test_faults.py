"""A part of the matrix of faults: a kill wherever state changes hands, and one of each other kind.

Ctrl-C is in test_story, the registry and the network are in test_wrong_input; `make faults` has all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deployments.history.ledger import Ledger
from deployments.history.step_kind import StepKey
from tests.e2e.faults.cells import Cell
from tests.e2e.faults.matrix import Matrix, begun, small_disk
from tests.e2e.host_records import put_records

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


@pytest.fixture(scope="module")
def matrix(engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("part")
    with small_disk("part", folder) as world:
        yield begun(world, folder / "results.jsonl")


def test_one_run_more_converges(matrix: Matrix) -> None:
    results = [matrix.play(cell) for cell in PART]
    assert [f"{r.cell}: {'; '.join(r.wrong)}" for r in results if r.wrong] == []


def test_what_a_killed_deploy_has_done_is_not_done_twice(matrix: Matrix) -> None:
    matrix.settle("deploy")
    world, before = matrix.world, len(matrix.world.ledger())
    killed = matrix.deployer("deploy", "replace bot")
    assert killed.stands("replace bot"), killed.text
    killed.kill()
    replaced = world.containers()["api"]
    again = matrix.run("deploy")
    assert "its release is asked for: on to" in again.text
    assert world.containers()["api"] == replaced
    (line,) = world.ledger()[before:]
    assert (line["manifest"], line["outcome"]) == (matrix.after, "ok")
    assert world.on_server(f"head -n 1 releases/{line['release']}/report.md")


STILL_AT_WORK = "flock -w 60 lock/work true && tail -n 1 $(ls -t journal/*.jsonl | head -n 1)"


def test_a_step_whose_deployer_died_in_its_middle_ends_by_itself(matrix: Matrix) -> None:
    """Its sshd is gone too: a line that nobody reads must not end a replacement half way."""
    matrix.settle("deploy")
    world = matrix.world
    killed = matrix.deployer("deploy", "replace api")
    assert killed.stands("replace api"), killed.text
    killed.go()
    _until(lambda: "started homeguru-api" in killed.text)
    killed.kill()
    assert "serves" not in killed.text
    last = json.loads(world.on_server(STILL_AT_WORK))
    assert (last["step"], last["event"], last["outcome"]) == ("replace api", "end", "ok")
    assert len(world.on_server("docker ps -q --filter name=homeguru-api").split()) == 1
    matrix.run("deploy")


def test_a_host_written_by_the_version_before_goes_on(matrix: Matrix, tmp_path: Path) -> None:
    """Journals and a ledger of format 1: resumed, rolled back, verified, deployed to."""
    matrix.settle("rollback")
    matrix.run("rollback")
    world = matrix.world
    killed = matrix.deployer("deploy", "replace bot")
    assert killed.stands("replace bot"), killed.text
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


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)

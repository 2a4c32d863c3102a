"""What the host keeps of a release tells of the run that brought it, and of no other one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from deployments.history.journal import Unfinished
from deployments.history.ledger import Ledger
from deployments.planning.plan import Plan
from infra.host.actor import at_terminal
from infra.machine.output import Output
from infra.run.recorder import Recorder

BROUGHT = Plan("deploy", "2-m2", "m2", "1-m1", ())
OF_CURRENT = [Plan(verb, "1-m1", "m1", "1-m1", ()) for verb in ("restore", "heal", "migrate", "maintenance")]  # fmt: skip


@pytest.fixture
def written() -> tuple[Recorder, list[dict[str, str] | None]]:
    """A recorder, and the files that go with each of its scripts."""
    files: list[dict[str, str] | None] = []

    def work(*_: Any, **more: Any) -> Output:
        files.append(more["files"])
        return Output(0, "", "")

    host = SimpleNamespace(
        environment=SimpleNamespace(name="prod", ssh="systech@host", urls={}), token="t",
        actor=at_terminal("none"), read_from="", incoming=".incoming/t", work=work,
        names=SimpleNamespace(released=lambda _: None),
    )  # fmt: skip
    return Recorder(host), files


@pytest.mark.parametrize("outcome", ["ok", "undone", "failed"])
def test_the_run_that_brought_a_release_leaves_its_report(written, outcome) -> None:
    recorder, files = written
    recorder.record(BROUGHT, outcome, Ledger(()))
    recorder.close_other(Unfinished("r1", "2-m2", (), "2030-01-01T00:00:00Z"), BROUGHT, outcome, Ledger(()))  # fmt: skip
    assert [list(f or ()) for f in files] == [["report.md"], ["report.md"]]


@pytest.mark.parametrize("plan", OF_CURRENT, ids=lambda plan: plan.verb)
def test_a_run_under_the_current_release_leaves_it_the_report_that_it_has(written, plan) -> None:
    recorder, files = written
    recorder.record(plan, "ok", Ledger(()))
    recorder.close_other(Unfinished("r1", "1-m1", (), "2030-01-01T00:00:00Z"), plan, "ok", Ledger(()))  # fmt: skip
    assert files == [None, None]

"""`homeguru maintenance`: what it asks of the flow, and what a person reads at the end."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from infra.cli import app as cli
from infra.cli import maintenance, show

SWITCHED = {
    "changed": True, "seconds": 2.04, "notes": [], "steps": [{"step": "maintenance on"}, {"step": "x"}],
}  # fmt: skip
AS_IT_WAS = {
    "changed": False,
    "notes": ["maintenance is on since 2030-01-01 00:00 UTC by ada: a disk"],
}


@pytest.fixture
def asked(monkeypatch):
    """Call the command; what it asked for, and what it printed."""

    def call(*words: str, result: dict[str, Any] = SWITCHED) -> tuple[list[Any], str]:
        runs: list[Any] = []

        def run(verb: str, env: str, parameters: Any, **more: Any) -> Any:
            runs.append((verb, env, parameters, more["approve"], more["here"]))
            return result

        monkeypatch.setattr(maintenance, "run", run)
        ended = CliRunner().invoke(cli.app, ["maintenance", *words, "--env", "prod"])
        assert ended.exit_code == 0, ended.output
        return runs, ended.output

    return call


def test_on_and_off_are_one_verb(asked) -> None:
    runs, shown = asked("on", "--reason", "a disk", "--approve", "planned", "--here")
    assert runs == [("maintenance", "prod", {"state": "on", "reason": "a disk"}, "planned", True)]
    assert shown == "\nmaintenance on: in 2.0 s\n"
    runs, _ = asked("off")
    assert runs == [("maintenance", "prod", {"state": "off"}, "", False)]


def test_what_is_so_already_is_said(asked) -> None:
    _, shown = asked("on", result=AS_IT_WAS)
    assert shown == (
        "\nnothing to do: maintenance is on since 2030-01-01 00:00 UTC by ada: a disk\n"
    )


def test_a_run_without_its_result_ends_well_too(asked) -> None:
    _, shown = asked("off", result={"outcome": "ok"})
    assert "the run's page tells more" in shown


def test_the_history_says_on_or_off_and_why(world, capsys) -> None:
    from deployments.history.audit import join
    from deployments.history.ledger import StepRecord

    step = StepRecord(step="maintenance on", outcome="ok", seconds=1, kind="maintenance-on")
    release = world.line(1).release
    line = world.line(
        2, verb="maintenance", release=release, previous=release, reason="a disk", steps=(step,)
    )
    show.history(join([world.line(1), line], None), release)
    shown = capsys.readouterr().out.splitlines()
    assert "    maintenance on: a disk" in shown
    # The line that brought the release is the marked one.
    assert [text[0] for text in shown if text[2:6] == "2030"] == ["*", " "]

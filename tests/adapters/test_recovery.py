"""What a run says of another one that it settles first."""

from __future__ import annotations

from types import SimpleNamespace

from deployments.journal import Unfinished
from infra import recovery


def test_rows_that_an_undo_takes_out_are_named(monkeypatch) -> None:
    """The run that died cannot say it: whoever comes next must."""
    said: list[str] = []
    recorder = SimpleNamespace(beside="homeguru_undone", close_other=lambda *_: None)
    executor = SimpleNamespace(recorder=recorder, run=lambda *_: None)
    planning = SimpleNamespace(undo=lambda *_: SimpleNamespace())
    monkeypatch.setattr(recovery, "goes_on", lambda *_: False)
    settling = recovery.Recovery(
        SimpleNamespace(log=said.append), SimpleNamespace(database_users=[]), planning, executor,
        SimpleNamespace(),
    )  # fmt: skip
    seen = SimpleNamespace(current=None, ledger=None)
    settling.settle(Unfinished("r1", "3-m3", ("replace bot",), "2030-01-01T00:00:00Z", True), seen)
    assert said == [
        "run r1 of 2030-01-01T00:00:00Z never ended (release 3-m3): undoing it first",
        "what was written meanwhile is in the database homeguru_undone",
    ]

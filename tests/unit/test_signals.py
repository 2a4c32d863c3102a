"""What a signal does: the first stops a run, a second one neither cuts off the undo nor its report."""

from __future__ import annotations

import signal

import pytest

from deployments.errors import Interrupted
from infra.machine import signals


@pytest.fixture(autouse=True)
def fresh(monkeypatch) -> None:
    monkeypatch.setattr(signals, "_request", signals._Request())


def press() -> None:
    signals._interrupt(signal.SIGINT, None)


def test_the_first_one_stops(capsys) -> None:
    with pytest.raises(Interrupted, match="stopped by SIGINT") as stopped:
        press()
    assert stopped.value.state == "not contacted"
    press()
    assert capsys.readouterr().err == "SIGINT: stopping already\n"


def test_one_that_was_taken_for_another_failure_is_not_lost() -> None:
    signals.stop_if_asked()
    with pytest.raises(Interrupted):
        press()
    with pytest.raises(Interrupted):
        signals.stop_if_asked()
    with signals.shielded():
        signals.stop_if_asked()


def test_an_undo_and_the_report_after_it_are_not_stopped(capsys) -> None:
    with signals.shielded():
        press()
    assert "undoing; kill -9" in capsys.readouterr().err
    with pytest.raises(Interrupted):
        press()
    signals._request.at = 0.0
    with signals.shielded():
        press()
    press()
    assert capsys.readouterr().err.endswith("SIGINT: stopping already\n")


def test_a_run_that_does_not_stop_is_interrupted_again(monkeypatch) -> None:
    with pytest.raises(Interrupted):
        press()
    signals._request.at -= signals.PATIENCE
    signals.begin_work()
    with pytest.raises(Interrupted) as stopped:
        press()
    assert stopped.value.state == ""


def test_before_any_work_the_process_is_left_at_once(monkeypatch) -> None:
    """Libraries that are being imported would print an exception."""
    left: list[Interrupted] = []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    signals.install(left.append)
    with pytest.raises(Interrupted):
        press()
    assert [stopped.state for stopped in left] == ["not contacted"]
    signals._request.at -= signals.PATIENCE
    signals.begin_work()
    with pytest.raises(Interrupted):
        press()
    assert len(left) == 1

"""One loop for whatever comes by itself."""

from __future__ import annotations

import pytest

from infra.machine import waiting
from infra.machine.waiting import wait_until


@pytest.fixture
def clock(monkeypatch):
    """A clock that only sleeping moves on."""
    now = [100.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


def test_the_first_true_answer_is_it(clock) -> None:
    answers = iter(["", "", "there"])
    assert wait_until(lambda: next(answers), 5, every=1) == "there"
    assert clock[0] == 102


def test_after_its_time_the_last_answer_is_given(clock) -> None:
    asked: list[float] = []
    assert wait_until(lambda: asked.append(clock[0]), 2, every=1) is None
    assert asked == [100, 101, 102]


def test_what_is_there_is_not_waited_for(clock) -> None:
    assert wait_until(lambda: True, 0) and clock[0] == 100


def test_a_long_wait_is_told_of_every_ten_seconds(clock) -> None:
    told: list[float] = []
    assert not wait_until(lambda: False, 35, every=5, tell=told.append)
    assert told == [10, 20, 30]


def test_what_makes_waiting_useless_is_raised(clock) -> None:
    def check() -> bool:
        raise ValueError("it ended")

    with pytest.raises(ValueError, match="it ended"):
        wait_until(check, 60)
    assert clock[0] == 100

"""Scheduled runs that no worker took in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from infra.orchestration.flow import schedule

pytestmark = pytest.mark.harness
HOUR = 3600


@pytest.mark.parametrize(
    ("origin", "late", "every", "missed"),
    [
        ("schedule", 9 * HOUR, HOUR, True),  # one of a night's: a later one follows
        ("schedule", HOUR / 2, HOUR, False),  # the last of them
        ("ui", 9 * HOUR, HOUR, False),  # a person's is never left out
        ("schedule", 9 * HOUR, 0, False),  # a schedule of somebody's own
    ],
)
def test_of_those_that_were_missed_the_last_one_counts(
    monkeypatch, origin, late, every, missed
) -> None:
    planned = datetime.now(UTC) - timedelta(seconds=late)
    run = SimpleNamespace(flow_run=SimpleNamespace(scheduled_start_time=planned))
    monkeypatch.setattr(schedule, "runtime", run)
    on = SimpleNamespace(actor=SimpleNamespace(origin=origin))
    assert schedule.missed(on, every) is missed

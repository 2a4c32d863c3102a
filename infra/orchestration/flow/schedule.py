"""Runs that a schedule asked for while no worker was there."""

from __future__ import annotations

import time

from prefect import runtime

from infra.orchestration.flow.operation import FlowOperation


def missed(on: FlowOperation, every: float) -> bool:
    """Whether the next run of the schedule is due already: of those missed, the last one counts.

    Several at once would find the same and tell it twice, or push older backups out.
    every: the schedule's rhythm in seconds, 0 for none.
    """
    planned = runtime.flow_run.scheduled_start_time
    late = time.time() - planned.timestamp() if planned else 0.0
    return on.actor.origin == "schedule" and 0 < every < late

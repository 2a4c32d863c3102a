"""Work queues: looks have one of their own, of which few are at work at the same time.

A look is a process of two CPU seconds that writes to Prefect's history, and SQLite lets one write at a time. A
release waits for none of them.
"""

from __future__ import annotations

from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.changes import SetupChange

DEFAULT = "default"
"""The queue that every pool has; it has no limit."""
AT_ONCE = 4
"""Runs of any other queue at the same time, where nobody has set another limit."""
LATER = 2
"""Priority, a number of at least 1: what waits in the default queue is picked up first."""


def ensure_queue(api: PrefectApi, pool: str, name: str) -> SetupChange:
    """The queue is there and has a limit; one that a person has set stays."""
    shown = f"{pool}/{name}"
    queue = api.find(f"/work_pools/{pool}/queues/{name}")
    if queue is None:
        body = {"name": name, "concurrency_limit": AT_ONCE, "priority": LATER}
        api.post(f"/work_pools/{pool}/queues", body)
        return SetupChange("work queue", shown, "created", f"{AT_ONCE} at a time")
    if queue["concurrency_limit"] is not None:
        return SetupChange("work queue", shown, "unchanged")
    api.patch(f"/work_pools/{pool}/queues/{name}", {"concurrency_limit": AT_ONCE})
    return SetupChange("work queue", shown, "changed", f"{AT_ONCE} at a time")

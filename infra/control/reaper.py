"""Runs that fell silent are ended from here too, when the server's automation does not.

Seen once, after the database had been away: a run stayed Running for four minutes, its last
heartbeat in the database and no trigger waiting for the next. Another time the automation
fired; the cause is not known. This looks at the heartbeats themselves.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from infra.orchestration.api.client import PrefectApi
from infra.orchestration.liveness import BEGINS_WITHIN, SILENT_AFTER
from infra.orchestration.setup.pools import DOCKER_POOL, PROCESS_POOL

LATER = 45
"""Seconds that the automation has to be first."""
HEARTBEAT = "prefect.flow-run.heartbeat"
_SILENT = "no sign of life for {} s: its process was killed or lost the network; press again"
_NEVER = "a worker took it and did not begin it within {} s: the worker was killed; press again"


class Reaper:
    """Looks at intervals; acts only on what it could have seen."""

    def __init__(self, api: PrefectApi) -> None:
        self._api = api
        self._since: float | None = None

    def look(self) -> list[str]:
        """End the runs that are dead; returns their ids. Raises when the server is away."""
        since, self._since = self._since, None
        runs = self._runs()
        self._since = time.monotonic() if since is None else since
        # While the server was away nobody could be heard.
        watched = time.monotonic() - self._since
        return [run["id"] for run in runs if self._ended(run, watched)]

    def _runs(self) -> list[dict[str, Any]]:
        at_work = {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}
        of_our_pools = {"work_pools": {"name": {"any_": [PROCESS_POOL, DOCKER_POOL]}}}
        runs: list[dict[str, Any]] = self._api.post(
            "/flow_runs/filter", {"flow_runs": at_work, **of_our_pools}
        )
        return runs

    def _ended(self, run: dict[str, Any], watched: float) -> bool:
        running = run["state"]["type"] == "RUNNING"
        within = SILENT_AFTER if running else BEGINS_WITHIN
        quiet = min(self._quiet(run), watched)
        if quiet < within + LATER:
            return False
        message = (_SILENT if running else _NEVER).format(within)
        state = {"type": "CRASHED", "name": "Crashed", "message": message}
        self._api.post(f"/flow_runs/{run['id']}/set_state", {"state": state})
        return True

    def _quiet(self, run: dict[str, Any]) -> float:
        """Seconds since the run's last sign of life: a heartbeat, or a change of its state."""
        chosen = {
            "event": {"name": [HEARTBEAT]},
            "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
        }
        answer = self._api.post(
            "/events/filter", {"filter": {**chosen, "order": "DESC"}, "limit": 1}
        )
        signs = [run["state"]["timestamp"], *(e["occurred"] for e in answer["events"])]
        return (datetime.now(UTC) - max(map(datetime.fromisoformat, signs))).total_seconds()

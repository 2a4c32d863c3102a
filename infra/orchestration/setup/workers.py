"""Who picks runs up."""

from __future__ import annotations

from typing import Any

from infra.orchestration.api.client import Absent, PrefectApi
from infra.orchestration.setup.pools import DOCKER_POOL, PROCESS_POOL


def workers(api: PrefectApi, pool: str) -> list[dict[str, Any]]:
    """The pool's workers that are online: name, last_heartbeat_time, heartbeat_interval_seconds.

    The server goes by its own clock: a worker is offline when it was silent for three of
    its intervals and the next look, every 15 s, finds it so: within 30 s of its end where
    PREFECT_WORKER_HEARTBEAT_SECONDS is 5, as with ours.
    """
    try:
        registered = api.post(f"/work_pools/{pool}/workers/filter", {"limit": 100})
    except Absent:
        return []
    return [worker for worker in registered if worker["status"] == "ONLINE"]


def how_to_start(pool: str) -> str:
    """The command that a person gives where the worker should run."""
    if pool == DOCKER_POOL:
        return f"prefect worker start --pool {pool} --type docker"
    return "homeguru control-plane worker" + (f" --pool {pool}" if pool != PROCESS_POOL else "")

"""What the Prefect server says of itself, as JSON; Python runs this text inside its container.

Past the gateway, so that `homeguru control-plane status` needs no password.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

API = "http://127.0.0.1:4200/api"
POOLS = ("homeguru", "homeguru-docker")
AT_WORK = ["RUNNING", "PENDING", "CANCELLING", "PAUSED"]
"""A paused run waits for an approval in its process, which ends with the worker."""


def ask(path: str, body: Any = None) -> Any:
    """The answer's JSON; raises URLError while the server is away."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{API}{path}", data, headers)  # noqa: S310  our own server
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def look() -> dict[str, Any]:
    """Version, workers that are online by pool, and how many runs are at work."""
    workers = {pool: ask(f"/work_pools/{pool}/workers/filter", {"limit": 50}) for pool in POOLS}
    return {
        "version": ask("/admin/version"),
        "workers": {
            pool: [w["name"] for w in members if w["status"] == "ONLINE"]
            for pool, members in workers.items()
        },
        "runs_at_work": ask(
            "/flow_runs/count", {"flow_runs": {"state": {"type": {"any_": AT_WORK}}}}
        ),
    }


def at_work() -> list[str]:
    """Names of the runs that workers carry out; what was begun elsewhere does not end with us."""
    pools = [pool["name"] for pool in ask("/work_pools/filter", {"limit": 200})]
    found = ask("/flow_runs/filter", {
        "flow_runs": {"state": {"type": {"any_": AT_WORK}}},
        "work_pools": {"name": {"any_": pools}}, "limit": 200,
    })  # fmt: skip
    return [run["name"] for run in found]


def settle(why: str) -> dict[str, Any]:
    """After a restore: end the runs that were at work then, and free what they held."""
    ended, freed = 0, 0
    body = {"flow_runs": {"state": {"type": {"any_": AT_WORK}}}, "limit": 200}
    for _ in range(100):
        for run in (runs := ask("/flow_runs/filter", body)):
            state = {"type": "CRASHED", "name": "Crashed", "message": why}
            ask(f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
            ended += 1
        if not runs:
            break
    for limit in ask("/v2/concurrency_limits/filter", {"limit": 200}):
        if limit["active_slots"]:
            again = {"names": [limit["name"]], "slots": limit["active_slots"]}
            ask("/v2/concurrency_limits/decrement", again)
            freed += 1
    return {"ended": ended, "freed": freed}


if __name__ == "__main__":
    asked = sys.argv[1:]
    result: Any = look() if not asked else at_work() if asked[0] == "at-work" else settle(asked[1])
    sys.stdout.write(json.dumps(result))

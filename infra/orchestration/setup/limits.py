"""One global concurrency limit for each environment: `env-NAME`, one run at a time."""

from __future__ import annotations

from deployments.environment.schema import limit_name
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages
from infra.orchestration.setup.changes import SetupChange

PREFIX = "env-"


def ensure_limits(api: PrefectApi, environments: list[str]) -> list[SetupChange]:
    """Each environment's limit is there and lets one run in.

    A held slot is left held. A limit whose environment is not found here is reported: another
    machine may know it.
    """
    existing = {x["name"]: x for x in pages(api, "/v2/concurrency_limits/filter")}
    changes = [_ensure(api, limit_name(e), existing.get(limit_name(e))) for e in environments]
    others = sorted(existing.keys() - {limit_name(e) for e in environments})
    left_over = [name for name in others if name.startswith(PREFIX)]
    return changes + [
        SetupChange("limit", n, "left over", "no such environment here") for n in left_over
    ]


def _ensure(api: PrefectApi, name: str, existing: dict[str, object] | None) -> SetupChange:
    wanted = {"limit": 1, "active": True, "slot_decay_per_second": 0}
    if existing is None:
        api.post("/v2/concurrency_limits/", {"name": name, **wanted})
        return SetupChange("limit", name, "created")
    different = {k: v for k, v in wanted.items() if existing[k] != v}
    if not different:
        return SetupChange("limit", name, "unchanged")
    api.patch(f"/v2/concurrency_limits/{existing['id']}", different)
    detail = ", ".join(f"{k} {existing[k]} -> {v}" for k, v in different.items())
    return SetupChange("limit", name, "changed", detail)

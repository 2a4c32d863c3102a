"""Schedules: verification, backups and drills of each environment, and what prefect.yaml names."""

from __future__ import annotations

from typing import Any

from deployments.environment.schema import Environment
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.changes import SetupChange
from infra.orchestration.setup.declared import Declared

_OURS = ("verify-", "backup-", "drill-")
"""Schedules whose slug begins so are ours to remove."""


def wanted(entry: Declared, environments: list[Environment]) -> list[dict[str, Any]]:
    """The schedules that a deployment should have.

    An environment is ready when a host key is pinned: without one every look is refused.
    """
    schedules = [_declared(schedule) for schedule in entry.schedules]
    rhythm = {
        "verify": lambda e: e.watch.every,
        "backup": lambda e: e.backup.every_hours * 3600,
        "drill": lambda e: e.backup.drill_hours * 3600,
    }.get(entry.name)
    if rhythm:
        schedules += [
            _every(entry.name, e, rhythm(e)) for e in _ready(environments) if rhythm(e) > 0
        ]
    return schedules


def ensure_schedules(
    api: PrefectApi, deployment: dict[str, Any], schedules: list[dict[str, Any]],
    environments: list[Environment],
) -> list[SetupChange]:  # fmt: skip
    """Create, change and remove; a schedule that a person paused stays paused.

    One of an environment that has no place or no pinned key here is another machine's matter.
    """
    path = f"/deployments/{deployment['id']}/schedules"
    existing = {s["slug"]: s for s in deployment.get("schedules") or [] if s.get("slug")}
    changes = [_ensure(api, path, s, existing.get(s["slug"])) for s in schedules]
    slugs, ready = {s["slug"] for s in schedules}, {e.name for e in _ready(environments)}
    for slug in sorted(existing.keys() - slugs):
        if not slug.startswith(_OURS):
            continue
        if slug.partition("-")[2] in ready:
            api.delete(f"{path}/{existing[slug]['id']}")
            changes.append(SetupChange("schedule", slug, "removed", "its environment wants none"))
        else:
            why = "its environment is not set up here; delete it where that is gone"
            changes.append(SetupChange("schedule", slug, "left over", why))
    return changes


def _ready(environments: list[Environment]) -> list[Environment]:
    return [e for e in environments if e.host.host_keys]


def _every(verb: str, environment: Environment, seconds: int) -> dict[str, Any]:
    return {
        "slug": f"{verb}-{environment.name}",
        "schedule": {"interval": float(seconds)},
        "parameters": {"environment": environment.name},
    }


def _declared(schedule: dict[str, Any]) -> dict[str, Any]:
    rule = {k: schedule[k] for k in ("cron", "interval", "timezone") if k in schedule}
    return {
        "slug": schedule["slug"], "schedule": rule, "parameters": schedule.get("parameters", {})
    }  # fmt: skip


def _ensure(
    api: PrefectApi, path: str, schedule: dict[str, Any], existing: dict[str, Any] | None
) -> SetupChange:
    slug = schedule["slug"]
    if existing is None:
        api.post(path, [{"active": True, **schedule}])
        return SetupChange("schedule", slug, "created", _rhythm(schedule["schedule"]))
    # The server adds what was left out, such as the day from which an interval counts.
    rule = {k: existing["schedule"].get(k) for k in schedule["schedule"]}
    if rule == schedule["schedule"] and existing["parameters"] == schedule["parameters"]:
        return SetupChange("schedule", slug, "unchanged", "" if existing["active"] else "paused")
    api.patch(f"{path}/{existing['id']}", {**schedule, "active": existing["active"]})
    return SetupChange("schedule", slug, "changed", _rhythm(schedule["schedule"]))


def _rhythm(rule: dict[str, Any]) -> str:
    return f"every {rule['interval']:.0f} s" if "interval" in rule else str(rule["cron"])

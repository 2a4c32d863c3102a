"""Schedules: verification, backups and drills of each environment, and what prefect.yaml names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployments.environment.schema import Environment
from deployments.health.looks import SEVERAL, Group, Looks, divide
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.changes import SetupChange
from infra.orchestration.setup.declared import Declared

_OURS = ("verify-", "backup-", "drill-", SEVERAL)
"""Schedules whose slug begins so are ours to remove."""


def looks(
    environments: list[Environment], own: list[dict[str, Any]], several: list[dict[str, Any]]
) -> Looks:
    """Which environments have a schedule of their own, and which are verified together.

    own, several: the schedules that `verify` and `verify-several` have now.
    """
    every = {e.name: e.watch.every for e in _ready(environments)}
    stopped = {s["slug"] for s in own if not s["active"]}
    paused = {name for name, seconds in every.items() if seconds and f"verify-{name}" in stopped}
    groups = [_group(s) for s in several if (s.get("slug") or "").startswith(SEVERAL)]
    return divide(every, paused, groups)


def _group(schedule: dict[str, Any]) -> Group:
    names = tuple(schedule["parameters"].get("environments") or ())
    every = int(schedule["schedule"].get("interval") or 0)
    return Group(schedule["slug"], every, names, paused=not schedule["active"])


def wanted(entry: Declared, environments: list[Environment], looks: Looks) -> list[dict[str, Any]]:
    """The schedules that a deployment should have.

    An environment is ready when a host key is pinned: without one every look is refused.
    """
    schedules = [_declared(schedule) for schedule in entry.schedules]
    if entry.name == "verify-several":
        schedules += [_together(group) for group in looks.groups]
    rhythms: dict[str, Callable[[Environment], int]] = {
        "verify": lambda e: e.watch.every if e.name in looks.alone else 0,
        "backup": lambda e: e.backup.every_hours * 3600,
        "drill": lambda e: e.backup.drill_hours * 3600,
    }
    if rhythm := rhythms.get(entry.name):
        schedules += [
            _every(entry.name, e, rhythm(e)) for e in _ready(environments) if rhythm(e) > 0
        ]
    return schedules


def ensure_schedules(
    api: PrefectApi, deployment: dict[str, Any], schedules: list[dict[str, Any]],
    environments: list[Environment], looks: Looks,
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
        if slug.startswith(SEVERAL) or _environment(slug) in ready:
            api.delete(f"{path}/{existing[slug]['id']}")
            changes.append(SetupChange("schedule", slug, "removed", _why_removed(slug, looks)))
        else:
            why = "its environment is not set up here; delete it where that is gone"
            changes.append(SetupChange("schedule", slug, "left over", why))
    return changes


def _environment(slug: str) -> str:
    return slug.partition("-")[2]


def _why_removed(slug: str, looks: Looks) -> str:
    if slug.startswith(SEVERAL):
        return "no environment is left in it"
    group = looks.group_of(_environment(slug)) if slug.startswith("verify-") else ""
    return f"{group} has it" if group else "its environment wants none"


def _ready(environments: list[Environment]) -> list[Environment]:
    return [e for e in environments if e.host.host_keys]


def _every(verb: str, environment: Environment, seconds: int) -> dict[str, Any]:
    return {
        "slug": f"{verb}-{environment.name}",
        "schedule": {"interval": float(seconds)},
        "parameters": {"environment": environment.name},
    }


def _together(group: Group) -> dict[str, Any]:
    return {
        "slug": group.name,
        "schedule": {"interval": float(group.every)},
        "parameters": {"environments": list(group.environments)},
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
        return SetupChange("schedule", slug, "created", _described(schedule))
    # The server adds what was left out, such as the day from which an interval counts.
    rule = {k: existing["schedule"].get(k) for k in schedule["schedule"]}
    if rule == schedule["schedule"] and existing["parameters"] == schedule["parameters"]:
        return SetupChange("schedule", slug, "unchanged", "" if existing["active"] else "paused")
    api.patch(f"{path}/{existing['id']}", {**schedule, "active": existing["active"]})
    paused = "" if existing["active"] else ", paused"
    return SetupChange("schedule", slug, "changed", _described(schedule) + paused)


def _described(schedule: dict[str, Any]) -> str:
    rule, names = schedule["schedule"], schedule["parameters"].get("environments")
    rhythm = f"every {rule['interval']:.0f} s" if "interval" in rule else str(rule["cron"])
    if names is None:
        return rhythm
    return f"{rhythm}, {len(names)} environment{'s' if len(names) != 1 else ''}"

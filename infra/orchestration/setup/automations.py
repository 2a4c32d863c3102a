"""Automations: a run whose process was killed does not stay Running for ever."""

from __future__ import annotations

from typing import Any

from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages
from infra.orchestration.setup.changes import SetupChange

_ENDED = ["Completed", "Failed", "Crashed", "Cancelled"]


def wanted(flows: list[str], silent_after: int, begins_within: int) -> list[dict[str, Any]]:
    """The automations, for runs of our flows only: others may beat more slowly."""
    silent = _dead_run(
        flows, "homeguru: a run fell silent", ["heartbeat"],
        # A suspended run has no process and is alive all the same.
        ["heartbeat", "Suspended", *_ENDED], silent_after,
        f"no sign of life for {silent_after} s: its process was killed or lost the network; "
        "the next run takes up what it left",
    )  # fmt: skip
    begun = ["Running", "Retrying", "Scheduled", "Late", "AwaitingConcurrencySlot", "Cancelling"]
    never = _dead_run(
        flows, "homeguru: a run never began", ["Pending"], [*begun, *_ENDED], begins_within,
        f"a worker took it and did not begin it within {begins_within} s: the worker was killed; "
        "nothing was touched, press again",
    )  # fmt: skip
    return [silent, never]


def ensure_automations(api: PrefectApi, automations: list[dict[str, Any]]) -> list[SetupChange]:
    """Create or change; one that a person switched off stays off."""
    names = [a["name"] for a in automations]
    body = {"automations": {"name": {"any_": names}}}
    existing = {a["name"]: a for a in pages(api, "/automations/filter", body)}
    return [_ensure(api, a, existing.get(a["name"])) for a in automations]


def _dead_run(
    flows: list[str], name: str, after: list[str], expect: list[str], within: int, message: str
) -> dict[str, Any]:
    return {
        "name": name, "description": f"After {within} s: {message}.", "enabled": True,
        "trigger": {
            "type": "event", "posture": "Proactive", "threshold": 1, "within": float(within),
            "match": {"prefect.resource.id": "prefect.flow-run.*"},
            "match_related": {
                "prefect.resource.role": "flow", "prefect.resource.name": sorted(flows),
            },
            "after": sorted(f"prefect.flow-run.{x}" for x in after),
            "expect": sorted(f"prefect.flow-run.{x}" for x in expect),
            "for_each": ["prefect.resource.id"],
        },
        # Not forced: a run that ended meanwhile keeps its own end.
        "actions": [{
            "type": "change-flow-run-state", "name": "Crashed", "state": "CRASHED",
            "message": message,
        }],
    }  # fmt: skip


def _ensure(
    api: PrefectApi, automation: dict[str, Any], existing: dict[str, Any] | None
) -> SetupChange:
    name = automation["name"].removeprefix("homeguru: ")
    if existing is None:
        api.post("/automations/", automation)
        return SetupChange("automation", name, "created")
    wanted = {**automation, "enabled": existing["enabled"]}
    different = sorted(k for k, v in wanted.items() if not _holds(existing.get(k), v))
    if not different:
        return SetupChange(
            "automation", name, "unchanged", "" if existing["enabled"] else "switched off"
        )
    api.put(f"/automations/{existing['id']}", wanted)
    return SetupChange("automation", name, "changed", ", ".join(different))


def _holds(actual: Any, wanted: Any) -> bool:
    """Whether the server's answer says what we say; it adds ids and defaults of its own."""
    if isinstance(wanted, dict):
        return isinstance(actual, dict) and all(_holds(actual.get(k), v) for k, v in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        if all(isinstance(x, str) for x in wanted):
            return sorted(actual) == sorted(wanted)
        pairs = zip(actual, wanted, strict=False)
        return len(actual) == len(wanted) and all(_holds(f, w) for f, w in pairs)
    return bool(actual == wanted)

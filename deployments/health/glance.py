"""What one observation alone says: no probe, no comparison with the release's own files."""

from __future__ import annotations

from dataclasses import replace

from deployments.compose.stack import Service, Stack
from deployments.health.drift import unknown_current
from deployments.health.verification import CheckResult
from deployments.host.observation import Observation


def services_at_a_glance(stack: Stack, seen: Observation) -> tuple[CheckResult, ...]:
    """State and health of each service's container, in the order of replacement."""
    return tuple(_service(service, seen) for service in stack.ordered)


def server_at_a_glance(seen: Observation) -> tuple[CheckResult, ...]:
    """Release, ledger, runs and databases."""
    broken = seen.ledger.broken_at()
    edited = f"line {broken} does not fit the one before" if broken else ""
    kept = len(seen.undone)
    left = f"{kept} from before an undo, to be dropped when nobody needs it" if kept else ""
    return (
        _release(seen),
        _result("ledger", edited, "the chain of its lines holds"),
        _runs(seen),
        _result("databases", left, "none is left over from an undo"),
        *_maintenance(seen),
    )


def _maintenance(seen: Observation) -> list[CheckResult]:
    """Since when it is on. By whom and why is not for everybody who may read the status page."""
    if seen.maintenance is None:
        return []
    return [_result("maintenance", "", str(replace(seen.maintenance, who="", reason="")))]


def _result(check: str, problem: str, well: str) -> CheckResult:
    return CheckResult("server", check, ok=not problem, detail=problem or well)


def _service(service: Service, seen: Observation) -> CheckResult:
    running = seen.of(service.name)
    if len(running) != 1:
        state = f"{len(running)} containers" if running else "no container"
        return CheckResult(service.name, "container", ok=False, detail=state)
    (container,) = running
    ok = container.completed if service.runs_once else container.serving
    state = ", ".join(filter(None, (container.state, container.health)))
    return CheckResult(service.name, "container", ok, state)


def _release(seen: Observation) -> CheckResult:
    missing = "" if seen.current else "nothing was deployed yet"
    unknown = "; ".join(unknown_current(seen))
    return _result("release", missing or unknown, "the ledger names the one that runs")


def _runs(seen: Observation) -> CheckResult:
    if seen.locked:
        return _result("runs", "", "one is at work now")
    count = len(seen.unfinished)
    never = f"{count} never ended; the next deploy ends or undoes it" if count else ""
    return _result("runs", never, "all ended")

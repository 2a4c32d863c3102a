"""For how long secrets have had the values that they have."""

from __future__ import annotations

from datetime import UTC, datetime

from deployments.environment.policy import Watch
from deployments.health.verification import CheckResult
from deployments.host.observation import Observation

LONG = 365
"""Days after which a person is reminded who asks, where the environment names no limit."""


def ages(seen: Observation) -> list[tuple[str, int]]:
    """Secrets that the server has, each with its days, the oldest first.

    A host that was not yet noting it when a value came counts from its first release since.
    """
    found = []
    for name, since in seen.secrets_since.items():
        try:
            began = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            continue
        found.append((name, max(0, int(seen.epoch - began.timestamp()) // 86400)))
    return sorted(found, key=lambda each: (-each[1], each[0]))


def check_secrets(watch: Watch, seen: Observation, environment: str) -> list[CheckResult]:
    """One finding for all that are older than `[watch] secret_days` allows."""
    known = ages(seen)
    if not watch.secret_days or not known:
        return []
    old = [f"{name} for {days}" for name, days in known if days > watch.secret_days]
    if not old:
        name, days = known[0]
        return [
            CheckResult("server", "secrets", ok=True, detail=f"the oldest, {name}, for {days} days")
        ]
    first = old[0].split()[0]
    detail = (
        f"the same for more than {watch.secret_days} days: {', '.join(old)}; "
        f"homeguru rotate {first} --env {environment}"
    )
    return [CheckResult("server", "secrets", ok=False, detail=detail)]

"""Watching: from one look at an environment to the next, what is worth a notification.

A problem is one check of one service. It is notified when it is new, once more after an hour and
then daily while it lasts, and its end once. One that comes and goes is notified as flapping,
then not again until it has been steady for an hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, Field

from deployments.fields import Frozen
from deployments.health.verification import CheckResult
from deployments.host.observation import Observation

HOUR = 3600.0
DAY = 24 * HOUR
FLAPS = 4
"""Times that a problem may begin within an hour; at this one it counts as flapping."""

Kind = Literal["down", "worse", "still", "flapping", "recovered"]

EVENT = "homeguru.environment"
"""First part of an event's name, before its kind, and of its resource, before the environment."""

NEWS: dict[Kind, str] = {
    "down": "a problem began where all was well",
    "worse": "another problem began before the first ones ended",
    "still": "a problem lasts: an hour after it was notified, then daily",
    "flapping": f"a problem began for the {FLAPS}th time within an hour; it is notified once",
    "recovered": "all problems ended",
}
"""When each kind is emitted."""


class Memory(Frozen):
    """What one look leaves for the next. Times in seconds since 1970.

    bad: problems of the last look. told: those that were notified since all was well last.
    begun: when each problem began, within the last hour. restarts: by the first twelve
    digits of a container's id.
    """

    model_config = ConfigDict(extra="ignore")

    v: Literal[1] = 1
    since: float = 0.0
    bad: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    told_at: float = 0.0
    reminded: int = 0
    begun: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    restarts: dict[str, int] = Field(default_factory=dict)
    healed_at: float = 0.0

    def untold(self, before: Memory) -> Memory:
        """This memory where the notice could not be sent: the next look sends it again."""
        update = {
            "told": before.told, "told_at": before.told_at, "reminded": before.reminded,
            "since": self.since or before.since,
        }  # fmt: skip
        return self.model_copy(update=update)


@dataclass(frozen=True)
class News:
    """What changed between two looks. seconds: how long it was, or has been, unwell."""

    kind: Kind
    problems: tuple[str, ...]
    seconds: float


def restarted(seen: Observation, memory: Memory) -> list[CheckResult]:
    """Containers whose engine started them again since the last look."""
    results = []
    for container in seen.long_running:
        before = memory.restarts.get(container.id[:12], container.restarts)
        if container.restarts > before:
            times = container.restarts - before
            detail = f"restarted {times} time{'s' if times > 1 else ''} since the last look"
            results.append(CheckResult(container.service, "restarts", ok=False, detail=detail))
    return results


def evaluate(memory: Memory, findings: list[CheckResult], now: float) -> tuple[Memory, News | None]:
    """The memory after this look, and what to notify of it."""
    bad = {
        f"{f.service} {f.check}": f"{f.service} {f.check}: {f.detail}" for f in findings if not f.ok
    }
    begun = _begun(memory, list(bad), now)
    flapping = {key for key, times in begun.items() if len(times) >= FLAPS}
    since = (memory.since or now) if bad or memory.told else 0.0
    after = memory.model_copy(update={"since": since, "bad": tuple(bad), "begun": begun})
    new = [key for key in bad if key not in memory.told]
    if new:
        kind: Kind = "worse" if memory.told else "down"
        if flapping.issuperset(new):
            kind = "flapping"
        reported = (*memory.told, *new)
        change = {"told": reported, "told_at": now, "reminded": 0}
        return after.model_copy(update=change), News(kind, _texts(bad, new), now - since)
    if bad:
        return _still(after, bad, now)
    if memory.told and not flapping.intersection(memory.told):
        ended = after.model_copy(update={"since": 0.0, "told": (), "told_at": now, "reminded": 0})
        return ended, News("recovered", memory.told, now - since)
    return after, None


def _still(memory: Memory, bad: dict[str, str], now: float) -> tuple[Memory, News | None]:
    """A reminder after an hour, then daily."""
    if now - memory.told_at < (DAY if memory.reminded else HOUR):
        return memory, None
    change = {"told_at": now, "reminded": memory.reminded + 1}
    return memory.model_copy(update=change), News(
        "still", _texts(bad, list(bad)), now - memory.since
    )


def _begun(memory: Memory, bad: list[str], now: float) -> dict[str, tuple[float, ...]]:
    """When each problem began, within the last hour."""
    recent = {k: tuple(t for t in times if now - t < HOUR) for k, times in memory.begun.items()}
    for key in bad:
        if key not in memory.bad:
            recent[key] = (*recent.get(key, ()), now)
    return {key: times for key, times in recent.items() if times}


def _texts(bad: dict[str, str], keys: list[str]) -> tuple[str, ...]:
    return tuple(bad[key] for key in keys)

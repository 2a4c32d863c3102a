"""Rounds: which services are replaced side by side, and which wait until others serve."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from deployments.planning.changes import Change


@dataclass(frozen=True)
class Rounds:
    """Divides changes, in the order of replacement, into rounds.

    after: service to those that must serve before it is prepared. memory_mb: what is free for second
    containers. alone: services that take no memory for a second container now: two of them never
    run at a time, or both run already. kept: services whose old containers stay, so that their
    memory is not free for the next round. absent: services of which nothing serves meanwhile.
    """

    after: Mapping[str, tuple[str, ...]]
    memory_mb: int
    alone: Collection[str]
    kept: Collection[str]
    absent: Collection[str]

    def of(self, due: list[Change]) -> list[list[Change]]:
        """The rounds; each begins when the old containers of the one before are gone."""
        rounds: list[list[Change]] = []
        for change in due:
            if not rounds or self._waits(change, rounds[-1]) or not self._fits(change, rounds):
                rounds.append([])
            rounds[-1].append(change)
        return rounds

    def notes(self, due: list[Change]) -> tuple[str, ...]:
        """What a person reads where memory, and nothing else, makes another round."""
        rounds = self.of(due)
        if rounds == replace(self, memory_mb=sys.maxsize).of(due):
            return ()
        names = [" and ".join(change.service.name for change in each) for each in rounds]
        note = "free memory does not hold all new containers at once"
        return (f"{note}: {', then '.join(names)}",)

    def _waits(self, change: Change, before: list[Change]) -> bool:
        """Whether it needs one of these to serve first, or runs to its end, which others wait for."""
        if change.service.runs_once or before[-1].service.runs_once:
            return True
        wanted = self.after.get(change.service.name, ())
        # What does not run cannot answer anybody; what is replaced serves meanwhile.
        missing = {c.service.name for c in before} & set(change.service.after) & set(self.absent)
        return bool(missing) or any(c.service.name in wanted for c in before)

    def _fits(self, change: Change, rounds: list[list[Change]]) -> bool:
        kept = [c for each in rounds[:-1] for c in each if c.service.name in self.kept]
        taken = sum(map(self._extra, [*kept, *rounds[-1]]))
        return taken + self._extra(change) <= self.memory_mb or not self._extra(change)

    def _extra(self, change: Change) -> int:
        """MiB that its second container takes; one that is not there yet has no second one."""
        alone = change.first or change.service.name in self.alone
        return 0 if alone else change.service.reservation_mb


def side_by_side(due: list[Change], stop_first: Collection[str]) -> bool:
    """Whether it is worth a step that starts all of a round: several, and one that starts first."""
    return len(due) > 1 and any(c.first or c.service.name not in stop_first for c in due)

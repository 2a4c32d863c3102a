"""Deploys as a ledger has them: which runs were one, how each ended, and what restored service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from deployments.history.ledger import Line
from deployments.verbs import traits


@dataclass(frozen=True)
class Period:
    """Whole days in UTC, the last one as far as it has come. until: the time of the look."""

    until: datetime
    days: int

    @property
    def dates(self) -> list[date]:
        """Every day, oldest first."""
        last = self.until.date()
        return [last - timedelta(days=back) for back in reversed(range(self.days))]

    @property
    def since(self) -> datetime:
        """Its first moment."""
        first = self.until.date() - timedelta(days=self.days - 1)
        return datetime(first.year, first.month, first.day, tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.since.date()} to {self.until.date()}, {self.days} days, UTC"


@dataclass(frozen=True)
class DeployDay:
    """How many runs that replaced the release ended how, on one day."""

    day: date
    ok: int = 0
    undone: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.ok + self.undone + self.failed

    def __str__(self) -> str:
        counts = (("ok", self.ok), ("undone", self.undone), ("failed", self.failed))
        return ", ".join(f"{count} {how}" for how, count in counts if count) or "none"


def deploy_days(lines: Sequence[Line], period: Period) -> tuple[DeployDay, ...]:
    """Each day of the period with its deploys and rollbacks, oldest first."""
    runs = [line for line in DeployLog(lines).replacing() if within(line, period)]
    counts = Counter((ended(line).date(), line.outcome) for line in runs)
    return tuple(
        DeployDay(day, counts[day, "ok"], counts[day, "undone"], counts[day, "failed"])
        for day in period.dates
    )


class DeployLog:
    """Lines in the order in which they were written: the clocks of deployers differ."""

    def __init__(self, lines: Sequence[Line]) -> None:
        readable = (line for line in lines if moment(line.at))
        self._lines = sorted(readable, key=lambda line: line.seq)

    def deploys(self) -> list[Line]:
        """The first line of each run that deployed, or was killed while it did.

        A later line of the same run says how the next one settled it.
        """
        return [line for line in self.replacing() if not self._is_way_back(line)]

    def deployed(self) -> list[Line]:
        """Deploys that ended well, those among them that a later run brought to their end."""
        return [line for line in self._lines if _is_deploy(line) and line.outcome == "ok"]

    def replacing(self) -> list[Line]:
        """The first line of each run that replaced the release, or tried to."""
        runs: dict[str, Line] = {}
        for line in self._lines:
            if traits(line.verb).replaces_release or traits(line.verb).undoes:
                runs.setdefault(line.run, line)
        return list(runs.values())

    def first(self) -> list[Line]:
        """The deploy that brought each commit: later ones of the same changed variables."""
        first: dict[str, Line] = {}
        for line in self.deployed():
            first.setdefault(line.manifest, line)
        return list(first.values())

    def failed(self, deploy: Line) -> bool:
        """Whether it was not left as it was."""
        return deploy.outcome != "ok" or self._rollback_from(deploy) is not None

    def restored_by(self, deploy: Line) -> Line | None:
        """The run with which service was restored; None where none was yet."""
        if deploy.outcome == "ok":
            return self._rollback_from(deploy)
        return next((line for line in self._after(deploy) if _leaves_well(line)), None)

    def _rollback_from(self, deploy: Line) -> Line | None:
        """The rollback that took a deploy back, before another one was deployed."""
        for line in self._after(deploy):
            if line.outcome == "ok" and traits(line.verb).replaces_release:
                back = traits(line.verb).returns and line.previous == deploy.release
                return line if back else None
        return None

    def _after(self, deploy: Line) -> list[Line]:
        return [line for line in self._lines if line.seq > deploy.seq]

    def _is_way_back(self, line: Line) -> bool:
        """Whether a run was no deploy; a killed one that went to a release of before was none."""
        if not traits(line.verb).undoes:
            return not _is_deploy(line)
        return any(
            before.release == line.release for before in self.deployed() if before.seq < line.seq
        )


def _is_deploy(line: Line) -> bool:
    does = traits(line.verb)
    return does.replaces_release and not does.returns and not does.restores


def _leaves_well(line: Line) -> bool:
    """Whether a verified release runs after it."""
    does = traits(line.verb)
    return line.outcome == "ok" and (does.replaces_release or does.heals)


def within(line: Line, period: Period) -> bool:
    """Whether a run ended on one of the days; a deployer's clock may be ahead of this one."""
    return period.since <= ended(line) and ended(line).date() <= period.until.date()


def ended(line: Line) -> datetime:
    """When a run of a `DeployLog` ended."""
    at = moment(line.at)
    assert at is not None, "lines whose time cannot be read were left out"
    return at


def moment(text: str) -> datetime | None:
    """A time of ISO 8601, in UTC where it names no zone; None for what is none."""
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    return None

"""Delivery metrics of one environment, from its ledger: DORA's four, each as a median and a count.

- Lead time: from a commit to the end of the first run that deployed its release well.
- Deployment frequency: deploys that ended well in a period, and the time between two of them.
- Change failure rate: the part of all deploys that had to be taken back or mended at once: those
  that failed, those that were undone, and those from whose release somebody rolled back.
- Time to restore service: from the end of such a deploy to the end of the next run that left a
  verified release. A rate has no median; it has two counts.

A rollback, a restored backup and a healed drift bring nothing new: they restore service and are no
deploys. A deploy without a change leaves no line in the ledger, so it counts for nothing.

Source of the definitions: DORA, "DORA's software delivery performance metrics",
https://dora.dev/guides/dora-metrics/. The median of each, and a restoration that is counted from the
deploy that caused the failure, are those of DORA's Four Keys project,
https://github.com/dora-team/fourkeys/blob/main/METRICS.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from deployments.errors import WrongUse
from deployments.history.audit import record_files
from deployments.history.deploys import DeployLog, Period, ended, moment, within
from deployments.history.ledger import Line
from deployments.release.manifest import parse_manifest

NONE = "none yet"
_OF_A_COMMIT = re.compile(r"-sha-[0-9a-f]{12}$")
"""End of the name of a release that is a commit; another one is of a folder's content."""


@dataclass(frozen=True)
class DeliveryMetrics:
    """The four, over one period. Times in seconds.

    from_files: lead times from the newest file of a folder, since its release is no commit.
    without_time: releases of no known lead time, since the server no longer keeps their record.
    deployed: deploys that ended well. deploys, failures: of the change failure rate.
    unrestored: failures after which nothing ended well yet.
    """

    period: Period
    lead_times: tuple[float, ...] = ()
    from_files: int = 0
    without_time: int = 0
    deployed: int = 0
    between: tuple[float, ...] = ()
    deploys: int = 0
    failures: int = 0
    restore_times: tuple[float, ...] = ()
    unrestored: int = 0

    def rows(self) -> list[tuple[str, str]]:
        """Name and value, for people."""
        return [
            ("lead time", self._lead_time()),
            ("deployment frequency", self._frequency()),
            ("change failure rate", self._failure_rate()),
            ("time to restore service", self._restoration()),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Stable keys for programs; a median of nothing is null."""
        return {
            "since": self.period.since.isoformat(),
            "until": self.period.until.isoformat(),
            "days": self.period.days,
            "lead_time": {
                "median_seconds": _median(self.lead_times), "count": len(self.lead_times),
                "from_commit": len(self.lead_times) - self.from_files,
                "from_newest_file": self.from_files, "unknown": self.without_time,
            },
            "deployment_frequency": {
                "count": self.deployed, "median_seconds_between": _median(self.between),
            },
            "change_failure_rate": {
                "rate": self.failures / self.deploys if self.deploys else None,
                "failures": self.failures, "count": self.deploys,
            },
            "time_to_restore_service": {
                "median_seconds": _median(self.restore_times), "count": len(self.restore_times),
                "not_restored": self.unrestored,
            },
        }  # fmt: skip

    def _lead_time(self) -> str:
        count, unknown = len(self.lead_times), self.without_time
        more = f"; {counted(unknown, 'release')} without a record" if unknown else ""
        if not count:
            return f"{NONE}{more}"
        since = "from the commit"
        if self.from_files:
            rest = f"{self.from_files} from the newest file of a folder"
            since = f"{count - self.from_files} from the commit, {rest}"
        return f"{_of(self.lead_times, 'release')}, {since}{more}"

    def _frequency(self) -> str:
        if not self.deployed:
            return NONE
        apart = f", median {duration(median(self.between))} apart" if self.between else ""
        return f"{counted(self.deployed, 'deploy')} in {self.period.days} days{apart}"

    def _failure_rate(self) -> str:
        if not self.deploys:
            return NONE
        share = f"{100 * self.failures / self.deploys:.0f}%"
        return f"{share}, {self.failures} of {counted(self.deploys, 'deploy')}"

    def _restoration(self) -> str:
        still = f"{self.unrestored} not restored yet" if self.unrestored else ""
        found = _of(self.restore_times, "failure") if self.restore_times else NONE
        return "; ".join(filter(None, (found, still)))


def delivery_metrics(
    lines: Sequence[Line], created: Mapping[str, str], period: Period
) -> DeliveryMetrics:
    """The four metrics of a ledger. created: time of the commit by manifest, where it is known."""
    log = DeployLog(lines)
    good = [line for line in log.deployed() if within(line, period)]
    first = [line for line in log.first() if within(line, period)]
    times = [(line, _lead_time(line, created.get(line.manifest, ""))) for line in first]
    known = [(line, time) for line, time in times if time is not None]
    deploys = [line for line in log.deploys() if within(line, period)]
    ends = [(line, log.restored_by(line)) for line in deploys if log.failed(line)]
    return DeliveryMetrics(
        period,
        lead_times=tuple(time for _, time in known),
        from_files=sum(not _OF_A_COMMIT.search(line.manifest) for line, _ in known),
        without_time=len(first) - len(known),
        deployed=len(good),
        between=tuple(_seconds(before, after) for before, after in pairwise(good)),
        deploys=len(deploys),
        failures=len(ends),
        restore_times=tuple(_seconds(line, end) for line, end in ends if end),
        unrestored=sum(end is None for _, end in ends),
    )


def _seconds(before: Line, after: Line) -> float:
    """From the end of one run to the end of a later one; none where their clocks disagree."""
    return max(0.0, (ended(after) - ended(before)).total_seconds())


def _lead_time(line: Line, created: str) -> float | None:
    begin = moment(created)
    if begin is None or begin > ended(line):
        return None
    return (ended(line) - begin).total_seconds()


def _median(times: Sequence[float]) -> float | None:
    return median(times) if times else None


def _of(times: Sequence[float], what: str) -> str:
    return f"median {duration(median(times))} of {counted(len(times), what)}"


def counted(count: int, what: str) -> str:
    """`1 deploy`, `2 deploys`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`: two units at most."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return _units(divmod(minutes, 60), "h", "min")
    return _units(divmod(round(seconds / 3600), 24), "d", "h")


def _units(parts: tuple[int, int], large: str, small: str) -> str:
    return f"{parts[0]} {large} {parts[1]} {small}" if parts[1] else f"{parts[0]} {large}"


def manifest_files(lines: Sequence[Line]) -> list[str]:
    """Files on the host that hold the time of commits: manifests of the releases that it keeps."""
    return record_files(lines, "manifest.json")


def read_created(files: Mapping[str, str]) -> dict[str, str]:
    """Manifest to the time of its commit, or of the newest file of the folder that it is of."""
    created = {}
    for path, text in files.items():
        with suppress(WrongUse):
            manifest = parse_manifest(text, path)
            created[manifest.name] = manifest.created
    return created

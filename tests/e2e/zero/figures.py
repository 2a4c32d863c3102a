"""What became of the requests of a stretch of time, and the table of all paths."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.zero.load import CUT


@dataclass(frozen=True)
class Asked:
    """One request: seconds on the machine's monotonic clock, and how it ended."""

    kind: str
    began: float
    took: float
    failed: str

    @property
    def is_plain(self) -> bool:
        """Whether its seconds tell of the edge: neither slow nor long by itself."""
        slow = ("GET slow", "POST slow", "POST 5 MB")
        return self.kind.startswith(("GET", "POST")) and self.kind not in slow


def read(file: Path) -> list[Asked]:
    """All requests that have ended so far; a line that is being written is left out."""
    lines = file.read_text().split("\n")[:-1]
    return [Asked(*json.loads(line)) for line in lines]


@dataclass(frozen=True)
class Stretch:
    """The requests that touched a stretch of time."""

    asked: list[Asked]

    @classmethod
    def of(cls, asked: list[Asked], begin: float, end: float) -> Stretch:
        """Those that began before its end and ended after its begin."""
        return cls([a for a in asked if a.began < end and a.began + a.took >= begin])

    @property
    def failed(self) -> list[Asked]:
        return [a for a in self.asked if a.failed not in ("", CUT)]

    @property
    def cut(self) -> int:
        return sum(a.failed == CUT for a in self.asked)

    @property
    def gap(self) -> float:
        """Seconds between the first and the last failure's end."""
        ends = [a.began + a.took for a in self.failed]
        return max(ends) - min(a.began for a in self.failed) if ends else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds within which that share of the plain requests were answered."""
        took = sorted(a.took for a in self.asked if a.is_plain and not a.failed)
        return took[min(len(took) - 1, int(len(took) * share))] * 1000 if took else 0.0

    @property
    def times(self) -> str:
        """p50, p99 and the longest, milliseconds."""
        return " / ".join(f"{self.percentile(share):.0f}" for share in (0.5, 0.99, 1))

    @property
    def what_failed(self) -> str:
        counted = Counter(f"{a.kind}: {a.failed}" for a in self.failed)
        return ", ".join(f"{many} x {what}" for what, many in counted.most_common(5))


def without_poller(
    polls: list[tuple[float, float | None]], begin: float, end: float, now: float
) -> float:
    """The longest time without a poll of those that began between begin and end, seconds.

    polls: when each began and ended, None while it lasts. A gap that is open at `end` lasts on.
    """
    last, longest = begin, 0.0
    for started, ended in sorted(polls, key=lambda poll: poll[0]):
        if last >= end:
            break
        longest = max(longest, min(started, now) - last)
        last = max(last, now if ended is None else ended)
    return max(longest, now - last) if last < end else longest


@dataclass(frozen=True)
class Taken:
    """One way that a release can take, and what its users saw of it."""

    name: str
    seconds: float
    rate: float
    """Requests a second that the load asks for."""
    before: Stretch
    during: Stretch
    after: Stretch
    doubled: int
    lost: int
    without_bot: float
    """Seconds without a poller."""
    note: str = ""

    @property
    def row(self) -> list[str]:
        return [
            self.name, f"{self.seconds:.1f}", str(len(self.during.asked)),
            str(len(self.during.failed)), str(self.doubled), str(self.during.cut),
            self.before.times, self.during.times, self.after.times, f"{self.without_bot:.1f}",
            self.note,
        ]  # fmt: skip


HEAD = [
    "path", "seconds", "requests", "failed", "doubled", "cut", "before", "during", "after",
    "no poller, s", "",
]  # fmt: skip
"""Milliseconds are p50 / p99 / longest."""

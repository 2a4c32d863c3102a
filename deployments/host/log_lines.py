"""Lines of containers as Compose prints them: the last ones of each, and what a limit left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_CONTAINER = re.compile(r"([\w.-]+-\d+) +\| ")
"""Container, then time and text. What Compose says of its own has no container before it."""


def last_of_each(lines: Sequence[str], count: int) -> list[str]:
    """The last `count` lines of each container, in the order in which they came."""
    counts = Counter[str]()
    kept = []
    for line in reversed(lines):
        container = line.partition("|")[0]
        if counts[container] < count:
            counts[container] += 1
            kept.append(line)
    return kept[::-1]


def note_of_more(matching: Sequence[str], shown: int) -> str:
    """Names containers that may have more lines than the number that is shown of each; else empty."""
    names = sorted(name for name, count in _counted(matching).items() if count >= shown)
    what = f"of {', '.join(names)} no more than the last {shown:,} lines are shown; -n shows more"
    return what if names else ""


def note_of_unsearched(
    read: Sequence[str], matching: Sequence[str], searched: int, shown: int
) -> str:
    """Names containers with lines that were not searched, of which fewer than `shown` were found.

    searched: number that was read of each at most.
    """
    found = _counted(matching)
    names = sorted(n for n, c in _counted(read).items() if c >= searched and found[n] < shown)
    what = (
        f"of {', '.join(names)} only the last {searched:,} lines were searched; "
        "--since 24h searches all of the last 24 hours"
    )
    return what if names else ""


def _counted(lines: Sequence[str]) -> Counter[str]:
    return Counter(match[1] for line in lines if (match := _CONTAINER.match(line)))

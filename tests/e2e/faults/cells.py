"""Cells of the matrix of faults, how they ended, and their table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

HANDS = (
    "migrate", "downgrade", "restore database", "start new containers", "replace api", "replace bot",
    "drain old containers", "record",
)  # fmt: skip
"""Steps before or in which state changes hands: every fault comes there."""
VERBS = ("deploy", "rollback", "restore", "migrate")
LATER = ("rollback", "restore")
"""Verbs that begin with the later of the two releases."""


@dataclass(frozen=True)
class Cell:
    verb: str
    step: str
    fault: str
    place: int = 0
    """Of the step in its verb, from 0."""

    @property
    def key(self) -> str:
        return f"{self.verb} | {self.step} | {self.fault}"


@dataclass
class Result:
    """How a cell ended. `wrong` is empty where it converged."""

    cell: str
    first: int | None
    seconds: float
    again: float
    rows: int
    place: int = 0
    wrong: list[str] = field(default_factory=list)


def read(file: Path) -> list[Result]:
    """Results that a run has left so far, in the order of the table."""
    if not file.exists():
        return []
    found = {row["cell"]: Result(**row) for row in map(json.loads, file.read_text().splitlines())}
    return sorted(found.values(), key=lambda r: (VERBS.index(r.cell.split(" | ")[0]), r.place))


def next_of(cells: list[Cell], at_after: bool) -> Cell:
    """The next cell: one that begins where the last one ended, if there is one.

    Those of `migrate` come last: afterwards the earlier release is one that ran on the later schema.
    """
    first = [c for c in cells if c.verb != "migrate"] or cells
    return next((c for c in first if (c.verb in LATER) == at_after), first[0])


def table(results: list[Result]) -> str:
    """Boundaries by faults: `ok`, `NO` or nothing where none was due."""
    cells = {tuple(r.cell.split(" | ")): r for r in results}
    faults = list(dict.fromkeys(key[2] for key in cells))
    rows = list(dict.fromkeys(key[:2] for key in cells))
    lines = [f"{'boundary':<36}" + "".join(f"{f:>11}" for f in faults)]
    for verb, step in rows:
        marks = [
            ""
            if (found := cells.get((verb, step, fault))) is None
            else "NO"
            if found.wrong
            else "ok"
            for fault in faults
        ]
        lines.append(f"{f'{verb}: before {step}':<36}" + "".join(f"{mark:>11}" for mark in marks))
    bad = sum(bool(r.wrong) for r in results)
    rows_written = sum(r.rows for r in results)
    lines.append(f"{len(results)} cells, {bad} did not converge; {rows_written} rows acknowledged")
    return "\n".join(lines)

"""The journal of one run on the host: what was begun, what ended.

The first line begins the run itself (step `run <release id>`), the last one ends it.
A run whose own line has no end is unfinished, whatever its steps say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from deployments.canonical import canonical

Event = Literal["begin", "end", "undo"]
EXCHANGES = ("set database aside", "restore database")
"""Steps after which the database of before lies beside, under the run's name."""
AT = "@AT@"
"""Replaced on the host by its own clock, in UTC."""


def line(step: str, event: Event, token: str, outcome: str = "") -> str:
    """One journal line; `at` is filled in by the host. outcome: of a run's first, what was asked."""
    return canonical(
        {"v": 1, "step": step, "event": event, "at": AT, "outcome": outcome, "token": token}
    )


def run_step(release: str) -> str:
    """Name of the line that begins and ends a whole run."""
    return f"run {release}"


@dataclass(frozen=True)
class Unfinished:
    """A run that began and never ended."""

    run: str
    release: str
    begun: tuple[str, ...]
    """Steps that were begun, in order."""
    at: str
    undoing: bool = False
    """Whether it was being undone already."""
    asked: str = ""
    """What it was asked for, where that is more than its release."""

    @property
    def exchanged(self) -> bool:
        """Whether the database of before may lie beside: what a database cannot be asked for."""
        return any(step in EXCHANGES for step in self.begun)

    @property
    def harmless(self) -> bool:
        """Whether it was a backup or a drill alone: a release begins with its files."""
        return not self.undoing and set(self.begun) <= {"back up database", "drill"}


def read(run: str, text: str) -> Unfinished | None:
    """Read one journal; None when the run ended. A torn last line is no line.

    A run that first undid another one has two parts, each with a beginning and an end.
    """
    open_: dict[str, str] | None = None
    steps: list[str] = []
    undoing = False
    for entry in filter(None, map(_entry, text.splitlines())):
        step, begins = entry["step"], entry["event"] != "end"
        if step.startswith("run ") and begins:
            open_, steps, undoing = entry, [], False
        elif open_ and step == open_["step"]:
            open_ = None
        elif begins:
            steps.append(step)
            undoing = undoing or entry["event"] == "undo"
    if open_ is None:
        return None
    release, asked = open_["step"].removeprefix("run "), str(open_.get("outcome", ""))
    return Unfinished(run, release, tuple(steps), open_["at"], undoing, asked)


def _entry(raw: str) -> dict[str, str] | None:
    try:
        entry = json.loads(raw)
    except json.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) and "step" in entry and "event" in entry else None

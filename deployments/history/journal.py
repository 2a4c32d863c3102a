"""The journal of one run on the host: what was begun, what ended.

The first line begins the run itself, the last one ends it. A run whose own line has no end is
unfinished, whatever its steps say. A line of format 2 names a step by kind and service; one of
format 1, of an older version, by the name that people read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from deployments.canonical import canonical
from deployments.history.step_kind import StepKey, key_of_v1

Event = Literal["begin", "end", "undo"]
AT = "@AT@"
"""Replaced on the host by its own clock, in UTC."""
_RUN = "run"
_RUN_V1 = "run "


def step_line(step: StepKey, event: Event, token: str, outcome: str = "") -> str:
    """The line of one step; `at` is filled in by the host."""
    return _line(step, step.name, event, token, outcome)


def run_line(release: str, event: Event, token: str, outcome: str = "") -> str:
    """The line that begins or ends a whole run.

    outcome: of the line that begins it, what was requested where the release does not say it.
    """
    # An older version knows the line by its name.
    return _line(StepKey(_RUN), f"{_RUN_V1}{release}", event, token, outcome, release)


def _line(
    step: StepKey, name: str, event: Event, token: str, outcome: str, release: str = ""
) -> str:
    return canonical({
        "v": 2, "kind": step.kind, "service": step.service, "step": name, "event": event,
        "release": release, "at": AT, "outcome": outcome, "token": token,
    })  # fmt: skip


@dataclass(frozen=True)
class Unfinished:
    """A run that began and never ended."""

    run: str
    release: str
    begun: tuple[StepKey, ...]
    """Steps that were begun, in order."""
    at: str
    undoing: bool = False
    """Whether it was being undone already."""
    requested: str = ""
    """What was requested, where that is more than its release."""

    @property
    def exchanged(self) -> bool:
        """Whether the database of before may exist under the run's name; a stopped one cannot say."""
        return any(step.traits.exchanges_database for step in self.begun)

    @property
    def switched_maintenance(self) -> bool:
        """Whether it was about maintenance alone."""
        return bool(self.begun) and all(step.traits.switches_maintenance for step in self.begun)

    @property
    def harmless(self) -> bool:
        """Whether it was a backup or a drill alone: a release begins with its files."""
        return not self.undoing and all(step.traits.works_beside for step in self.begun)


@dataclass(frozen=True)
class _Entry:
    """One line of a journal, of either format. release: of a run's own line."""

    step: StepKey
    event: str
    at: str
    outcome: str
    release: str = ""

    @property
    def begins(self) -> bool:
        return self.event != "end"


def read(run: str, text: str) -> Unfinished | None:
    """Read one journal; None when the run ended. A torn last line is no line.

    A run that first undid another one has two parts, each with a beginning and an end.
    """
    open_: _Entry | None = None
    steps: list[StepKey] = []
    undoing = False
    for entry in filter(None, map(_entry, text.splitlines())):
        if entry.step.kind == _RUN and entry.begins:
            open_, steps, undoing = entry, [], False
        elif open_ and entry.step.kind == _RUN and entry.release == open_.release:
            open_ = None
        elif entry.begins:
            steps.append(entry.step)
            undoing = undoing or entry.event == "undo"
    if open_ is None:
        return None
    return Unfinished(
        run, open_.release, tuple(steps), open_.at, undoing=undoing, requested=open_.outcome
    )


def _entry(raw: str) -> _Entry | None:
    try:
        entry = json.loads(raw)
    except json.JSONDecodeError:
        return None
    if not isinstance(entry, dict) or "step" not in entry or "event" not in entry:
        return None
    step, release = _step(entry)
    return _Entry(
        step, str(entry["event"]), str(entry.get("at", "")), str(entry.get("outcome", "")), release
    )


def _step(entry: dict[str, Any]) -> tuple[StepKey, str]:
    """The step of a line, and the release where the step is the run itself."""
    if "kind" in entry:
        step = StepKey(str(entry["kind"]), str(entry.get("service", "")))
        return step, str(entry.get("release", ""))
    name = str(entry["step"])
    if name.startswith(_RUN_V1):
        return StepKey(_RUN), name.removeprefix(_RUN_V1)
    return key_of_v1(name), ""

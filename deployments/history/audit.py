"""The audit log: the host's ledger and Prefect's history, joined by run id.

Each says what the other may have lost. A change that only one of them knows is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from deployments.history.ledger import Line
from deployments.history.requester import parse_requester
from deployments.text import subject
from deployments.verbs import traits, verbs_that

CHANGING = verbs_that("changes_what_runs")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

Known = Literal["both", "ledger", "prefect"]


@dataclass(frozen=True)
class PrefectRun:
    """One flow run as Prefect keeps it. Times are ISO 8601, empty when not reached."""

    id: str
    verb: str
    state: str
    by: str
    created: str
    ended: str
    page: str
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether the run itself says that it changed the host."""
        return bool(self.result.get("changed"))


@dataclass(frozen=True)
class AuditEntry:
    """One run of either side. `note` says what does not fit; empty when all does.

    subject: of the release's commit; empty where nobody knows it.
    """

    known: Known
    line: Line | None
    run: PrefectRun | None
    note: str = ""
    subject: str = ""

    @property
    def at(self) -> str:
        return self.line.at if self.line else (self.run.created if self.run else "")

    @property
    def who(self) -> str:
        """Who requested it, and whether that is proven or claimed."""
        if self.line:
            return described(self.line)
        requester = parse_requester(self.run.by) if self.run else None
        return f"{requester.who} (claimed)" if requester else "unknown"

    def to_dict(self) -> dict[str, Any]:
        """One line of the export."""
        return {
            "v": 1,
            "known": self.known,
            "at": self.at,
            "who": self.who,
            "note": self.note,
            "subject": self.subject,
            "ledger": self.line.model_dump() if self.line else None,
            "prefect": vars(self.run) if self.run else None,
        }


def described(line: Line) -> str:
    """`octocat (claimed, account trigger)`: the name, and what the gateway proves of it."""
    if line.origin == "schedule":
        return line.who
    if line.account:
        proven = "proven" if line.account == line.who else f"claimed, account {line.account}"
        return f"{line.who} ({proven})"
    return f"{line.who} (claimed)"


def join(lines: list[Line], runs: list[PrefectRun] | None) -> list[AuditEntry]:
    """Both sides, oldest first. `runs` None: there is no Prefect history to compare with."""
    if runs is None:
        return [AuditEntry("ledger", line, None) for line in lines]
    by_id = {run.id: run for run in runs}
    since = min((_comparable(run.created) for run in runs), default="")
    entries = [_of_line(line, by_id.get(line.run), since) for line in lines]
    recorded = {line.run for line in lines}
    entries += [
        AuditEntry("prefect", None, run, note)
        for run in runs
        if run.id not in recorded and (note := _unrecorded(run))
    ]
    return sorted(entries, key=lambda entry: _comparable(entry.at))


def plan_files(lines: Sequence[Line]) -> list[str]:
    """Files on the host that hold subjects of commits: the plans of the releases that it keeps."""
    return record_files(lines, "plan.json")


def record_files(lines: Sequence[Line], name: str) -> list[str]:
    """One file of the record of each release; the host has let go of older releases' records."""
    releases = dict.fromkeys(line.release for line in lines)
    return [f"releases/{r}/{name}" for r in releases if re.fullmatch(r"\d+-[a-z0-9-]+", r)]


def read_subjects(files: Mapping[str, str]) -> dict[str, str]:
    """Manifest to its commit's subject; an older plan has none."""
    plans = (_mapping(text) for text in files.values())
    subjects = {str(p.get("manifest")): subject(str(p.get("subject") or "")) for p in plans}
    return {manifest: line for manifest, line in subjects.items() if line}


def _mapping(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def described_by(entries: Sequence[AuditEntry], subjects: Mapping[str, str]) -> list[AuditEntry]:
    """The same entries, each with its commit's subject."""
    return [replace(e, subject=subjects.get(e.line.manifest, "")) if e.line else e for e in entries]


def _of_line(line: Line, run: PrefectRun | None, since: str) -> AuditEntry:
    """since: when the oldest run was that Prefect still has; it lets old ones go."""
    if run is None:
        # A run in a process of its own, without a server, is in no server's history.
        gone = _comparable(line.at) < since or line.server == ""
        return AuditEntry("ledger", line, None, "" if gone else "Prefect does not know this run")
    # A look that heals fails all the same when something else is amiss; and what died may have
    # been completed by the next run.
    ended_well = run.state == "COMPLETED" or (run.state == "CRASHED" and line.outcome == "ok")
    note = ""
    compared = run.state in ENDED and not traits(line.verb).heals
    if compared and ended_well != (line.outcome == "ok"):
        note = f"Prefect says {run.state.lower()}, the ledger {line.outcome}"
    return AuditEntry("both", line, run, note)


def _unrecorded(run: PrefectRun) -> str:
    """Why a run without a ledger line is worth a line here; empty when it is not."""
    if not traits(run.verb).changes_what_runs:
        return ""
    if run.changed:
        return "it says that it changed the host, whose ledger does not have it"
    if run.state == "CRASHED":
        return "it died; the next run finishes or undoes what it left, and records that"
    return ""


def _comparable(at: str) -> str:
    """`2030-01-01T00:00:00Z` and `2030-01-01T00:00:00.123+00:00` in one order."""
    return at[:19]

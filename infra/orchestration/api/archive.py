"""Prefect's history as files that outlive its database: one a day, JSON lines.

The server's own vacuum deletes old runs after a year; a day is archived on the day after
it, so nothing is deleted that was not written here first.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from infra.machine.paths import state_dir
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages

ENDED = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]


def folder() -> Path:
    """Where the archive lies: `$HOMEGURU_ARCHIVE`, else in the state folder."""
    chosen = os.environ.get("HOMEGURU_ARCHIVE", "")
    return Path(chosen) if chosen else state_dir() / "archive"


def archive(api: PrefectApi, where: Path, today: date, say: Callable[[str], None]) -> list[str]:
    """Write every whole day that is not archived yet; returns the names of the new files.

    A file is complete or not there. A run counts for the day on which it ended.
    """
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = []
    for day in _days(api, where, today):
        file = where / f"{day.isoformat()}.jsonl"
        lines = 0
        part = file.with_suffix(".part")
        with part.open("w", encoding="utf-8") as out:
            for record in _records(api, day):
                out.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")
                lines += 1
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
        written.append(file.name)
        say(f"archived {file.name}: {lines} lines")
    return written


def _days(api: PrefectApi, where: Path, today: date) -> list[date]:
    """Days from the oldest run that ended to yesterday, without those archived already."""
    archived = {file.stem for file in where.glob("*.jsonl")}
    body = {"flow_runs": {"state": {"type": {"any_": ENDED}}}, "sort": "START_TIME_ASC", "limit": 1}
    oldest = api.post("/flow_runs/filter", body)
    if not oldest:
        return []
    day = datetime.fromisoformat(oldest[0]["start_time"] or oldest[0]["created"]).date()
    days = [day + timedelta(days=n) for n in range((today - day).days)]
    return [d for d in days if d.isoformat() not in archived]


def _records(api: PrefectApi, day: date) -> Iterator[dict[str, Any]]:
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    span = {
        "after_": begin.isoformat(),
        "before_": (begin + timedelta(days=1) - timedelta(microseconds=1)).isoformat(),
    }
    wanted = {"flow_runs": {"end_time": span}, "sort": "END_TIME_DESC"}
    for run in pages(api, "/flow_runs/filter", wanted):
        yield {"kind": "run", **run}
        of_run = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        for task in pages(api, "/task_runs/filter", {**of_run, "sort": "EXPECTED_START_TIME_ASC"}):
            yield {"kind": "task", **task}
        logs = {"logs": {"flow_run_id": {"any_": [run["id"]]}}, "sort": "TIMESTAMP_ASC"}
        for line in pages(api, "/logs/filter", logs):
            yield {"kind": "log", **line}
        for artifact in pages(api, "/artifacts/filter", of_run):
            yield {"kind": "artifact", **artifact}

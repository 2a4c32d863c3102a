"""The log of a run, line by line, as it grows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from infra.machine.sinks import clean
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages

_OURS = {"prefect.flow_runs", "prefect.task_runs"}
_END = "Finished in state"
_NOISE = (
    _END, "Beginning ", "Encountered exception", "Engine execution", "Running 1 deployment",
    "Executing deployment step", "Deployment step", "All deployment steps", "Download",
)  # fmt: skip


@dataclass
class LogTail:
    """New lines of one run. `complete` once the line was seen that ends every run's log."""

    api: PrefectApi
    run: str
    complete: bool = False
    _after: str = "2000-01-01T00:00:00Z"
    _seen: set[str] = field(default_factory=set)

    def lines(self) -> Iterator[str]:
        """What was logged since the last call, Prefect's own chatter left out."""
        for line in self._new():
            text = clean(str(line["message"])).strip()
            if line["name"] == "prefect.flow_runs" and text.startswith(_END):
                self.complete = True
            if line["name"] in _OURS and text and not text.startswith(_NOISE):
                yield text

    def _new(self) -> Iterator[dict[str, Any]]:
        """The newest second is asked for again: lines arrive out of order."""
        wanted = {
            "flow_run_id": {"any_": [self.run]},
            "timestamp": {"after_": self._after},
            "level": {"ge_": 20},
        }
        body = {"logs": wanted, "sort": "TIMESTAMP_ASC"}
        for line in pages(self.api, "/logs/filter", body):
            self._after = _earlier(line["timestamp"])
            if line["id"] not in self._seen:
                self._seen.add(line["id"])
                yield line


def _earlier(timestamp: str) -> str:
    """One second before an ISO timestamp."""
    return (datetime.fromisoformat(timestamp) - timedelta(seconds=1)).isoformat()

"""Runs that fell silent, and those that only seem so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployments.errors import Unreachable
from infra.control import reaper
from infra.control.reaper import Reaper


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


class Server:
    """One run in a state that began `began` seconds ago, with a heartbeat `beat` seconds ago."""

    def __init__(self, kind: str, began: float, beat: float | None) -> None:
        self.kind, self.began, self.beat = kind, began, beat
        self.away = False
        self.sent: list[dict[str, Any]] = []

    def post(self, path: str, body: dict[str, Any]) -> Any:
        if self.away:
            raise Unreachable("away")
        if path == "/flow_runs/filter":
            state = {"type": self.kind, "timestamp": ago(self.began)}
            return [{"id": "1", "state": state}]
        if path == "/events/filter":
            return {"events": [] if self.beat is None else [{"occurred": ago(self.beat)}]}
        self.sent.append(body["state"])
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(reaper.time, "monotonic", lambda: now[0])
    return now


def looked(server: Server, clock: list[float], seconds: float = 10000) -> list[str]:
    """What a reaper ends that has seen the server for so long."""
    found = Reaper(server)  # type: ignore[arg-type]
    assert found.look() == []
    clock[0] += seconds
    return found.look()


@pytest.mark.parametrize(
    ("kind", "began", "beat", "ended"),
    [
        ("RUNNING", 3000, 20, False), ("RUNNING", 3000, 120, False), ("RUNNING", 3000, 140, True),
        ("RUNNING", 100, None, False), ("RUNNING", 3000, None, True),
        ("PENDING", 300, None, False), ("PENDING", 700, None, True),
    ],
)  # fmt: skip
def test_silence(
    clock: list[float], kind: str, began: float, beat: float | None, ended: bool
) -> None:
    server = Server(kind, began, beat)
    assert looked(server, clock) == (["1"] if ended else [])
    assert [s["type"] for s in server.sent] == (["CRASHED"] if ended else [])


def test_who_could_not_be_heard_is_given_time(clock: list[float]) -> None:
    server = Server("RUNNING", 3000, 2000)
    assert looked(server, clock, 100) == []
    found = Reaper(server)  # type: ignore[arg-type]
    found.look()
    clock[0] += 500
    server.away = True
    with pytest.raises(Unreachable):
        found.look()
    server.away = False
    assert found.look() == []
    clock[0] += 100
    assert found.look() == []
    clock[0] += 100
    assert found.look() == ["1"]

"""Prefect's history as files, and Prefect's side of the audit log."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.orchestration.api.archive import archive
from infra.orchestration.api.audit import runs_of
from infra.orchestration.api.client import PrefectApi


def row(number: int, day: str, environment: str = "stage") -> dict[str, Any]:
    return {
        "id": f"00000000-0000-0000-0000-{number:012}", "name": f"deploy x to {environment}",
        "state": {"type": "COMPLETED"}, "created": f"{day}T10:00:00+00:00",
        "start_time": f"{day}T10:00:00+00:00", "end_time": f"{day}T10:01:00+00:00",
        "parameters": {"environment": environment, "by": "cli:anna@laptop"},
    }  # fmt: skip


def server(rows: list[dict[str, Any]]) -> PrefectApi:
    """A Prefect server with these runs; each has one log line and one result."""

    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        wanted = body.get("flow_runs", {})
        found = list(rows)
        if request.url.path.endswith("/flow_runs/filter"):
            if span := wanted.get("end_time"):
                found = [r for r in rows if span["after_"] <= r["end_time"] <= span["before_"]]
            if ids := wanted.get("id"):
                found = [r for r in rows if r["id"] in ids["any_"]]
        elif request.url.path.endswith("/logs/filter"):
            found = [{"message": "line", "flow_run_id": body["logs"]["flow_run_id"]["any_"][0]}]
        elif request.url.path.endswith("/artifacts/filter"):
            data = '```json\n{"changed": true}\n```\n'
            found = [{"flow_run_id": i, "data": data} for i in wanted["id"]["any_"]]
        else:
            found = []
        start = body.get("offset", 0)
        return httpx.Response(200, json=found[start : start + body.get("limit", 200)])

    return PrefectApi("http://prefect.test/api", transport=httpx.MockTransport(handle))


def kinds(file: Path) -> list[str]:
    return [json.loads(text)["kind"] for text in file.read_text().splitlines()]


def test_whole_days_are_written_once(tmp_path: Path) -> None:
    api = server([row(1, "2030-01-01"), row(2, "2030-01-01"), row(3, "2030-01-03")])
    said: list[str] = []
    written = archive(api, tmp_path, date(2030, 1, 3), said.append)
    assert written == ["2030-01-01.jsonl", "2030-01-02.jsonl"]
    assert kinds(tmp_path / "2030-01-01.jsonl") == ["run", "log", "artifact"] * 2
    assert kinds(tmp_path / "2030-01-02.jsonl") == []
    assert said[0] == "archived 2030-01-01.jsonl: 6 lines"
    before = (tmp_path / "2030-01-01.jsonl").stat().st_mtime_ns
    assert archive(api, tmp_path, date(2030, 1, 4), print) == ["2030-01-03.jsonl"]
    assert (tmp_path / "2030-01-01.jsonl").stat().st_mtime_ns == before


def test_a_day_cut_short_is_written_again(tmp_path: Path, monkeypatch) -> None:
    api = server([row(1, "2030-01-01")])
    (tmp_path / "2030-01-01.part").write_text('{"kind": "ru')
    assert archive(api, tmp_path, date(2030, 1, 2), print) == ["2030-01-01.jsonl"]
    assert kinds(tmp_path / "2030-01-01.jsonl") == ["run", "log", "artifact"]
    assert not (tmp_path / "2030-01-01.part").exists()


def test_an_empty_history_writes_nothing(tmp_path: Path) -> None:
    assert archive(server([]), tmp_path, date(2030, 1, 2), print) == []


@pytest.mark.parametrize("count", [1, 200, 401])
def test_every_page_is_read(tmp_path: Path, count: int) -> None:
    api = server([row(n, "2030-01-01") for n in range(count)])
    archive(api, tmp_path, date(2030, 1, 2), print)
    assert kinds(tmp_path / "2030-01-01.jsonl").count("run") == count


def test_runs_of_one_environment_with_their_results() -> None:
    api = server([row(1, "2030-01-01"), row(2, "2030-01-01", "production")])
    found = runs_of(api, "stage", [row(2, "")["id"], "none"])
    assert {r.id[-1] for r in found} == {"1", "2"}
    assert all(r.changed and r.verb == "deploy" for r in found)
    assert found[0].page.startswith("http://prefect.test/runs/flow-run/")
    assert [r.id[-1] for r in runs_of(api, "stage", [])] == ["1"]

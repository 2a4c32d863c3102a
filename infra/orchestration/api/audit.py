"""Prefect's side of the audit log, read over its API."""

from __future__ import annotations

from itertools import islice
from typing import Any

from deployments.history.audit import CHANGING, PrefectRun
from infra.orchestration.api.button import result_of
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import PAGE, pages


def runs_of(
    api: PrefectApi, environment: str, ledger_runs: list[str], most: int = 1000
) -> list[PrefectRun]:
    """Runs of one environment, newest first: those of the ledger, and others of its verbs.

    ledger_runs: run ids that the ledger names. most: how many others are looked at.
    """
    rows = {row["id"]: row for row in _by_id(api, ledger_runs)}
    for row in _recent(api, most):
        if row.get("parameters", {}).get("environment") == environment:
            rows.setdefault(row["id"], row)
    results = _results(api, list(rows))
    return [_run(api, row, results.get(row["id"], {})) for row in rows.values()]


def _by_id(api: PrefectApi, ids: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for start in range(0, len(ids), PAGE):
        wanted = {"id": {"any_": [i for i in ids[start : start + PAGE] if len(i) == 36]}}
        rows += api.post("/flow_runs/filter", {"flow_runs": wanted, "limit": PAGE})
    return rows


def _recent(api: PrefectApi, most: int) -> list[dict[str, Any]]:
    body = {"flows": {"name": {"any_": list(CHANGING)}}, "sort": "START_TIME_DESC"}
    return list(islice(pages(api, "/flow_runs/filter", body), most))


def _results(api: PrefectApi, ids: list[str]) -> dict[str, dict[str, Any]]:
    results: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), PAGE):
        body = {
            "flow_runs": {"id": {"any_": ids[start : start + PAGE]}},
            "artifacts": {"key": {"like_": "result-%"}},
            "limit": PAGE,
        }
        for artifact in api.post("/artifacts/filter", body):
            results[artifact["flow_run_id"]] = result_of(artifact["data"])
    return results


def _run(api: PrefectApi, row: dict[str, Any], result: dict[str, Any]) -> PrefectRun:
    parameters = row.get("parameters") or {}
    return PrefectRun(
        id=row["id"], verb=_verb(row), state=row["state"]["type"],
        by=str(parameters.get("by", "")), created=row["created"], ended=row.get("end_time") or "",
        page=f"{api.ui}/runs/flow-run/{row['id']}", result=result,
    )  # fmt: skip


def _verb(row: dict[str, Any]) -> str:
    """Runs are named `deploy X to Y` once they began; before that they only have a flow id."""
    first = str(row.get("name", "")).partition(" ")[0]
    return first if first in CHANGING else ""

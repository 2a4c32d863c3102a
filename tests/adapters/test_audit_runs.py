"""Prefect's side of the audit log, over its API."""

from __future__ import annotations

import json

import httpx

from infra.orchestration.api.audit import runs_of
from infra.orchestration.api.client import PrefectApi

RUN = "0" * 36
ROW = {
    "id": RUN, "name": "verify shop, stage", "state": {"type": "COMPLETED"}, "created": "2026-01-01T00:00:00Z",
    "parameters": {"environments": ["shop", "my_stage"]},
}  # fmt: skip


def test_a_run_for_several_environments_gives_each_its_own_result():
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path.endswith("/artifacts/filter"):
            asked.append(body["artifacts"]["key"]["any_"])
            data = '```json\n{"release": "7-stage"}\n```\n'
            return httpx.Response(200, json=[{"flow_run_id": RUN, "data": data}])
        return httpx.Response(200, json=[ROW] if "id" in body.get("flow_runs", {}) else [])

    api = PrefectApi("http://prefect/api", transport=httpx.MockTransport(answer))
    [run] = runs_of(api, "my_stage", [RUN])
    assert asked == [["result-my-stage"]]
    assert run.result == {"release": "7-stage"}

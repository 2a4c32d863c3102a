"""The deployments: what the UI's list and the button know of each flow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from infra.orchestration.api.client import PrefectApi
from infra.orchestration.api.pages import pages
from infra.orchestration.setup.changes import SetupChange
from infra.orchestration.setup.declared import Declared

TAG = "homeguru"
"""Every deployment of ours carries it."""

_CALLED = {
    "parameter_openapi_schema": "form", "pull_steps": "pull steps", "work_pool_name": "work pool",
    "work_queue_name": "work queue", "enforce_parameter_schema": "checks parameters",
}  # fmt: skip

Described = tuple[str, dict[str, Any]]
"""Name of a flow and the schema of its parameters."""


class Entries:
    """The server's deployments, by the flow's and the deployment's name."""

    def __init__(self, api: PrefectApi) -> None:
        self._api = api
        flows = {flow["id"]: flow["name"] for flow in pages(api, "/flows/filter")}
        deployments = list(pages(api, "/deployments/filter"))
        self._existing = {f"{flows.get(d['flow_id'], '')}/{d['name']}": d for d in deployments}

    def ensure(self, entry: Declared, pool: str, described: Described) -> tuple[SetupChange, Any]:
        """Create the deployment, or change what differs; also returns it as it was found."""
        flow, schema = described
        name, wanted = f"{flow}/{entry.name}", _wanted(entry, pool, schema)
        existing = self._existing.get(name)
        if existing is None:
            return self._create(name, flow, wanted)
        different = {k: v for k, v in wanted.items() if not _same(k, existing.get(k), v)}
        if not different:
            return SetupChange("deployment", name, "unchanged"), existing
        if {"work_pool_name", "work_queue_name"} & different.keys():
            # The server finds the queue by both names.
            different["work_pool_name"] = wanted["work_pool_name"]
            different["work_queue_name"] = wanted["work_queue_name"]
        self._api.patch(f"/deployments/{existing['id']}", different)
        return SetupChange(
            "deployment", name, "changed", ", ".join(_changes(different, existing))
        ), existing

    def left_over(self, named: set[str]) -> list[SetupChange]:
        """Deployments of ours that prefect.yaml does not name; they stay."""
        ours = sorted(n for n, d in self._existing.items() if TAG in d["tags"] and n not in named)
        return [
            SetupChange("deployment", name, "left over", "prefect.yaml does not name it; delete it")
            for name in ours
        ]

    def _create(self, name: str, flow: str, wanted: dict[str, Any]) -> tuple[SetupChange, Any]:
        created = self._api.post("/flows/", {"name": flow})
        body = {"name": name.rpartition("/")[2], "flow_id": created["id"], **wanted}
        return SetupChange("deployment", name, "created"), self._api.post("/deployments/", body)


def describe(entry: Declared) -> Described:
    """The flow's name and its parameters' schema, as `prefect deploy` computes them."""
    from infra.orchestration.setup.schemas import flow_schema

    return flow_schema(entry.entrypoint)


Describe = Callable[[Declared], Described]


def _wanted(entry: Declared, pool: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "entrypoint": entry.entrypoint, "description": entry.description,
        "tags": list(entry.tags), "work_pool_name": pool, "work_queue_name": entry.queue,
        "pull_steps": entry.pull_steps, "parameter_openapi_schema": schema,
        "enforce_parameter_schema": True,
    }  # fmt: skip


def _same(key: str, actual: Any, wanted: Any) -> bool:
    if key == "tags":
        return sorted(actual or []) == sorted(wanted)
    return bool(json.dumps(actual, sort_keys=True) == json.dumps(wanted, sort_keys=True))


def _changes(different: dict[str, Any], existing: dict[str, Any]) -> Iterator[str]:
    for key, value in different.items():
        if key == "work_queue_name" and existing[key] == value:
            continue
        called = _CALLED.get(key, key)
        if key == "parameter_openapi_schema" and (
            removed := _offers(existing[key]) - _offers(value)
        ):
            called += f" without {', '.join(sorted(removed))}"
        yield f"{called} {existing[key]} -> {value}" if key == "work_pool_name" else called


def _offers(schema: dict[str, Any] | None) -> set[str]:
    """The environments that a form offers."""
    return set((schema or {}).get("definitions", {}).get("EnvironmentName", {}).get("enum", ()))

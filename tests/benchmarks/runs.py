"""Flow runs as a schedule creates them, over Prefect's own API."""

from __future__ import annotations

import time
from pathlib import Path

from infra.demo.prefect_server import LocalPrefect
from infra.orchestration.api.client import PrefectApi
from tests.e2e.conftest import say


def register_again(environments: Path, state: Path) -> None:
    """A deployment offers the environments that are there when it is registered."""
    LocalPrefect(state, say).up(environments)


def created(api: PrefectApi, deployment: str, parameters: dict) -> str:
    """A run of a deployment; its id."""
    found = api.get(f"/deployments/name/{deployment}")["id"]
    made = api.post(f"/deployments/{found}/create_flow_run", {"parameters": parameters})
    return str(made["id"])


def until_completed(api: PrefectApi, run: str) -> dict:
    """The run, once it has ended well."""
    while (found := api.get(f"/flow_runs/{run}"))["state"]["type"] != "COMPLETED":
        assert found["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING"), found["state"]
        time.sleep(0.2)
    return dict(found)

"""Flow runs as a schedule creates them, over Prefect's own API."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from infra.prefect_local import LocalPrefect
from tests.e2e.conftest import World, say


@contextmanager
def prefect_api(world: World) -> Iterator[httpx.Client]:
    """A client of the world's Prefect server."""
    with httpx.Client(base_url=world.api, trust_env=False, timeout=60) as client:
        yield client


def register_again(environments: Path, state: Path) -> None:
    """A deployment offers the environments that are there when it is registered."""
    LocalPrefect(state, say).up(environments)


def made(client: httpx.Client, path: str, what: dict) -> dict:
    """Create it; a server whose database is busy is asked again, as our own client does."""
    while (answer := client.post(path, json=what)).status_code == 503:
        time.sleep(1)
    return dict(answer.raise_for_status().json())


def created(client: httpx.Client, deployment: str, environment: str) -> dict:
    """A run of a deployment for one environment."""
    found = client.get(f"/deployments/name/{deployment}").json()["id"]
    what = {"parameters": {"environment": environment}}
    return made(client, f"/deployments/{found}/create_flow_run", what)


def until_completed(client: httpx.Client, run: str) -> dict:
    """The run, once it has ended well."""
    while (found := client.get(f"/flow_runs/{run}").json())["state"]["type"] != "COMPLETED":
        assert found["state"]["type"] in ("SCHEDULED", "PENDING", "RUNNING"), found["state"]
        time.sleep(0.2)
    return dict(found)

"""What `homeguru doctor` says of the Prefect server that is named, where one is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from deployments.environment.schema import Environment
from deployments.errors import HomeguruError, Refused
from deployments.health.doctor import Diagnosis, examined, failed
from infra.environment import locate
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.apply import pools_of
from infra.orchestration.setup.declared import declared
from infra.orchestration.setup.workers import how_to_start, workers

_SETUP = "homeguru setup"


def control_plane(name: str) -> Iterator[Diagnosis]:
    """Server, deployments, workers, and the schedule of an environment's looks."""
    try:
        api = PrefectApi.from_environment()
    except HomeguruError as error:
        yield failed("control plane", "Prefect server", error)
        return
    if api is None:
        none = "none is named: each command starts its own, and nothing is verified by schedule"
        yield Diagnosis("control plane", "Prefect server", "ok", none)
        return
    try:
        answers = examined("control plane", "Prefect server", lambda: _version(api))
        yield answers
        if answers.verdict == "ok":
            yield from _of_server(api, name)
    finally:
        api.close()


def _version(api: PrefectApi) -> str:
    api.first_contact()
    return f"{api.url}, version {api.version()}"


def _of_server(api: PrefectApi, name: str) -> Iterator[Diagnosis]:
    yield examined("control plane", "deployments", lambda: _deployments(api))
    for pool in dict.fromkeys(entry.pool_of(pools_of(api)) for entry in declared()[0]):
        yield examined("control plane", f"worker of {pool}", partial(_worker, api, pool))
    try:
        environment = locate.load(name).environment
    except HomeguruError:
        return
    yield examined("control plane", "looks", lambda: _looks(api, environment))


def _deployments(api: PrefectApi) -> str:
    entries = declared()[0]
    missing = [e.name for e in entries if not api.find(f"/deployments/name/{e.name}/{e.name}")]
    if missing:
        raise Refused(f"not registered: {', '.join(missing)}", todo=_SETUP)
    return f"all {len(entries)} are registered"


def _worker(api: PrefectApi, pool: str) -> str:
    online = workers(api, pool)
    if not online:
        variables = "" if os.environ.get("PREFECT_API_AUTH_STRING") else " with PREFECT_API_URL set"
        raise Refused("none is online: no run begins", todo=f"{how_to_start(pool)}{variables}")
    return f"{len(online)} online"


def _looks(api: PrefectApi, environment: Environment) -> str:
    """Whether its health is verified by schedule; Prefect drops parameters when one is resumed."""
    every = environment.watch.every
    if not every:
        return "none wanted ([watch] every = 0)"
    deployment: dict[str, Any] = api.find("/deployments/name/verify/verify") or {}
    slug = f"verify-{environment.name}"
    listed = deployment.get("schedules") or []
    schedule = next((s for s in listed if s.get("slug") == slug), None)
    if schedule is None:
        raise Refused("there is no schedule", todo=_SETUP)
    if not schedule["active"]:
        raise Refused(
            "the schedule is paused", todo="resume it on the page of verify, then homeguru setup"
        )
    if schedule["parameters"].get("environment") != environment.name:
        raise Refused("the schedule has lost its parameters", todo=_SETUP)
    return f"every {every} s"

"""Who asked for the run that is at work, and what proves it."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.settings import PREFECT_API_URL

from deployments.environment.digest import Compared
from deployments.history.gateway_log import GatewayEntry, creator, read_entries
from deployments.history.requester import parse_requester
from infra.host import actor
from infra.host.actor import Actor
from infra.orchestration.flow.embedded import named

TAIL = 5000
"""Requests of the gateway that are read: hours of them, and the run is seconds old."""


def current_actor(by: str) -> Actor:
    """Who asked, and which Prefect server has the run."""
    return replace(_actor(by), server=named(PREFECT_API_URL.value()))


def compared(requester: Actor, configuration: str) -> Compared:
    """What is known of the environment's file where a run was asked for."""
    if configuration:
        return "compared"
    return "here" if actor.claimed() or requester.origin == "schedule" else "elsewhere"


def _actor(by: str) -> Actor:
    """The flow's `by`, or this process's person, or the schedule, or a form in the UI."""
    run = str(runtime.flow_run.id)
    claimed = parse_requester(by) or actor.claimed()
    context = FlowRunContext.get()
    flow_run = _asked_for(context.flow_run if context else None)
    if flow_run is None or flow_run.deployment_id is None:
        requester = claimed or parse_requester("prefect")
        assert requester is not None
        return Actor(requester.who, requester.origin, run, requester.link)
    if flow_run.auto_scheduled:
        return Actor("schedule", "schedule", run)
    created = flow_run.created.timestamp() if flow_run.created else 0.0
    account = creator(gateway_log(), str(flow_run.deployment_id), created)
    if claimed is None:
        return Actor(account or "prefect", "ui", run, account=account)
    return Actor(claimed.who, claimed.origin, run, claimed.link, account)


def _asked_for(flow_run: FlowRun | None) -> FlowRun | None:
    """The run that somebody asked for: a deploy may be part of a release."""
    if flow_run is None or flow_run.deployment_id or not flow_run.parent_task_run_id:
        return flow_run
    with get_client(sync_client=True) as client:
        return client.read_flow_run(UUID(str(runtime.flow_run.root_flow_run_id)))


def gateway_log() -> list[GatewayEntry]:
    """The newest requests of the gateway before this Prefect server; none without one."""
    file = Path(os.environ.get("HOMEGURU_GATEWAY_LOG", ""))
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", errors="replace") as lines:
        return read_entries(deque(lines, TAIL))

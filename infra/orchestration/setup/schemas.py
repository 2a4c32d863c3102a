"""What Prefect computes of a flow and of a kind of worker when they are registered."""

from __future__ import annotations

import importlib
import json
from typing import Any

from prefect.utilities.callables import parameter_schema

from infra.environment import folders


def flow_schema(entrypoint: str) -> tuple[str, dict[str, Any]]:
    """Name of the flow and its parameters' schema, in the form that the server keeps.

    The choice of environments is as it is now: a process that lived before an environment
    was written would register yesterday's.
    """
    module, _, name = entrypoint.rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    computed = parameter_schema(flow).model_dump(mode="json", exclude_unset=True)
    schema: dict[str, Any] = json.loads(json.dumps(computed))
    choice = schema.get("definitions", {}).get("EnvironmentName")
    if choice:
        choice["enum"] = folders.names()
    return flow.name, schema


def job_template(kind: str) -> dict[str, Any]:
    """The template that a worker of this kind brings itself."""
    if kind == "docker":
        from prefect_docker.worker import DockerWorker  # type: ignore[import-untyped]

        template: dict[str, Any] = DockerWorker.get_default_base_job_template()
        return template
    from prefect.workers.process import ProcessWorker

    return dict(ProcessWorker.get_default_base_job_template())

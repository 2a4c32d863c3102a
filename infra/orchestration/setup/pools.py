"""Work pools: one for processes, and on a control plane one for containers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from deployments.errors import Refused, WrongUse
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.changes import SetupChange

PROCESS_POOL = "homeguru"
DOCKER_POOL = "homeguru-docker"

_SAYS = {
    PROCESS_POOL: "Flows as processes of the machine where the worker runs.",
    DOCKER_POOL: "Each flow run in a container of its own.",
}
_OTHER = {"process": "docker", "docker": "process"}
_TYPES = {PROCESS_POOL: "process", DOCKER_POOL: "docker"}


def ensure_pool(api: PrefectApi, name: str, variables: dict[str, Any] | None) -> SetupChange:
    """Create the pool, or bring its job variables' defaults to `variables`."""
    kind = _TYPES.get(name, "process")
    pool = api.find(f"/work_pools/{name}")
    if pool is None:
        return _create(api, name, kind, variables)
    if pool["type"] != kind:
        raise Refused(
            f"work pool {name} is of type {pool['type']}, not {kind}", where=api.url,
            state="untouched", todo=f"keep it and run homeguru setup --pools {_OTHER[kind]}; or, if nothing runs by it any more: "
            f"prefect work-pool delete {name}",
        )  # fmt: skip
    template = pool["base_job_template"] or {}
    different = sorted(k for k, v in (variables or {}).items() if _default(template, k) != v)
    if not different:
        return SetupChange("work pool", name, "unchanged")
    wanted = _with_defaults(template if template.get("variables") else _template(kind), variables)
    api.patch(f"/work_pools/{name}", {"base_job_template": wanted})
    return SetupChange("work pool", name, "changed", ", ".join(different))


def _create(api: PrefectApi, name: str, kind: str, variables: dict[str, Any] | None) -> SetupChange:
    if kind == "docker" and variables is None:
        raise WrongUse(
            f"there is no work pool {name}, and its image and network are not known here",
            where=api.url, state="untouched",
            todo="homeguru control-plane up makes it; --pools process needs none",
        )  # fmt: skip
    body = {
        "name": name, "type": kind, "description": _SAYS.get(name, ""),
        "base_job_template": _with_defaults(_template(kind), variables),
    }  # fmt: skip
    api.post("/work_pools/", body)
    return SetupChange("work pool", name, "created", kind)


def _template(kind: str) -> dict[str, Any]:
    from infra.orchestration.setup.schemas import job_template

    return job_template(kind)


def _with_defaults(template: dict[str, Any], variables: dict[str, Any] | None) -> dict[str, Any]:
    wanted = deepcopy(template)
    properties = wanted["variables"]["properties"]
    for name, value in (variables or {}).items():
        if name not in properties:
            raise WrongUse(
                f"a Docker work pool has no job variable {name!r}", state="untouched",
                todo=f"it knows: {', '.join(sorted(properties))}",
            )  # fmt: skip
        properties[name]["default"] = value
    return wanted


def _default(template: dict[str, Any], name: str) -> Any:
    properties = template.get("variables", {}).get("properties", {})
    return properties.get(name, {}).get("default")

"""Register pools, limits, deployments and automations; runs inside a worker's container.

There the environments are those that a run will find, and the flows those of the image.
Afterwards both pools are closed: a run cannot choose its image, command, mounts or
environment, which would make whoever may create runs the master of the host.
"""

from __future__ import annotations

import json
import os
import re
import sys
from copy import deepcopy
from typing import Any

from infra.control.dockerworker import LABEL
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup.changes import SetupChange

POOLS = {"homeguru": "process", "homeguru-docker": "docker"}


def docker_variables(project: str, image: str) -> dict[str, Any]:
    """How a flow container runs: our network, our folders read-only, no socket, no secret."""
    return {
        "image": image,
        "image_pull_policy": "IfNotPresent",
        "networks": [project],
        "volumes": [
            f"{project}-environments:/srv/homeguru/environments:ro",
            f"{project}-keys:/home/homeguru/.ssh:ro",
            f"{project}-gateway-log:/var/log/homeguru/gateway:ro",
        ],
        "labels": {LABEL: project},
        "mem_limit": "768m",
        "container_create_kwargs": {
            "init": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"],
            "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
        },
    }  # fmt: skip


def closed(template: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """The template with every job variable fixed at its default, and no others allowed.

    `standard` is the worker's own template: it says where each variable belongs.
    """
    properties = template["variables"]["properties"]
    fixed = {
        k: deepcopy(v["default"]) for k, v in properties.items() if v.get("default") is not None
    }
    places = {
        place: re.fullmatch(r"\{\{ ?(\w+) ?\}\}", str(text))
        for place, text in standard["job_configuration"].items()
    }
    # Without a place for it, an environment that a run brings along is dropped.
    configuration = {
        p: fixed[m[1]] for p, m in places.items() if m and p != "env" and m[1] in fixed
    }
    variables = {
        "type": "object", "additionalProperties": False,
        "properties": {k: {**properties[k], "const": v} for k, v in fixed.items()},
        **{k: v for k, v in template["variables"].items() if k in ("$defs", "definitions")},
    }  # fmt: skip
    return {"job_configuration": configuration, "variables": variables}


def close_pool(api: PrefectApi, name: str, kind: str) -> bool:
    """Close one work pool; whether it was not closed already."""
    from infra.orchestration.setup.schemas import job_template

    template = api.get(f"/work_pools/{name}")["base_job_template"]
    wanted = closed(template, job_template(kind))
    if template == wanted:
        return False
    api.patch(f"/work_pools/{name}", {"base_job_template": wanted})
    return True


def main(project: str, image: str) -> None:
    """Say each thing that differed; the last line is their number."""
    from infra.orchestration.settings import configure

    configure()
    from infra.orchestration.setup import apply

    api = PrefectApi(os.environ["PREFECT_API_URL"])
    variables = docker_variables(project, image)
    _open_for(api, variables)
    changes = apply(api, lambda _: None, pools="docker", docker_variables=variables, archive=True)
    for change in changes:
        if change.differs:
            sys.stdout.write(f"{change}\n")
    for line in _wanting(changes):
        sys.stdout.write(f"{line}\n")
    count = sum(change.differs for change in changes)
    for name, kind in POOLS.items():
        # The pool as setup made it is open for the moment in between.
        close_pool(api, name, kind)
    sys.stdout.write(json.dumps({"changed": count}))


def _wanting(changes: list[SetupChange]) -> list[str]:
    """One line an environment: the secrets that no block holds yet."""
    names: dict[str, list[str]] = {}
    for change in changes:
        if change.what == "missing":
            environment, _, name = change.name.partition(" ")
            names.setdefault(environment, []).append(name)
    return [f"no Secret block yet in {e}: {', '.join(missing)}" for e, missing in names.items()]


def _open_for(api: PrefectApi, variables: dict[str, Any]) -> None:
    """Give an older closed pool the variables that this version wants to set."""
    from infra.orchestration.setup.schemas import job_template

    pool = api.find("/work_pools/homeguru-docker")
    if pool is None:
        return
    template = pool["base_job_template"]
    properties = template["variables"]["properties"]
    standard = job_template("docker")["variables"]["properties"]
    missing = {k: standard[k] for k in variables if k not in properties}
    if missing:
        properties.update(missing)
        api.patch("/work_pools/homeguru-docker", {"base_job_template": template})


if __name__ == "__main__":
    main(*sys.argv[1:])

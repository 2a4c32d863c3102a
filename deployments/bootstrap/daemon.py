"""The Docker engine's own configuration: logs that end somewhere, containers that outlive the engine."""

from __future__ import annotations

import json
from typing import Any

from deployments.errors import Refused

FILE = "/etc/docker/daemon.json"
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}


def configuration(present: str | None, *, swarm: bool) -> str:
    """daemon.json with what a host needs; what a person wrote stays.

    present: its text; None where there is none. swarm: it refuses `live-restore`.
    Raises Refused where it is not JSON.
    """
    found = _parsed(present)
    wanted = dict(found)
    if found.get("log-driver", "json-file") in ("json-file", "local"):
        limits = found.get("log-opts", {})
        wanted["log-opts"] = {**LOG_LIMITS, **(limits if isinstance(limits, dict) else {})}
    if not swarm:
        wanted.setdefault("live-restore", True)
    if wanted == found and present is not None:
        return present
    return json.dumps(wanted, indent=2) + "\n"


def _parsed(text: str | None) -> dict[str, Any]:
    if text is None or not text.strip():
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        problem = f"it is not valid JSON: {error}"
    else:
        if isinstance(found, dict):
            return found
        problem = "it is not a JSON object"
    raise Refused(problem, where=FILE, state="untouched", todo="correct or remove it on the server")

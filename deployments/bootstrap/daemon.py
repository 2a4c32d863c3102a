"""The Docker engine's own configuration: logs that end somewhere, containers that outlive the engine."""

from __future__ import annotations

import json
from typing import Any

from deployments.errors import Refused

FILE = "/etc/docker/daemon.json"
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}
LIMITED = ("json-file", "local")
"""Drivers that have such limits."""
LIVE_RESTORE = "live-restore"


def configuration(present: str | None, *, swarm: bool) -> str:
    """daemon.json with what a host needs; what a person wrote stays.

    present: its text; None where there is none. swarm: it refuses `live-restore`.
    Raises Refused where it is not JSON.
    """
    lacking = missing(present, swarm=swarm)
    if not lacking and present is not None:
        return present
    wanted = settings(present)
    if lacking & set(LOG_LIMITS):
        wanted["log-opts"] = {**LOG_LIMITS, **_log_options(wanted)}
    if LIVE_RESTORE in lacking:
        wanted[LIVE_RESTORE] = True
    return json.dumps(wanted, indent=2) + "\n"


def missing(present: str | None, *, swarm: bool) -> set[str]:
    """What a host needs and its daemon.json does not set: names in `LOG_LIMITS`, `LIVE_RESTORE`.

    Of logs only where the driver has such limits. Raises Refused as `configuration` does.
    """
    found = settings(present)
    lacking: set[str] = set()
    if log_driver(found) in LIMITED:
        lacking |= set(LOG_LIMITS) - set(_log_options(found))
    if not swarm and LIVE_RESTORE not in found:
        lacking.add(LIVE_RESTORE)
    return lacking


def log_driver(found: dict[str, Any]) -> str:
    """What takes the containers' logs."""
    return str(found.get("log-driver", "json-file"))


def _log_options(found: dict[str, Any]) -> dict[str, Any]:
    options = found.get("log-opts", {})
    return options if isinstance(options, dict) else {}


def settings(text: str | None) -> dict[str, Any]:
    """What daemon.json says; raises Refused where it is not JSON."""
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

"""What one observation says of an environment: for `status`, and for the status page."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from deployments.errors import Refused
from deployments.health.glance import server_at_a_glance, services_at_a_glance
from deployments.history.deploys import Period, deploy_days
from deployments.history.ledger import Line
from deployments.history.metrics import delivery_metrics
from deployments.host.observation import Observation
from deployments.host.ownership import check_owner
from deployments.messages.status_page import StatusPage
from deployments.planning.preflight import check_engine
from deployments.release.manifest import parse_manifest
from infra.environment.context import Assembly
from infra.machine.sinks import clean_data


def status_document(assembly: Assembly, seen: Observation) -> dict[str, Any]:
    """What an observation says of an environment; raises Refused for a host of another one's."""
    check_engine(assembly.located.environment, seen)
    check_owner(assembly.located.environment, assembly.stack, seen)
    commit = parse_manifest(seen.manifest, "current").commit if seen.manifest else None
    brought = _brought(seen)
    return {
        "environment": assembly.located.environment.name,
        "release": seen.current,
        "since": brought.at if brought else None,
        "by": f"{brought.who}, {brought.origin}" if brought else None,
        "maintenance": _maintenance(seen),
        "commit": commit,
        "services": [
            {
                "name": container.service,
                "state": container.state,
                "health": container.health or None,
                "image": container.ref,
                "digest": container.digest,
            }
            for service in assembly.stack.ordered
            for container in seen.of(service.name)
        ],
        "urls": dict(assembly.located.environment.urls),
        "database_revision": seen.revision,
    }


def _maintenance(seen: Observation) -> dict[str, str] | None:
    noted = seen.maintenance
    return {"since": noted.since, "by": noted.who, "reason": noted.reason} if noted else None


def _brought(seen: Observation) -> Line | None:
    """The run that made the current release current; None where the ledger cannot be read."""
    with suppress(Refused):
        return next(
            (line for line in reversed(seen.ledger.lines) if line.became(seen.current)), None
        )
    return None


def page_of(
    assembly: Assembly, seen: Observation, created: Mapping[str, str], period: Period
) -> StatusPage:
    """What the status page shows. created: time of the commit by manifest, where it is known."""
    lines = seen.ledger.lines
    return StatusPage(
        clean_data(status_document(assembly, seen)),
        services_at_a_glance(assembly.stack, seen),
        server_at_a_glance(seen),
        deploy_days(lines, period),
        delivery_metrics(lines, created, period),
    )

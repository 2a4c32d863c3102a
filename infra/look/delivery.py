"""What an environment's ledger says of its deploys over time: metrics, and the status page."""

from __future__ import annotations

from collections.abc import Callable

from deployments.history.deploys import Period
from deployments.history.ledger import Ledger
from deployments.history.metrics import (
    DeliveryMetrics,
    delivery_metrics,
    manifest_files,
    read_created,
)
from deployments.host.observation import Observation
from deployments.messages.status_page import StatusPage
from infra.environment.context import Assembly
from infra.host import status
from infra.look.inspection import opened


def metrics_of(
    assembly: Assembly, period: Period, log: Callable[[str], None]
) -> tuple[DeliveryMetrics, Ledger]:
    """The delivery metrics of a period, and the ledger that they are from."""
    seen, created = _read(assembly, "metrics", log)
    return delivery_metrics(seen.ledger.lines, created, period), seen.ledger


def page_of(assembly: Assembly, period: Period, log: Callable[[str], None]) -> StatusPage:
    """What the status page shows."""
    seen, created = _read(assembly, "status-page", log)
    return status.page_of(assembly, seen, created, period)


def _read(
    assembly: Assembly, verb: str, log: Callable[[str], None]
) -> tuple[Observation, dict[str, str]]:
    """An observation, and the time of the commits that the ledger names, on one connection."""
    with opened(assembly, verb, log) as host:
        seen = host.observe(assembly.stack)
        files = host.files(manifest_files(seen.ledger.lines)) if seen.ledger.raw else {}
    return seen, read_created(files)

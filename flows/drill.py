"""drill: prove that a backup restores."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation
from infra.orchestration.flow.schedule import missed


@flow(name="drill", flow_run_name="drill {backup} of {environment}", retries=0)
def drill(environment: EnvironmentName, backup: str = "newest", by: str = "") -> dict[str, Any]:
    """Restore a backup beside the database, count its tables, drop it again.

    Args:
        environment: Whose backup.
        backup: A backup's id, or newest.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    with operation("drill", str(environment), by) as on:
        if missed(on, on.environment.backup.drill_hours * 3600):
            return on.skipped("a later drill of the schedule follows")
        on.lock_and_observe()
        return on.carry_out(on.plan_drill(backup))

"""backup: make a backup of an environment's database."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation
from infra.orchestration.flow.schedule import missed


@flow(name="backup", flow_run_name="backup {environment}", retries=0)
def backup(environment: EnvironmentName, by: str = "") -> dict[str, Any]:
    """Dump the database on its server, have PostgreSQL read that back, let old ones go.

    Args:
        environment: Whose database.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    with operation("backup", str(environment), by) as on:
        if missed(on, on.environment.backup.every_hours * 3600):
            return on.skipped("a later backup of the schedule follows")
        on.lock_and_observe()
        return on.carry_out(on.plan_backup())

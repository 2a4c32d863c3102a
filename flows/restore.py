"""restore: put a backup in the database's place."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation


@flow(name="restore", flow_run_name="restore {backup} to {environment}", retries=0)
def restore(
    environment: EnvironmentName, backup: str = "newest", by: str = "", configuration: str = ""
) -> dict[str, Any]:
    """Stop what uses the database, back it up, restore, migrate to the release, start again.

    What would be lost is said, table by table, and needs a person's yes.

    Args:
        environment: Whose database.
        backup: Id of a backup, or newest.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("restore", str(environment), by, configuration) as on:
        return on.carry_out(on.agreed(lambda: on.plan_restore(backup)))

"""rollback: bring an earlier release back."""

from typing import Any

from prefect import flow

from deployments.database.choice import Choice
from infra.orchestration.flow.operation import EnvironmentName, operation


@flow(name="rollback", flow_run_name="rollback {environment} to {to}", retries=0)
def rollback(
    environment: EnvironmentName, to: str = "previous", database: Choice = Choice.keep,
    by: str = "", configuration: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Bring back an earlier release's images, Compose file and configuration.

    Secrets are those valid now. A database that the earlier release cannot work with is
    refused, with the reason; then it is downgraded or restored, by choice and with a
    person's yes.

    Args:
        environment: Where to roll back.
        to: previous, a release's id such as 12-production-sha-... or its number, or a manifest's name.
        database: keep it as it is, downgrade its schema, or restore the backup made before.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("rollback", str(environment), by, configuration) as on:
        return on.carry_out(on.agreed(lambda: on.plan_rollback(to, database)))

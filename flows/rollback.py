"""rollback: bring an earlier release back."""

from typing import Any

from prefect import flow

from infra.orchestration.operation import EnvironmentName, operation


@flow(name="rollback", flow_run_name="rollback {environment} to {to}", retries=0)
def rollback(environment: EnvironmentName, to: str = "previous", by: str = "") -> dict[str, Any]:
    """Bring back an earlier release's images, Compose file and configuration.

    Secrets are those valid now. The database is left as it is; a release whose image
    would migrate at start, and could not, is refused.

    Args:
        environment: Where to roll back.
        to: previous, a release's id such as 12-production-sha-..., or a manifest's name.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    with operation("rollback", str(environment), by) as on:
        on.approve(lambda: on.plan_rollback(to))
        on.lock_and_observe()
        return on.carry_out(on.plan_rollback(to))

"""verify: look at the running application from outside and from inside."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation
from infra.orchestration.flow.watching import watch


@flow(name="verify", flow_run_name="verify {environment}", retries=0)
def verify(environment: EnvironmentName, by: str = "") -> dict[str, Any]:
    """Verify health, room and drift against the ledger's current release.

    Tells people when something changed since the last look. Takes no lock and changes
    nothing, unless the environment's [watch] heals: then the current release is deployed
    again. When a deploy holds the lock, it says so.

    Args:
        environment: What to verify.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    with operation("verify", str(environment), by) as on:
        return watch(on)

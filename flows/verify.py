"""verify: ask the running application from outside and from inside."""

from typing import Any

from prefect import flow

from infra.orchestration.operation import EnvironmentName, operation


@flow(name="verify", flow_run_name="verify {environment}", retries=0)
def verify(environment: EnvironmentName, by: str = "") -> dict[str, Any]:
    """Verify health, digests and connections against the ledger's current release.

    Takes no lock and changes nothing; when a deploy holds the lock, it says so.

    Args:
        environment: What to verify.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    with operation("verify", str(environment), by) as on:
        return on.verify()

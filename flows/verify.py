"""verify: ask the running application from outside and from inside."""

from typing import Any

from prefect import flow

from infra.tasks import EnvironmentName, operation


@flow(name="verify", flow_run_name="verify {environment}", retries=0)
def verify(environment: EnvironmentName) -> dict[str, Any]:
    """Verify health, digests and connections against the ledger's current release.

    Takes no lock and changes nothing; when a deploy holds the lock, it says so.

    Args:
        environment: What to verify.
    """
    with operation("verify", str(environment)) as on:
        return on.verify()

"""verify: ask the running application from outside and from inside."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from infra.tasks import EnvironmentName, operation


@flow(name="verify", flow_run_name="verify {environment}", retries=0)
def verify(
    environment: Annotated[EnvironmentName, Field(description="What to verify")],
) -> dict[str, Any]:
    """Verify health, digests and connections against the ledger's current release.

    Takes no lock and changes nothing; when a deploy holds the lock, it says so.
    """
    with operation("verify", str(environment)) as on:
        return on.verify()

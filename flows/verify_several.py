"""verify-several: what a schedule calls where many environments are verified as often."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import operation
from infra.orchestration.flow.several import Several, run_name
from infra.orchestration.flow.watching import watch


@flow(name="verify-several", flow_run_name=run_name, retries=0)
def verify_several(environments: list[str], by: str = "") -> dict[str, Any]:
    """Verify environments one after another, each as `verify` does.

    One that cannot be looked at keeps nobody from the others; the run fails when any is not well.

    Args:
        environments: What to verify. Names and no choice: an environment that is not set up here
            any more must not end the looks at the others.
        by: Who asks, and from where.
    """
    several = Several()
    for environment in environments:
        with several.one(environment), operation("verify", environment, by) as on:
            several.done(environment, watch(on))
    return several.ended()

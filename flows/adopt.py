"""adopt: record what was deployed by hand as release 0 of an environment."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation


@flow(name="adopt", flow_run_name="adopt {environment}", retries=0)
def adopt(environment: EnvironmentName, by: str = "", configuration: str = "") -> dict[str, Any]:
    """Keep the Compose files and images of what runs; the first deploy can go back to them.

    Args:
        environment: Whose project, by its name in Compose.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("adopt", str(environment), by, configuration) as on:
        on.lock_and_observe()
        return on.carry_out(on.plan_adoption())

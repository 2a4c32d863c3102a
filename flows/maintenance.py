"""maintenance: let the edge answer for every service of an environment, or the services again."""

from typing import Any

from prefect import flow

from deployments.host.maintenance import Switch
from infra.orchestration.flow.operation import EnvironmentName, operation


@flow(name="maintenance", flow_run_name="maintenance {state} in {environment}", retries=0)
def maintenance(
    environment: EnvironmentName, state: Switch, reason: str = "", by: str = "",
    configuration: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Have the edge answer every request with 503 and a page; containers go on to run.

    It stays on through deploys, rollbacks and restarts, until it is switched off.

    Args:
        environment: Whose users get the page.
        state: on or off.
        reason: Why; `status` and the history show it, users do not see it.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("maintenance", str(environment), by, configuration) as on:
        return on.carry_out(on.agreed(lambda: on.plan_maintenance(state, reason)))

"""rotate: exchange a credential for a new one; both are valid for as long as one of them is used."""

from typing import Any

from prefect import flow

from deployments.environment.secret_kinds import DEPLOY_KEY
from infra.orchestration.flow.operation import EnvironmentName, operation
from infra.orchestration.flow.rotation import another_value, rotate_deploy_key


@flow(name="rotate", flow_run_name="rotate {secret} of {environment}", retries=0)
def rotate(
    environment: EnvironmentName, secret: str, by: str = "", configuration: str = ""
) -> dict[str, Any]:
    """Write a new value where the secret is kept, give it to what runs, and end the former one.

    When that fails, the server and the place where the value is kept are as they were before. The
    value itself is no parameter: it is made here, or was given at the terminal that runs this.

    Args:
        environment: Whose credential.
        secret: Name of a secret of the environment, or deploy-key.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    if secret == DEPLOY_KEY:
        return rotate_deploy_key(str(environment), by)
    with (
        another_value(str(environment), secret),
        operation("rotate", str(environment), by, configuration) as on,
    ):
        return on.carry_out(on.agreed(lambda: on.plan_rotation(secret)))

"""bootstrap: make a host that a deploy accepts of a fresh machine."""

from typing import Any

from prefect import flow

from deployments.fields import Port
from infra.orchestration.flow.operation import EnvironmentName
from infra.orchestration.flow.preparation import prepare_host


@flow(name="bootstrap", flow_run_name="bootstrap {environment}", retries=0)
def bootstrap(
    environment: EnvironmentName, enter_as: str = "root", administrator: str = "admin",
    administrator_key: str = "", keep_open: list[Port] = [], close_others: bool = False,  # noqa: B006
    by: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Give a Debian or Ubuntu machine what it lacks: Docker, the deploy user, a firewall, keys alone.

    What it has already stays; what could lock everybody out takes itself back unless somebody got in.

    Args:
        environment: Whose machine.
        enter_as: Root, or who becomes root by sudo without a password; accepts the deploy key.
        administrator: User who becomes root by sudo afterwards, where root enters.
        administrator_key: File of that user's public key; empty for the keys that root accepts.
        keep_open: Ports that stay reachable beside SSH and the application's.
        close_others: Close every other port, although something listens there.
        by: Who asks, and from where; the CLI fills it in.
    """
    return prepare_host(
        str(environment), enter_as, administrator, administrator_key, keep_open,
        close_others, by,
    )  # fmt: skip

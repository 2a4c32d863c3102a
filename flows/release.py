"""release: publish, then deploy what was published."""

from typing import Any

from prefect import flow

from flows.deploy import deploy
from flows.publish import publish
from infra.orchestration.flow.operation import EnvironmentName


@flow(name="release", flow_run_name="release {ref} to {environment}", retries=0)
def release(
    environment: EnvironmentName, source: str, ref: str = "HEAD", allow_dirty: bool = False,
    by: str = "",
) -> dict[str, Any]:  # fmt: skip
    """From a commit to a verified environment: publish and deploy as subflows.

    Args:
        environment: Where to release.
        source: Git URL, or a work tree or directory where this runs.
        ref: Branch, tag or commit.
        allow_dirty: Publish the work tree with its uncommitted changes.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    manifest = publish(environment, source, ref, allow_dirty, by)
    return deploy(environment, manifest["name"], by=by)

"""release: publish, then deploy what was published."""

from typing import Any

from prefect import flow

from flows.deploy import deploy
from flows.publish import publish
from infra.tasks import EnvironmentName


@flow(name="release", flow_run_name="release {ref} to {environment}", retries=0)
def release(
    environment: EnvironmentName, source: str, ref: str = "HEAD", allow_dirty: bool = False
) -> dict[str, Any]:
    """From a commit to a verified environment: publish and deploy as subflows.

    Args:
        environment: Where to release.
        source: Git work tree or directory of the application, where the worker runs.
        ref: Branch, tag or commit.
        allow_dirty: Publish the work tree with its uncommitted changes.
    """
    manifest = publish(environment, source, ref, allow_dirty)
    return deploy(environment, manifest["name"])

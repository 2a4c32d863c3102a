"""publish: from a source to images by digest and one release manifest."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName
from infra.orchestration.flow.publication import publish_source


@flow(name="publish", flow_run_name="publish {ref} for {environment}", retries=0)
def publish(
    environment: EnvironmentName, source: str, ref: str = "HEAD", allow_dirty: bool = False,
    by: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Build the images whose inputs changed, push them, and store the release manifest.

    An unchanged image keeps its digest: it is neither built nor pushed again.

    Args:
        environment: Whose build variables count.
        source: Git URL, or a work tree or directory where this runs.
        ref: Branch, tag or commit.
        allow_dirty: Publish the work tree with its uncommitted changes.
        by: Who asks, and from where; the CLI and Actions fill it in.
    """
    manifest = publish_source(str(environment), source, ref, allow_dirty=allow_dirty, by=by)
    return manifest.model_dump()

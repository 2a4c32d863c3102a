"""publish: from a source to images by digest and one release manifest."""

from pathlib import Path
from typing import Any

from prefect import flow

from infra.tasks import EnvironmentName, publish_source


@flow(name="publish", flow_run_name="publish {ref} for {environment}", retries=0)
def publish(
    environment: EnvironmentName, source: str, ref: str = "HEAD", allow_dirty: bool = False
) -> dict[str, Any]:
    """Build the images whose inputs changed, push them, and store the release manifest.

    An unchanged image keeps its digest: it is neither built nor pushed again.

    Args:
        environment: Whose build variables count.
        source: Git work tree or directory of the application, where the worker runs.
        ref: Branch, tag or commit.
        allow_dirty: Publish the work tree with its uncommitted changes.
    """
    manifest = publish_source(str(environment), Path(source), ref, allow_dirty=allow_dirty)
    return manifest.model_dump()

"""publish: from a source to images by digest and one release manifest."""

from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from infra.tasks import EnvironmentName, publish_source


@flow(name="publish", flow_run_name="publish {ref} for {environment}", retries=0)
def publish(
    environment: Annotated[EnvironmentName, Field(description="Whose build variables count")],
    source: Annotated[str, Field(description="Git work tree or directory of the application")],
    ref: Annotated[str, Field(description="Branch, tag or commit")] = "HEAD",
    allow_dirty: Annotated[bool, Field(description="Publish uncommitted changes too")] = False,
) -> dict[str, Any]:
    """Build the images whose inputs changed, push them, and store the release manifest.

    An unchanged image keeps its digest: it is neither built nor pushed again.
    """
    manifest = publish_source(str(environment), Path(source), ref, allow_dirty=allow_dirty)
    return manifest.model_dump()

"""release: publish, then deploy what was published."""

from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from flows.deploy import deploy
from flows.publish import publish
from infra.tasks import EnvironmentName


@flow(name="release", flow_run_name="release {ref} to {environment}", retries=0)
def release(
    environment: Annotated[EnvironmentName, Field(description="Where to release")],
    source: Annotated[str, Field(description="Git work tree or directory of the application")],
    ref: Annotated[str, Field(description="Branch, tag or commit")] = "HEAD",
    allow_dirty: Annotated[bool, Field(description="Publish uncommitted changes too")] = False,
) -> dict[str, Any]:
    """From a commit to a verified production: publish and deploy as subflows."""
    manifest = publish(environment, source, ref, allow_dirty)
    return deploy(environment, manifest["name"])

"""deploy: bring one environment to one release, or leave it as it was."""

from typing import Any

from prefect import flow

from infra.tasks import EnvironmentName, operation


@flow(name="deploy", flow_run_name="deploy {release} to {environment}", retries=0)
def deploy(
    environment: EnvironmentName, release: str = "newest", update_infrastructure: bool = False
) -> dict[str, Any]:
    """Deploy a published release: pull by digest, migrate, replace, verify, record.

    Each step is a task run. When one fails after the first change, what ran before is
    undone and the run fails with both facts. Resuming is the journal's business, not
    Prefect's: an unfinished run is undone by the next one, so this flow never retries.

    Args:
        environment: Where to deploy.
        release: Name of a release manifest, a file, or newest.
        update_infrastructure: Let the database and the edge follow the release's digests.
    """
    with operation("deploy", str(environment)) as on:
        manifest = on.find_release(release)
        on.lock_and_observe()
        plan = on.plan_release(manifest, update_infrastructure=update_infrastructure)
        return on.carry_out(plan)

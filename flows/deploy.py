"""deploy: bring one environment to one release, or leave it as it was."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, Planned, operation


@flow(name="deploy", flow_run_name="deploy {release} to {environment}", retries=0)
def deploy(
    environment: EnvironmentName, release: str = "newest", update_infrastructure: bool = False,
    by: str = "", configuration: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Deploy a published release: pull by digest, migrate, replace, verify, record.

    Each step is a task run. When one fails after the first change, what ran before is
    undone and the run fails with both facts. Resuming is the journal's business, not
    Prefect's: the next run finishes or undoes this one, so this flow never retries.

    Args:
        environment: Where to deploy.
        release: Name of a release manifest, a file, newest, or current.
        update_infrastructure: Let the database and the edge follow the release's digests.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("deploy", str(environment), by, configuration) as on:
        manifest = on.find_release(release)

        def plan() -> Planned:
            return on.plan_release(manifest, update_infrastructure=update_infrastructure)

        return on.carry_out(on.agreed(plan))

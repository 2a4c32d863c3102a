"""migrate: bring the database to the head of a release's migrations."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.operation import EnvironmentName, operation


@flow(name="migrate", flow_run_name="migrate {environment} to {release}", retries=0)
def migrate(
    environment: EnvironmentName, release: str = "newest", by: str = "", configuration: str = ""
) -> dict[str, Any]:
    """Migrate alone, in a one-off container of the release's image, as the owner's role.

    A second run changes nothing. `deploy` contains this step.

    Args:
        environment: Whose database.
        release: Name of a release manifest, a file, newest, or current.
        by: Who asks, and from where; the CLI and Actions fill it in.
        configuration: What the environment is for whoever asks; the CLI fills it in.
    """
    with operation("migrate", str(environment), by, configuration) as on:
        manifest = on.find_release(release)
        return on.carry_out(on.agreed(lambda: on.plan_migration(manifest)))

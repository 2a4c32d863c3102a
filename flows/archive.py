"""archive: Prefect's own history as files that outlive its database."""

from typing import Any

from prefect import flow

from infra.orchestration.flow.history import archive_history


@flow(name="archive", flow_run_name="archive history", retries=0)
def archive() -> dict[str, Any]:
    """Write runs, logs and artifacts of every whole day as JSON lines, once each.

    It runs daily on the control plane, long before the server's vacuum deletes anything.
    """
    return archive_history()

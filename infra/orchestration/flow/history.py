"""Archiving the history of the server that this run belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from infra.orchestration.api.archive import archive, folder
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.flow.tasks import as_task, log


def archive_history() -> dict[str, Any]:
    """Write what is not written yet; returns the names of the new files."""
    auth = PREFECT_API_AUTH_STRING.value()
    secret = auth.get_secret_value() if auth else ""
    api = PrefectApi(str(PREFECT_API_URL.value()), secret)
    try:
        today = datetime.now(UTC).date()
        written = as_task("archive", lambda: archive(api, folder(), today, log), retries=2)
    finally:
        api.close()
    return {"folder": str(folder()), "written": written}

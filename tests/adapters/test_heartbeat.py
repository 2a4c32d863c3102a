"""A run gives signs of life more often than the server's automation asks for them."""

from __future__ import annotations

import os

import pytest

from infra.orchestration import settings
from infra.orchestration.liveness import SILENT_AFTER


def test_a_run_of_this_machine_outlives_the_automation(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.setenv("HOMEGURU_STATE", str(tmp_path))
    for name in ("PREFECT_HOME", "PREFECT_PROFILES_PATH"):
        monkeypatch.setenv(name, "as before")
    monkeypatch.delenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", raising=False)
    settings.configure()
    # One may be lost and one late.
    assert int(os.environ.pop("PREFECT_FLOWS_HEARTBEAT_FREQUENCY")) * 3 <= SILENT_AFTER

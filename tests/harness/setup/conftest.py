"""A Prefect server that knows nothing of us yet, and one environment that is ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import get_current_settings

# Before the folder below is named: other tests expect the choice as it is without it.
import flows.verify  # noqa: F401
from infra.orchestration.api.client import PrefectApi
from tests.harness.setup.runs import Setup, environment


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environments' folder: `ready.toml`, and a secret of its two."""
    made = tmp_path / "environments"
    made.mkdir()
    monkeypatch.setenv("HOMEGURU_ENVIRONMENTS", str(made))
    monkeypatch.setattr("infra.environment.folders.packaged_environments", lambda: made)
    (made / "ready.toml").write_text(environment())
    secrets = made / "secrets.env"
    secrets.write_text("TOKEN=from-the-file\n")
    secrets.chmod(0o600)
    return made


@pytest.fixture
def setup(folder: Path) -> Iterator[Setup]:
    api = PrefectApi(str(get_current_settings().api.url))
    made = Setup(api)
    yield made
    made.forget()
    api.close()

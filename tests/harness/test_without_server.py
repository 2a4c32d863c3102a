"""`homeguru` where no Prefect server is named: a flow runs, and says nothing but its own words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import assembly

pytestmark = pytest.mark.harness
SERVER = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")


def test_an_empty_name_names_no_server(tmp_path: Path) -> None:
    """GitHub hands over a variable that is not set as an empty one."""
    secrets = assembly.assemble("production").located.environment.secrets.names
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "infra.cli", "verify", "--env", "production"],
        env={
            **inherited, **dict.fromkeys(secrets, "value-of-a-test"), **dict.fromkeys(SERVER, ""),
            "HOMEGURU_STATE": str(tmp_path),
        },
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert "no host key is pinned" in ended.stderr
    assert "prefect" not in ended.stderr.lower(), ended.stderr

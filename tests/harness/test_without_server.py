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


TAKEN = """
from infra.orchestration.process import configure, port_of_its_own
configure()
from prefect.server.api.server import SubprocessASGIServer as Server
with port_of_its_own():
    port = Server().port
    print(Server.is_port_available(port))
    Server().start()
    print(Server().port == port)
    Server().stop()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a port for a server")
def test_no_other_process_finds_its_port_free(tmp_path: Path) -> None:
    """Or it would ask this one's server: a cell of the matrix of faults lost it half way."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))}
    ended = subprocess.run(
        [sys.executable, "-c", TAKEN], env={**inherited, "HOMEGURU_STATE": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.stdout.split() == ["False", "True"], ended.stderr

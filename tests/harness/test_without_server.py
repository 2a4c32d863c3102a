"""`homeguru` where no Prefect server is named: a flow runs, and says nothing but its own words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.environment import context as assembly

pytestmark = pytest.mark.harness
SERVER = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY")


def without_server(state: Path, *words: str, **values: str) -> subprocess.CompletedProcess[str]:
    """Python with these words, in a process that inherits nothing of Prefect and of ours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))}
    return subprocess.run(
        [sys.executable, *words], env={**inherited, **values, "HOMEGURU_STATE": str(state)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_an_empty_name_names_no_server(tmp_path: Path) -> None:
    """GitHub hands over a variable that is not set as an empty one."""
    secrets = assembly.assemble("production").located.environment.secrets.names
    values = {**dict.fromkeys(secrets, "value-of-a-test"), **dict.fromkeys(SERVER, "")}
    words = ("-m", "infra.cli", "verify", "--env", "production")
    ended = without_server(tmp_path, *words, **values)
    assert "no host key is pinned" in ended.stderr
    assert "prefect" not in ended.stderr.lower(), ended.stderr


TAKEN = """
from infra.orchestration.flow.process import embedded_server
from infra.orchestration.settings import configure
configure()
from prefect.server.api.server import SubprocessASGIServer as Server
with embedded_server():
    port = Server().port
    print(Server.is_port_available(port))
    Server().start()
    print(Server().port == port)
    Server().stop()
"""


def test_no_other_process_finds_its_port_free(tmp_path: Path) -> None:
    """Or it would ask this one's server: a cell of the matrix of faults lost it half way."""
    ended = without_server(tmp_path, "-c", TAKEN)
    # Only Linux lets a server listen where another socket keeps the port for it.
    free = str(sys.platform != "linux")
    assert ended.stdout.split() == [free, "True"], ended.stderr

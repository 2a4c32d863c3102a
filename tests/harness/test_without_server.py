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


RUN = """
import os, sys
from pathlib import Path
from infra.orchestration import settings
settings.configure()
from infra.orchestration.flow import embedded
if "broken" in sys.argv:
    serve, broken = embedded.serve, [True]
    def once(port):
        return embedded.start([sys.executable, "-c", "1"]) if broken.pop() else serve(port)
    broken.insert(0, False)
    embedded.serve = once
embedded.begin()
port = embedded._started.port
from prefect import flow, get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.server.api.server import SubprocessASGIServer as Server

@flow
def look():
    task(lambda: get_run_logger().info("seen"))()
    with get_client(sync_client=True) as client:
        print("healthy", client.api_healthcheck() is None)
        print("port", f":{port}/" in str(client.api_url))

def servers():
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return sum(b"embedded" in Path(f"/proc/{child}/cmdline").read_bytes() for child in children)

with embedded.embedded_server():
    print("free", Server.is_port_available(port))
    look()
    print("servers", servers())
print("named", os.environ.get("PREFECT_API_URL"), embedded.named(embedded._started.url) == "")
"""


@pytest.mark.parametrize("start", ["", "broken"])
def test_a_command_has_one_server_on_a_port_that_no_other_takes(tmp_path: Path, start: str) -> None:
    """Or another would use this one's: a cell of the matrix of faults lost it half way.

    One that does not start as we start it is started by Prefect itself.
    """
    ended = without_server(tmp_path, "-c", RUN, start, XDG_CACHE_HOME=str(tmp_path / "cache"))
    # Only Linux lets a server listen where another socket keeps the port for it.
    assert ended.stdout.splitlines() == [
        f"free {sys.platform != 'linux'}", "healthy True", "port True", "servers 1", "named None True",
    ], ended.stderr  # fmt: skip

"""A verb that runs in this process: what a server refuses, or this machine, is a sentence."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.harness
ENVIRONMENT = """\
v = 1
project = "p"
directory = "/srv/p"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "p/{service}"
[host]
address = "127.0.0.1"
user = "p"
key_file = "key"
host_keys = []
"""


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/api"
    server.shutdown()
    server.server_close()


def verify(folder: Path, api: str, state: str = "state") -> subprocess.CompletedProcess[str]:
    (folder / "prod.toml").write_text(ENVIRONMENT)
    variables = {
        **os.environ, "HOMEGURU_ENVIRONMENTS": str(folder), "HOMEGURU_STATE": str(folder / state),
        "PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": "ada:no", "HOMEGURU_HERE": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", "verify", "--env", "prod"], env=variables, text=True,
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_wrong_password(refusing: str, tmp_path: Path) -> None:
    ended = verify(tmp_path, refusing)
    assert ended.returncode == 2
    assert "does not know this account or its password" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ended = verify(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}/api")
    assert ended.returncode == 1
    assert "the Prefect API cannot be reached: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    ended = verify(tmp_path, "", state="prod.toml/state")
    assert ended.returncode == 2
    assert ended.stderr == (
        f"Error: {tmp_path}/prod.toml/state: the folder for this machine's state cannot be made: "
        "Not a directory\nServer: untouched\nNext: set HOMEGURU_STATE to one that can\n"
    )

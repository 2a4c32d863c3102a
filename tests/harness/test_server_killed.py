"""Prefect's server goes away in the middle of a run: the run waits a little, once, and says so."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.harness
CHECKOUT = Path(__file__).resolve().parents[2]
GAP = "its history there has a gap"
MOST = 20.0
"""Seconds that the run may wait for the server altogether."""
RUN = """
import sys, time
from infra.cli.outcome import run
from infra.orchestration import settings
from infra.orchestration.flow import process
def start():
    settings.configure()
    from infra.machine import progress
    from infra.cli import layout
    from infra.cli.terminal import TerminalProgress
    progress.watch(TerminalProgress(layout.console))
    process.entrypoint = lambda _: "tests.harness.server_killed.deploy"
    from tests.harness.server_killed import KILLED
    more = {"server": int(sys.argv[1]), "when": sys.argv[2], "fails": sys.argv[3] == "fails"}
    try:
        print("RESULT", process.run_flow("deploy", more))
    finally:
        print("TOOK", round(time.monotonic() - KILLED[0], 1))
sys.exit(run(start))
"""
Start = Callable[[], tuple[int, str]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Start]:
    """Starts a Prefect server of its own; its process and its address."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> tuple[int, str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
        words += ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
        env = {
            **_inherited(), "PREFECT_HOME": str(tmp_path / "server"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }  # fmt: skip
        with (tmp_path / "server.log").open("wb") as log:
            started.append(
                subprocess.Popen([sys.executable, *words], env=env, stdout=log, stderr=log)
            )
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/health", timeout=2, trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.3)
                continue
            return started[-1].pid, f"http://127.0.0.1:{port}/api"
        raise AssertionError("the server did not come up")

    yield start
    for process in started:
        process.kill()
        process.wait()


def _inherited() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))}


@pytest.mark.parametrize(
    ("when", "fails"),
    [
        # With the one that fails, and the longer tests of what dies, it takes too long for each day.
        pytest.param("in a step", "", marks=pytest.mark.control_plane),
        ("in a step", "fails"),
        ("before the queue", ""),
    ],
)
def test_the_run_goes_on_and_says_it_once(
    server: Start, tmp_path: Path, when: str, fails: str
) -> None:
    pid, url = server()
    env = {**_inherited(), "HOMEGURU_STATE": str(tmp_path / "state"), "PREFECT_API_URL": url}
    begin = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", RUN, str(pid), when, fails], env=env, cwd=CHECKOUT, text=True,
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip
    whole, said = time.monotonic() - begin, ended.stdout + ended.stderr
    assert "step 2" in said
    assert said.count(GAP) == 1, said
    for word in ("Traceback", "httpx", "could not be stored", "EventsWorker"):
        assert word not in said, said
    if fails:
        assert (ended.returncode, "Error: it broke\nServer: runs 1-x" in ended.stderr) == (1, True)
    else:
        assert (ended.returncode, "RESULT {'outcome': 'ok'}" in said) == (0, True), said
    took = float(said.partition("TOOK ")[2].split()[0])
    # Its own work takes no second; the machine may be busy.
    assert took < MOST + 5, f"from the kill to the end: {took}; the process: {whole:.0f} s\n{said}"

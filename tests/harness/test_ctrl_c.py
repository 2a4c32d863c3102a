"""Ctrl-C at a terminal without a server: within seconds the state is said, and nothing is left."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.orchestration.flow.embedded import GRACE
from tests.harness.long_run import STEP, UNDO
from tests.harness.terminal import Ended, Terminal, left_running

pytestmark = pytest.mark.harness
SOON = 12.0
"""Seconds from the last press to the end, on a busy machine; the undo of these tests takes 3."""

CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = """\
v = 1
project = "p"
directory = "/srv/p"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "p/{{service}}"
compose = "compose.yml"
[host]
address = "127.0.0.1"
port = {port}
user = "p"
key_file = "key"
host_keys = ["{key}"]
"""
Start = Callable[..., Terminal]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """One state for all: its database is migrated once."""
    return tmp_path_factory.mktemp("ctrl-c")


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start a module of Python at a terminal; its environment's host accepts and is silent."""
    key = folder / "key"
    if not key.exists():
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
        subprocess.run(words, check=True)
    (folder / "compose.yml").write_text(
        "services:\n  web:\n    image: ${WEB_IMAGE}\nx-deploy: { v: 1 }\n"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "HOMEGURU_"))}
    env = {
        **inherited, "HOMEGURU_ENVIRONMENTS": str(folder), "HOMEGURU_STATE": str(folder / "state"),
        "TERM": "xterm",
    }  # fmt: skip
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        pub = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        text = ENVIRONMENT.format(port=silent.getsockname()[1], key=pub)
        (folder / "prod.toml").write_text(text)
        yield lambda *words: Terminal([sys.executable, "-m", *words], env, CHECKOUT)


def stopped(ended: Ended, state: str, folder: Path, soon: float = SOON) -> None:
    assert ended.code == 1, ended.text
    assert "Error: " in ended.text and "stopped by SIGINT" in ended.text, ended.text
    assert f"Server: {state}" in ended.text, ended.text
    for word in ("Traceback", "EventsWorker", "Error logging", "prefect."):
        assert word not in ended.text, ended.text
    assert ended.seconds < soon
    nothing_is_left(folder)


def nothing_is_left(folder: Path) -> None:
    """A server that was still starting has its grace for an orderly end."""
    deadline = time.monotonic() + GRACE + SOON
    while left := left_running(folder / "state"):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


VERIFY = ("infra.cli", "verify", "--env", "prod")


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("after", [0.7, 1.5])
def test_before_the_server_is_up(start: Start, folder: Path, after: float, presses: int) -> None:
    terminal = start(*VERIFY)
    time.sleep(after)
    for _ in range(presses):
        terminal.press()
        time.sleep(0.1)
    stopped(terminal.end(), "not contacted", folder)


@pytest.mark.parametrize("presses", [1, 2])
def test_while_the_host_is_waited_for(start: Start, folder: Path, presses: int) -> None:
    terminal = start(*VERIFY)
    terminal.wait_for("look")
    for _ in range(presses):
        time.sleep(0.5)
        terminal.press()
    stopped(terminal.end(), "unchanged", folder)


def test_at_the_question_for_approval(start: Start, folder: Path) -> None:
    terminal = start("tests.harness.long_run", "ask")
    terminal.wait_for("Approve?")
    time.sleep(0.5)
    terminal.press()
    stopped(terminal.end(), "unchanged", folder)


@pytest.mark.parametrize("presses", [1, 2])
def test_during_a_step(start: Start, folder: Path, presses: int) -> None:
    terminal = start("tests.harness.long_run", "step")
    terminal.wait_for(STEP)
    for _ in range(presses):
        terminal.press()
        time.sleep(0.2)
    ended = terminal.end()
    assert UNDO in ended.text
    stopped(ended, "runs 1-x as before", folder)


def test_during_the_undo_and_after_it(start: Start, folder: Path) -> None:
    terminal = start("tests.harness.long_run", "step")
    terminal.wait_for(STEP)
    terminal.press()
    terminal.wait_for(UNDO)
    terminal.press()
    terminal.wait_for("SIGINT: undoing; kill -9 leaves the rest to the next run")
    time.sleep(3.2)
    terminal.press()
    stopped(terminal.end(), "runs 1-x as before", folder)


def test_a_plan_that_waits_for_its_host(start: Start, folder: Path) -> None:
    terminal = start("infra.cli", "status", "--env", "prod")
    time.sleep(4)
    terminal.press()
    stopped(terminal.end(), "untouched", folder, soon=5)


def test_the_embedded_server_ends_with_a_process_that_was_killed(start: Start, folder) -> None:
    terminal = start("tests.harness.long_run", "step")
    terminal.wait_for(STEP)
    os.kill(terminal.pid, 9)
    assert terminal.end().code == -9
    nothing_is_left(folder)

"""Something dies in mid run: the button tells the truth in bounded time, the next press converges.

In each test `settled` asks for the rest: the run ended, the slot is free, a deploy converges.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from infra.control.status import status
from infra.engine.client import docker
from tests.e2e.control_plane.control import inspect, run_of

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]

FOR_EVER = 240
"""Seconds within which every button has ended: 90 s of silence, two looks, a busy machine."""


@pytest.fixture
def pressed(control):
    """A deploy in the middle of replacing a container: the button's process and its run."""
    control.change()
    process = control.start("deploy", control.release, "--env", "sandbox", "--json")
    try:
        run = control.at_work()
        assert control.held() == 1
        yield process, run
    finally:
        process.kill()


def ended(process: subprocess.Popen[str], begin: float) -> tuple[int, str]:
    """The button's exit code and all it said; prints how long it took."""
    stdout, stderr = process.communicate(timeout=FOR_EVER)
    print(f"button ended {time.monotonic() - begin:.0f} s later with {process.returncode}")
    return process.returncode, stdout + stderr


def kill(container: str) -> None:
    """SIGKILL from outside, as the out-of-memory killer does; Docker may start it again."""
    os.kill(inspect(container)["State"]["Pid"], signal.SIGKILL)


def test_the_workers_container_is_killed(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    kill(control.container("worker-docker"))
    code, said = ended(process, begin)
    # The flow has a container of its own: it goes on, and ends well.
    assert code == 0, said
    back = control.until(lambda: status(control.demo.plane).problems == [], 90, "a well worker")
    print(f"worker well again {back:.0f} s after that")
    control.settled(run)


def test_the_flows_container_is_killed(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    kill(control.flow_container(run))
    code, said = ended(process, begin)
    assert code == 1, said
    assert "the run's process died" in said
    assert "press again" in said
    control.settled(run)


def test_worker_and_flow_are_killed_together(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    kill(control.container("worker-docker"))
    kill(control.flow_container(run))
    code, said = ended(process, begin)
    assert code == 1, said
    assert "no sign of life for 90 s" in said
    control.settled(run)


def test_the_server_is_restarted(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    docker("restart", "-t", "1", control.container("server"), timeout=120)
    code, said = ended(process, begin)
    assert code == 0, said
    control.settled(run)


def test_its_postgresql_is_away(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    docker("stop", "-t", "5", control.container("postgres"), timeout=60)
    time.sleep(15)
    docker("start", control.container("postgres"))
    code, said = ended(process, begin)
    # Done, or not known: never a success that was none, and never without a word.
    assert code in (0, 1), said
    if code == 1:
        assert "Server: " in said
    control.settled(run)


def test_the_flows_network_is_cut(control, pressed) -> None:
    process, run = pressed
    begin = time.monotonic()
    docker("network", "disconnect", "-f", control.demo.project, control.flow_container(run))
    code, said = ended(process, begin)
    assert code == 1, said
    assert "no sign of life for 90 s" in said
    control.settled(run)


def test_without_a_worker_the_button_says_so(control) -> None:
    docker("stop", "-t", "5", control.container("worker-docker"), timeout=60)
    begin = time.monotonic()
    try:
        found = control.deploy()
    finally:
        docker("start", control.container("worker-docker"))
    took = time.monotonic() - begin
    print(f"no worker: said after {took:.0f} s")
    assert found.code == 3, found.stdout + found.stderr
    assert "no worker takes runs of work pool homeguru-docker" in found.stderr
    assert control.get(f"/flow_runs/{run_of(found.stderr)}")["state"]["type"] == "CANCELLED"
    control.until(lambda: status(control.demo.plane).problems == [], 90, "a well worker")

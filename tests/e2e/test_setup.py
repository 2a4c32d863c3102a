"""A killed run ends, its slot comes free, and the next one runs: with a real worker.

The windows are shorter here than in use: a first sign of life is awaited, then nothing comes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.errors import Unreachable
from infra.demo.prefect_server import LocalPrefect
from infra.orchestration.api.client import PrefectApi
from infra.orchestration.setup import workers

pytestmark = [pytest.mark.e2e, pytest.mark.control_plane]
ROOT = Path(__file__).resolve().parents[2]

LEASE = 60
"""The least that Prefect allows."""
SILENT_AFTER = 15
LIMIT = "env-nowhere"

FLOW = f"""\
import time
from prefect import flow
from prefect.concurrency.sync import concurrency

@flow(name="deploy")
def sleeper(seconds: int) -> None:
    with concurrency("{LIMIT}", lease_duration={LEASE}, raise_on_lease_renewal_failure=False):
        time.sleep(seconds)
"""
ENVIRONMENT = """\
v = 1
project = "nowhere"
directory = "/srv/nowhere"
push_registry = "localhost:5000"
pull_registry = "localhost:5000"
repository = "acme/{service}"
[host]
address = "127.0.0.1"
user = "deploy"
key_file = "id"
host_keys = []
"""


def say(text: str) -> None:
    """Progress beside pytest's own output."""
    sys.__stderr__.write(f"    {text}\n")


class Plane:
    """A Prefect of this module: server, worker, and a flow that only sleeps."""

    def __init__(self, state: Path) -> None:
        self._local = LocalPrefect(state / "prefect", say, silent_after=SILENT_AFTER)
        self._environments = state / "environments"
        self._record = state / "prefect" / "prefect.json"
        for name in ("environments", "modules"):
            (state / name).mkdir()
        (self._environments / "nowhere.toml").write_text(ENVIRONMENT)
        (state / "modules" / "sleeper.py").write_text(FLOW)

    def up(self) -> None:
        """Start what does not run, and register a deployment whose flow is named as ours."""
        url = self._local.up(self._environments, port=0)
        self.api = PrefectApi(f"{url}/api")
        flow = self.api.post("/flows/", {"name": "deploy"})["id"]
        self._deployment = self.api.post("/deployments/", {
            "name": "sleeper", "flow_id": flow, "entrypoint": "sleeper.sleeper",
            "work_pool_name": "homeguru",
        })["id"]  # fmt: skip

    def down(self) -> None:
        self._local.down()

    def create(self, seconds: int) -> str:
        """A run, as the button creates one; its id."""
        path = f"/deployments/{self._deployment}/create_flow_run"
        run: str = self.api.post(path, {"parameters": {"seconds": seconds}})["id"]
        return run

    def start(self) -> str:
        """A run that holds the slot and has given its first sign of life; its id."""
        run = self.create(600)
        until(lambda: self.held() == 1 and self.heartbeats(run), 60, "a run that holds its slot")
        return run

    def state(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/flow_runs/{run}")["state"]
        return found

    def held(self) -> int:
        return int(self.api.get(f"/v2/concurrency_limits/{LIMIT}")["active_slots"])

    def heartbeats(self, run: str) -> int:
        body = {
            "filter": {
                "event": {"name": ["prefect.flow-run.heartbeat"]},
                "resource": {"id": [f"prefect.flow-run.{run}"]},
            }
        }
        return int(self.api.post("/events/filter", body)["total"])

    def kill(self, *kinds: str, run: str) -> None:
        """SIGKILL, as the out-of-memory killer or a power cut would."""
        record = json.loads(self._record.read_text())
        pids = [record[kind] for kind in kinds] + processes_of(run)
        assert len(pids) > len(kinds)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for kind in kinds:
            os.waitpid(record[kind], 0)


def processes_of(run: str) -> list[int]:
    """The flow's processes: they carry the run's id in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and run.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def until(true: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for it; returns how long it took."""
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        if true():
            return time.monotonic() - begin
        time.sleep(0.3)
    raise AssertionError(f"{what}: not within {seconds} s")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    state = tmp_path_factory.mktemp("plane")
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("PREFECT_")]:
            patch.delenv(name)
        patch.setenv("PYTHONPATH", f"{state / 'modules'}{os.pathsep}{ROOT}")
        patch.setenv("HOMEGURU_ENVIRONMENTS", str(state / "environments"))
        made = Plane(state)
        try:
            made.up()
            yield made
        finally:
            made.down()


def test_a_run_killed_with_its_worker_does_not_stay_running(plane: Plane) -> None:
    run = plane.start()
    begin = time.monotonic()
    plane.kill("worker", run=run)
    until(lambda: plane.state(run)["type"] == "CRASHED", 60, "the run crashed")
    crashed = time.monotonic() - begin
    assert f"no sign of life for {SILENT_AFTER} s" in plane.state(run)["message"]
    until(lambda: not workers(plane.api, "homeguru"), 45, "the worker is offline")
    offline = time.monotonic() - begin
    print(f"killed to crashed {crashed:.0f} s, worker offline {offline:.0f} s")


def test_a_server_that_was_killed_too_still_knows_who_held_the_slot(plane: Plane) -> None:
    plane.up()
    until(lambda: plane.held() == 0, LEASE + 20, "the slot is free")
    run = plane.start()
    begin = time.monotonic()
    plane.kill("worker", "server", run=run)
    with pytest.raises(Unreachable, match="the Prefect API cannot be reached"):
        workers(PrefectApi(plane.api.url, patience=0.5), "homeguru")
    plane.up()
    assert plane.held() == 1
    until(lambda: plane.state(run)["type"] == "CRASHED", 60, "the run crashed")
    crashed = time.monotonic() - begin
    until(lambda: plane.held() == 0, LEASE + 20, "the slot is free")
    freed = time.monotonic() - begin
    print(f"killed with its server to crashed {crashed:.0f} s, slot free {freed:.0f} s")
    following = plane.create(1)
    until(lambda: plane.state(following)["type"] == "COMPLETED", 60, "the next run completed")

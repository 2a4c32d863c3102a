"""What Prefect itself costs: until a run is at work, within a run, and while nothing happens.

`make bench` writes the table to doc/benchmarks.md. No time ever fails a run.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.demo.prefect_server import LocalPrefect
from infra.orchestration.api.client import PrefectApi
from infra.sandbox.sandbox import SandboxInfo
from tests.benchmarks.document import write_table
from tests.benchmarks.many import application, environment
from tests.benchmarks.runs import created, register_again, until_completed
from tests.e2e.conftest import ROOT, World, git, say
from tests.e2e.control_plane.control import after_creation
from tests.e2e.faults.beside import Deployer

pytestmark = [pytest.mark.e2e, pytest.mark.benchmark]
TIMES = 5
IDLE = 20.0
"""Seconds in which nothing is asked."""


@pytest.fixture(scope="module")
def world(
    info: SandboxInfo, environments: Path, state: Path, prefect: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> World:  # fmt: skip
    """One small service, deployed; Prefect's server with its process worker."""
    source = tmp_path_factory.mktemp("small") / "application"
    environment(info, environments, "small", application(source, 1))
    register_again(environments, state)
    git(source, "init", "-q", "-b", "main")
    found = World(info, environments, state, source, f"{prefect}/api")
    found.commit("one")
    found.ok("release", "--env", "small", "--source", str(source))
    return found


def test_prefect(world: World, state: Path) -> None:
    rows = [["", "median, s", "longest, s"]]

    def add(what: str, took: list[float]) -> None:
        rows.append([what, f"{statistics.median(took):.2f}", f"{max(took):.2f}"])

    idle = burnt(state, IDLE)
    api = PrefectApi(world.api)
    add_runs(add, "process worker", [timed(api, "verify/verify") for _ in range(TIMES)])
    with served(world, state):
        add_runs(add, "serve", [timed(api, "verify/served") for _ in range(TIMES)])
    release = world.ok("status", "--env", "small")["release"].partition("-")[2]
    whole, without = [], []
    for _ in range(TIMES):
        without.append(seconds(lambda: plain(world, release)))
        whole.append(seconds(lambda: world.ok("deploy", release, "--env", "small")))
    add("deploy without a change, without Prefect: the whole process", without)
    add("the same as a flow in this process, Prefect's server beside", whole)
    add("importing the flow", [seconds(lambda: imported("flows.deploy")) for _ in range(TIMES)])
    add(
        "importing what it does",
        [seconds(lambda: imported("infra.run.operation")) for _ in range(TIMES)],
    )
    for what, took in parts(world).items():
        rows.append([what, f"{statistics.median(took):.3f}", f"{max(took):.3f}"])
    shares = ", ".join(f"the {kind} takes {share:.1f} %" for kind, share in idle.items())
    say(write_table("prefect", rows, f"While nothing happens: {shares} of a core."))


def timed(api: PrefectApi, deployment: str) -> dict[str, float]:
    """Seconds from a run's creation to each of its states."""
    run = until_completed(api, created(api, deployment, {"environment": "small"}))
    states = api.get("/flow_run_states/", flow_run_id=run["id"])
    return after_creation(run, states)


def add_runs(
    add: Callable[[str, list[float]], None], how: str, runs: list[dict[str, float]]
) -> None:
    add(f"{how}: created to picked up", [run["Pending"] for run in runs])
    add(f"{how}: created to Running", [run["Running"] for run in runs])
    add(f"{how}: Running to the end of a look", [run["Completed"] - run["Running"] for run in runs])


PARTS = """
import json, time
from prefect import flow
from infra.orchestration.flow.artifacts import leave_result
from infra.orchestration.flow.tasks import as_task

def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began

@flow
def parts():
    tasks = [seconds(lambda: as_task("nothing", lambda: None)) for _ in range(50)]
    artifacts = [seconds(lambda: leave_result("small", {})) for _ in range(20)]
    print(json.dumps({"a step as a task run": tasks, "an artifact": artifacts}))

parts()
"""


def parts(world: World) -> dict[str, list[float]]:
    """What a run's own records take, a piece each."""
    done = subprocess.run(
        [sys.executable, "-c", PARTS], cwd=ROOT, env=world.variables, capture_output=True, text=True, check=True
    )  # fmt: skip
    line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    return dict(json.loads(line))


@contextmanager
def served(world: World, state: Path) -> Iterator[None]:
    """The same flow by `serve`, which looks for runs once a second."""
    code = (
        "from flows.verify import verify; verify.serve(name='served', print_starting_message=False)"
    )
    port = int(world.api.split(":")[2].partition("/")[0])
    variables = LocalPrefect(state, say).environment(port, world.environments)
    process = subprocess.Popen(
        # At its end Prefect's runner prints a traceback of its own.
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.DEVNULL,
        env={**variables, "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while httpx.get(f"{world.api}/deployments/name/verify/served", trust_env=False).is_error:
            assert time.monotonic() < deadline, "it is not served"
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait(30)


def plain(world: World, release: str) -> None:
    run = Deployer(world, "deploy", "-", release, "small")
    assert run.end() == 0, run.text


def imported(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def burnt(state: Path, idle: float) -> dict[str, float]:
    """Percent of a core that server and worker take while nothing is asked of them."""
    record = json.loads((state / "prefect.json").read_text())
    pids = {kind: record[kind] for kind in ("server", "worker")}
    time.sleep(5)
    before = {kind: ticks(pid) for kind, pid in pids.items()}
    time.sleep(idle)
    rate = os.sysconf("SC_CLK_TCK") * idle / 100
    return {kind: (ticks(pid) - before[kind]) / rate for kind, pid in pids.items()}


def ticks(pid: int) -> int:
    """User's and system's, of a process and its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))

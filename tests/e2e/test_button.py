"""`homeguru` with a Prefect server named: the run is there, its log and outcome are here."""

from __future__ import annotations

import os
import re
import signal
import time

import httpx
import pytest

from infra.demo.prefect_server import LocalPrefect

pytestmark = [pytest.mark.e2e, pytest.mark.button]
THERE = {"HOMEGURU_HERE": "0"}


@pytest.fixture(scope="module")
def deployed(world) -> str:
    if not world.ok("status", "--env", "sandbox")["release"]:
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))
    return world.ok("status", "--env", "sandbox")["release"].partition("-")[2]


def in_replace(world, run: str = "") -> None:
    """Wait until a run replaces a container."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        shown = world.on_server("cat lock/owner 2>/dev/null; tail -qn 1 journal/*.jsonl || true")
        if re.search(r'"event":"begin".*"step":"replace', shown) and run in shown:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was replaced")


def get(world, path: str) -> dict:
    return httpx.get(f"{world.api}{path}", timeout=30, trust_env=False).json()


def run_of(text: str) -> str:
    """Id of the run that a press printed."""
    match = re.search(r"/runs/flow-run/([0-9a-f-]{36})", text)
    assert match, text
    return match[1]


def seconds_of(run: dict) -> float:
    return float(run["total_run_time"])


def test_a_press_ends_with_the_runs_summary(world, deployed: str) -> None:
    world.set_variable("LLM_MODEL", "openai/pressed")
    begin = time.monotonic()
    ended = world.homeguru("deploy", deployed, "--env", "sandbox", "--json", **THERE)
    took = time.monotonic() - begin
    assert ended.code == 0, ended.stdout + ended.stderr
    assert (ended.json["outcome"], ended.json["changed"]) == ("ok", True)
    assert "variables changed: LLM_MODEL" in ended.stderr
    run = get(world, f"/flow_runs/{run_of(ended.stderr)}")
    assert run["parameters"]["by"].startswith("cli:")
    assert "from:cli" in run["tags"]
    last = world.ok("history", "--env", "sandbox")[-1]
    assert (last["run"], last["origin"]) == (run["id"], "cli")
    assert last["note"] == ""
    created = time.monotonic() - begin
    print(f"press {took:.1f} s, the flow itself {seconds_of(run):.1f} s, {created - took:.1f} s")


def test_nothing_to_do_is_said_the_same_way(world, deployed: str) -> None:
    ended = world.homeguru("deploy", deployed, "--env", "sandbox", **THERE)
    assert ended.code == 0
    assert "nothing to do" in ended.stdout


def test_the_error_is_the_runs_own(world, deployed: str) -> None:
    here = world.homeguru("deploy", "nonsense", "--env", "sandbox")
    there = world.homeguru("deploy", "nonsense", "--env", "sandbox", **THERE)
    assert (there.code, there.stderr.splitlines()[-3:]) == (2, here.stderr.splitlines()[-3:])


def test_two_presses_at_once_the_second_is_refused(world, deployed: str) -> None:
    world.set_variable("LLM_MODEL", "openai/first")
    first = world.start("deploy", deployed, "--env", "sandbox", **THERE)
    in_replace(world)
    second = world.homeguru("rollback", "--env", "sandbox", "--json", **THERE)
    stdout, stderr = first.communicate(timeout=120)
    assert first.returncode == 0, stdout + stderr
    assert second.code == 3
    assert "is being changed: deploy by " in second.json["error"]


def test_a_cancelled_run_undoes_and_says_so(world, deployed: str) -> None:
    before = world.ok("status", "--env", "sandbox")["release"]
    world.set_variable("LLM_MODEL", "openai/cancelled")
    process = world.start("deploy", deployed, "--env", "sandbox", "--json", **THERE)
    in_replace(world)
    running = httpx.post(
        f"{world.api}/flow_runs/filter", trust_env=False,
        json={"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}},
    ).json()  # fmt: skip
    state = {"type": "CANCELLING", "name": "Cancelling"}
    url = f"{world.api}/flow_runs/{running[0]['id']}/set_state"
    httpx.post(url, json={"state": state}, trust_env=False)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 3, stdout + stderr
    assert "the run was cancelled" in stdout
    assert world.ok("status", "--env", "sandbox")["release"] == before
    assert world.ok("deploy", deployed, "--env", "sandbox")["outcome"] == "ok"


def test_a_killed_prefect_server_does_not_leave_a_half_release(world, deployed: str) -> None:
    """The work on the host goes on; the button waits for the server, within bounds."""
    world.set_variable("LLM_MODEL", "openai/without-prefect")
    process = world.start("deploy", deployed, "--env", "sandbox", "--json", **THERE)
    in_replace(world)
    local = LocalPrefect(world.state, print)
    pid = local._load()["server"]
    os.killpg(pid, signal.SIGKILL)
    time.sleep(8)
    local.up(world.environments, port=0)
    begin = time.monotonic()
    stdout, stderr = process.communicate(timeout=240)
    print(f"{time.monotonic() - begin:.0f} s after the restart: code {process.returncode}")
    assert process.returncode in (0, 1), stdout + stderr
    found = world.ok("deploy", deployed, "--env", "sandbox")
    assert found["outcome"] == "ok"
    assert world.ok("verify", "--env", "sandbox")["outcome"] == "ok"

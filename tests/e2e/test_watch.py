"""A watched environment: what changed on the server is told once, and so is its end."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.conftest import CHAT_TOKEN, Chat, say

pytestmark = [pytest.mark.e2e, pytest.mark.button]
EVERY = 20
"""Seconds between two looks of the schedule; one takes up to half of that when all is amiss."""
THERE = {"HOMEGURU_HERE": "0"}


@pytest.fixture(scope="module")
def chat(world) -> Iterator[Chat]:
    """The sandbox tells this module's chat, and its schedule looks often."""
    with world.told(4711) as chat:
        if not world.ok("status", "--env", "sandbox")["release"]:
            world.ok("release", "--env", "sandbox", "--source", str(world.repository))
        # An earlier module may have left the server as it likes.
        world.ok("deploy", deployed(world), "--env", "sandbox")
        world.ok("verify", "--env", "sandbox", **THERE)
        yield chat


def deployed(world) -> str:
    """Name of the current release's manifest."""
    return world.ok("status", "--env", "sandbox")["release"].partition("-")[2]


def setup(world) -> None:
    ended = world.homeguru("setup")
    assert ended.code == 0, ended.stderr


@pytest.fixture
def scheduled(world, chat: Chat) -> Iterator[None]:
    """The schedule looks often."""
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace("every = 0", f"every = {EVERY}"))
    setup(world)
    yield
    file.write_text(text)
    pause(world)


def pause(world) -> None:
    """No more looks of the schedule; one at work ends first."""
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace(f"every = {EVERY}", "every = 0"))
    setup(world)
    file.write_text(text)
    body = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}}}
    deadline = time.monotonic() + 60
    while httpx.post(f"{world.api}/flow_runs/filter", json=body, trust_env=False).json():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def scheduled_runs(world) -> list[dict]:
    body = {"flows": {"name": {"any_": ["verify"]}}, "sort": "EXPECTED_START_TIME_DESC"}
    found = httpx.post(f"{world.api}/flow_runs/filter", json=body, trust_env=False).json()
    return [
        r for r in found if r["auto_scheduled"] and r["state"]["type"] in ("COMPLETED", "FAILED")
    ]


def stop(service: str) -> str:
    return f"docker stop -t 1 $(docker ps -q --filter label=com.docker.compose.service={service})"


FAULTS = {
    "a stopped container": (stop("bot"), "bot container: exited"),
    "an edited variable": (
        "printf \"LLM_MODEL='nobody/knows'\\n\" >> .env", "server .env: variables changed: LLM_MODEL"
    ),
    "a changed image": (
        # Compose as a person would call it, with an image of their own.
        "image=$(sed -n \"s/^API_IMAGE='\\(.*\\)'/\\1/p\" .env) && FRONTEND_IMAGE=$image docker compose "
        "-p homeguru --env-file .env --env-file secrets.env up -d --no-deps --force-recreate frontend",
        "frontend digest: runs",
    ),
    "an API that is down": (stop("api"), "api outside: 503"),
}  # fmt: skip


def look(world) -> None:
    """One look, here: what a schedule starts in a worker."""
    assert world.homeguru("verify", "--env", "sandbox").code == 1


def test_each_fault_is_told_once_and_the_end_once(world, chat: Chat, scheduled: None) -> None:
    """The schedule finds the first one; the others are looked for here, which is quicker."""
    known = len(chat.texts())
    for number, (name, (script, said)) in enumerate(FAULTS.items()):
        world.on_server(script)
        begin = time.monotonic()
        if number:
            look(world)
        (text,) = chat.after(known + number)
        say(f"{name}: told after {time.monotonic() - begin:.0f} s")
        assert said in text
        if number == 0:
            pause(world)
    # A look that came too late was skipped, which is no failure.
    failed = [r for r in scheduled_runs(world) if r["state"]["type"] == "FAILED"]
    assert failed[0]["state"]["message"].count("verification failed") == 1
    look(world)
    known += len(FAULTS)
    assert len(chat.texts()) == known
    world.ok("deploy", deployed(world), "--env", "sandbox")
    assert world.homeguru("verify", "--env", "sandbox").code == 0
    assert world.homeguru("verify", "--env", "sandbox").code == 0
    brought, ended = chat.texts()[known:]
    assert "deployed" in brought
    assert "well again" in ended
    assert "nobody/knows" not in "".join(chat.texts())


def test_a_look_leaves_its_checks_and_an_event(world, chat: Chat) -> None:
    ended = world.homeguru("verify", "--env", "sandbox", **THERE)
    assert ended.code == 0, ended.stderr
    body = {"artifacts": {"key": {"any_": ["health-sandbox"]}}, "sort": "CREATED_DESC", "limit": 1}
    (artifact,) = httpx.post(f"{world.api}/artifacts/filter", json=body, trust_env=False).json()
    for check in ("| api | outside | ok |", "| server | disk | ok |", "| bot | connected | ok |"):
        assert check in artifact["data"]
    asked = {"filter": {"resource": {"id": ["homeguru.environment.sandbox"]}}}
    found = httpx.post(f"{world.api}/events/filter", json=asked, trust_env=False).json()
    assert {e["event"] for e in found["events"]} >= {
        "homeguru.environment.down", "homeguru.environment.recovered"
    }  # fmt: skip


def test_heal_deploys_the_current_release_again(world, chat: Chat) -> None:
    release = world.ok("status", "--env", "sandbox")["release"]
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace("every = 0", "every = 0\nheal = true"))
    known = len(chat.texts())
    try:
        world.on_server(stop("bot") + "; printf \"LLM_MODEL='nobody/knows'\\n\" >> .env")
        begin = time.monotonic()
        ended = world.homeguru("verify", "--env", "sandbox", **THERE)
        say(f"healed by a look of {time.monotonic() - begin:.0f} s")
        assert ended.code == 0, ended.stdout + ended.stderr
    finally:
        file.write_text(text)
    down, brought, recovered = chat.texts()[known:]
    assert "deployed again now" in down
    assert f"brought back to {release}" in brought
    assert "well again" in recovered
    assert world.ok("status", "--env", "sandbox")["release"] == release
    line = world.ledger()[-1]
    assert (line["verb"], line["release"], line["outcome"]) == ("heal", release, "ok")
    # Prefect knows the run that healed; runs of jobs over SSH, of an earlier file, it cannot.
    assert line["at"] not in world.homeguru("audit", "verify", "--env", "sandbox").stderr


def test_a_look_during_a_deploy_says_so_and_reports_no_drift(world, chat: Chat) -> None:
    world.set_variable("LLM_MODEL", "openai/while-looking")
    known = len(chat.texts())
    process = world.start("deploy", deployed(world), "--env", "sandbox")
    deadline = time.monotonic() + 60
    while '"event":"begin"' not in world.on_server("tail -qn 1 journal/*.jsonl"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    ended = world.homeguru("verify", "--env", "sandbox", "--json")
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stdout + stderr
    assert ended.code == 3, ended.stdout
    assert "deploy in progress" in ended.json["error"]
    assert [t for t in chat.texts()[known:] if "wrong" in t] == []


def test_a_host_that_cannot_be_reached_is_told_and_the_rest_still_asked(world, chat: Chat) -> None:
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    known = len(chat.texts())
    file.write_text(text.replace(f"port = {world.info.ssh_port}", "port = 9"))
    try:
        ended = world.homeguru("verify", "--env", "sandbox", "--json")
    finally:
        file.write_text(text)
    assert ended.code == 1
    assert "server ssh:" in ended.json["error"]
    checks = {(c["service"], c["check"]): c["ok"] for c in ended.json["checks"]}
    assert checks["server", "ssh"] is False
    assert checks["api", "outside"] is True
    assert "outside" not in ended.json["error"]
    assert world.homeguru("verify", "--env", "sandbox").code == 0
    down, up = chat.texts()[known:]
    assert "server ssh" in down
    assert "well again" in up


def test_a_notice_that_cannot_be_sent_fails_nothing_and_is_said(world, chat: Chat) -> None:
    secrets = world.environments / "sandbox.secrets.env"
    text = secrets.read_text()
    secrets.write_text(text.replace("tgram://", "tgram://x"))
    world.set_variable("LLM_MODEL", "openai/unheard")
    try:
        ended = world.homeguru("deploy", deployed(world), "--env", "sandbox")
    finally:
        secrets.write_text(text)
    assert ended.code == 0, ended.stderr
    assert "notice not sent to tgram" in ended.stdout
    assert CHAT_TOKEN not in ended.stdout + ended.stderr


def test_a_look_costs_little(world, chat: Chat) -> None:
    """Time and connections of one look, outside Prefect."""
    code = (
        "import time; from infra.environment.context import assemble; from infra.look import inspection; from infra.host import watching;"
        "from infra.run.operation import operation_on; from infra.host.session import Host;"
        "from infra.host.actor import at_terminal; from deployments.health.alerts import Memory;"
        "a = assemble('sandbox'); r = a.registry(); runs = [];\n"
        "host = Host(a.located, at_terminal('none'), 'verify', print);\n"
        "real = host._remote.run; host._remote.run = lambda *x, **y: (runs.append(1), real(*x, **y))[1]\n"
        "o = operation_on(a, a.configuration(), host, r, lambda s, w: w())\n"
        "b = time.monotonic(); look = watching.Watcher(host, o.targets, Memory()).look()\n"
        "print(look.well, len(runs), round(time.monotonic() - b, 2)); host.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=world.variables,
        check=True,
    )
    well, commands, seconds = done.stdout.split()
    say(f"one look: {seconds} s outside Prefect, 1 SSH connection, {commands} commands")
    assert well == "True"
    assert int(commands) <= 4

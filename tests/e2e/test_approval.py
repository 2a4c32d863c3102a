"""An environment that asks for approval: the run waits before the lock, holding nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.orchestration.api.client import PrefectApi

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def deployed(world) -> str:
    if not world.ok("status", "--env", "sandbox")["release"]:
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))
    return world.ok("status", "--env", "sandbox")["release"].partition("-")[2]


@pytest.fixture(autouse=True)
def _asking(world) -> Iterator[None]:
    """The sandbox asks for approval in this module only."""
    file = world.environments / "sandbox.toml"
    text = file.read_text()
    file.write_text(text.replace("[host]", "approval = true\napproval_minutes = 1\n\n[host]", 1))
    yield
    kept = [x for x in file.read_text().splitlines() if not x.startswith("approval")]
    file.write_text("\n".join(kept) + "\n")


class Waiting:
    """A press through the API whose run waits for a person."""

    def __init__(self, world, release: str) -> None:
        self._api = PrefectApi(world.api)
        with ThreadPoolExecutor(1) as pool:
            words = ("deploy", release, "--env", "sandbox", "--json")
            self._ended = pool.submit(lambda: world.homeguru(*words, HOMEGURU_HERE="0"))
            self.run = self._paused()
            self._then(world)

    def _then(self, world) -> None:
        raise NotImplementedError

    def _paused(self) -> dict:
        deadline = time.monotonic() + 60
        body = {"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}}
        while time.monotonic() < deadline:
            if found := self._api.post("/flow_runs/filter", body):
                return found[0]
            time.sleep(0.2)
        raise AssertionError("the run never waited")

    def answer(self, approver: str, reason: str) -> str:
        """What the server says to what the form in the UI sends: ACCEPT, or else."""
        given = {"run_input": {"approver": approver, "reason": reason}}
        # On SQLite a server under load answers 503 now and then; the UI's user clicks again.
        return str(self._api.post(f"/flow_runs/{self.run['id']}/resume", given)["status"])

    def plan(self) -> str:
        """The plan's artifact, as it is before anybody answers."""
        body = {"flow_runs": {"id": {"any_": [self.run["id"]]}}}
        found = self._api.post("/artifacts/filter", body)
        return next(a["data"] for a in found if a["key"] == "plan-sandbox")

    @property
    def ended(self):
        return self._ended.result()


def press(world, release: str, then) -> Waiting:
    """Press, run `then` while the run waits, and return when it has ended."""
    kind = type("Press", (Waiting,), {"_then": lambda self, _: then(self)})
    return kind(world, release)


def test_an_approved_plan_runs_and_the_ledger_knows_by_whom(world, deployed: str) -> None:
    world.set_variable("LLM_MODEL", "openai/approved")
    before = world.containers()

    def approve(waiting: Waiting) -> None:
        assert "variables changed: LLM_MODEL" in waiting.plan()
        assert world.containers() == before
        # Nothing is held while a person thinks: another verb may work.
        assert "being changed" not in str(world.homeguru("status", "--env", "sandbox").stdout)
        assert waiting.answer("", "no name") != "ACCEPT"
        assert waiting.answer("Anna", "tested on stage") == "ACCEPT"

    ended = press(world, deployed, approve).ended
    assert ended.code == 0, ended.stdout + ended.stderr
    line = world.ok("history", "--env", "sandbox")[-1]
    assert line["approval"] == {"who": "Anna", "reason": "tested on stage", "account": ""}
    assert line["origin"] == "cli"
    assert "approved by Anna: tested on stage" in ended.stderr


def test_a_server_that_changed_meanwhile_stops_it(world, deployed: str) -> None:
    world.set_variable("LLM_MODEL", "openai/approved-too")

    def approve(waiting: Waiting) -> None:
        world.on_server(
            "docker stop homeguru-bot-1 2>/dev/null || docker stop $(docker ps -q --filter label=com.docker.compose.service=bot)"
        )
        assert waiting.answer("Anna", "fine") == "ACCEPT"

    ended = press(world, deployed, approve).ended
    assert ended.code == 3, ended.stdout + ended.stderr
    assert "approved was" in ended.json["error"]
    assert ended.json["server"].endswith("unchanged")


def test_here_the_reason_is_an_option(world, deployed: str) -> None:
    ended = world.homeguru("deploy", deployed, "--env", "sandbox", "--approve", "all tested")
    assert ended.code == 0, ended.stdout + ended.stderr
    line = world.ok("history", "--env", "sandbox")[-1]
    assert line["approval"]["reason"] == "all tested"
    assert "@" in line["approval"]["who"]


def test_a_freeze_window_holds_a_deploy_back_until_somebody_says_why(world, deployed: str) -> None:
    file = world.environments / "sandbox.toml"
    always = 'freeze = ["2020-01-01 00:00 - 2120-01-01 00:00 Europe/Moscow"]\napproval_minutes = 1'
    text = file.read_text().replace("approval = true\napproval_minutes = 1", f"{always}")
    file.write_text(text)
    try:
        world.set_variable("LLM_MODEL", "openai/frozen")
        before = world.containers()
        # Nobody can answer where Prefect's server ends with the command.
        words = ("deploy", deployed, "--env", "sandbox", "--json")
        refused = world.homeguru(*words, PREFECT_API_URL="")
        assert refused.code == 3, refused.stdout + refused.stderr
        assert "releases are frozen until Mon 2120-01-01 00:00 Europe/Moscow" in refused.stderr
        assert "--approve REASON" in refused.stderr
        assert world.containers() == before
        reason = "a hot fix that cannot wait"
        world.ok("deploy", deployed, "--env", "sandbox", "--approve", reason)
        assert world.ok("history", "--env", "sandbox")[-1]["approval"]["reason"] == reason
    finally:
        file.write_text(file.read_text().replace(always, "approval = true\napproval_minutes = 1"))

"""Runs created through Prefect's API, as its UI does, carried out by a process worker."""

from __future__ import annotations

import json
import time

import pytest

from infra.orchestration.api.client import PrefectApi

pytestmark = pytest.mark.e2e


class Api:
    """The few calls that a person's clicks make; again, as a person clicks, when SQLite is locked."""

    def __init__(self, url: str) -> None:
        self._api = PrefectApi(url)

    def deployments(self) -> list[dict]:
        return self._api.post("/deployments/filter")

    def run(self, verb: str, parameters: dict, seconds: float = 300) -> dict:
        """Create a run and wait for its end; the run with `picked_up` and `running` seconds."""
        found = self._api.get(f"/deployments/name/{verb}/{verb}")
        begin = time.monotonic()
        path = f"/deployments/{found['id']}/create_flow_run"
        created = self._api.post(path, {"parameters": parameters})
        after: dict[str, float] = {}
        while time.monotonic() - begin < seconds:
            run = self._api.get(f"/flow_runs/{created['id']}")
            after.setdefault(run["state"]["name"], time.monotonic() - begin)
            if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return {**run, "after": after}
            time.sleep(0.1)
        raise AssertionError(f"{verb} did not end: {after}")

    def tasks(self, run: dict) -> dict[str, str]:
        """Task run's name to its state, of one flow run."""
        body = {"flow_runs": {"id": {"any_": [run["id"]]}}, "sort": "EXPECTED_START_TIME_ASC"}
        found = self._api.post("/task_runs/filter", body)
        return {task["name"]: task["state"]["type"] for task in found}

    def artifacts(self, run: dict) -> dict[str, str]:
        """Artifact's key to its data, of one flow run."""
        body = {"flow_runs": {"id": {"any_": [run["id"]]}}}
        found = self._api.post("/artifacts/filter", body)
        return {artifact["key"]: artifact["data"] for artifact in found}


@pytest.fixture(scope="module")
def api(world) -> Api:
    return Api(world.api)


@pytest.fixture(scope="module")
def deployed(world) -> str:
    """A release that serves; its manifest's name."""
    if not world.ok("status", "--env", "sandbox")["release"]:
        world.ok("release", "--env", "sandbox", "--source", str(world.repository))
    return world.ok("status", "--env", "sandbox")["release"].partition("-")[2]


def test_the_deployments_offer_their_environments(api: Api) -> None:
    found = {d["entrypoint"]: d for d in api.deployments()}
    assert sorted(found) == [
        f"flows.{verb}.{verb}"
        for verb in (
            "adopt",
            "backup",
            "bootstrap",
            "deploy",
            "drill",
            "maintenance",
            "migrate",
            "publish",
            "release",
            "restore",
            "rollback",
            "rotate",
            "verify",
        )
    ]
    for deployment in found.values():
        schema = deployment["parameter_openapi_schema"]
        assert "sandbox" in schema["definitions"]["EnvironmentName"]["enum"]
        assert deployment["description"]


def test_verify_goes_through_the_worker(api: Api, deployed: str) -> None:
    run = api.run("verify", {"environment": "sandbox"})
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert run["name"] == "verify sandbox"
    print(f"created to running: {run['after']['Running']:.1f} s")


def test_a_deploy_reads_as_its_log(api: Api, world, deployed: str) -> None:
    world.set_variable("LLM_MODEL", "openai/from-the-ui")
    run = api.run("deploy", {"environment": "sandbox", "release": deployed})
    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert run["name"] == f"deploy {deployed} to sandbox"
    tasks = api.tasks(run)
    for step in (
        "connect and lock",
        "observe",
        "plan",
        "upload",
        "replace api",
        "verify",
        "record",
    ):
        assert tasks[step] == "COMPLETED"
    artifacts = api.artifacts(run)
    kinds = ("plan", "report", "services", "result")
    assert set(artifacts) == {f"{kind}-sandbox" for kind in kinds}
    assert "variables changed: LLM_MODEL" in artifacts["plan-sandbox"]
    assert "| bot | digest | ok |" in artifacts["report-sandbox"]
    rows = json.loads(artifacts["services-sandbox"])
    assert {row["service"] for row in rows} == {"postgres", "edge", "api", "frontend", "bot"}
    assert world.ok("history", "--env", "sandbox")[-1]["origin"] == "ui"


def test_a_mistake_made_in_the_form_is_told_in_its_state(api: Api, deployed: str) -> None:
    run = api.run("deploy", {"environment": "sandbox", "release": "sandbox-sha-ffffffffffff"})
    assert run["state"]["type"] == "FAILED"
    assert (
        "no release 'sandbox-sha-ffffffffffff' is published for sandbox" in run["state"]["message"]
    )
    assert "choose one of:" in run["state"]["message"]

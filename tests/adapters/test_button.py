"""The button, against a Prefect server that is a table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from deployments.errors import HomeguruError, Locked, Refused, Unreachable, WrongUse, as_dict
from infra.orchestration.api import button
from infra.orchestration.api.button import cancel, check_parameters, press
from infra.orchestration.api.client import FIRST_CONTACT, PrefectApi

SCHEMA = {
    "type": "object",
    "properties": {
        "environment": {"$ref": "#/definitions/EnvironmentName"},
        "release": {"type": "string"},
        "update_infrastructure": {"type": "boolean"},
        "by": {"type": "string"},
        "configuration": {"type": "string"},
    },
    "required": ["environment"],
    "definitions": {"EnvironmentName": {"type": "string", "enum": ["production", "stage"]}},
}


def state(kind: str, name: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "name": name or kind.title(), "message": message}


DONE, RUNNING = state("COMPLETED"), state("RUNNING")


def line(number: int, message: str, name: str = "prefect.flow_runs") -> dict[str, Any]:
    stamp = f"2030-01-01T00:00:{number:02}.000000+00:00"
    return {"id": f"l{number}", "timestamp": stamp, "message": message, "name": name}


@dataclass
class Server:
    """A Prefect server: a run goes through `states`, one a look."""

    states: list[dict[str, str]]
    result: dict[str, Any] | None = None
    logs: list[dict[str, Any]] = field(default_factory=list)
    status: str = "READY"
    pool: str | None = "homeguru"
    created: list[dict[str, Any]] = field(default_factory=list)
    set_states: list[str] = field(default_factory=list)

    def api(self) -> PrefectApi:
        transport = httpx.MockTransport(self._answer)
        return PrefectApi("http://prefect.test/api", transport=transport, sleep=lambda _: None)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api")
        body = json.loads(request.content or b"null")
        return httpx.Response(200, json=self._json(request.method, path, body))

    def _json(self, method: str, path: str, body: Any) -> Any:
        if path == "/admin/version":
            return "3.8.8"
        if path.startswith("/deployments/name/") or path == "/deployments/d1":
            return {
                "id": "d1", "parameter_openapi_schema": SCHEMA, "status": self.status,
                "work_pool_name": self.pool,
            }  # fmt: skip
        if path.endswith("/create_flow_run"):
            self.created.append(body)
            return {"id": "r1", "name": "calm-owl", "state": self.states[0]}
        if path == "/flow_runs/r1":
            now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return {"id": "r1", "name": "calm-owl", "state": now}
        if path == "/flow_runs/filter":
            return [{"id": "r1", "name": "calm-owl", "state": self.states[0]}]
        if path == "/logs/filter":
            return self.logs if body["offset"] == 0 else []
        if path == "/artifacts/filter":
            text = json.dumps(self.result, indent=1)
            found = {"key": "result-production", "data": f"```json\n{text}\n```\n"}
            return [found] if self.result else []
        if path == "/flow_runs/r1/set_state":
            self.set_states.append(body["state"]["type"])
            return {}
        raise AssertionError(f"{method} {path}")


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(button, "POLL", 0.001)
    monkeypatch.setattr(button, "LAST_LINES", 0.01)


def pressed(server: Server, **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    given = {"environment": "production", **parameters}
    found = press(server.api(), "deploy", given, tags=["by:a"], key="42-1", say=said.append)
    return found, said


def test_a_run_is_followed_to_its_summary() -> None:
    summary = {"outcome": "ok", "release": "2-x", "seconds": 4.5}
    logs = [
        line(1, "Worker 'w' submitting", "prefect.flow_runs.worker"),
        line(2, "Beginning flow run 'deploy'"), line(3, "pull  1.0 s  ok"),
        line(4, "api started", "prefect.task_runs"), line(5, "Finished in state Completed()"),
    ]  # fmt: skip
    server = Server([state("SCHEDULED"), state("PENDING"), RUNNING, DONE], summary, logs)
    found, said = pressed(server)
    assert found == summary
    assert said == [
        "run calm-owl: http://prefect.test/runs/flow-run/r1", "pull  1.0 s  ok", "api started"
    ]  # fmt: skip
    assert server.created == [
        {"parameters": {"environment": "production"}, "tags": ["by:a"], "idempotency_key": "42-1"}
    ]


@pytest.mark.parametrize(
    "error",
    [
        Locked("another run works", where="host", state="being changed", todo="wait"),
        Refused("not now", state="unchanged"), WrongUse("no such release"),
        HomeguruError("broken", todo="look"),
    ],
)  # fmt: skip
def test_the_error_of_the_run_is_raised_here(error: HomeguruError) -> None:
    with pytest.raises(type(error)) as raised:
        pressed(Server([state("FAILED", message="Flow run encountered...")], as_dict(error)))
    assert str(raised.value) == str(error)
    assert raised.value.exit_code == error.exit_code


def test_a_crashed_run_says_that_nothing_is_known() -> None:
    with pytest.raises(HomeguruError) as raised:
        pressed(Server([RUNNING, state("CRASHED", message="no heartbeat")]))
    assert raised.value.exit_code == 1
    assert "the run's process died: no heartbeat" in str(raised.value)
    assert "the next run finishes or undoes" in raised.value.todo


def test_a_failure_without_a_word_of_ours_shows_prefects() -> None:
    with pytest.raises(HomeguruError, match="boom") as raised:
        pressed(Server([state("FAILED", message="boom")]))
    assert raised.value.exit_code == 1


def test_a_cancelled_run_has_the_code_of_a_refusal() -> None:
    with pytest.raises(HomeguruError, match="cancelled") as raised:
        pressed(Server([RUNNING, state("CANCELLED")]))
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"relase": "newest"}, "deployment deploy has no parameter relase; it has environment"),
        ({"environment": "prod"}, r"parameter environment: 'prod' is not one of"),
        ({"update_infrastructure": "yes"}, "parameter update_infrastructure: 'yes' is not of type"),
        ({"release": None}, "parameter release: None is not of type 'string'"),
    ],
)
def test_what_would_crash_later_is_refused_before(parameters: dict, said: str) -> None:
    server = Server([DONE])
    with pytest.raises(WrongUse, match=said):
        pressed(server, **parameters)
    assert server.created == []


def test_a_required_parameter_is_missed() -> None:
    with pytest.raises(WrongUse, match="'environment' is a required property"):
        check_parameters("deploy", {"parameter_openapi_schema": SCHEMA}, {}, "here")


def test_without_a_worker_the_run_is_cancelled_and_told(monkeypatch) -> None:
    monkeypatch.setattr(button, "PICK_UP", 0)
    server = Server([state("SCHEDULED", "Late")], status="NOT_READY")
    with pytest.raises(Refused, match="no worker takes runs of work pool homeguru") as raised:
        pressed(server)
    assert server.set_states == ["CANCELLING"]
    assert "homeguru control-plane worker --pool homeguru" in raised.value.todo


def test_a_pool_that_somebody_deleted_is_no_name_of_one(monkeypatch) -> None:
    monkeypatch.setattr(button, "PICK_UP", 0)
    server = Server([state("SCHEDULED", "Late")], status="NOT_READY", pool=None)
    with pytest.raises(Refused, match="its deployment has no work pool any more") as raised:
        pressed(server)
    assert server.set_states == ["CANCELLING"]
    assert "None" not in raised.value.todo


def test_a_slow_worker_is_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(button, "PICK_UP", 0)
    late = state("SCHEDULED", "Late")
    found, said = pressed(Server([late, late, late, RUNNING, DONE], {"outcome": "ok"}))
    assert found == {"outcome": "ok"}
    assert said[1:] == [
        "no worker took it yet: is pool homeguru busy, or is it or its queue paused?"
    ]


def test_waiting_is_told_once() -> None:
    waits = [state("PAUSED", "Paused")] * 3
    queued = [state("SCHEDULED", "AwaitingConcurrencySlot")] * 3
    _, said = pressed(Server([*queued, RUNNING, *waits, RUNNING, DONE]))
    assert said[1:] == [
        "waits: another run works on this environment",
        "waits for approval: http://prefect.test/runs/flow-run/r1",
    ]


def test_cancel_finds_the_run_by_its_key() -> None:
    server, said = Server([RUNNING]), []
    assert cancel(server.api(), "42-1", said.append)
    assert server.set_states == ["CANCELLING"]
    assert "calm-owl" in said[0]


def test_an_ended_run_is_not_cancelled() -> None:
    server = Server([DONE])
    assert not cancel(server.api(), "42-1", print)
    assert server.set_states == []


def test_a_wrong_address_is_said_before_its_person_has_left(monkeypatch) -> None:
    """The first request is not as patient as those of a run that is followed."""
    server = Server([DONE])
    api = server.api()
    patient: list[float] = []

    def version() -> str:
        patient.append(api.patience)
        raise Unreachable("the Prefect API cannot be reached: no such host", todo="look")

    monkeypatch.setattr(api, "version", version)
    with pytest.raises(Unreachable) as refused:
        press(api, "deploy", {"environment": "production"}, tags=[], key="k", say=lambda _: None)
    assert patient == [FIRST_CONTACT]
    assert refused.value.todo == "is PREFECT_API_URL right? look"
    assert server.created == []

"""Asking a person: in Prefect's UI by a pause, at the terminal by a question."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.exceptions import ObjectNotFound
from prefect.flow_engine import run_flow
from prefect.states import Running

from deployments.environment.schema import Environment
from deployments.errors import Refused
from deployments.history.ledger import Approval
from deployments.planning.plan import Plan
from infra.environment.locate import load
from infra.host.actor import Actor
from infra.orchestration.flow import approval, who

pytestmark = pytest.mark.harness
ANNA = Actor("anna", "ui", "run-1", account="anna")
PLAN = Plan("deploy", "2-x", "x", "1-x", ())


@pytest.fixture
def environment() -> Environment:
    """Production, with three seconds for an answer."""
    return load("production").environment.model_copy(update={"approval_minutes": 0.05})


def ask(environment: Environment) -> Approval:
    @flow(name="asks")
    def asks() -> Approval:
        return approval.approved(environment, PLAN, ANNA)

    return asks()


def test_no_answer_in_time_is_no(environment: Environment) -> None:
    with pytest.raises(Refused, match=r"nobody approved the plan within 0\.05 min") as refused:
        ask(environment)
    assert refused.value.state == "unchanged"


class Away(BaseHTTPRequestHandler):
    """A Prefect server whose database is away for three requests, then one that is gone."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(500 if self.asked <= 3 else 404)
        self.send_header("Retry-After", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_plan_that_waits_outlives_a_server_whose_database_restarts(
    environment: Environment, monkeypatch
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Away)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]

    def waits(*_: object, **__: object) -> None:
        with get_client(sync_client=True) as client:
            client._client.base_url = f"http://127.0.0.1:{port}/api"
            client.read_flow_run(uuid4())

    monkeypatch.setattr(approval, "pause_flow_run", waits)
    try:
        with pytest.raises(ObjectNotFound):
            approval.approved(environment, PLAN, ANNA)
    finally:
        server.shutdown()
        server.server_close()
    assert Away.asked == 4


def test_a_server_that_stays_away_is_a_sentence(environment: Environment, monkeypatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise httpx.ConnectError("no")

    monkeypatch.setattr(approval, "pause_flow_run", away)
    with pytest.raises(Refused, match="Prefect was away for long while the plan waited"):
        approval.approved(environment, PLAN, ANNA)


def test_the_form_needs_a_name_and_a_reason(environment: Environment) -> None:
    schema = approval.Decision.model_json_schema()
    assert schema["required"] == ["approver", "reason"]
    assert all(field["description"] for field in schema["properties"].values())


def test_the_answer_of_the_form_lets_the_plan_run(environment: Environment) -> None:
    answerer = threading.Thread(target=_resume, daemon=True)
    answerer.start()
    patient = environment.model_copy(update={"approval_minutes": 1})
    given = ask(patient)
    answerer.join()
    assert (given.who, given.reason, given.account) == ("Anna", "tested", "")


def test_a_second_question_of_a_run_has_an_answer_of_its_own(environment: Environment) -> None:
    """Under the lock a plan may cost more than what somebody said yes to."""

    def answer() -> None:
        _resume("tested")
        _resume("more rows are fine too")

    answerer = threading.Thread(target=answer, daemon=True)
    answerer.start()
    patient = environment.model_copy(update={"approval_minutes": 1})

    @flow(name="asks twice")
    def asks() -> list[str]:
        return [approval.approved(patient, PLAN, ANNA).reason for _ in range(2)]

    assert asks() == ["tested", "more rows are fine too"]
    answerer.join()


def _resume(reason: str = "tested") -> None:
    """What the UI sends, once a run waits."""
    deadline = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            paused = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
            if found := client.read_flow_runs(flow_run_filter=paused):
                client.resume_flow_run(
                    found[0].id, run_input={"approver": "Anna", "reason": reason}
                )
                return
            time.sleep(0.2)


@pytest.mark.parametrize("given", [Approval(who="a@b", reason="ok"), None])
def test_at_the_terminal_nothing_is_paused(environment: Environment, given) -> None:
    def here() -> None:
        approval.ask_here(lambda plan: given if plan is PLAN else None)
        if given:
            assert ask(environment) == given
        else:
            with pytest.raises(Refused, match="the plan was not approved"):
                ask(environment)

    copy_context().run(here)


def test_who_asked_for_a_release_asked_for_its_deploy(monkeypatch) -> None:
    """The account is that of the run that somebody created, and not of a part of it."""
    seen: list[tuple[str, float]] = []

    def creator(_: object, deployment: str, created: float) -> str:
        seen.append((deployment, created))
        return "anna"

    monkeypatch.setattr(who, "creator", creator)

    @flow(name="part")
    def part() -> Actor:
        return who.current_actor("")

    @flow(name="whole")
    def whole() -> Actor:
        return part()

    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(whole), "whole")
        run = client.create_flow_run_from_deployment(deployment)
        client.set_flow_run_state(run.id, Running(), force=True)
    found = run_flow(whole, flow_run=run)
    assert (found.account, found.who, found.origin) == ("anna", "anna", "ui")
    assert seen == [(str(deployment), run.created.timestamp())]
    assert part().account == ""

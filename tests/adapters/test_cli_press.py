"""A verb at the terminal with a server configured: one press is one run, and a person can follow it."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from deployments.errors import Interrupted, Refused, StepFailed, Unreachable, WrongUse
from deployments.planning.plan import Plan
from deployments.release.manifest import Manifest
from infra.cli import app, show
from infra.cli import run as cli
from infra.cli.printing import Printing
from infra.environment.locate import load
from infra.orchestration.api import button
from infra.orchestration.api.client import PrefectApi
from tests.adapters.test_button import DONE, RUNNING, SCHEMA, Server

REPOSITORY = "https://github.com/systech/homeguru.git"


class Hesitant(Server):
    """Accepts a run and is silent the first time, as one whose database is busy."""

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = super()._answer(request)
        if request.url.path.endswith("/create_flow_run") and len(self.created) == 1:
            raise httpx.ReadTimeout("busy", request=request)
        return answer


@pytest.fixture
def press(monkeypatch):
    """Run a verb against a server, whose form has every verb's fields."""
    for name in ("to", "source", "ref", "allow_dirty", "release"):
        monkeypatch.setitem(SCHEMA["properties"], name, {})
    # This server's log has no last line to wait for.
    monkeypatch.setattr(button, "LAST_LINES", 0)

    def run(server: Server, verb: str, approve: str = "", **given: Any) -> Any:
        monkeypatch.setenv("PREFECT_API_URL", "http://prefect.test/api")
        monkeypatch.setattr(PrefectApi, "from_environment", staticmethod(server.api))
        return cli.run(
            verb, "production", given, printing=Printing(json=True), here=False, approve=approve
        )

    return run


def test_what_is_sent_again_is_the_same_press(press) -> None:
    server = Hesitant([RUNNING, DONE], {"outcome": "ok"})
    press(server, "rollback", to="previous")
    keys = [body["idempotency_key"] for body in server.created]
    assert len(keys) == 2
    assert keys[0] == keys[1] != ""
    press(server, "rollback", to="previous")
    assert server.created[-1]["idempotency_key"] != keys[0]


def test_a_release_from_git_is_two_runs_that_can_be_followed(press) -> None:
    server = Server([RUNNING, DONE], {"outcome": "ok", "name": "1-production-sha-0a1b2c3d4e5f"})
    press(server, "release", source=REPOSITORY, ref="main", allow_dirty=False)
    publish, deploy = (body["parameters"] for body in server.created)
    assert publish["source"] == REPOSITORY
    assert deploy["release"] == "1-production-sha-0a1b2c3d4e5f"


def test_without_its_name_nothing_else_is_deployed_instead(press) -> None:
    server = Server([RUNNING, DONE])
    with pytest.raises(StepFailed, match="its name was not kept"):
        press(server, "release", source=REPOSITORY, ref="main", allow_dirty=False)
    assert len(server.created) == 1


def test_a_token_in_the_address_reaches_no_server(press) -> None:
    server = Server([RUNNING, DONE])
    with pytest.raises(WrongUse, match="holds credentials"):
        press(server, "publish", source="https://a:ghp_secret@github.com/systech/homeguru.git")
    assert server.created == []


@pytest.mark.parametrize("verb", ["deploy", "release"])
def test_a_reason_that_no_run_would_hear_is_refused_before_there_is_one(press, verb: str) -> None:
    server = Server([RUNNING, DONE])
    with pytest.raises(WrongUse, match="--approve is for a run in this process"):
        press(server, verb, approve="tested", source=REPOSITORY)
    assert server.created == []


def test_a_file_of_this_machine_is_sent_by_its_name(press, tmp_path) -> None:
    """The worker does not have it."""
    file = tmp_path / "release.json"
    file.write_text(Manifest.nothing().to_json())
    server = Server([RUNNING, DONE], {"outcome": "ok"})
    press(server, "deploy", release=str(file))
    assert server.created[-1]["parameters"]["release"] == Manifest.nothing().name
    with pytest.raises(WrongUse, match="no manifest file gone"):
        press(server, "deploy", release="gone.json")


def test_ctrl_c_says_that_the_run_goes_on_there(press, monkeypatch) -> None:
    def interrupted(_):
        raise Interrupted("stopped by SIGINT")

    monkeypatch.setattr("infra.orchestration.api.button.time.sleep", interrupted)
    with pytest.raises(Interrupted, match="goes on there") as caught:
        press(Server([RUNNING, RUNNING, DONE]), "rollback", to="previous")
    assert "/runs/flow-run/" in caught.value.where


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["a bigger disk"], "a bigger disk"),
        ([""], ""),
        (["no"], ""),
        (["N"], ""),
        (["нет"], ""),
        (["y", "checked with Bo"], "checked with Bo"),
        (["yes", "no"], ""),
        (["да", "y", ""], ""),
        (["no space is left"], "no space is left"),
    ],
)
def test_a_bare_no_approves_nothing_and_a_bare_yes_is_no_reason(monkeypatch, typed, reason) -> None:
    answers = iter(typed)
    monkeypatch.setattr(cli.typer, "prompt", lambda *_, **__: next(answers))
    assert cli._reason(err=True) == reason
    assert list(answers) == []


def test_a_plan_that_waits_leaves_stdout_to_the_document(capsys) -> None:
    plan = Plan("deploy", "1-x", "x", None, ())
    with pytest.raises(Refused, match="no terminal to ask at") as refused:
        cli._nobody(plan, Printing(json=True))
    assert "--approve REASON" in refused.value.todo
    found = capsys.readouterr()
    assert (found.out, "Fingerprint" in found.err) == ("", True)
    with pytest.raises(Refused):
        cli._nobody(plan, Printing())
    assert "Fingerprint" in capsys.readouterr().out


@pytest.mark.parametrize("tell", [show.deployed, show.manifest])
def test_a_run_whose_summary_was_lost_has_ended_well_all_the_same(tell, capsys) -> None:
    tell({"outcome": "ok"})
    assert "the run's page tells more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "said"),
    [(59.0, "done in 14.2 s; the whole command took 73 s"), (1.0, "done in 14.2 s\n")],
)
def test_a_build_before_the_run_counts_for_whoever_waited(
    monkeypatch, capsys, before, said
) -> None:
    monkeypatch.setattr(show, "_BEGAN", time.monotonic() - 14.2 - before)
    summary = {"changed": True, "seconds": 14.2, "release": "3-prod-sha-1", "urls": {}}
    show.deployed({**summary, "database_revision": None, "revision": None})
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["deploy", "rollback"])
def test_a_run_carries_what_its_environment_is_here(press, verb: str) -> None:
    """The worker reads a file of its own: after an edit here it would find nothing to do."""
    server = Server([RUNNING, DONE], {"outcome": "ok"})
    press(server, verb)
    sent = server.created[-1]["parameters"]["configuration"]
    located = load("production")
    located.check_as_requested(sent)
    edited = located.environment.model_copy(update={"variables": {"LLM_MODEL": "x"}})
    with pytest.raises(Refused, match=r"variables\.LLM_MODEL"):
        replace(located, environment=edited).check_as_requested(sent)


def test_a_look_needs_no_such_comparison(press) -> None:
    server = Server([RUNNING, DONE], {"outcome": "ok"})
    press(server, "verify")
    assert "configuration" not in server.created[-1]["parameters"]


@pytest.mark.parametrize("server", ["", "http://prefect.test/api"])
def test_a_plan_says_whose_file_it_read_and_its_digest(monkeypatch, capsys, server: str) -> None:
    """The digest that a run on the server says of its worker's file."""
    monkeypatch.setenv("PREFECT_API_URL", server)
    located = load("production")
    plan = Plan("deploy", "1-x", "x", None, ())
    monkeypatch.setattr(
        "infra.environment.context.assemble", lambda _: SimpleNamespace(located=located)
    )
    monkeypatch.setattr("infra.look.inspection.plan_of", lambda *_, **__: plan)
    app.plan("production", json=True)
    found = capsys.readouterr()
    assert f"from {located.file} on this machine, digest {located.digest}" in found.err
    assert ("refused where its worker's says otherwise" in found.err) is bool(server)
    assert json.loads(found.out)["fingerprint"] == plan.fingerprint


def test_a_run_in_this_process_asks_its_server_within_seconds_too(monkeypatch) -> None:
    def first_contact(_: PrefectApi) -> None:
        raise Unreachable("the Prefect API cannot be reached: no such host", todo="look")

    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.test/api")
    monkeypatch.setattr(PrefectApi, "first_contact", first_contact)
    with pytest.raises(Unreachable, match="no such host"):
        cli.run("verify", "production", {}, printing=Printing(json=True), here=True)

"""A run says whose file its environment was read from, where a person reads or approves its plan."""

from __future__ import annotations

from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.errors import Refused
from deployments.history.gateway_log import GatewayEntry
from deployments.history.requester import Requester
from deployments.planning.plan import Plan, Step
from infra.host import actor
from infra.host.actor import Actor
from infra.orchestration.flow import approval
from infra.orchestration.flow import operation as flows
from infra.orchestration.flow.who import compared
from infra.run.run import Run

PLAN = Plan("deploy", "2-x", "x", "1-x", (Step("pull", "by digest"),))
PRESSED = Actor("anna", "ui", "run-1")


@pytest.fixture
def begun(located, monkeypatch, tmp_path):
    """The beginning of a verb's run, until it is about to look; and what it logged."""
    logged: list[str] = []
    (tmp_path / "compose.yml").write_text("services: {}")
    assembly = SimpleNamespace(
        located=located(compose="compose.yml"), configuration=lambda: None, registry=nullcontext
    )
    monkeypatch.setattr(flows, "assemble", lambda *_: assembly)
    monkeypatch.setattr(flows, "as_task", lambda _, work: work())
    monkeypatch.setattr(flows, "log", logged.append)
    monkeypatch.setattr(flows, "outcome", lambda _: nullcontext())
    monkeypatch.setattr(flows, "current_actor", lambda _: PRESSED)
    monkeypatch.setattr(
        flows, "operation_on", lambda _, __, host, *___: SimpleNamespace(run=Run(host, None))
    )
    monkeypatch.setattr(
        flows, "Notifier", lambda _: SimpleNamespace(failure_of=lambda *_: nullcontext())
    )

    def run(configuration: str = "") -> flows.FlowOperation:
        with flows.operation("deploy", "prod", "", configuration) as on:
            return on

    return run, logged, assembly.located


def test_a_form_was_filled_in_by_somebody_who_has_read_no_file(begun) -> None:
    run, logged, located = begun
    run()
    (line,) = logged
    assert line.startswith(f"environment prod is read from {located.file} on ")
    assert f", digest {located.digest}; whoever asked has sent no digest" in line


def test_what_was_compared_is_said_so(begun) -> None:
    run, logged, located = begun
    run(located.configuration)
    assert logged[0].endswith(f"digest {located.digest}, the same as where it was asked for")
    other = located.configuration.replace('"lock_wait":"', '"lock_wait":"0')
    with pytest.raises(Refused, match="lock_wait differ"):
        run(other)


def test_who_approves_and_who_reads_the_plan_later_see_it(begun, monkeypatch) -> None:
    run, _, located = begun
    on, shown = run(), []
    monkeypatch.setattr(flows, "leave_plan", lambda *given: shown.append(given[2]))
    monkeypatch.setattr(on, "_let_go", lambda: None)
    monkeypatch.setattr(flows.approval, "asks_here", lambda: True)

    def approved(_, __, ___, read: str):
        shown.append(read)
        raise Refused("no", todo="x")

    on.notifier.send = lambda _: None
    monkeypatch.setattr(flows.approval, "approved", approved)
    on._planned(lambda: SimpleNamespace(plan=PLAN))
    with pytest.raises(Refused):
        on._approve(PLAN)
    assert len(shown) == 2
    assert all(f"digest {located.digest}; whoever asked" in said for said in shown)


ANNA = Actor("anna", "ui", "run-1", account="anna")


def test_the_form_of_a_run_that_waits_shows_it_above_the_plan(located, monkeypatch) -> None:
    forms = []
    monkeypatch.setattr(approval, "pause_flow_run", lambda form, **_: forms.append(form))
    with pytest.raises(Refused, match="was not approved"):
        approval.approved(
            located().environment, PLAN, ANNA, "/etc/prod.toml on w1, digest 0123456789ab"
        )
    assert "\nMade from /etc/prod.toml on w1, digest 0123456789ab.\n" in forms[0]._description


@pytest.mark.parametrize(
    ("origin", "sent", "here", "said"),
    [
        ("ui", "", False, "elsewhere"), ("cli", "{}", False, "compared"),
        ("actions", "", False, "elsewhere"), ("cli", "", True, "here"),
        # Nobody asked, and who set the schedule up did so on this server.
        ("schedule", "", False, "here"),
    ],
)  # fmt: skip
def test_where_a_run_was_asked_for(monkeypatch, origin, sent, here, said) -> None:
    monkeypatch.setattr(actor, "claimed", lambda: Requester("anna", "cli") if here else None)
    assert compared(Actor("anna", origin, "run-1"), sent) == said


BOB = [GatewayEntry(1, "bob", "POST", "/api/flow_runs/run-1/resume", 201)]


def entries(*accounts: str) -> list[GatewayEntry]:
    return [replace(BOB[0], account=account) for account in accounts]


@pytest.mark.parametrize(
    ("asker", "log", "said"),
    [
        (ANNA, entries("bob"), ""),
        (ANNA, entries("anna"), "anna asked for this run, and approved it alone"),
        (ANNA, [], "no log of a gateway proves which account approved the plan"),
        (ANNA, entries("trigger"), "the machine account trigger approved the plan"),
        (replace(ANNA, account=""), entries("bob"), "no log of a gateway proves which account asked"),
        (replace(ANNA, account="trigger"), entries("bob"), "the machine account trigger asked for this run"),
        (replace(ANNA, origin="schedule"), entries("bob"), "a schedule asked for this run"),
    ],
)  # fmt: skip
def test_a_second_person_is_one_by_the_gateway_s_accounts(
    located, monkeypatch, asker, log, said
) -> None:
    """Whatever name is typed into the form."""
    forms = []

    def answered(form, **_):
        forms.append(form)
        return SimpleNamespace(approver="bob", reason="looked at it")

    monkeypatch.setattr(approval, "pause_flow_run", answered)
    monkeypatch.setattr(approval, "gateway_log", lambda: log)
    monkeypatch.setattr(approval, "runtime", SimpleNamespace(flow_run=SimpleNamespace(id="run-1")))
    monkeypatch.setattr(approval.time, "sleep", lambda _: None)
    environment = located().environment.model_copy(update={"approval": "another"})
    if not said:
        found = approval.approved(environment, PLAN, asker)
        assert (found.who, found.account) == ("bob", "bob")
        return
    with pytest.raises(Refused, match=f'{said}.*: approval is "another"') as caught:
        approval.approved(environment, PLAN, asker)
    assert "another person" in caught.value.todo
    # Nobody is asked in vain.
    assert bool(forms) is (asker is ANNA)
    # Any one person is enough otherwise.
    plain = environment.model_copy(update={"approval": True})
    assert approval.approved(plain, PLAN, asker).who == "bob"


def test_at_a_terminal_nobody_is_a_second_person(located, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(approval, "_ask", ContextVar("ask", default=asked.append))
    environment = located().environment.model_copy(update={"approval": "another"})
    with pytest.raises(Refused, match="who approves at a terminal or in a job is not proven"):
        approval.approved(environment, PLAN, ANNA)
    assert asked == []

"""What a verb's run says and leaves, around the work itself."""

from __future__ import annotations

import importlib
from contextlib import nullcontext
from inspect import signature
from types import SimpleNamespace

import pytest

from deployments.errors import StepFailed, WrongUse
from deployments.health.verification import CheckResult
from deployments.history.ledger import Ledger, Revision
from deployments.messages.report import Report
from deployments.planning.plan import Plan
from deployments.verbs import verbs_that
from infra.host.actor import Actor
from infra.orchestration.flow import operation as flows
from infra.orchestration.flow import who
from infra.run.recorder import Recorder
from tests.adapters.flow_operations import flow_operation

FAILED = StepFailed("migrate failed:\nno table", where="h", todo="look")
ACTOR = SimpleNamespace(who="anna", origin="cli")
PLAN = Plan("deploy", "2-x", "x", "1-x", ())


def report(*findings: CheckResult, outcome="ok") -> Report:
    return Report("prod", PLAN, outcome, (), findings, Revision(), 1.0, "anna", "r1", {})


@pytest.fixture
def running(monkeypatch):
    """A run whose operation is this; what it logged and left."""
    found = SimpleNamespace(logged=[], left=[])
    monkeypatch.setattr(flows, "log", found.logged.append)
    monkeypatch.setattr(flows, "as_task", lambda _, work, **__: work())
    monkeypatch.setattr(flows, "leave_report", found.left.append)
    monkeypatch.setattr(flows, "leave_result", lambda *_: None)

    found.make = flow_operation
    return found


def test_a_look_says_each_of_its_checks(running) -> None:
    good, bad = (
        CheckResult("api", "outside", ok=True, detail="200"),
        CheckResult("bot", "log", ok=False, detail="conflict"),
    )
    on = running.make(report_of=lambda look: look)
    assert on.looked(report(good))["checks"][0]["detail"] == "200"
    assert running.logged == ["api  outside  ok  200"]
    with pytest.raises(StepFailed, match="verification failed: bot log: conflict"):
        on.looked(report(good, bad))
    assert running.logged[1:] == ["api  outside  ok      200", "bot  log      FAILED  conflict"]
    assert len(running.left) == 2


def test_a_run_that_failed_leaves_its_report_too(running) -> None:
    def fail(_: object) -> None:
        raise FAILED

    told = report(outcome="undone")
    on = running.make(carry_out=fail, report_of_failure=lambda *_: told)
    with pytest.raises(StepFailed, match="migrate failed"):
        on._carried_out(SimpleNamespace(plan=PLAN))
    assert running.left == [told]


def test_a_database_that_somebody_stopped_is_started_before_anything_is_reviewed(
    running, monkeypatch
) -> None:
    done: list[str] = []

    def observe() -> None:
        done.append("observe")
        on._run.saw(SimpleNamespace(unfinished=()))

    on = running.make(
        lock=lambda: done.append("lock"), observe=observe,
        start_database=lambda: done.append("start database"),
    )  # fmt: skip
    monkeypatch.setattr(flows, "slot", lambda *_: nullcontext())
    on.lock_and_observe()
    assert done == ["lock", "observe", "start database"]


def test_secrets_that_are_missing_are_told_before_the_registry_is_asked(monkeypatch) -> None:
    """A registry on the server is reached by a connection to it."""

    def asked() -> None:
        raise AssertionError("the registry was asked")

    def configuration() -> None:
        raise WrongUse("secret A is empty")

    located = SimpleNamespace(environment=None, read_from=lambda _: "")
    assembly = SimpleNamespace(located=located, configuration=configuration, registry=asked)
    monkeypatch.setattr(flows, "as_task", lambda _, work, **__: work())
    monkeypatch.setattr(flows, "log", lambda _: None)
    monkeypatch.setattr(flows, "outcome", lambda _: nullcontext())
    monkeypatch.setattr(flows, "assemble", lambda *_: assembly)
    monkeypatch.setattr(flows, "Host", lambda *_: SimpleNamespace(actor=ACTOR, close=lambda: None))
    monkeypatch.setattr(flows, "current_actor", lambda _: ACTOR)
    monkeypatch.setattr(flows, "compared", lambda *_: "")
    with pytest.raises(WrongUse, match="secret A is empty"), flows.operation("deploy", "prod", ""):
        pass


class Stop(Exception):
    """The run begins: that is all that these tests want to see."""


@pytest.mark.parametrize("verb", verbs_that("changes_what_runs"))
def test_every_flow_that_changes_something_compares_its_environment(monkeypatch, verb: str) -> None:
    def operation(*given: object) -> None:
        raise Stop(given[3])

    module = importlib.import_module(f"flows.{verb}")
    monkeypatch.setattr(module, "operation", operation)
    monkeypatch.setattr(module, "another_value", lambda *_: nullcontext(), raising=False)
    flow = getattr(module, verb).fn
    needed = [p for p in signature(flow).parameters.values() if p.default is p.empty]
    with pytest.raises(Stop, match="as asked"):
        flow(*["production"] * len(needed), configuration="as asked")


@pytest.mark.parametrize(("url", "server"), [("http://p.test/api", "http://p.test/api"), ("", "")])
def test_the_ledger_keeps_which_server_had_the_run_and_why_it_failed(
    located, monkeypatch, url: str, server: str
) -> None:
    """A run without a server is in no server's history: no audit misses it there."""
    monkeypatch.setattr(who, "PREFECT_API_URL", SimpleNamespace(value=lambda: url or None))
    monkeypatch.setattr(who, "_actor", lambda _: Actor("anna", "cli", "r1"))
    host = SimpleNamespace(actor=who.current_actor(""), environment=located().environment)
    recorder = Recorder(host)
    host.read_from, host.incoming = "prod.toml on w1", ".incoming/t"
    host.token, written = "t", []
    monkeypatch.setattr(recorder, "_write", lambda script, *_: written.append(script.text))
    told = recorder.record(PLAN, "undone", Ledger(()), str(FAILED))
    assert f'"server":"{server}"' in written[0].replace("\\", "")
    assert "h: migrate failed: no table" in written[0]
    assert told.read == "prod.toml on w1"

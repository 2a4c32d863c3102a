"""PostgreSQL is started to look at data only under the lock, and a refusal leaves the data as it was."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.errors import Refused
from deployments.history import journal
from deployments.history.ledger import Revision
from deployments.history.step_kind import StepKey
from deployments.host.observation import read_observation
from deployments.host.script_results import Result
from infra.machine.output import Output
from infra.orchestration.flow import operation as flows
from infra.run.operation import Operation
from infra.run.planning import Planning
from infra.run.run import Run
from infra.run.volume import DataVolume
from tests.adapters.flow_operations import flow_operation

SEEN = read_observation("database " + "aG9tZWd1cnVfcGctZGF0YQo=\n")
ANSWER = '{"bytes": 7, "tables": 3, "aside": [], "undone": []}\n0002\n'


def looking(located, output: Output, *, locked: bool = True):
    """What looks, and the work that it sent."""
    sent: list[tuple[StepKey, str]] = []

    def work(step, _script, _event, *, after, files):
        sent.append((step, after))
        assert files == {"compose.yml": "x"}
        return output

    named = SimpleNamespace(service="pg", superuser="postgres", name="app", revision="SELECT 1")
    environment = located().environment
    target = SimpleNamespace(
        value=lambda text: text, environment=environment, images=lambda _: {"pg": "r/pg@sha256:1"},
        stack=SimpleNamespace(
            deploy=SimpleNamespace(database=named),
            services={"pg": SimpleNamespace(name="pg", image_variable="PG_IMAGE")},
        ),
        login=lambda _: None, login_file=dict, candidate_files=lambda _: {"compose.yml": "x"},
    )  # fmt: skip
    host = SimpleNamespace(
        locked=locked, log=lambda _: None, incoming=".incoming/t", tunnel=lambda *_: nullcontext(), token="t",
        work=work, environment=environment,
    )  # fmt: skip
    return (lambda seen: DataVolume(host, None).looked_into(target, seen)), sent


def test_what_it_holds_is_known_under_the_lock(located) -> None:
    look, sent = looking(located, Output(0, "", "", (Result("database", (ANSWER,)),)))
    seen = look(SEEN)
    assert SEEN.places == ("homeguru_pg-data",)
    assert (seen.revision, seen.tables) == ("0002", 3)
    ((step, after),) = sent
    assert step == StepKey("look-into-data")
    # A run that dies after it is none that has to be undone.
    begun = journal.step_line(step, "begin", "t")
    assert journal.read("r1", f"{begun}\n{after}") is None


def test_a_plan_that_is_only_shown_starts_nothing(located) -> None:
    look, sent = looking(located, Output(0, "", ""), locked=False)
    assert (look(SEEN), sent) == (SEEN, [])


def test_a_deploy_is_planned_with_what_was_found_in_the_data(located, monkeypatch) -> None:
    """Its migration is reviewed, and its steps are chosen, by that and not by the first look."""
    ledger = SimpleNamespace(next_seq=1)
    found = SimpleNamespace(ledger=ledger)
    reviewer = SimpleNamespace(
        data=SimpleNamespace(looked_into=lambda *_: found),
        forward=lambda _, seen: ("reviewed", seen),
    )
    host = SimpleNamespace(environment=located().environment, incoming=".incoming/t")
    planning = Planning(Run(host, None), None, reviewer)
    monkeypatch.setattr(Planning, "_must_be_ours", lambda *_: None)
    monkeypatch.setattr(Planning, "_plan", lambda _, target, seen, asked: (seen, asked.data))
    target = SimpleNamespace(manifest=SimpleNamespace(name="m1"))
    assert planning.deploy(target, replace(SEEN)) == (found, ("reviewed", found))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (Output(20, "", "database files are incompatible"), "database files are incompatible"),
        (Output(0, "", "", (Result("database", ("",)),)), "no database app that postgres may read"),
        (Output(0, "", ""), "no database app that postgres may read"),
    ],
)
def test_data_that_cannot_be_read_is_not_taken_for_none(located, output, said) -> None:
    look, _ = looking(located, output)
    with pytest.raises(Refused, match=said) as caught:
        look(SEEN)
    assert caught.value.state == "nothing runs; its data is as it was"


@pytest.mark.parametrize(
    ("seen", "order"),
    [
        (SEEN, ["observe", "lock", "plan", "let go", "approve", "lock", "plan"]),
        (replace(SEEN, places=()), ["observe", "plan", "let go", "approve", "lock", "plan"]),
    ],
)
def test_where_every_plan_is_approved_that_one_is_whose_data_was_looked_into(
    monkeypatch, seen, order
) -> None:
    """Made without the lock, it would be another plan than the one that is to run."""
    done: list[str] = []

    def note(what: str):
        return lambda *_: done.append(what)

    def make():
        done.append("plan")
        return SimpleNamespace(plan=SimpleNamespace(asks=()))

    on = flow_operation(SimpleNamespace(approval=True), observe=note("observe"))
    on._run.saw(seen)
    monkeypatch.setattr(flows, "as_task", lambda _, work: work())
    monkeypatch.setattr(flows.approval, "must_be_the_same", lambda *_: None)
    for name, what in (
        ("lock_and_observe", "lock"),
        ("_let_go", "let go"),
        ("_approve", "approve"),
    ):
        monkeypatch.setattr(on, name, note(what))
    on.agreed(make)
    assert done == order


@pytest.mark.parametrize("exchanged", [True, False])
def test_the_undo_of_a_first_deploy_brings_the_database_of_before_back(located, exchanged) -> None:
    named = SimpleNamespace(service="pg", superuser="postgres", name="app")
    target = SimpleNamespace(
        value=lambda text: text, stack=SimpleNamespace(deploy=SimpleNamespace(database=named))
    )
    host = SimpleNamespace(incoming=".incoming/t", environment=located().environment)
    planning = Planning(Run(host, None), SimpleNamespace(nothing=lambda: target), None)
    plan = planning.undo("1-m1", SEEN, "run-1", exchanged=exchanged).plan
    first = ["bring database back"] if exchanged else []
    assert [step.name for step in plan.steps] == [*first, "remove containers"]


def test_the_ledger_knows_the_revision_that_was_looked_up() -> None:
    recorder = SimpleNamespace(
        revision=Revision(), record=lambda *_, **__: "report", close_own=lambda _: None
    )
    executor = SimpleNamespace(
        send=lambda _: None, carry_out=lambda _: None, recorded=lambda _, write: write()
    )
    tidies = SimpleNamespace(after=lambda _: None)
    found = Operation(Run(None, recorder), None, None, executor, None, None, tidies)
    plan = SimpleNamespace(changed=True, verb="deploy")
    found.carry_out(SimpleNamespace(plan=plan, seen=replace(SEEN, revision="0002")))
    assert recorder.revision == Revision(before="0002", after="0002")

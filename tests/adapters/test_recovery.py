"""What a run says and does about another one that it settles first."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from deployments.database.change import KEEP
from deployments.database.choice import Choice
from deployments.errors import StepFailed
from deployments.history.journal import Unfinished
from deployments.history.step_kind import StepKey, key_of_v1
from deployments.host.maintenance import Maintenance
from infra.orchestration.flow import operation as flows
from infra.run import planning, recovery
from infra.run.run import Run
from infra.run.undo import Undo
from tests.adapters.flow_operations import flow_operation

AT = "2030-01-01T00:00:00Z"


def settling(
    verb: str = "deploy", beside: str = "", fails: bool = False, current: str | None = None,
    freeze: tuple[str, ...] = (),
):  # fmt: skip
    """A recovery whose way back works or fails; what it said, and what it closed."""
    said: list[str] = []
    closed: list[str] = []

    def run(*_: object) -> None:
        if fails:
            raise StepFailed("bring database back failed", where="host")

    recorder = SimpleNamespace(
        kept_database=beside,
        close_other=lambda *a: closed.append(a[2]) or "report",
        changed_to=lambda _: None,
    )
    seen = SimpleNamespace(
        current=current, ledger=None, revision="0001", database_bytes=1, of=lambda _: []
    )
    host = SimpleNamespace(
        log=said.append, verb=verb, observe=lambda _: seen,
        environment=SimpleNamespace(ssh="systech@host", confirm_timeout=0, freeze=freeze),
    )  # fmt: skip
    stack = SimpleNamespace(database_users=[], deploy=SimpleNamespace(database=None))
    plans = SimpleNamespace(
        undo=lambda *_, **__: SimpleNamespace(), go_on=lambda *_: SimpleNamespace(plan=None)
    )
    executor = SimpleNamespace(carry_out=run, undo=run, send=lambda _: None)
    done = Run(host, recorder)
    found = recovery.Recovery(
        done, stack, plans, executor, Undo(done, stack, plans, executor),
        SimpleNamespace(after=lambda _: None),
    )  # fmt: skip
    return found, seen, said, closed


def unfinished(*begun: str) -> Unfinished:
    return Unfinished("r1", "3-m3", tuple(map(key_of_v1, begun)), AT, undoing=True)


def test_rows_that_an_undo_takes_out_are_named() -> None:
    """The run that died cannot say it: whoever comes next must."""
    found, seen, said, closed = settling(beside="homeguru_undone_r1")
    found.settle(unfinished("replace bot"), seen)
    assert said == [
        f"run r1 of {AT} never ended (release 3-m3): undoing it first",
        "what was written meanwhile is in the database homeguru_undone_r1",
    ]
    assert closed == ["undone"]


def killed(*begun: str) -> Unfinished:
    return Unfinished("r1", "3-m3", tuple(map(key_of_v1, begun)), AT)


def test_a_run_for_the_release_that_is_asked_for_again_is_ended() -> None:
    found, seen, said, closed = settling(current="2-m2")
    assert found.settle(killed("replace api"), seen, "m3") == "report"
    assert said == [f"run r1 of {AT} never ended, and its release is asked for: on to 3-m3 first"]
    assert closed == ["ok"]


ALWAYS = ("2020-01-01 00:00 - 2120-01-01 00:00",)


def test_in_a_freeze_a_release_is_not_ended_without_a_question() -> None:
    found, seen, _, closed = settling(current="2-m2", freeze=ALWAYS)
    assert found.settle(killed("replace api"), seen, "m3") is None
    assert closed == ["undone"]


def test_one_for_another_release_is_undone() -> None:
    found, seen, said, closed = settling(current="2-m2")
    assert found.settle(killed("replace api"), seen, "m4") is None
    assert said == [f"run r1 of {AT} never ended (release 3-m3): undoing it first"]
    assert closed == ["undone"]


def test_what_cannot_be_gone_on_with_is_undone() -> None:
    found, seen, said, closed = settling(current="2-m2", fails=True)
    found.settle(killed("replace api"), seen, "m3")
    assert said[1].startswith("that cannot be gone on with: ")
    assert said[2] == f"run r1 of {AT} never ended (release 3-m3): undoing it first"
    assert closed == ["failed"]


def switched(requested: str) -> Unfinished:
    return Unfinished(
        "r1", "2-m2", (StepKey("maintenance-on"),), AT, requested=requested,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("requested", "noted", "outcome"),
    [("maintenance on", True, "ok"), ("maintenance on", False, "undone"),
     ("maintenance off", False, "ok"), ("maintenance off", True, "undone")],
)  # fmt: skip
@pytest.mark.parametrize("fails", [True, False])
def test_a_run_about_maintenance_ended_as_the_hosts_note_says(
    requested, noted, outcome, fails
) -> None:
    """The note is its last act; the edge follows it, and containers are no matter of it."""
    found, seen, said, closed = settling(current="2-m2", fails=fails)
    seen.maintenance = Maintenance("", "", "") if noted else None
    plans = []
    found.planning.as_noted = lambda seen: plans.append(seen) or SimpleNamespace(plan=None)
    assert found.settle(switched(requested), seen) is None
    assert said[0] == f"run r1 of {AT} never ended: the edge goes on as maintenance is noted"
    assert len(said) == (2 if fails else 1)
    assert (plans, closed) == ([seen], [outcome])


@pytest.mark.parametrize("verb", ["deploy", "rollback", "restore"])
def test_containers_that_cannot_go_back_can_be_replaced(verb: str) -> None:
    found, seen, said, closed = settling(verb, fails=True)
    found.settle(unfinished("replace bot"), seen)
    assert said[-1].startswith("that cannot be undone, so on from here: bring database back failed")
    # The history would say otherwise that the undo went well.
    assert closed == ["failed"]


@pytest.mark.parametrize(
    ("verb", "begun"),
    [("backup", "replace bot"), ("drill", "replace bot"), ("migrate", "replace bot"),
     ("deploy", "set database aside"), ("restore", "restore database")],
)  # fmt: skip
def test_what_cannot_be_undone_stays_unfinished_where_nothing_replaces_it(verb, begun) -> None:
    """A backup leaves containers alone, and a database of before that lies beside is no release's."""
    found, seen, _, closed = settling(verb, fails=True)
    with pytest.raises(StepFailed) as caught:
        found.settle(unfinished(begun), seen)
    assert caught.value.what.startswith("run r1 cannot be undone: ")
    assert caught.value.state.startswith("between two releases")
    assert ("lie beside" in caught.value.state) == (begun != "replace bot")
    assert closed == []


def test_a_release_that_was_ended_for_another_run_is_told_of(monkeypatch) -> None:
    left: list[str] = []
    told: list[tuple[str, str]] = []
    notices = SimpleNamespace(done=lambda report, asked: (report, asked))
    on = flow_operation()
    on.notifier = SimpleNamespace(
        by=lambda actor: actor, send=lambda make: told.append(make(notices))
    )
    monkeypatch.setattr(flows, "leave_report", left.append)
    report = SimpleNamespace(plan=SimpleNamespace(verb="rollback"))
    on._notify_of([report])
    assert (left, told) == ([report], [(report, "ada")])


def test_a_killed_backup_is_ended_and_nothing_else_is_done() -> None:
    found, seen, said, closed = settling(fails=True)
    ended: list[str] = []
    found.run.recorder.close_harmless = lambda run: ended.append(run.run)
    run = Unfinished("r1", "1-m1", (StepKey("back-up"),), AT)
    assert found.settle(run, seen) is None
    assert (ended, closed) == (["r1"], [])
    assert said == [f"run r1 of {AT} never ended: it changed nothing"]


@pytest.mark.parametrize(
    ("brought", "asked", "done"),
    [
        ("rollback previous restore", ("previous", "restore"), True),
        ("rollback 2-m2 restore", ("2-m2", "restore"), True),
        ("rollback 2-m2 restore", ("previous", "restore"), False),
        ("restore newest", ("previous", "restore"), False),
        ("", ("2-m2", "keep"), True),
    ],
)
def test_a_rollback_that_was_brought_to_its_end_is_done(monkeypatch, brought, asked, done) -> None:
    """Found by a reader: `previous` would be looked up anew, and go one release further back."""
    run = Run(SimpleNamespace(incoming=".incoming/t"), None, ended={brought})
    described = SimpleNamespace(stack=SimpleNamespace(deploy=SimpleNamespace(database="db")))
    targets = SimpleNamespace(complete=lambda release, pin: described)
    found = planning.Planning(run, targets, SimpleNamespace(back=lambda *_: "reviewed"))
    changes = SimpleNamespace(changed=True)
    monkeypatch.setattr(
        planning.Planning, "_plan",
        lambda *a: SimpleNamespace(plan=changes, asked=(a[3].release, a[3].data)),
    )  # fmt: skip
    ledger = SimpleNamespace(target=lambda *_: SimpleNamespace(release="1-m1"))
    seen = SimpleNamespace(current="2-m2", ledger=ledger, releases=())
    monkeypatch.setattr(planning.Planning, "_has_tls", lambda *_: None)
    to, choice = asked
    assert found.rollback(to, seen, Choice(choice)).asked == (
        ("2-m2", KEEP) if done else ("1-m1", "reviewed")
    )
    assert run.request == f"rollback {to} {choice}"


@pytest.mark.parametrize(("wanted", "done"), [("newest", True), ("20300101T000000Z", False)])
def test_a_restore_that_was_brought_to_its_end_is_done(monkeypatch, wanted, done) -> None:
    reviewer = SimpleNamespace(must_know=lambda *_: None, restore=lambda *_: "reviewed")
    described = SimpleNamespace(stack=SimpleNamespace(deploy=SimpleNamespace(database="db")))
    located = SimpleNamespace(compose_file="compose.yml")
    assembly = SimpleNamespace(stack=described.stack, located=located)
    targets = SimpleNamespace(complete=lambda release, pin: described, assembly=assembly)
    host = SimpleNamespace(environment=SimpleNamespace(name="prod"), incoming=".incoming/t")
    found = planning.Planning(Run(host, None, ended={"restore newest"}), targets, reviewer)
    monkeypatch.setattr(planning.Planning, "_plan", lambda *a: a[3].data)
    monkeypatch.setattr(planning, "to_restore", lambda *_: "backup")
    seen = SimpleNamespace(current="2-m2", revision="0001", backups=())
    assert found.restore(wanted, seen) == (KEEP if done else "reviewed")

"""Ledger and Prefect's history, joined."""

from __future__ import annotations

import json

import pytest

from deployments.history.audit import (
    AuditEntry,
    PrefectRun,
    described,
    described_by,
    join,
    plan_files,
    read_subjects,
)
from deployments.history.ledger import Line


def run(id_: str, state: str = "COMPLETED", **more) -> PrefectRun:
    fields = {
        "id": id_, "verb": "deploy", "state": state, "by": "", "ended": "", "page": f"/{id_}",
        "created": "2030-01-01T00:00:05.123+00:00", "result": {},
    }  # fmt: skip
    return PrefectRun(**{**fields, **more})


def line(world, number: int = 1, **more) -> Line:
    return world.line(number, **more)


def test_without_prefect_the_ledger_is_all(world) -> None:
    found = join([line(world)], None)
    assert [(e.known, e.note) for e in found] == [("ledger", "")]


def test_both_sides_know_a_run(world) -> None:
    mine = line(world)
    (found,) = join([mine], [run(mine.run)])
    assert (found.known, found.note, found.line) == ("both", "", mine)


@pytest.mark.parametrize(
    ("state", "outcome", "note"),
    [
        ("COMPLETED", "ok", ""),
        ("FAILED", "undone", ""),
        ("CRASHED", "undone", ""),
        ("FAILED", "failed", ""),
        ("COMPLETED", "undone", "Prefect says completed, the ledger undone"),
        ("CRASHED", "ok", ""),  # the next run went on with it
        ("RUNNING", "ok", ""),  # it ends just now
    ],
)
def test_outcomes_are_compared(world, state: str, outcome: str, note: str) -> None:
    mine = line(world, outcome=outcome)
    assert join([mine], [run(mine.run, state)])[0].note == note


def test_a_run_that_prefect_let_go_is_no_alarm(world) -> None:
    """It keeps runs for a year; the ledger is for ever."""
    old, new = line(world), line(world, 2)
    later = run(new.run, created=f"{new.at[:19]}.5+00:00")
    notes = [
        e.note for e in join([old.model_copy(update={"at": "2029-01-01T00:00:00Z"}), new], [later])
    ]
    assert notes == ["", ""]


@pytest.mark.parametrize("verb", ["restore", "adopt"])
def test_a_restore_that_the_ledger_lost_is_shown(verb: str) -> None:
    (found,) = join([], [run("r", verb=verb, result={"changed": True})])
    assert "whose ledger does not have it" in found.note


def test_a_change_that_prefect_does_not_know(world) -> None:
    (found,) = join([line(world)], [])
    assert (found.known, found.note) == ("ledger", "Prefect does not know this run")


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (run("r", result={"changed": True}), "it says that it changed the host"),
        (run("r", "CRASHED"), "it died; the next run finishes or undoes"),
        (run("r", result={"changed": False}), None),
        (run("r", "FAILED"), None),  # refused before any change
        (run("r", "CRASHED", verb="verify"), None),
        (run("r", "RUNNING"), None),
    ],
)
def test_a_run_that_the_ledger_does_not_have(world, other: PrefectRun, shown: str | None) -> None:
    found = [e for e in join([line(world)], [other]) if e.known == "prefect"]
    assert [shown in e.note for e in found] == ([True] if shown else [])


def test_entries_are_in_order_of_time(world) -> None:
    late = run("late", "CRASHED", created="2031-01-01T00:00:00.5+00:00")
    early = run("early", "CRASHED", created="2029-01-01T00:00:00.5+00:00")
    found = join([line(world)], [late, early])
    assert [e.at[:4] for e in found] == ["2029", "2030", "2031"]


@pytest.mark.parametrize(
    ("who", "account", "origin", "shown"),
    [
        ("anna", "anna", "ui", "anna (proven)"),
        ("octocat", "trigger", "actions", "octocat (claimed, account trigger)"),
        ("anna@laptop", "", "cli", "anna@laptop (claimed)"),
        ("schedule", "", "schedule", "schedule"),
    ],
)
def test_what_is_proven_of_a_name(world, who: str, account: str, origin: str, shown: str) -> None:
    assert described(line(world, who=who, account=account, origin=origin)) == shown


def test_the_export_holds_both_sides(world) -> None:
    mine = line(world)
    exported = join([mine], [run(mine.run, result={"seconds": 3})])[0].to_dict()
    assert exported["ledger"]["release"] == mine.release
    assert exported["prefect"]["result"] == {"seconds": 3}
    assert exported["v"] == 1


def test_a_run_alone_shows_its_claim() -> None:
    assert (
        AuditEntry("prefect", None, run("r", by="cli:anna@laptop")).who == "anna@laptop (claimed)"
    )
    assert AuditEntry("prefect", None, run("r")).who == "unknown"


def test_a_run_without_a_server_is_not_missing_from_one(world) -> None:
    """It has its history in a process of its own, which nobody can ask later."""
    known, alone = line(world), line(world, 2, at="2030-01-01T00:00:09Z", server="")
    entries = join([known, alone], [run(known.run)])
    assert [(e.known, e.note) for e in entries] == [("both", ""), ("ledger", "")]
    lost = alone.model_copy(update={"server": "http://prefect.test/api"})
    assert join([known, lost], [run(known.run)])[1].note == "Prefect does not know this run"


def test_the_host_tells_the_subjects_of_its_releases(world) -> None:
    lines = [line(world), line(world), line(world, 2), line(world, 3, release="4-../../x")]
    files = plan_files(lines)
    assert files == [f"releases/{x.release}/plan.json" for x in (lines[0], lines[2])]
    said = {"manifest": lines[0].manifest, "subject": "Fix the \x1b[31mlogin\nmore"}
    found = read_subjects({files[0]: json.dumps(said), files[1]: "torn", "x": "[]", "y": "{}"})
    assert found == {lines[0].manifest: "Fix the login"}
    entries = described_by(join(lines[:1], [run("other", result={"changed": True})]), found)
    assert {e.subject for e in entries if e.line} == {"Fix the login"}
    assert entries[0].to_dict()["subject"] == entries[0].subject

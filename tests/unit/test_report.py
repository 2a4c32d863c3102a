"""What people read of a run."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from deployments.health.verification import CheckResult
from deployments.history.ledger import Approval, Revision, StepRecord
from deployments.messages.report import (
    Report,
    check_lines,
    plan_markdown,
    report_markdown,
    service_rows,
    summary,
)
from deployments.planning.plan import Plan, Step
from deployments.text import plain

PLAN = Plan(
    verb="deploy", release="2-prod-sha-0123456789ab", manifest="prod-sha-0123456789ab",
    previous="1-prod-sha-ffffffffffff", steps=(Step("pull", "by digest: a|b"),),
    unchanged=(("bot", "sha256:" + "b" * 64),), notes=("api pauses",),
    images=(("api", "ghcr.io/acme/api@sha256:1"),),
)  # fmt: skip


def _report(**changes):
    fields = {
        "environment": "prod", "plan": PLAN, "outcome": "ok",
        "steps": (StepRecord(step="pull", outcome="ok", seconds=1.25),),
        "findings": (CheckResult("api", "outside", ok=False, detail="502 | bad\ngateway"),),
        "revision": Revision(before=None, after="0002"), "seconds": 12.34, "who": "alice",
        "run": "run-1", "urls": {"api": "https://api.example.org"},
    }  # fmt: skip
    return Report(**{**fields, **changes})


@pytest.mark.parametrize(
    ("outcome", "title"),
    [
        ("ok", "deploy of prod-sha-0123456789ab to prod: done"),
        ("undone", "deploy of prod-sha-0123456789ab to prod: failed and undone"),
        ("failed", "deploy of prod-sha-0123456789ab to prod: failed"),
    ],
)
def test_the_outcome_comes_first(outcome, title):
    assert report_markdown(_report(outcome=outcome)).splitlines()[0] == f"# {title}"


def test_the_whole_report():
    assert report_markdown(_report(at="2030-01-01T00:00:00Z", backup="20300101T000000Z")) == (
        "# deploy of prod-sha-0123456789ab to prod: done\n\n"
        "|  |  |\n|---|---|\n"
        "| release | `2-prod-sha-0123456789ab`, after `1-prod-sha-ffffffffffff` |\n"
        "| when | 2030-01-01T00:00:00Z, 12.3 s |\n| who | alice |\n"
        "| database revision | `none` to `0002` |\n| backup | `20300101T000000Z` |\n"
        "| run | `run-1` |\n| api | https://api.example.org |\n\n"
        "## Plan\n\n| step | why | outcome | seconds |\n|---|---|---|---|\n"
        "| pull | by digest: a\\|b | ok | 1.2 |\n| bot | unchanged |  |  |\n\n"
        "## Services\n\n| service | digest | before |\n|---|---|---|\n"
        "| api | `sha256:1` | `none` |\n\n"
        "## Checks\n\n| service | check | result | detail |\n|---|---|---|---|\n"
        "| api | outside | FAILED | 502 \\| bad gateway |\n\n"
        "## Way back\n\n```sh\nhomeguru rollback 1-prod-sha-ffffffffffff --env prod\n```\n"
    )


def test_where_there_is_no_database_nothing_is_said_of_its_revision():
    report = _report(revision=Revision(before=None, after=None))
    assert "revision" not in report_markdown(report)


def test_who_approved_and_where_its_log_is():
    approval = Approval(who="bob", reason="dropped on purpose")
    text = report_markdown(_report(approval=approval, link="https://ci.example.org/7"))
    assert "| approved | by bob: dropped on purpose |" in text
    assert "| run | `run-1`, https://ci.example.org/7 |" in text


def test_an_undo_stands_after_what_was_planned():
    steps = (
        *_report().steps,
        StepRecord(step="undo: pull", outcome="ok", seconds=1, kind="pull", undoes=True),
    )
    text = report_markdown(_report(outcome="undone", steps=steps))
    assert "| undo: pull |  | ok | 1.0 |" in text
    assert "Way back" not in text


def test_after_a_migration_the_way_back_names_the_other_choice():
    plan = replace(PLAN, steps=(Step("migrate", "from 1"),))
    assert "1-prod-sha-ffffffffffff --env prod # or with --database restore" in report_markdown(
        _report(plan=plan)
    )


def test_a_problem_stands_in_a_block():
    text = report_markdown(_report(outcome="failed", problem="it broke\ntwice"))
    assert "```\nit broke\ntwice\n```\n" in text


def test_the_plan_as_a_person_approves_it():
    assert plan_markdown(PLAN) == (
        "# Plan: deploy prod-sha-0123456789ab\n\n"
        f"Fingerprint `{PLAN.fingerprint}`, "
        "from `1-prod-sha-ffffffffffff` to `2-prod-sha-0123456789ab`.\n\n"
        "| step | why |\n|---|---|\n"
        "| pull | by digest: a\\|b |\n| bot | unchanged, bbbbbbbbbbbb |\n| note | api pauses |\n"
    )


def test_whose_file_it_was_made_from_stands_above_the_plan():
    """Who approves sees whether that is the file that they know."""
    text = plan_markdown(PLAN, "/etc/prod.toml on w|1, digest 0123456789ab")
    assert "\nMade from /etc/prod.toml on w\\|1, digest 0123456789ab.\n" in text
    assert text.index("Made from") < text.index("| step | why |")
    assert "Made from" not in plan_markdown(PLAN)


def test_a_report_names_it_too():
    text = report_markdown(_report(read="/etc/prod.toml on w1, digest 0123456789ab"))
    assert "| environment | /etc/prod.toml on w1, digest 0123456789ab |\n" in text


def test_an_empty_plan_says_so():
    plan = Plan("deploy", "1-x", "x", None, ())
    text = plan_markdown(plan)
    assert "from `nothing` to `1-x`" in text
    assert "Nothing to do: the environment already runs this release." in text


def test_rows_of_the_service_table():
    row = {"service": "api", "image": "ghcr.io/acme/api", "digest": "sha256:1"}
    assert service_rows(PLAN.images, {}) == [{**row, "before": "none"}]
    assert service_rows(PLAN.images, {"api": "sha256:0"}) == [{**row, "before": "sha256:0"}]
    assert service_rows(PLAN.images, {"api": "sha256:1"}) == [{**row, "before": "same"}]


def test_a_report_draws_nothing_that_a_program_printed():
    """A link, a picture, a table's end or a block's end in what failed is shown as text."""
    bad = "```\n# Approved | ![x](https://evil.example/t.gif) <script> \x1b[2J"
    report = _report(problem=bad, findings=(CheckResult("api", "exec", ok=False, detail=bad),))
    text = report_markdown(report)
    assert "\x1b" not in text
    [block] = re.findall(r"^````\n(.*?)\n````$", text, re.M | re.S)
    assert block == plain(bad)
    [row] = [line for line in text.splitlines() if line.startswith("| api | exec")]
    assert r"\`\`\` # Approved \| !\[x\](https://evil.example/t.gif) \<script>" in row


def test_the_checks_of_a_look_are_a_table_and_data() -> None:
    findings = (
        CheckResult("api", "outside", ok=False, detail="502"),
        CheckResult("postgres", "ready", ok=True, detail=""),
    )
    report = _report(findings=findings)
    assert check_lines(report) == ["api       outside  FAILED  502", "postgres  ready    ok"]
    assert summary(report)["checks"] == [
        {"service": "api", "check": "outside", "ok": False, "detail": "502"},
        {"service": "postgres", "check": "ready", "ok": True, "detail": ""},
    ]

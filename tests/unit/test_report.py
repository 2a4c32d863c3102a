"""What people read of a run."""

from __future__ import annotations

import pytest

from deployments.ledger import Revision, StepRecord
from deployments.plan import Plan, Step
from deployments.report import Report, plan_markdown, report_markdown, service_rows
from deployments.verification import Finding

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
        "findings": (Finding("api", "outside", False, "502 | bad\ngateway"),),
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
    assert report_markdown(_report()) == (
        "# deploy of prod-sha-0123456789ab to prod: done\n\n"
        "Release `2-prod-sha-0123456789ab`, by alice, 12.3 s, "
        "database revision `none` to `0002`, run `run-1`.\n\n"
        "- api: https://api.example.org\n\n"
        "| service | digest | before |\n|---|---|---|\n| api | `sha256:1` | `none` |\n\n"
        "| step | outcome | seconds |\n|---|---|---|\n| pull | ok | 1.2 |\n\n"
        "| service | check | result | detail |\n|---|---|---|---|\n"
        "| api | outside | FAILED | 502 \\| bad gateway |\n"
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

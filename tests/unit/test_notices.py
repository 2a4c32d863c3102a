"""What people are told, in two languages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.errors import StepFailed
from deployments.health.alerts import News
from deployments.history.ledger import Revision
from deployments.messages.notices import _WORDS, LONGEST, Asker, Notice, Writer
from deployments.messages.report import Report
from deployments.planning.plan import Plan, Step

ASKED = Asker("octocat", "https://prefect.example.org/runs/flow-run/1")
PAGE = ASKED.page
ENGLISH, RUSSIAN = Writer("production", "en"), Writer("production", "ru")
PLAN = Plan(
    "deploy", "12-production-sha-0a", "production-sha-0a", "11-production-sha-09",
    (Step("replace", "image aa -> bb (start first)", service="api"),),
    unchanged=(("bot", "sha256:1"),), images=(("api", "r/api@sha256:2"), ("bot", "r/bot@sha256:1")),
)  # fmt: skip


def report(plan: Plan = PLAN) -> Report:
    return Report(
        environment="production", plan=plan, outcome="ok", steps=(), findings=(),
        revision=Revision(before="a1", after="a2"), seconds=41.3, who="octocat", run="1",
        urls={"api": "https://api.example.org"},
    )  # fmt: skip


def test_every_word_is_there_in_both_languages_with_the_same_gaps() -> None:
    import re

    for name, (english, russian) in _WORDS.items():
        gaps = [sorted(re.findall(r"\{\w+", text)) for text in (english, russian)]
        assert gaps[0] == gaps[1], name
        assert re.search("[а-я]", russian), name
        assert not re.search("[а-яА-Я]", english), name


def test_a_deploy() -> None:
    assert ENGLISH.done(report(), ASKED) == Notice(
        "success", "production: deployed 12-production-sha-0a",
        "by octocat, 41 s\ndatabase revision a2\nreplaced: api\napi: https://api.example.org\n"
        f"to go back: homeguru rollback 11-production-sha-09 --env production\n{PAGE}",
    )  # fmt: skip
    told = RUSSIAN.done(report(), ASKED)
    assert told.title == "production: развёрнут релиз 12-production-sha-0a"
    assert "запустил: octocat, 41 с" in told.body


@pytest.mark.parametrize(
    ("kind", "english", "russian"),
    [
        ("maintenance-on", "maintenance is on", "включён режим обслуживания"),
        ("maintenance-off", "maintenance is off", "режим обслуживания выключен"),
    ],
)
def test_maintenance_says_on_or_off_and_why(kind, english: str, russian: str) -> None:
    release = PLAN.release
    plan = Plan(
        "maintenance", release, PLAN.manifest, release, (Step(kind, "x"),), unchanged=PLAN.images,
        images=PLAN.images, reason="a bigger disk",
    )  # fmt: skip
    told = ENGLISH.done(report(plan), ASKED)
    assert told.title.startswith(f"production: {english}")
    assert told.title.endswith(release)
    assert "reason: a bigger disk" in told.body
    assert "replaced" not in told.body
    told = RUSSIAN.done(report(plan), ASKED)
    assert told.title.startswith(f"production: {russian}")
    assert "причина: a bigger disk" in told.body


@pytest.mark.parametrize(
    ("verb", "said"),
    [("rollback", "rolled back to"), ("migrate", "database migrated for"), ("heal", "brought back to")],
)  # fmt: skip
def test_other_verbs_that_change(verb, said: str) -> None:
    from dataclasses import replace

    told = ENGLISH.done(report(replace(PLAN, verb=verb)), ASKED)
    assert told.title == f"production: {said} 12-production-sha-0a"
    assert "to go back" not in told.body


def test_a_failure_names_state_and_next_step_and_ends_with_the_last_lines() -> None:
    text = "start api failed:\n" + "x" * 3000 + "\nbroken on purpose"
    error = StepFailed(text, state="runs 11 as before", todo="correct it")
    told = ENGLISH.failed("deploy", error, ASKED)
    assert told.level == "failure"
    assert told.title == "production: deploy failed"
    assert "broken on purpose\nserver: runs 11 as before\nnext: correct it\nby octocat" in told.body
    assert len(told.body) < LONGEST + 200
    assert RUSSIAN.failed("publish", error, ASKED).title == "production: сборка не удалась"


def test_a_plan_that_waits() -> None:
    told = ENGLISH.waits(PLAN, 60, ASKED)
    assert told.level == "warning"
    assert told.body.splitlines()[:2] == [
        "11-production-sha-09 -> 12-production-sha-0a", "replace api: image aa -> bb (start first)"
    ]  # fmt: skip
    assert "answer within 60 min" in told.body


@pytest.mark.parametrize(
    ("kind", "seconds", "title"),
    [
        ("down", 0.0, "something is wrong"), ("worse", 300.0, "more is wrong"),
        ("still", 3600.0, "still wrong after 60 min"), ("still", 90_000.0, "still wrong after 25 h"),
        ("flapping", 600.0, "comes and goes"), ("recovered", 300.0, "well again after 5 min"),
    ],
)  # fmt: skip
def test_news(kind, seconds: float, title: str) -> None:
    told = ENGLISH.news(News(kind, ("bot container: exited",), seconds), healing=False, page=PAGE)
    assert told.title == f"production: {title}"
    assert "bot container" in told.body
    assert ("homeguru status --env production" in told.body) == (kind != "recovered")
    assert told.level == {"recovered": "success", "flapping": "warning"}.get(kind, "failure")


def test_healing_is_said_in_place_of_advice() -> None:
    told = RUSSIAN.news(News("down", ("bot container: exited",), 0.0), healing=True, page="")
    assert told.body == "bot container: exited\nсейчас текущий релиз разворачивается заново"


def test_a_rotation_names_the_secret_and_no_way_back() -> None:
    plan = replace(PLAN, verb="rotate", reason="JWT_SECRET_KEY")
    told = ENGLISH.done(report(plan), ASKED)
    assert told.title == "production: a secret has another value; it runs as 12-production-sha-0a"
    assert "secret: JWT_SECRET_KEY" in told.body
    assert "to go back" not in told.body
    assert "секрет: JWT_SECRET_KEY" in RUSSIAN.done(report(plan), ASKED).body

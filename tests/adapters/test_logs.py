"""`homeguru logs`: what is asked of the server, and which lines are shown."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from deployments.errors import WrongUse
from deployments.shell.probe import Tail
from infra.environment.context import Assembly
from infra.look import inspection

CHECK = 'api-1  | 2030-01-31T12:00:00Z INFO:     172.18.0.6:37724 - "GET /health HTTP/1.1" 200 OK'
WORK = [f"api-1  | 2030-01-31T12:00:0{n}Z work {n}" for n in range(3)]
SAID = [WORK[0], *[CHECK] * 50, WORK[1], WORK[2], *[CHECK] * 50]


@pytest.fixture
def logs(monkeypatch, located):
    """Runs `logs_of` on a server that says these lines; what it was asked for is `logs.asked`, and what a person
    is told of limits `logs.notes`.
    """
    route = SimpleNamespace(health="/health")
    edge = SimpleNamespace(routes={"api": route})
    stack = SimpleNamespace(
        services={"api": None, "bot": None}, deploy=SimpleNamespace(edge=edge), ordered=()
    )
    asked: list[str] = []
    notes: list[str] = []

    @contextmanager
    def opened(_, __, log):
        def follow(script):
            asked.append(script.text.splitlines()[-1])
            for line in SAID:
                log(line)
            return 0

        yield SimpleNamespace(environment=located().environment, follow=follow)

    monkeypatch.setattr(inspection, "opened", opened)

    def run(*services: str, lines: int = 2, **more) -> list[str]:
        shown: list[str] = []
        wanted = Tail(services, lines, more.pop("since", ""), follow=more.pop("follow", False))
        assembly = Assembly(located(), stack, {})
        del notes[:]
        assert inspection.logs_of(assembly, wanted, shown.append, notes.append, **more) == 0
        return shown

    run.asked = asked
    run.notes = notes
    return run


def test_the_lines_asked_for_are_looked_for_among_many(logs):
    assert logs("api") == WORK[1:]
    assert "--tail 10000 api" in logs.asked[0]


def test_all_of_them_when_asked_for(logs):
    assert logs("api", lines=2, checks=True) == SAID
    assert "--tail 2 api" in logs.asked[0]


def test_followed_they_are_left_out_as_they_come(logs):
    assert logs("api", follow=True) == WORK
    assert "--tail 2 --follow api" in logs.asked[0]


def test_what_is_not_behind_the_edge_has_no_checks_to_look_past(logs):
    logs("bot")
    assert "--tail 2 bot" in logs.asked[0]


def test_only_lines_that_match_are_among_the_last_ones(logs):
    assert logs("api", lines=2, grep="work [01]") == WORK[:2]
    assert logs("bot", lines=1, grep="work 0") == WORK[:1]
    assert logs("api", follow=True, grep="work 2") == [WORK[2]]
    with pytest.raises(WrongUse, match="no regular expression"):
        logs("api", grep="(")


def test_without_a_service_it_is_all_of_them(logs):
    assert logs() == WORK[1:]
    assert logs.asked[0].rstrip().endswith("--tail 10000")


def test_no_fewer_lines_are_searched_than_are_asked_for(logs):
    assert logs("api", lines=20_000) == WORK
    assert "--tail 20000 api" in logs.asked[0]


@pytest.mark.parametrize("services", [["api"], ["bot"], []])
def test_since_a_time_all_is_searched(logs, services):
    logs(*services, since="2h", grep="work 2")
    assert "--tail all --since 2h" in logs.asked[0]
    assert logs.notes == []


def test_the_last_lines_since_a_time_that_nothing_is_searched_for(logs):
    logs("bot", since="2h")
    assert "--tail 2 --since 2h bot" in logs.asked[0]


def test_a_limit_that_may_have_left_something_out_is_told(logs, monkeypatch):
    more = "of api-1 no more than the last 2 lines are shown; -n shows more"
    for words in ({"since": "2h"}, {"grep": "work"}, {"since": "2h", "checks": True}):
        logs("api", **words)
        assert logs.notes == [more]
    logs("api", lines=3, since="2h", grep="work [01]")
    assert logs.notes == []
    logs("api", checks=True)
    assert logs.notes == []
    monkeypatch.setattr(inspection, "AMONG", len(SAID))
    logs("api", grep="work 1")
    assert len(logs.notes) == 1
    assert logs.notes[0].startswith("of api-1 only the last 103 lines were searched; --since 24h")
    logs("api", grep="work 1", since="24h")
    assert logs.notes == []

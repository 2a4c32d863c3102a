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
    """Runs `logs_of` on a server that says these lines; what it was asked for is `logs.asked`."""
    route = SimpleNamespace(health="/health")
    edge = SimpleNamespace(routes={"api": route})
    stack = SimpleNamespace(
        services={"api": None, "bot": None}, deploy=SimpleNamespace(edge=edge), ordered=()
    )
    asked: list[str] = []

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
        follow, checks = more.get("follow", False), more.get("checks", False)
        wanted = Tail(services, lines, follow=follow)
        assembly = Assembly(located(), stack, {})
        grep = more.get("grep", "")
        assert inspection.logs_of(assembly, wanted, shown.append, checks=checks, grep=grep) == 0
        return shown

    run.asked = asked
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

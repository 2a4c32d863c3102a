"""Which services are replaced side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.compose.checks import check
from deployments.compose.reader import parse_stack
from deployments.compose.stack import Service
from deployments.errors import WrongUse
from deployments.planning.changes import Change, changes
from deployments.planning.rounds import Rounds, side_by_side


def change(name, *, mb=0, first=False, after=(), once=False):
    service = Service(
        name, f"{name}_IMAGE", True, mb, False, False, 10, after=after, runs_once=once
    )
    return Change(service, f"r/{name}@sha256:1", "why", new_image=True, first=first)


def rounds(due, *, memory=1000, after=None, alone=(), kept=(), absent=()):
    made = Rounds(after or {}, memory, alone, kept, absent)
    return [[c.service.name for c in each] for each in made.of(due)], made.notes(due)


def test_all_are_prepared_together_where_there_is_room():
    due = [change("api", mb=256), change("web", mb=128), change("bot")]
    assert rounds(due) == ([["api", "web", "bot"]], ())
    assert rounds([]) == ([], ())


def test_what_does_not_fit_waits_until_the_others_are_gone_and_the_plan_says_so():
    due = [change("a", mb=200), change("b", mb=200), change("c", mb=200), change("d")]
    note = "free memory does not hold all new containers at once: a and b, then c and d"
    assert rounds(due, memory=450) == ([["a", "b"], ["c", "d"]], (note,))
    assert rounds(due, memory=600) == ([["a", "b", "c", "d"]], ())


def test_a_second_container_that_never_is_takes_no_memory():
    due = [change("a", mb=200, first=True), change("b", mb=200), change("c", mb=200)]
    assert rounds(due, memory=200, alone=["c"])[0] == [["a", "b", "c"]]


def test_the_memory_of_what_is_kept_is_not_free_for_the_next():
    due = [change("a", mb=200), change("b", mb=200), change("c", mb=100), change("d", mb=100)]
    assert rounds(due, memory=300)[0] == [["a"], ["b", "c"], ["d"]]
    assert rounds(due, memory=300, kept=["a"])[0] == [["a"], ["b"], ["c"], ["d"]]


def test_one_that_must_serve_before_another_has_a_round_of_its_own():
    due = [change("api"), change("web"), change("bot")]
    assert rounds(due, after={"web": ("api",)}) == ([["api"], ["web", "bot"]], ())
    assert rounds(due[1:], after={"web": ("api",)}) == ([["web", "bot"]], ())


def test_what_others_depend_on_serves_first_where_nothing_of_it_runs():
    web = change("web", after=("api",))
    assert rounds([change("api"), web])[0] == [["api", "web"]]
    assert rounds([change("api"), web], absent=["api"])[0] == [["api"], ["web"]]
    assert rounds([change("api"), web], absent=["web"])[0] == [["api", "web"]]


def test_one_that_runs_to_its_end_is_alone():
    due = [change("api"), change("seed", once=True), change("web"), change("bot")]
    assert rounds(due)[0] == [["api"], ["seed"], ["web", "bot"]]


@pytest.mark.parametrize(
    ("due", "stop_first", "expected"),
    [
        ([change("api")], [], False),
        ([change("api"), change("bot")], ["bot"], True),
        ([change("bot"), change("worker")], ["bot", "worker"], False),
        ([change("bot", first=True), change("worker")], ["bot", "worker"], True),
    ],
)
def test_who_has_a_step_that_starts_them_all(due, stop_first, expected):
    assert side_by_side(due, stop_first) is expected


# -- x-deploy.after -------------------------------------------------------------------


def _stack(config, **changes):
    config = {**config, "x-deploy": {**config["x-deploy"], **changes}}
    return parse_stack("text", config, "compose.yml")


def test_the_order_of_replacement_follows_it(compose_config):
    stack = _stack(compose_config, order=[], after={"api": ["bot"]})
    assert stack.place["bot"] < stack.place["api"]
    assert stack.without({"bot"}).deploy.after == {"api": ()}


@pytest.mark.parametrize(
    ("after", "message"),
    [
        ({"api": ["bot"]}, "api waits until bot serves, and bot is replaced after api"),
        ({"api": ["api"]}, "api waits until api serves"),
        ({"api": ["none"]}, "x-deploy names services that do not exist: none"),
        ({"none": ["api"]}, "x-deploy names services that do not exist: none"),
    ],
)
def test_what_contradicts_the_order_is_refused(compose_config, after, message):
    with pytest.raises(WrongUse) as caught:
        check(_stack(compose_config, after=after), compose_config, "compose.yml")
    assert message in str(caught.value)


def test_a_plan_in_two_rounds_has_its_steps_twice(world):
    deploy = world.stack.deploy.model_copy(update={"after": {"bot": ("frontend",)}})
    target = world.target(api="api-2", frontend="frontend-2", bot="bot-2")
    target = replace(target, stack=replace(target.stack, deploy=deploy))
    plan = world.plan(target, world.settled())
    assert [s.name for s in plan.steps][-6:] == [
        "start new containers", "replace api", "replace frontend", "drain old containers",
        "replace bot", "verify",
    ]  # fmt: skip
    (start,) = [s for s in plan.steps if s.kind == "start-new"]
    assert start.reason == "api, frontend: all healthy before a request is sent to one of them"


def test_what_the_steps_of_a_round_say(world):
    target = world.target(api="api-2", frontend="frontend-2", bot="bot-2")
    plan = world.plan(target, world.settled())
    reasons = {s.name: s.reason for s in plan.steps}
    assert reasons["start new containers"] == (
        "api, frontend: all healthy before a request is sent to one of them; bot: created, not started"
    )
    assert reasons["drain old containers"] == (
        "api, frontend, bot: removed, open requests within 30 s"
    )


def test_two_that_run_already_need_no_further_memory(world):
    """What a killed run has started: the old one was stopped beside it, for lack of memory."""
    target = world.target(api="api-2", frontend="frontend-2")
    seen = world.settled(memory_mb=10)
    more = [replace(seen.of(n)[0], id=f"{n}-new", name=f"{n}-new") for n in ("api", "frontend")]
    plan = world.plan(target, replace(seen, containers=(*seen.containers, *more)))
    reasons = {s.name: s.reason for s in plan.steps}
    assert reasons["start new containers"].startswith("api, frontend: all healthy")
    assert reasons["replace api"].endswith("(start first)")
    plan = world.plan(target, seen)
    assert {s.name: s.reason for s in plan.steps}["replace api"].endswith("(stop first)")


def test_what_an_earlier_step_stops_serves_nobody_meanwhile(world):
    services = {**world.stack.services}
    services["frontend"] = replace(services["frontend"], after=("api",))
    target = world.target(api="api-2", frontend="frontend-2")
    target = replace(target, stack=replace(target.stack, services=services))
    seen = world.settled()
    how = world.planner(target, seen)._how
    due = changes(target, seen, how.candidate)
    due = [c for c in due if c.service.name in ("api", "frontend")]
    assert [len(each) for each in how.rounds.of(due)] == [2]
    stopped = replace(how, stopped=frozenset({"api"}))
    assert [len(each) for each in stopped.rounds.of(due)] == [1, 1]

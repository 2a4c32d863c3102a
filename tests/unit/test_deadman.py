"""The dead-man switch: what it would do is planned; when it does it is decided by a real bash."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.planning.deadman import armed, files, way_back


@pytest.fixture
def environment(make_environment):
    return make_environment(confirm_timeout=60)


def _back(world, seen, plan, run="12345678-run"):
    former = replace(world.target(), pins={})
    return way_back(plan, seen, former, world.candidate(), run).plan()


def test_only_what_changes_goes_back(world):
    seen = world.settled()
    back = _back(world, seen, world.plan(world.target(api="api-2"), seen))
    assert [s.name for s in back.steps] == ["restore files", "replace api"]
    assert world.digest_in(back, "api") == world.digest("api-1")


def test_an_edge_that_read_another_file_reads_the_former_one_again(world):
    """Before any container changes places, as on the way there."""
    seen, former = world.settled(), world.target()
    world.base += "    # another line\n"
    plan = world.plan(world.target(api="api-2"), seen)
    assert "reload edge" in [s.name for s in plan.steps]
    back = way_back(plan, seen, former, world.candidate(), "12345678-run").plan()
    assert [s.name for s in back.steps] == ["restore files", "reload edge", "replace api"]


def test_passwords_that_may_be_other_ones_are_set_back(world):
    """Its candidate is the host's own: it shows no difference, whatever the run did to the roles."""
    seen = world.settled()
    plan = world.plan(world.target(api="api-2"), seen)
    back = way_back(plan, seen, world.target(), world.candidate(), "run", passwords=True).plan()
    assert [s.name for s in back.steps] == ["restore files", "prepare roles", "replace api"]


def test_a_service_that_comes_is_one_that_goes(world, compose_config):
    seen = world.settled(
        containers=tuple(c for c in world.settled().containers if c.service != "bot")
    )
    plan = world.plan(world.target(), seen)
    former = world.target()
    without = {n: s for n, s in former.stack.services.items() if n != "bot"}
    former = replace(former, stack=replace(former.stack, services=without))
    back = way_back(plan, seen, former, world.candidate(), "run").plan()
    assert "remove bot" in [s.name for s in back.steps]


def test_a_database_that_is_set_aside_comes_back(world):
    seen = world.settled()
    plan = world.plan(world.target(api="api-2"), seen)
    aside = replace(plan, steps=(*plan.steps, replace(plan.steps[0], kind="set-aside")))
    names = [s.name for s in _back(world, seen, aside).steps]
    assert "bring database back" in names
    assert names.index("stop api") < names.index("bring database back") < names.index("replace api")


def test_the_plan_arms_it_first_and_says_when_it_acts(world, environment):
    seen = world.settled()
    plan = world.plan(world.target(api="api-2"), seen)
    with_it = armed(plan, _back(world, seen, plan), environment)
    first = with_it.steps[0]
    assert (first.name, first.repeatable) == ("arm way back", True)
    assert first.reason.startswith(f"to {seen.current}, by the server itself, 60 s after")
    assert with_it.steps[1:] == plan.steps


def test_the_way_back_of_many_services_is_sent_as_files(world, environment):
    """In one argument of a command, 128 KB at most, it would not start at all."""
    seen = world.settled()
    plan = world.plan(world.target(api="api-2"), seen)
    back = _back(world, seen, plan)
    replaced = [s for s in back.steps if s.name == "replace api"]
    many = replace(back, steps=(back.steps[0], *replaced * 20))
    sent = files(many, environment)
    assert list(sent)[:3] == ["watch.sh", "step-100.sh", "step-101.sh"]
    assert len(sent) == 22
    assert sum(map(len, sent.values())) > 128 * 1024
    assert len(armed(plan, many, environment).steps[0].script.text) < 2_000


def test_nothing_to_go_back_to_arms_nothing(world, environment):
    seen = world.settled()
    plan = world.plan(world.target(api="api-2"), seen)
    assert armed(plan, replace(plan, steps=()), environment) == plan


# -- on a host ----------------------------------------------------------------------
